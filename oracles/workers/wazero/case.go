// Cases: compile, link, call, observe.

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const blockSize = 65536

func itoa(number uint64) string { return strconv.FormatUint(number, 10) }

type outcome = []any

var traps = []struct {
	text  string
	kinds []string
}{
	{"unreachable", []string{"UNREACHABLE"}},
	{"integer divide by zero", []string{"DIV_BY_ZERO"}},
	{"integer overflow", []string{"INT_OVERFLOW"}},
	{"invalid conversion to integer", []string{"BAD_CONVERSION"}},
	{"out of bounds memory access", []string{"MEMORY_OOB"}},
	{"out of bounds table access", []string{"TABLE_OOB"}},
	{"invalid table access", []string{"TABLE_OOB", "UNDEFINED_ELEMENT", "UNINITIALIZED_ELEMENT"}},
	{"indirect call type mismatch", []string{"INDIRECT_TYPE_MISMATCH"}},
	{"unaligned atomic", []string{"UNALIGNED_ATOMIC"}},
	{"expected shared memory", []string{"EXPECTED_SHARED_MEMORY"}},
	{"null reference", []string{"NULL_REFERENCE"}},
}

// ended is how a step ended that gave an error; linking says that it may be a refusal.
func ended(err error, linking bool) outcome {
	text := err.Error()
	first, _, _ := strings.Cut(text, "\nwasm stack trace")
	var died *crash
	switch {
	case errors.As(err, &died):
		return outcome{"crashed", 0, died.text, died.place}
	case errors.Is(err, errHostTrap):
		return outcome{"trapped", []string{"HOST"}, "host trap"}
	case strings.Contains(first, "stack overflow"):
		return outcome{"exhausted", "stack"}
	case strings.Contains(first, "uncaught exception"):
		return outcome{"threw", "?", "", []string{}}
	}
	for _, trap := range traps {
		if strings.Contains(first, trap.text) {
			return outcome{"trapped", trap.kinds, first}
		}
	}
	if place := placeOf(text); place != "" && strings.Contains(text, "recovered by wazero") {
		return outcome{"crashed", 0, first, place}
	}
	if linking {
		return outcome{"rejected", first}
	}
	return outcome{"crashed", 0, "an error that is no trap: " + first, ""}
}

// crash is a panic of wazero's own code.
type crash struct{ text, place string }

func (c *crash) Error() string { return c.text }

var inWazero = regexp.MustCompile(`wazero@v[^/\s]+/(\S+\.go:\d+)`)

func placeOf(stack string) string {
	if found := inWazero.FindStringSubmatch(stack); found != nil {
		return "wazero/" + found[1]
	}
	return ""
}

// guarded does something with the engine; a panic in it becomes an error.
func guarded(action func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			_, behind, _ := strings.Cut(string(debug.Stack()), "panic(")
			err = &crash{fmt.Sprint(fault), placeOf(behind)}
		}
	}()
	return action()
}

type modules = map[string]api.Module

func (w *worker) instantiate(rt wazero.Runtime, compiled wazero.CompiledModule, from modules) (made api.Module, err error) {
	resolve := func(name string) api.Module { return from[name] }
	ctx := experimental.WithImportResolver(context.Background(), resolve)
	err = guarded(func() error {
		config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
		made, err = rt.InstantiateModule(ctx, compiled, config)
		return err
	})
	return made, err
}

// ours makes an instance of a module that the harness made: a refusal is what it is about, a limit of the engine.
func (w *worker) ours(rt wazero.Runtime, content []byte, from modules) (made api.Module, err error) {
	var compiled wazero.CompiledModule
	err = guarded(func() error {
		compiled, err = rt.CompileModule(context.Background(), content)
		return err
	})
	if err != nil {
		return nil, err
	}
	return w.instantiate(rt, compiled, from)
}

type caseRun struct {
	worker *worker
	blobs  [][]byte
	rt     wazero.Runtime
	peers  modules
	hosts  hosts
	body   []byte
	mark   float64
}

func (c *caseRun) lap(part int) {
	now := cpu()
	c.worker.times[part] = now - c.mark
	c.mark = now
}

