"""One case on compiled code, from a request's header to a reply's (``oracles/remote/protocol.py``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from oracles.compiled.hosting import Hosting
from oracles.compiled.link import Linker
from oracles.compiled.observing import block, blocks, elements
from oracles.compiled.program import Program, Programs, Refused
from oracles.compiled.regions import read, write
from oracles.compiled.store import Extern, Global, Instance, Memory, Table, Tag
from oracles.compiled.values import reference_bits, reference_name
from oracles.linking import Registered
from oracles.remote.interface import TYPE_NAMES
from oracles.remote.protocol import PHASES
from oracles.remote.protocol import type_words as kind_words
from oracles.remote.serving import short
from wasm.embedding import (
    SLOT,
    Crashed,
    Exhausted,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
)
from wasm.valtypes import RefType

_ENDING: Final = (Exhausted, OutOfMemory, Crashed, TimedOut)
"""Outcomes after which nothing more is called on the instance."""
_TABLE_OF: Final = {"e": "e", "c": "c", "a": "a", "g": "a"}
"""The wrapper's table for references of a kind."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``steps`` where the code counts them, and ``seconds`` of CPU time (0: none), for a case or a script's step."""

    steps: int
    seconds: float


@dataclass(slots=True)
class Watched:
    """An instance under test. ``tags`` are those that have a name, in the order in which wrappers catch them."""

    instance: Instance
    tags: list[tuple[str, str, Tag]]

    @classmethod
    def of(cls, instance: Instance, tags: list[list[Any]]) -> Watched:
        """``tags`` has (name, payload kinds, -1 or the import that the tag came in by)."""
        named_tags = []
        for name, kinds, at in tags:
            tag = instance.exports[name][1] if at < 0 else instance.imported[at]
            assert isinstance(tag, Tag)
            named_tags.append((name, kinds, tag))
        return cls(instance, named_tags)


def one_call(programs: Programs, linker: Linker, watched: Watched, call: list[Any], data: list[bytes]) -> Outcome:
    """One prepared invocation: directly, through its wrapper module, or the reason why it cannot be made."""
    export, via, params, results, at, refs, wrapper = call
    arguments = data[at] if at >= 0 else b""
    func = watched.instance.exported_func(export)
    if func is None or via not in ("host", "wrapper"):
        return Unsupported(via)
    if via == "host":
        return linker.invoke_packed(watched.instance, func, arguments, refs)
    try:
        program = programs.get(data[wrapper])
    except Refused as refused:
        return refused.outcome
    items: dict[tuple[str, str], Extern] = {("m", "f"): func}
    items |= {("m", f"t{k}"): tag for k, (_, _, tag) in enumerate(watched.tags)}
    made = linker.instantiate(program, items)
    if not isinstance(made, Instance):
        return made
    return _Wrapped(linker, made, watched).call(params, results, arguments, refs)


class _Wrapped:
    """A wrapper module's instance (``oracles/remote/wrapper.py``)."""

    def __init__(self, linker: Linker, wrapper: Instance, watched: Watched) -> None:
        self.linker, self.wrapper, self.watched = linker, wrapper, watched
        memory = wrapper.exports["memory"][1]
        assert isinstance(memory, Memory)
        self.memory = memory

    def call(self, params: str, results: str, arguments: bytes, refs: list[str]) -> Outcome:
        write(self.memory.base, arguments)
        places = [i for i, kind in enumerate(params) if kind not in TYPE_NAMES]
        for i, ref in zip(places, refs, strict=True):
            if ref == "null" or ref.startswith("i31:"):
                continue  # the wrapper makes these itself
            bits = reference_bits(ref, self.watched.instance.exported_func)
            if bits is None:
                return Rejected(f"there is no ref:{ref}")
            self._table(params[i]).fill(i, bits, 1)
        func = self.wrapper.exported_func("call")
        assert func is not None
        outcome = self.linker.invoke_packed(self.wrapper, func, b"", ())
        if not isinstance(outcome, Returned):
            return outcome
        status = int.from_bytes(outcome.slots[:4], "little")
        if status == 0:
            return self._results(results, len(params))
        name, kinds, _ = self.watched.tags[status - 1]
        return Threw(name, self._results(kinds, len(params)))

    def _table(self, kind: str) -> Table:
        table = self.wrapper.exports[_TABLE_OF[kind.lower()]][1]
        assert isinstance(table, Table)
        return table

    def _results(self, kinds: str, first: int) -> Returned:
        """Results or a payload, in the slots from ``first`` on; references stand in tables."""
        data = bytearray(read(self.memory.base + SLOT * first, SLOT * len(kinds)))
        refs = []
        for i, kind in enumerate(kinds):
            if kind not in TYPE_NAMES:
                refs.append(self._reference(kind, first + i) if data[SLOT * i] else "null")
                data[SLOT * i : SLOT * i + SLOT] = bytes(SLOT)
        return Returned(kind_words(kinds), bytes(data), tuple(refs))

    def _reference(self, kind: str, slot: int) -> str:
        if kind.lower() == "x":
            return "exn"
        table = self._table(kind)
        return reference_name(table.get(slot), table.type.ref, table.types, self.watched.instance)


