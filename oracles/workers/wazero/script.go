// Scripts: instances that import from each other by name.

package main

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

type script struct {
	rt        wazero.Runtime
	instances modules
	tags      map[string][]any
}

func (w *worker) scriptStep(header object, blobs [][]byte) (object, []byte) {
	name, _ := header["name"].(string)
	if header["do"] == "open" {
		if w.script != nil {
			w.script.rt.Close(context.Background())
		}
		w.script = &script{wazero.NewRuntimeWithConfig(context.Background(), w.config), modules{}, map[string][]any{}}
		return object{}, nil
	}
	s := w.script
	run := &caseRun{worker: w, blobs: blobs, rt: s.rt, peers: modules{"subject": s.instances[name]}}
	switch header["do"] {
	case "instantiate":
		w.at(1, -1)
		var compiled wazero.CompiledModule
		err := guarded(func() (err error) {
			compiled, err = s.rt.CompileModule(context.Background(), blobs[0])
			return err
		})
		if err != nil {
			return object{"out": refused(err)}, nil
		}
		w.at(2, -1)
		made, err := w.instantiate(s.rt, compiled, s.instances)
		if err != nil {
			return object{"out": ended(err, true)}, nil
		}
		s.instances[name], s.tags[name] = made, header["tags"].([]any)
		return object{"out": outcome{"returned", []string{}}}, nil
	case "register":
		s.instances[header["as"].(string)], s.tags[header["as"].(string)] = s.instances[name], s.tags[name]
		return object{}, nil
	case "invoke":
		w.at(3, -1)
		told, slots := run.call(header["call"].([]any), s.instances[name], s.tags[name])
		return object{"out": told}, slots
	}
	global := exported(s.instances[name], header["export"].(string))
	if global == nil {
		return object{"found": false, "ref": nil}, nil
	}
	kind := header["kind"].(string)
	slot, ref := globalSlot(global, kind[0])
	if kind == "v" {
		slot = run.readExactly(blobs[0], blobs[1])[:slotSize]
	}
	return object{"found": true, "ref": ref}, slot
}

func exported(instance api.Module, name string) api.Global {
	if instance == nil {
		return nil
	}
	return instance.ExportedGlobal(name)
}