func (c *caseRun) blob(header any) []byte {
	if at, ok := header.(float64); ok && at >= 0 {
		return c.blobs[int(at)]
	}
	return nil
}

func (c *caseRun) peerCount() uint32 {
	if peer := c.peers["f"]; peer != nil {
		return uint32(peer.ExportedGlobal("count").Get())
	}
	return 0
}

func (c *caseRun) run(header object) (object, []byte) {
	ctx := context.Background()
	c.mark = cpu()
	c.rt = wazero.NewRuntimeWithConfig(ctx, c.worker.config)
	defer c.rt.Close(ctx)
	answer := object{"inst": outcome{"returned", []string{}}, "phase": 1}
	c.worker.at(1, -1)
	var compiled wazero.CompiledModule
	err := guarded(func() (err error) {
		compiled, err = c.rt.CompileModule(ctx, c.blob(header["module"]))
		return err
	})
	c.lap(0)
	if err != nil {
		answer["inst"] = refused(err)
		return answer, nil
	}
	imports, asked := header["imports"].(object)
	if !asked {
		return answer, nil
	}
	c.worker.at(2, -1)
	answer["phase"] = 2
	subject, inst := c.link(compiled, imports, header)
	c.lap(1)
	if subject == nil {
		answer["inst"] = inst
	} else {
		answer["phase"] = 3
		c.invoke(header, subject, answer)
	}
	answer["log"] = c.calls(imports["sources"].([]any))
	if subject != nil {
		c.state(header, subject, answer)
	}
	c.lap(3)
	return answer, c.body
}

func refused(err error) outcome {
	var died *crash
	if errors.As(err, &died) {
		return outcome{"crashed", 0, died.text, died.place}
	}
	return outcome{"rejected", err.Error()}
}

// link instantiates what the harness made and then the module.
func (c *caseRun) link(compiled wazero.CompiledModule, imports object, header object) (api.Module, outcome) {
	c.peers = modules{}
	c.hosts = hosts{run: c}
	sources := imports["sources"].([]any)
	if len(sources) > 0 {
		builder := c.rt.NewHostModuleBuilder("h")
		c.hosts.functions(builder, sources)
		// A resolver may not give this one: it is found by its name, which no other instance has.
		err := guarded(func() error {
			_, err := builder.Instantiate(context.Background())
			return err
		})
		if err != nil {
			var died *crash
			if errors.As(err, &died) {
				return nil, refused(err)
			}
			return nil, outcome{"unsupported", "host functions: " + err.Error()}
		}
	}
	for _, part := range [][2]string{{"s", "store"}, {"f", "funcs"}} {
		if content := c.blob(imports[part[1]]); content != nil {
			made, err := c.worker.ours(c.rt, content, c.peers)
			if err != nil {
				return nil, outcome{"unsupported", "its imports: " + err.Error()}
			}
			c.peers[part[0]] = made
		}
	}
	from := modules{}
	for _, item := range imports["glue"].([]any) {
		row := item.([]any)
		made, err := c.worker.ours(c.rt, c.blob(row[1]), c.peers)
		if err != nil {
			return nil, outcome{"unsupported", "its imports: " + err.Error()}
		}
		from[row[0].(string)] = made
	}
	subject, err := c.worker.instantiate(c.rt, compiled, from)
	if err != nil {
		return nil, ended(err, true)
	}
	c.peers["subject"] = subject
	if content := c.blob(header["ready"]); content != nil {
		ready, err := c.worker.ours(c.rt, content, c.peers)
		if err != nil {
			return nil, outcome{"unsupported", "what changes it: " + err.Error()}
		}
		c.hosts.ready = ready
	}
	c.hosts.subject = subject
	return subject, nil
}

func (c *caseRun) invoke(header object, subject api.Module, answer object) {
	out := []any{}
	for index, item := range header["calls"].([]any) {
		c.worker.at(3, index)
		told, slots := c.call(item.([]any), subject, header["tags"].([]any))
		out = append(out, told)
		c.body = append(c.body, slots...)
		if told[0] == "exhausted" || told[0] == "out_of_memory" || told[0] == "crashed" {
			break
		}
	}
	answer["out"] = out
	c.lap(2)
}