def global_slot(item: Global, instance: Instance) -> tuple[bytes, str | None]:
    """A global's slot as the protocol packs it, and its reference's identity."""
    if isinstance(item.type, RefType):
        return bytes(SLOT), reference_name(item.bits & (1 << 64) - 1, item.type, item.types, instance)
    return (item.bits & (1 << item.type.bits) - 1).to_bytes(SLOT, "little"), None


class CaseRun:
    """One case in a store of its own. ``at`` announces each step."""

    def __init__(self, programs: Programs, linker: Linker, limits: Limits, at: Callable[[Phase, int], None]) -> None:
        self.programs, self.linker, self.limits, self.at = programs, linker, limits, at
        self.hosting = Hosting(linker)
        self.cpu: dict[str, float] = {}
        self.mark = time.process_time()
        self.phase = Phase.COMPILE
        self.body: list[bytes] = []
        self.answer: dict[str, Any] = {"out": [], "log": [], "globals": [], "mems": [], "tables": []}

    def run(self, header: dict[str, Any], data: list[bytes]) -> tuple[dict[str, Any], bytes]:
        """The reply to a request."""
        instance = None
        try:
            self.at(Phase.COMPILE, -1)
            program = self.programs.get(data[header["module"]])
        except Refused as refused:
            self.answer["inst"], self.phase = self._put(refused.outcome), refused.phase
        else:
            self.answer["inst"] = ["returned", []]
            self._lap("compile")
            if "imports" in header:
                machine = self.linker.machine
                machine.refuel(self.limits.steps)
                with machine.deadline(self.limits.seconds):
                    instance = self._execute(program, header, data)
        self._observe(instance, header)
        self._lap("state")
        self.answer["phase"] = PHASES.index(self.phase)
        return self.answer, b"".join(self.body)

    def _lap(self, name: str) -> None:
        now = time.process_time()
        self.cpu[name] = now - self.mark
        self.mark = now

    def _put(self, outcome: Outcome) -> list[Any]:
        text, slots = short(outcome)
        self.body.append(slots)
        return text

    def _execute(self, program: Program, header: dict[str, Any], data: list[bytes]) -> Instance | None:
        self.phase = Phase.INSTANTIATE
        self.at(self.phase, -1)
        registered: Registered[Extern, Instance] = Registered()
        ended = self._before(registered, header.get("before", ()), data)
        instance = ended or self.linker.instantiate(program, registered.or_else(self.hosting))
        self._lap("instantiate")
        if not isinstance(instance, Instance):
            self.answer["inst"] = self._put(instance)
            return None
        self.phase = Phase.INVOKE
        watched = Watched.of(instance, header["tags"])
        for index, call in enumerate(header["calls"]):
            self.at(self.phase, index)
            outcome = one_call(self.programs, self.linker, watched, call, data)
            self.answer["out"].append(self._put(outcome))
            if isinstance(outcome, _ENDING):
                break
        self._lap("invoke")
        return instance

    def _before(
        self, registered: Registered[Extern, Instance], modules: list[list[Any]], data: list[bytes]
    ) -> Outcome | None:
        """Instantiate what comes before the module under test; an outcome where that is the end of the case."""
        for name, at, _ in modules:
            try:
                program = self.programs.get(data[at])
                made = self.linker.instantiate(program, registered.or_else(Hosting(self.linker)))
            except Refused as refused:
                made = refused.outcome
            outcome = Returned() if isinstance(made, Instance) else made
            self.answer.setdefault("before", []).append(self._put(outcome))
            if not isinstance(outcome, Returned | Threw | Trapped):
                return outcome
            registered.add(name, program.module, made if isinstance(made, Instance) else None)
        return None

    def _observe(self, instance: Instance | None, header: dict[str, Any]) -> None:
        """The host-call log, then what exported items hold."""
        answer, body = self.answer, self.body
        for call in self.hosting.log:
            answer["log"].append([call.position, call.refs])
            body.append(call.slots)
        answer["dumps"] = []
        if instance is None:
            return
        for name, _ in header["globals"]:
            item = instance.exports[name][1]
            assert isinstance(item, Global)
            slot, ref = global_slot(item, instance)
            body.append(slot)
            answer["globals"].append(ref)
        for name, (_, item) in instance.exports.items():
            if isinstance(item, Memory):
                answer["mems"].append([name, item.pages, blocks(item)])
            elif isinstance(item, Table):
                answer["tables"].append([name, item.size, elements(item, instance)])
        for name, index in header.get("dump", ()):
            memory = instance.exports[name][1]
            assert isinstance(memory, Memory)
            body.append(block(memory, index))
            answer["dumps"].append(len(body[-1]))
