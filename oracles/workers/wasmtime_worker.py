"""The Wasmtime worker: one process, one release, one setting; runs cases and scripts for the harness.

Run as ``python -I -S wasmtime_worker.py CONFIG`` with CONFIG a JSON object: ``package`` (folder that holds the
``wasmtime`` package whose bindings are used), ``library`` (a development library to load in its place, or ""),
``settings``, ``fds`` (requests, replies, progress) and ``nursery``. The protocol is in ``oracles/remote/protocol.py``.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
import time
import traceback
from types import ModuleType

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wasmtime_api as api
from nursery import descriptors
from wasmtime_hosts import link, merged_log, ready
from wasmtime_state import read_state
from wasmtime_store import COMPILE, INSTANTIATE, INVOKE, Failed, Progress, Store
from wasmtime_values import SLOT, clean

PROTOCOL = 1
COMPILE_PART, INSTANTIATE_PART, INVOKE_PART, STATE_PART = range(4)


class Worker:
    def __init__(self, settings: dict[str, str], lib: ModuleType | None, fds: list[int]) -> None:
        self.input, self.output, progress = fds
        self.settings = settings
        self.lib = lib
        self.progress = Progress(progress)
        self.engines: dict[frozenset[str], object] = {}
        self.features: frozenset[str] = frozenset()
        self.script: dict | None = None
        self.probe = self.deep = b""
        self.cpu = [0.0] * 4

    # Frames

    def receive(self) -> tuple[dict, list[memoryview]] | None:
        """The next request and its blobs, or None at the end of the input."""
        head = self._read(4)
        if not head:
            return None
        frame = self._read(int.from_bytes(head, "little"))
        size = int.from_bytes(frame[:4], "little")
        header = json.loads(frame[4 : 4 + size])
        blobs, pos = [], 4 + size
        for length in header.get("blobs", ()):
            blobs.append(frame[pos : pos + length])
            pos += length
        return header, blobs

    def _read(self, size: int) -> bytes:
        chunks = []
        while size:
            chunk = os.read(self.input, size)
            if not chunk:
                return b""
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)

    def reply(self, header: dict, body: bytes = b"") -> None:
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        times = struct.pack("<5d", time.process_time(), *self.cpu)
        self.cpu = [0.0] * 4
        size = 4 + len(text) + len(body) + len(times)
        view = memoryview(b"".join((struct.pack("<II", size, len(text)), text, body, times)))
        while view:
            view = view[os.write(self.output, view) :]

    # Requests

    def hello(self, header: dict, blobs: list) -> tuple[dict, bytes]:
        """Prove the settings, make the engine, say what was loaded."""
        self.probe, self.deep = bytes(blobs[0]), bytes(blobs[1])
        if header["known"] is None:
            probes = [(name, bytes(blobs[index])) for name, index in header["features"]]
            accepted = self._explore(probes)
        else:
            accepted = header["known"]
            self.features = frozenset(header["state"])
        self.engines[self.features] = api.make_engine(self.lib, self.settings, self.features)
        state = sorted(self.features)
        return {"protocol": PROTOCOL, "features": accepted, "library": loaded_library(), "state": state}, b""

    def _explore(self, probes: list[tuple[str, bytes]]) -> list[str]:
        """Find the features that can be on together and that really compile; prove the settings with them."""
        features, print_ = api.accepted_features(self.lib, self.settings, self.probe)
        accepted, deadly = api.compiling(self.lib, self.settings, features, probes)
        fewer, _ = api.fingerprint(self.lib, self.settings, features - deadly, self.probe) if deadly else (None, "")
        if fewer is not None:
            features, print_ = features - deadly, fewer
        api.guard(self.lib, self.settings, features, print_, self.probe, self.deep)
        self.features = features
        return accepted

    def engine_for(self, names: list[str] | None):
        """The engine of preset ``max``, or of ``exact`` with the features that a case names. Raises ``Failed``."""
        if names is None:
            return self.engines[self.features]
        wanted = set(names)
        for name in names:
            wanted.update(api.NEEDS.get(name, ()))
        key = frozenset(wanted) & self.features
        if key not in self.engines:
            print_, why = api.fingerprint(self.lib, self.settings, key, self.probe)
            if print_ is None:
                raise Failed(["unsupported", f"these features together: {why}"])
            if len(self.engines) > 8:
                oldest = next(one for one in self.engines if one != self.features)
                self.lib.wasm_engine_delete(self.engines.pop(oldest))
            self.engines[key] = api.make_engine(self.lib, self.settings, key)
        return self.engines[key]

    def case(self, header: dict, blobs: list) -> tuple[dict, bytes]:
        """One case from compilation to state (``decode_case`` in ``oracles/remote/replies.py`` reads the reply)."""
        run = CaseRun(self, header, blobs)
        return run.run()

    def open(self, _header: dict, _blobs: list) -> tuple[dict, bytes]:
        """A new script: a store with no instances."""
        self.end_script()
        self.script = {"store": Store(self.lib, self.engine_for(None), self.progress, self.settings), "instances": {}}
        return {}, b""

    def end_script(self) -> None:
        if self.script:
            self.script["store"].close()
        self.script = None

    def instantiate(self, header: dict, blobs: list) -> tuple[dict, bytes]:
        store, instances = self.script["store"], self.script["instances"]
        try:
            self.progress.at(COMPILE)
            module = store.compile(blobs[0])
            externs = []
            for source, name in header["imports"]:
                item = store.export(instances[source][0], name) if source in instances else None
                if item is None:
                    raise Failed(["rejected", f"unknown import {source}.{name}"])
                externs.append(item)
            self.progress.at(INSTANTIATE)
            instance = store.instantiate(module, externs)
            instances[header["name"]] = (instance, header)
            return {"out": ["returned", []]}, b""
        except Failed as failed:
            return split_payload(failed.args[0])

    def register(self, header: dict, _blobs: list) -> tuple[dict, bytes]:
        instances = self.script["instances"]
        instances[header["as"]] = instances[header["name"]]
        return {}, b""

    def invoke(self, header: dict, blobs: list) -> tuple[dict, bytes]:
        store = self.script["store"]
        instance, about = self.script["instances"][header["name"]]
        store.watch(instance, about["funcs"], about["tags"])
        self.progress.at(INVOKE)
        outcome, slots = one_call(store, instance, header["call"], blobs)
        return {"out": outcome}, slots

    def get(self, header: dict, _blobs: list) -> tuple[dict, bytes]:
        store = self.script["store"]
        instance, about = self.script["instances"][header["name"]]
        store.watch(instance, about["funcs"], about["tags"])
        item = store.export(instance, header["export"])
        if item is None or item.kind != 1:
            return {"ref": None, "found": False}, b""
        value = self.lib.wasmtime_val_t()
        self.lib.wasmtime_global_get(store.context, ctypes.byref(item.of.global_), ctypes.byref(value))
        slot, ref = store.read_value(value, header["kind"])
        return {"ref": ref, "found": True}, slot

    def serve(self) -> None:
        """Answer requests until the harness closes its end."""
        while (request := self.receive()) is not None:
            header, blobs = request
            try:
                answer, body = getattr(self, header["do"])(header, blobs)
            except api.Refused as refused:
                answer, body = {"refused": str(refused)}, b""
            except Exception:  # a fault of ours must not pass for one of the engine's
                answer, body = {"broken": traceback.format_exc(limit=-3)}, b""
            self.reply(answer, body)


class CaseRun:
    """One case in a store of its own."""

    def __init__(self, worker: Worker, header: dict, blobs: list) -> None:
        self.worker, self.header, self.blobs = worker, header, blobs
        self.progress = worker.progress
        self.cpu = worker.cpu = [0.0] * 4
        self.mark = time.process_time()
        self.phase = COMPILE
        self.slots: list[bytes] = []

    def lap(self, part: int) -> None:
        now = time.process_time()
        self.cpu[part] = now - self.mark
        self.mark = now

    def run(self) -> tuple[dict, bytes]:
        header = self.header
        answer: dict = {"out": [], "log": [], "globals": [], "mems": [], "tables": []}
        store = None
        try:
            self.progress.at(COMPILE)
            engine = self.worker.engine_for(header.get("features"))
            store = Store(self.worker.lib, engine, self.progress, self.worker.settings)
            try:
                module = store.compile(self.blobs[header["module"]])
            finally:
                self.lap(COMPILE_PART)
            answer["inst"] = ["returned", []]
            if "shared" in header and not api.has(self.worker.lib, "wasmtime_sharedmemory_data"):
                raise Failed(["unsupported", "a shared memory outside: this release's C API knows of none"])
            if "imports" in header:
                self._execute(store, module, answer)
        except Failed as failed:
            answer["inst"] = self._outcome(failed.args[0])
        if store is not None:
            if "imports" in header:
                self._observe(store, answer)
            store.close()
        self.lap(STATE_PART)
        answer["phase"] = self.phase
        return answer, b"".join(self.slots)

    def _execute(self, store: Store, module, answer: dict) -> None:
        header = self.header
        self.phase = INSTANTIATE
        self.progress.at(INSTANTIATE)
        try:
            places = self._before(store, answer)
            externs = link(store, module, header["imports"], self.blobs, places)
            store.externs = externs
            store.tags = [(name, kinds, externs[at]) for name, kinds, at in header["tags"] if at >= 0]
            instance = store.instantiate(module, externs)
        finally:
            self.lap(INSTANTIATE_PART)
        self.phase = INVOKE
        store.watch(instance, header["funcs"], header["tags"])
        ready(store, header, self.blobs)
        for index, call in enumerate(header["calls"]):
            self.progress.at(INVOKE, index)
            outcome, slots = one_call(store, instance, call, self.blobs)
            self.slots.append(slots)
            answer["out"].append(outcome)
            if outcome[0] in ("exhausted", "out_of_memory"):
                break
        self.lap(INVOKE_PART)

    def _before(self, store: Store, answer: dict) -> dict:
        """The instances of what comes before the module under test, by name, each with its store; None for one that
        trapped or threw.
        Raises ``Failed`` where anything else became of one."""
        places: dict = {}
        for name, at, imports in self.header.get("before", ()):
            outcome = ["returned", []]
            places_before, places = places, dict(places)
            places[name] = None
            home = store
            try:
                if "apart" in imports:
                    home = Store(store.lib, store.engine, store.progress, self.worker.settings)
                    store.apart.append(home)
                module = home.compile(self.blobs[at])
                externs = link(home, module, imports, self.blobs, places_before)
                places[name] = (home, home.instantiate(module, externs))
            except Failed as failed:
                outcome = failed.args[0]
            answer.setdefault("before", []).append(self._outcome(outcome))
            if outcome[0] not in ("returned", "trapped", "threw"):
                raise Failed(outcome)
        return places

    def _outcome(self, outcome: list) -> list:
        if outcome[0] == "threw":
            self.slots.append(outcome[4])
            return outcome[:4]
        return outcome

    def _observe(self, store: Store, answer: dict) -> None:
        for index, slots, refs in merged_log(store, self.header["imports"]["sources"]):
            answer["log"].append([index, refs])
            self.slots.append(slots)
        if store.instance is not None and answer["inst"][0] == "returned":
            read_state(store, self.header, answer, self.slots)


def one_call(store: Store, instance, call: list, blobs: list) -> tuple[list, bytes]:
    """One invocation as an outcome and its slots. ``via`` is host, wrapper, or why it cannot be made."""
    export, via, params, results, at, refs, wrapper = call
    args = bytes(blobs[at]) if at >= 0 else b""
    try:
        item = store.export(instance, export) if via in ("host", "wrapper") else None
        if item is None:
            return ["unsupported", via], b""
        if via == "host":
            slots, identities = store.call(item.of.func, params, results, args, refs)
            return ["returned", identities], slots
        return wrapped_call(store, item, params, results, args, refs, blobs[wrapper])
    except Failed as failed:
        answer, body = split_payload(failed.args[0])
        return answer["out"], body
    except api.Refused as refused:
        return ["unsupported", str(refused)], b""


def wrapped_call(store: Store, item, params: str, results: str, args: bytes, refs: list[str], wrapper: bytes):
    """Call through a module of ``oracles/remote/wrapper.py``; Wasmtime's own tags are caught by the store instead."""
    if store.unnamed:
        raise api.Refused("tags: this release's C API knows of none")
    module = store.compile(wrapper)
    instance = store.instantiate(module, [item, *(tag for _name, _kinds, tag in store.tags)])
    base = store.memory_base(instance, "memory")
    ctypes.memmove(base, args, len(args))
    store.fill_tables(instance, params, refs)
    status, _ = store.call(store.export(instance, "call").of.func, "", "i", b"", [])
    code = status[0]
    kinds = results if code == 0 else store.tags[code - 1][1]
    size = len(kinds) * SLOT
    data = ctypes.string_at(base + len(params) * SLOT, size)
    identities = store.table_refs(instance, data, kinds, len(params))
    slots = clean(data, kinds)
    if code == 0:
        return ["returned", identities], slots
    return ["threw", store.tags[code - 1][0], kinds, identities], slots


def split_payload(outcome: list) -> tuple[dict, bytes]:
    """An outcome without its payload slots, and these."""
    if outcome[0] == "threw":
        return {"out": outcome[:4]}, outcome[4]
    return {"out": outcome}, b""


def loaded_library() -> str:
    """The file of the library that is really mapped into this process."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            path = line.split(maxsplit=5)[5:]
            if path and ".so" in path[0] and "wasmtime" in os.path.basename(path[0].strip()):
                return path[0].strip()
    raise api.Refused("no wasmtime library is loaded")


def main() -> None:
    config = json.loads(sys.argv[1])
    sys.setrecursionlimit(50_000)
    lib, why = None, ""
    try:
        lib = api.load(config["package"], config["library"])
    except Exception as error:
        why = f"the library cannot be loaded: {error}"
    worker = Worker(config["settings"], lib, descriptors(config))
    if lib is None:
        worker.receive()
        worker.reply({"refused": why})
        return
    worker.serve()


if __name__ == "__main__":
    main()