// call makes one call: its outcome, and the slots of what it gave.
func (c *caseRun) call(call []any, subject api.Module, tags []any) (outcome, []byte) {
	export, via := call[0].(string), call[1].(string)
	params, results, args := call[2].(string), call[3].(string), c.blob(call[4])
	function := subject.ExportedFunction(export)
	if via != "host" && via != "wrapper" || function == nil {
		return outcome{"unsupported", via}, nil
	}
	if via == "wrapper" {
		return c.wrapped(call, args, params, results, tags)
	}
	words, why := c.arguments(params, args, call[5].([]any))
	if why != "" {
		return outcome{"unsupported", why}, nil
	}
	var given []uint64
	err := guarded(func() (err error) {
		given, err = function.Call(context.Background(), words...)
		return err
	})
	if err != nil {
		return ended(err, false), nil
	}
	return results_(results, given)
}

func (c *caseRun) arguments(params string, slots []byte, refs []any) ([]uint64, string) {
	words := []uint64{}
	for i := range params {
		low := binary.LittleEndian.Uint64(slots[slotSize*i:])
		switch params[i] {
		case 'i', 'l', 'f', 'd':
			words = append(words, low)
		case 'v':
			words = append(words, low, binary.LittleEndian.Uint64(slots[slotSize*i+8:]))
		default:
			ref := refs[0].(string)
			refs = refs[1:]
			token, err := strconv.ParseUint(strings.TrimPrefix(ref, "extern:"), 10, 32)
			if ref == "null" {
				words = append(words, 0)
			} else if err == nil && (params[i] == 'e' || params[i] == 'E') {
				words = append(words, token+1)
			} else {
				return nil, "no host value " + ref
			}
		}
	}
	return words, ""
}

// results_ packs what a direct call gave.
func results_(kinds string, given []uint64) (outcome, []byte) {
	slots, refs, at := []byte{}, []string{}, 0
	for i := range kinds {
		low, high := given[at], uint64(0)
		at++
		switch kinds[i] {
		case 'i', 'f':
			low &= 0xffffffff
		case 'l', 'd':
		case 'v':
			high = given[at]
			at++
		case 'e', 'E':
			refs, low = append(refs, tokenName(low)), 0
		default:
			if low == 0 {
				refs = append(refs, "null")
			} else {
				refs, low = append(refs, "nonnull"), 0
			}
		}
		slots = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(slots, low), high)
	}
	return outcome{"returned", refs}, slots
}

// wrapped calls through a wrapper module (oracles/remote/wrapper.py): all types are numbers.
func (c *caseRun) wrapped(call []any, args []byte, params, results string, tags []any) (outcome, []byte) {
	named, err := c.worker.ours(c.rt, c.blob(call[7]), c.peers)
	if err != nil {
		return outcome{"unsupported", "the wrapper: " + err.Error()}, nil
	}
	wrapper, err := c.worker.ours(c.rt, c.blob(call[6]), modules{"m": named})
	if err != nil {
		return outcome{"unsupported", "the wrapper: " + err.Error()}, nil
	}
	defer wrapper.Close(context.Background())
	memory := wrapper.ExportedMemory("memory")
	memory.Write(0, args)
	var given []uint64
	err = guarded(func() (err error) {
		given, err = wrapper.ExportedFunction("call").Call(context.Background())
		return err
	})
	if err != nil {
		return ended(err, false), nil
	}
	status := int(uint32(given[0]))
	kinds := results
	if status > 0 {
		kinds = tags[status-1].([]any)[1].(string)
	}
	slots, _ := memory.Read(uint32(slotSize*len(params)), uint32(slotSize*len(kinds)))
	slots = append([]byte{}, slots...)
	if status > 0 {
		return outcome{"threw", tags[status-1].([]any)[0], kinds, []string{}}, slots
	}
	return outcome{"returned", []string{}}, slots
}

