"""Replaying: a module some of whose instructions are replaced by what the reference saw them give.

    local.get 0  local.get 1  i32.add   ->   local.get 0  local.get 1  drop  drop  global.get $sum

An instruction that gave several values reads one after the other from memory, where they lie as the log of probes has
them (``probing``). So what is replaced is right by construction, and its operands are still computed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from fuzz.explain.followed import At, Followed, Hidden, Way
from fuzz.explain.probing import STRIDE, Form, Writer, make_log, probed
from fuzz.explain.tracing import expected
from wasm.case import Case
from wasm.decode import decode
from wasm.isa import OPS, Instr, Op
from wasm.module import Data, Func, Global, Module, SegmentMode
from wasm.valtypes import GlobalType, NumType

_MOST: Final = 1 << 20
_MORE: Final = frozenset({"select", "select_t", "global.get", "memory.size", "table.size"})


def replayable(op: Op) -> bool:
    """Whether what an instruction gives is all that it does."""
    return op.pure is not None or (op.access is not None and op.access.kind == "load") or op.name in _MORE


@dataclass(frozen=True, slots=True)
class Replayed:
    """The case with instructions replaced; ``origins`` gives by function where each of its instructions stood before,
    -1 for those that take the place of others."""

    case: Case
    origins: dict[int, list[int]]


def replayed(followed: Followed, places: frozenset[At], multi_memory: bool) -> Replayed | None:
    """The instructions at these places are replaced; None if none of them can be. Raises ``Hidden``."""
    places = frozenset(place for place in places if place[1] >= 0 and is_replayable(followed, place))
    while places:
        values, whole = _values(followed, places, multi_memory)
        trapped = places - whole
        if not trapped:
            return _written(followed, values, multi_memory)
        places -= trapped
    return None


def _values(
    followed: Followed, places: frozenset[At], multi_memory: bool
) -> tuple[list[tuple[At, int]], frozenset[At]]:
    """What these places gave, in order, a value at a time; and those of them that always gave something."""
    way = Way("", lambda func, at, _op: (func, at) in places)
    made = probed(decode(followed.case.content), way.wanted, pages=1024, multi_memory=multi_memory)
    if made is None:
        raise Hidden("there is no room for values: the memory is imported, or there are several")
    run = expected(followed.with_module(made.module), made, followed.takes)
    if not run.whole or len(run.entries) * STRIDE > _MOST:
        raise Hidden("too many values are computed to be replayed")
    values: list[tuple[At, int]] = []
    count: Counter[At] = Counter()
    for entry in run.entries:
        place = made.places[entry.place]
        at = place.func, place.at
        values.append((at, entry.value & (1 << place.type.bits) - 1))
        count[at] += place.slot == 0
    executed = Counter((step.func, step.at) for step in followed.run.steps)
    return values, frozenset(place for place in places if count[place] == executed[place])


def is_replayable(followed: Followed, place: At) -> bool:
    """Whether an instruction can be replaced: it gives numbers and does nothing else."""
    node = followed.node(place)
    return replayable(node.op) and bool(node.outs) and all(isinstance(slot.type, NumType) for slot in node.outs)


def _written(followed: Followed, values: list[tuple[At, int]], multi_memory: bool) -> Replayed:
    """What always gives the same reads it from a global of its own; the others read from memory what comes next."""
    module = decode(followed.case.content)
    always = dict(values)
    several = {place for place, value in values if always[place] != value or len(followed.node(place).outs) > 1}
    content = b"".join(bytes(STRIDE // 2) + value.to_bytes(STRIDE // 2, "little")
                       for place, value in values if place in several)  # fmt: skip
    writer = None
    if content:
        log = make_log(module, len(content) // (1 << 16) + 1, multi_memory)
        assert log is not None
        result, memory, address = log
        writer = Writer(module, result, memory, address, Form.INLINE)
        offset = ((OPS[f"{address.name}.const"], result.base),)
        module.datas.append(Data(content, SegmentMode.ACTIVE, memory, offset))
    origins: dict[int, list[int]] = {}
    for number, func in enumerate(module.funcs):
        body: list[Instr] = []
        before: list[int] = []
        index = followed.first + number
        for at, instr in enumerate(func.body):
            place = (index, at)
            if place not in always:
                body.append(instr)
                before.append(at)
                continue
            node = followed.node(place)
            body += [OPS["drop"].bare] * len(node.ins)
            for slot in node.outs:
                assert isinstance(slot.type, NumType)
                if place in several:
                    assert writer is not None
                    body += writer.replay(slot.type)
                else:
                    body.append((OPS["global.get"], _constant(module, slot.type, always[place])))
            before += [-1] * (len(body) - len(before))
        origins[index] = before
        module.funcs[number] = Func(func.type_index, func.locals, body)
    return Replayed(followed.with_module(module), origins)


def _constant(module: Module, type_: NumType, value: int) -> int:
    """A new global with a value, which a compiler cannot know: it might be set."""
    module.globals.append(Global(GlobalType(type_, True), ((OPS[f"{type_.name}.const"], value),)))
    return len(module.global_types()) - 1
