// The worker for wazero: worker compiler|interpreter REQUESTS REPLIES PROGRESS. The protocol is in
// oracles/remote/protocol.py. Imports are found by the names of instances, so glue modules stand between
// (oracles/remote/glue.py).
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const everyFeature = api.CoreFeatures(1<<20 - 1)

type object = map[string]any

type worker struct {
	config                      wazero.RuntimeConfig
	requests, replies, progress *os.File
	times                       [4]float64 // CPU seconds: compile, instantiate, invoke, state
	script                      *script
}

func (w *worker) at(phase uint32, invocation int) {
	said := binary.LittleEndian.AppendUint32(nil, phase)
	w.progress.WriteAt(binary.LittleEndian.AppendUint32(said, uint32(int32(invocation))), 0)
}

func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func (w *worker) receive() (object, [][]byte) {
	var size uint32
	if binary.Read(w.requests, binary.LittleEndian, &size) != nil {
		return nil, nil
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(w.requests, frame); err != nil {
		return nil, nil
	}
	end := 4 + binary.LittleEndian.Uint32(frame)
	var header object
	if err := json.Unmarshal(frame[4:end], &header); err != nil {
		panic(err)
	}
	rest := frame[end:]
	var blobs [][]byte
	for _, length := range header["blobs"].([]any) {
		size := int(length.(float64))
		blobs, rest = append(blobs, rest[:size]), rest[size:]
	}
	return header, blobs
}

func (w *worker) reply(header object, body []byte) {
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	text = ascii(text)
	frame := binary.LittleEndian.AppendUint32(nil, uint32(4+len(text)+len(body)+40))
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(text)))
	frame = append(append(frame, text...), body...)
	for _, seconds := range [5]float64{cpu(), w.times[0], w.times[1], w.times[2], w.times[3]} {
		frame = binary.LittleEndian.AppendUint64(frame, math.Float64bits(seconds))
	}
	w.times = [4]float64{}
	w.replies.Write(frame)
}

func ascii(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		if r < 128 {
			out = append(out, byte(r))
		} else if r < 0x10000 {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			r -= 0x10000
			out = fmt.Appendf(out, "\\u%04x\\u%04x", 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		}
	}
	return out
}

func (w *worker) hello(header object, blobs [][]byte) object {
	ctx := context.Background()
	accepted := header["known"]
	if accepted == nil {
		names := []string{}
		for _, item := range header["features"].([]any) {
			row := item.([]any)
			rt := wazero.NewRuntimeWithConfig(ctx, w.config)
			if _, err := rt.CompileModule(ctx, blobs[int(row[1].(float64))]); err == nil {
				names = append(names, row[0].(string))
			}
			rt.Close(ctx)
		}
		accepted = names
	}
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/tetratelabs/wazero" {
				version = module.Version
			}
		}
	}
	library, _ := os.Executable()
	return object{"protocol": 1, "features": accepted, "library": library, "version": version, "state": nil}
}

// answer handles a request; a fault of the worker's own must not pass for one of the engine's.
func (w *worker) answer(header object, blobs [][]byte) (answer object, body []byte) {
	defer func() {
		if fault := recover(); fault != nil {
			answer, body = object{"broken": fmt.Sprintf("%v\n%s", fault, debug.Stack())}, nil
		}
	}()
	switch header["do"] {
	case "hello":
		return w.hello(header, blobs), nil
	case "case":
		run := &caseRun{worker: w, blobs: blobs}
		return run.run(header)
	default:
		return w.scriptStep(header, blobs)
	}
}

func descriptor(word string, flags int) *os.File {
	file, err := os.OpenFile("/proc/self/fd/"+word, flags, 0)
	if err != nil {
		panic(err)
	}
	return file
}

func main() {
	debug.SetTraceback("all")
	w := &worker{config: wazero.NewRuntimeConfigCompiler()}
	if os.Args[1] == "interpreter" {
		w.config = wazero.NewRuntimeConfigInterpreter()
	}
	w.config = w.config.WithCoreFeatures(everyFeature).WithDebugInfoEnabled(false)
	if pages, err := strconv.ParseUint(os.Args[2], 10, 32); err == nil && pages < 65536 {
		w.config = w.config.WithMemoryLimitPages(uint32(pages))
	}
	w.requests = descriptor(os.Args[3], os.O_RDONLY)
	w.replies = descriptor(os.Args[4], os.O_WRONLY)
	w.progress = descriptor(os.Args[5], os.O_RDWR)
	for {
		header, blobs := w.receive()
		if header == nil {
			return
		}
		w.reply(w.answer(header, blobs))
	}
}