// calls merges the host's log with the peer's, in the order in which the calls were made.
func (c *caseRun) calls(sources []any) []any {
	merged, own, count := []any{}, c.hosts.log, min(c.peerCount(), logLimit)
	at := uint32(0)
	for seen := uint32(0); seen < count || len(own) > 0; {
		if len(own) > 0 && own[0].before <= seen {
			merged = append(merged, []any{own[0].index, own[0].refs})
			c.body = append(c.body, own[0].slots...)
			own = own[1:]
		} else {
			memory := c.peers["f"].ExportedMemory("log")
			index, _ := memory.ReadUint32Le(at)
			size, _ := memory.ReadUint32Le(at + 4)
			slots, _ := memory.Read(at+slotSize, size*slotSize)
			slots = append([]byte{}, slots...)
			refs := []string{}
			params := sources[index].([]any)[6].(string)
			for i := range params {
				if strings.IndexByte("ilfdv", params[i]) < 0 {
					refs = append(refs, map[bool]string{true: "nonnull", false: "null"}[slots[slotSize*i] != 0])
					slots[slotSize*i] = 0
				}
			}
			merged = append(merged, []any{index, refs})
			c.body = append(c.body, slots...)
			at += slotSize + size*slotSize
			seen++
		}
		if len(merged) == logLimit {
			break
		}
	}
	return merged
}

var zeros [blockSize]byte

func (c *caseRun) state(header object, subject api.Module, answer object) {
	var exact []byte
	if reader := c.blob(header["reader"]); reader != nil {
		exact = c.readExactly(reader, c.blob(header["reader_glue"]))
	}
	globals, vectors := []any{}, 0
	for _, item := range header["globals"].([]any) {
		name, kind := item.([]any)[0].(string), item.([]any)[1].(string)
		slot, ref := globalSlot(subject.ExportedGlobal(name), kind[0])
		if kind == "v" {
			slot = exact[slotSize*vectors : slotSize*(vectors+1)]
			vectors++
		}
		globals = append(globals, ref)
		c.body = append(c.body, slot...)
	}
	answer["globals"] = globals
	memories := []any{}
	for _, item := range header["memories"].([]any) {
		memory := subject.ExportedMemory(item.(string))
		data, _ := memory.Read(0, memory.Size())
		blocks := []any{}
		for at := 0; at < len(data); at += blockSize {
			block := data[at:min(at+blockSize, len(data))]
			if string(block) != string(zeros[:len(block)]) {
				blocks = append(blocks, []any{at / blockSize, crc32.ChecksumIEEE(block)})
			}
		}
		pages, _ := memory.Grow(0)
		memories = append(memories, []any{item, pages, blocks})
	}
	answer["mems"] = memories
	dumps := []int{}
	for _, item := range header["dump"].([]any) {
		memory, block := subject.ExportedMemory(item.([]any)[0].(string)), uint32(item.([]any)[1].(float64))
		data, _ := memory.Read(block*blockSize, min(blockSize, memory.Size()-block*blockSize))
		dumps = append(dumps, len(data))
		c.body = append(c.body, data...)
	}
	answer["dumps"] = dumps
}

func globalSlot(global api.Global, kind byte) ([]byte, any) {
	slot := make([]byte, slotSize)
	switch kind {
	case 'i', 'f':
		binary.LittleEndian.PutUint32(slot, uint32(global.Get()))
	case 'l', 'd':
		binary.LittleEndian.PutUint64(slot, global.Get())
	case 'v':
	case 'e':
		return slot, tokenName(global.Get())
	default:
		if global.Get() == 0 {
			return slot, "null"
		}
		return slot, "nonnull"
	}
	return slot, nil
}

// readExactly reads globals of vectors by a reader module.
func (c *caseRun) readExactly(reader, named []byte) []byte {
	glue, err := c.worker.ours(c.rt, named, c.peers)
	if err != nil {
		panic(err)
	}
	made, err := c.worker.ours(c.rt, reader, modules{"g": glue})
	if err != nil {
		panic(err)
	}
	if _, err := made.ExportedFunction("read").Call(context.Background()); err != nil {
		panic(err)
	}
	memory := made.ExportedMemory("memory")
	data, _ := memory.Read(0, memory.Size())
	return data
}
