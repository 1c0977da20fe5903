"""The worker for pywasm: ``python -m oracles.pywasm.worker_main CONFIG``, in a process that may be lost.

CONFIG is a JSON object: ``package`` (the folder that holds pywasm), ``features``, ``fds`` (requests, replies, progress)
and ``nursery``. The protocol is in ``oracles/remote/protocol.py``. A host function of pywasm gets floats as Python's,
which have not every bit, so it carries nothing here: imports come from the peers, and the host only traps.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from oracles.pywasm.store import Ended, Store, host_trap, load, nothing
from oracles.remote.interface import FUNC, GLOBAL, MEMORY, TABLE, TYPE_NAMES
from oracles.remote.protocol import PHASES, TABLE_LIMIT, VERSION, type_words
from oracles.remote.serving import Answer, Channel, short
from oracles.workers.nursery import descriptors
from wasm.embedding import (
    SLOT,
    Exhausted,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Trapped,
    Unsupported,
)
from wasm.hostmix import EXTERN_TOKENS, LOG_LIMIT, Behaviour

BLOCK: Final = 1 << 16
ENDING: Final = (Exhausted, OutOfMemory)
"""Outcomes after which nothing more is called on an instance."""
UNCHECKED: Final = Unsupported("validity: pywasm checks none")


class Linked:
    """The imports of a case, and what is asked about them afterwards."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.peer: Any = None
        """The function peer of the case's own module."""

    def externs(self, imports: dict[str, Any], blobs: list[bytes], places: Mapping[str, Any]) -> list[Any]:
        """What a module imports, in order; ``places`` are the instances before it by name, None for one that trapped.
        Raises ``Ended``."""
        store, sources = self.store, imports["sources"]
        kept = functions = None
        if imports["store"] >= 0:
            kept = store.instantiate(store.compile(blobs[imports["store"]]), [])
        if imports["funcs"] >= 0:
            given = [self._of_peer(kept, name) for _place, name in imports["funcs_from"]]
            self.peer = functions = store.instantiate(store.compile(blobs[imports["funcs"]]), given)
        found: list[Any] = []
        for index, (module, name, _sort, how, same, _behaviour, _params, mutable, token) in enumerate(sources):
            if same != index:
                found.append(found[same])
            elif how == "linked":
                found.append(self._linked(places[module], module, name))
            elif how == "extern":
                found.append(store.token_global(token, mutable))
            else:
                found.append(store.export(kept if how == "store" else functions, f"i{index}"))
        return found

    def _of_peer(self, kept: Any, name: str) -> Any:
        match name:
            case "trap":
                return self.store.host_func(host_trap)
            case "tokens":
                return self.store.token_table(EXTERN_TOKENS)
        return self.store.export(kept, name)

    def _linked(self, instance: Any, module: str, name: str) -> Any:
        if instance is None:
            raise Ended(Rejected(f"unknown import {module}.{name}: its instance was not made"))
        return self.store.export(instance, name)

    def ready(self, subject: Any, header: dict[str, Any], blobs: list[bytes]) -> None:
        """What host functions call once there is an instance to be tested: its exports, and a module that does their
        acts (``oracles.remote.ready``)."""
        for index, (_, name, _, how, same, behaviour, *_) in enumerate(header["imports"]["sources"]):
            if (how, same, behaviour) == ("funcs", index, Behaviour.REENTER.value):
                called = self.store.export(subject, name, FUNC)
                table = self.store.item(self.store.export(self.peer, "reenter", TABLE))
                table.elem[index] = self.store.func_ref(called.data)
        if "ready" not in header:
            return
        externs = []
        for where, name in header["ready_from"]:
            if where == "h":
                externs.append(self.store.host_func(nothing))
            else:
                externs.append(self.store.export(subject if where == "subject" else self.peer, name))
        self.store.instantiate(self.store.compile(blobs[header["ready"]]), externs)

    def log(self, sources: list[Any]) -> list[tuple[int, list[str], bytes]]:
        """The calls of host functions in order: position of the import, references, slots."""
        if self.peer is None:
            return []
        store, found, at = self.store, [], 0
        memory = store.item(store.export(self.peer, "log")).data
        count = store.item(store.export(self.peer, "count")).data.into_i32()
        for _ in range(min(count, LOG_LIMIT)):
            index, size = (int.from_bytes(memory[at + k : at + k + 4], "little") for k in (0, 4))
            slots = bytes(memory[at + SLOT : at + SLOT + size * SLOT])
            found.append((index, *shown(slots, sources[index][6])))
            at += SLOT + size * SLOT
        return found


def shown(slots: bytes, kinds: str) -> tuple[list[str], bytes]:
    """Slots in which a reference is 1 or 0: as the protocol has them."""
    refs, out = [], bytearray(slots)
    for i, kind in enumerate(kinds):
        if kind not in TYPE_NAMES:
            refs.append("nonnull" if slots[i * SLOT] else "null")
            out[i * SLOT : (i + 1) * SLOT] = bytes(SLOT)
    return refs, bytes(out)


