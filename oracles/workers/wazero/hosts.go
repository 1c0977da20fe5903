// Host functions with the meaning of wasm/hostmix.py.

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	logLimit = 1000
	slotSize = 16
	step     = 0x9fb21c651e98df25
	bump     = 0xd6e8feb86659fd93
	golden   = 0x9e3779b97f4a7c15
)

var errHostTrap = errors.New("host trap")

func typesOf(kinds string) []api.ValueType {
	types := make([]api.ValueType, len(kinds))
	for i := range kinds {
		switch kinds[i] {
		case 'i':
			types[i] = api.ValueTypeI32
		case 'l':
			types[i] = api.ValueTypeI64
		case 'f':
			types[i] = api.ValueTypeF32
		case 'd':
			types[i] = api.ValueTypeF64
		case 'e':
			types[i] = api.ValueTypeExternref
		}
	}
	return types
}

func seed(module, name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, b := range append(append([]byte(module), 0xff), name...) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}

func absorb(h, word uint64) uint64 { return bits.RotateLeft64(h^word, 29)*step + bump }

func lowWord(state uint64, index int) uint64 {
	z := state + uint64(2*index+1)*golden
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Host tokens N are the references N + 1; 0 is null.
func tokenName(ref uint64) string {
	if ref == 0 {
		return "null"
	}
	return "extern:" + itoa(ref-1)
}

func narrow(kind byte, value uint64) uint64 {
	if kind == 'i' || kind == 'f' {
		return value & 0xffffffff
	}
	return value
}

// logged is a call of a host function: how many of a peer's came before, the import, slots and references.
type logged struct {
	before uint32
	index  int
	slots  []byte
	refs   []string
}

type hosts struct {
	run     *caseRun
	log     []logged
	subject api.Module
	ready   api.Module // what changes the subject (oracles/remote/ready.py)
}

// functions adds the host's part of the imports to a builder: i<import> each.
func (h *hosts) functions(builder wazero.HostModuleBuilder, sources []any) {
	trap := api.GoFunc(func(context.Context, []uint64) { panic(errHostTrap) })
	builder.NewFunctionBuilder().WithGoFunction(trap, nil, nil).Export("trap")
	nothing := api.GoFunc(func(context.Context, []uint64) {}) // there is no garbage
	builder.NewFunctionBuilder().WithGoFunction(nothing, nil, nil).Export("collect")
	for index, item := range sources {
		source := item.([]any)
		module, name, how, same := source[0].(string), source[1].(string), source[3].(string), int(source[4].(float64))
		if how != "host" || same != index {
			continue
		}
		behaviour, params, results := source[5].(string), source[6].(string), source[7].(string)
		call := api.GoFunc(func(ctx context.Context, stack []uint64) {
			h.called(ctx, stack, index, module, name, behaviour, params, results)
		})
		builder.NewFunctionBuilder().WithGoFunction(call, typesOf(params), typesOf(results)).Export("i" + itoa(uint64(index)))
	}
}

func (h *hosts) called(ctx context.Context, stack []uint64, index int, module, name, behaviour, params, results string) {
	if len(h.log) < logLimit {
		one := logged{h.run.peerCount(), index, nil, []string{}}
		for i := range params {
			value := narrow(params[i], stack[i])
			if params[i] == 'e' {
				one.refs = append(one.refs, tokenName(value))
				value = 0
			}
			one.slots = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(one.slots, value), 0)
		}
		h.log = append(h.log, one)
	}
	state := seed(module, name)
	for i := range params {
		word := narrow(params[i], stack[i])
		if params[i] == 'e' && word != 0 {
			word = 1
		}
		state = absorb(absorb(state, word), 0)
	}
	if h.ready != nil {
		if act := h.ready.ExportedFunction("i" + itoa(uint64(index))); act != nil {
			call(ctx, act, []uint64{state})
		}
	}
	switch {
	case behaviour == "trap":
		panic(errHostTrap)
	case behaviour == "reenter" && h.subject != nil:
		copy(stack, call(ctx, h.subject.ExportedFunction(name), stack[:len(params)]))
		return
	case behaviour == "callback" && h.ready != nil:
		copy(stack, call(ctx, h.ready.ExportedFunction("b"+itoa(uint64(index))), stack[:len(params)]))
		return
	case behaviour == "reenter" || behaviour == "callback":
		panic(errHostTrap)
	}
	for i := range results {
		word := lowWord(state, i)
		if results[i] == 'e' {
			word = word%16 + 1
		}
		stack[i] = narrow(results[i], word)
	}
}

// call calls an export from inside a host function; what ends it ends that too.
func call(ctx context.Context, function api.Function, args []uint64) []uint64 {
	given, err := function.Call(ctx, args...)
	if err != nil {
		panic(err)
	}
	return given
}