def one_call(store: Store, instance: Any, call: list[Any], blobs: list[bytes]) -> Outcome:
    """One prepared invocation: directly, through its wrapper module, or the reason why it cannot be made."""
    export, via, params, results, at, refs, wrapper = call
    func = store.export(instance, export, FUNC)
    if func is None or via not in ("host", "wrapper"):
        return Unsupported(via)
    args = blobs[at] if at >= 0 else b""
    try:
        if via == "host":
            return store.call(func, params, results, args, refs)
        return wrapped(store, func, params, results, args, refs, blobs[wrapper])
    except Ended as ended:
        return ended.outcome


def wrapped(
    store: Store, func: Any, params: str, results: str, args: bytes, refs: list[str], wrapper: bytes
) -> Outcome:
    """Call through a module of ``oracles.remote.wrapper``, without tags: pywasm has none. Raises ``Ended``."""
    instance = store.instantiate(store.compile(wrapper), [func])
    memory = store.item(store.export(instance, "memory", MEMORY))
    memory.data[: len(args)] = args
    given = iter(refs)
    for i, kind in enumerate(params):
        if kind not in TYPE_NAMES and (ref := next(given)) != "null":
            store.item(store.export(instance, kind, TABLE)).elem[i] = store.value(ref, kind)
    store.call(store.export(instance, "call", FUNC), "", "i", b"", ())
    first = len(params)
    slots = bytearray(memory.data[first * SLOT : (first + len(results)) * SLOT])
    identities = []
    for i, kind in enumerate(results):
        if kind not in TYPE_NAMES:
            slots[i * SLOT : (i + 1) * SLOT] = bytes(SLOT)
            held = store.item(store.export(instance, kind, TABLE)).elem[first + i]
            identities.append(store.told(held, kind)[1] or "null")
    return Returned(type_words(results), bytes(slots), tuple(identities))


class CaseRun:
    """One case in a machine of its own."""

    def __init__(self, pywasm: ModuleType, channel: Channel, header: dict[str, Any], blobs: list[bytes]) -> None:
        self.store, self.channel = Store(pywasm), channel
        self.header, self.blobs = header, blobs
        self.linked = Linked(self.store)
        self.answer: dict[str, Any] = {"out": [], "log": [], "globals": [], "mems": [], "tables": [], "dumps": []}
        self.body: list[bytes] = []
        self.phase = Phase.COMPILE
        self.mark = time.process_time()

    def lap(self, part: str) -> None:
        now = time.process_time()
        self.channel.cpu[part] = self.channel.cpu.get(part, 0.0) + now - self.mark
        self.mark = now

    def run(self) -> Answer:
        instance = None
        try:
            self._at(Phase.COMPILE)
            module = self.store.compile(self.blobs[self.header["module"]])
            self.lap("compile")
            if "imports" not in self.header:
                raise Ended(UNCHECKED)
            instance = self._instance(module)
            self.answer["inst"] = ["returned", []]
            self._calls(instance)
        except Ended as ended:
            self.answer["inst"] = short(ended.outcome)[0]
        if "imports" in self.header:
            self._observe(instance)
        self.lap("state")
        self.answer["phase"] = PHASES.index(self.phase)
        return self.answer, b"".join(self.body)

    def _at(self, phase: Phase, invocation: int = -1) -> None:
        self.phase = phase
        self.channel.at(phase, invocation)

    def _instance(self, module: Any) -> Any:
        self._at(Phase.INSTANTIATE)
        try:
            places: dict[str, Any] = {}
            for name, at, imports in self.header.get("before", ()):
                places[name] = self._before(at, imports, dict(places))
            self.linked = Linked(self.store)
            externs = self.linked.externs(self.header["imports"], self.blobs, places)
            return self.store.instantiate(module, externs)
        finally:
            self.lap("instantiate")

    def _before(self, at: int, imports: dict[str, Any], places: dict[str, Any]) -> Any:
        """An instance that comes before the case's own; None for one that trapped. Raises ``Ended``."""
        instance: Any = None
        outcome: Outcome = Returned()
        try:
            module = self.store.compile(self.blobs[at])
            instance = self.store.instantiate(module, Linked(self.store).externs(imports, self.blobs, places))
        except Ended as ended:
            outcome = ended.outcome
        self.answer.setdefault("before", []).append(short(outcome)[0])
        if not isinstance(outcome, Returned | Trapped):
            raise Ended(outcome)
        return instance

    def _calls(self, instance: Any) -> None:
        self.store.watch(instance, self.header["funcs"])
        self.linked.ready(instance, self.header, self.blobs)
        for index, call in enumerate(self.header["calls"]):
            self._at(Phase.INVOKE, index)
            outcome = one_call(self.store, instance, call, self.blobs)
            told, slots = short(outcome)
            self.answer["out"].append(told)
            self.body.append(slots)
            if isinstance(outcome, ENDING):
                break
        self.lap("invoke")

    def _observe(self, instance: Any) -> None:
        """The calls of the host, and what exported items hold at the end where there is an instance."""
        store, header, answer = self.store, self.header, self.answer
        for index, refs, slots in self.linked.log(header["imports"]["sources"]):
            answer["log"].append([index, refs])
            self.body.append(slots)
        if instance is None or answer["inst"][0] != "returned":
            return
        for name, kind in header["globals"]:
            slot, ref = store.told(store.item(store.export(instance, name, GLOBAL)).data, kind)
            answer["globals"].append(ref)
            self.body.append(slot)
        for name in header["memories"]:
            memory = store.item(store.export(instance, name, MEMORY))
            answer["mems"].append([name, memory.size, blocks(memory.data)])
        for name, kind in header["tables"]:
            elements = store.item(store.export(instance, name, TABLE)).elem
            answer["tables"].append([name, len(elements), [store.told(one, kind)[1] for one in elements[:TABLE_LIMIT]]])
        for name, block in header.get("dump", ()):
            memory = store.item(store.export(instance, name, MEMORY))
            self.body.append(bytes(memory.data[block * BLOCK : (block + 1) * BLOCK]))
            answer["dumps"].append(len(self.body[-1]))


def blocks(memory: bytearray) -> list[list[int]]:
    """(Index, CRC-32) of each 64 KiB block that is not all zero."""
    found, view = [], memoryview(memory)
    for at in range(0, len(memory), BLOCK):
        block = view[at : at + BLOCK]
        if any(block):
            found.append([at // BLOCK, zlib.crc32(block)])
    return found


class Worker:
    """Answers requests on ``fds``."""

    def __init__(self, pywasm: ModuleType, config: dict[str, Any], fds: list[int]) -> None:
        self.pywasm, self.config = pywasm, config
        self.channel = Channel(fds)
        self.store: Store | None = None
        self.instances: dict[str, tuple[Any, list[str]]] = {}
        """Of a script: each with the names of its functions."""

    def serve(self) -> None:
        """Answer requests until the harness closes its end."""
        self.channel.serve({
            "hello": self.hello, "case": self.case, "open": self.open, "instantiate": self.instantiate,
            "register": self.register, "invoke": self.invoke, "get": self.get,
        })  # fmt: skip

    def hello(self, _header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        """It refuses nothing, so that no module tells what it has: its features are those that it is known to have."""
        library = self.pywasm.core.__file__
        return {
            "protocol": VERSION, "features": self.config["features"], "library": library, "state": None,
            "version": released(Path(self.config["package"])),
        }, b""  # fmt: skip

    def case(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """One case from decoding to state (``decode_case`` in ``oracles/remote/replies.py`` reads the reply)."""
        return CaseRun(self.pywasm, self.channel, header, blobs).run()

    # Scripts

    def open(self, _header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        """A new script: a machine with no instances."""
        self.store, self.instances = Store(self.pywasm), {}
        return {}, b""

    def _opened(self) -> Store:
        assert self.store is not None, "no script is open"
        return self.store

    def instantiate(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        store = self._opened()
        externs: list[Any] = []
        try:
            self.channel.at(Phase.COMPILE)
            module = store.compile(blobs[0])
            for source, name in header["imports"]:
                item = store.export(self.instances[source][0], name) if source in self.instances else None
                if item is None:
                    raise Ended(Rejected(f"unknown import {source}.{name}"))
                externs.append(item)
            self.channel.at(Phase.INSTANTIATE)
            self.instances[header["name"]] = store.instantiate(module, externs), header["funcs"]
        except Ended as ended:
            return {"out": short(ended.outcome)[0]}, b""
        return {"out": ["returned", []]}, b""

    def register(self, header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        self.instances[header["as"]] = self.instances[header["name"]]
        return {}, b""

    def invoke(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        store, (instance, funcs) = self._opened(), self.instances[header["name"]]
        store.watch(instance, funcs)
        self.channel.at(Phase.INVOKE)
        told, slots = short(one_call(store, instance, header["call"], blobs))
        return {"out": told}, slots

    def get(self, header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        store, (instance, funcs) = self._opened(), self.instances[header["name"]]
        store.watch(instance, funcs)
        extern = store.export(instance, header["export"], GLOBAL)
        if extern is None:
            return {"ref": None, "found": False}, b""
        slot, ref = store.told(store.item(extern).data, header["kind"])
        return {"ref": ref, "found": True}, slot


def released(folder: Path) -> str:
    """The release of the package in a folder; what the package itself says is often an older one."""
    return next(iter(folder.glob("pywasm-*.dist-info"))).stem.partition("-")[2]


def main() -> None:
    config = json.loads(sys.argv[1])
    pywasm = load(config["package"])
    Worker(pywasm, config, descriptors(config)).serve()


if __name__ == "__main__":
    main()
