"""Replaying: a module some of whose instructions are replaced by what the reference saw them give.

    local.get 0  local.get 1  i32.add   ->   local.get 0  local.get 1  drop  drop
                                             global.get $next  i32.load offset=16
                                             global.get $next  i32.const 32  i32.add  global.set $next

The values lie in memory as the log of probes has them (``probing``), in the order in which they are needed. So what is
replaced is right by construction, whatever an engine makes of the rest, and its operands are still computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fuzz.explain.followed import At, Followed, Hidden, Way
from fuzz.explain.probing import STRIDE, Form, Seen, Writer, make_log, probed
from fuzz.explain.tracing import expected
from wasm.case import Case
from wasm.decode import decode
from wasm.isa import OPS, Instr, Op
from wasm.module import Data, Func, SegmentMode
from wasm.valtypes import NumType

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
    places = frozenset(place for place in places if place[1] >= 0 and _possible(followed, place))
    if not places:
        return None
    way = Way("", lambda func, at, _op: (func, at) in places)
    made = probed(decode(followed.case.content), way.wanted, pages=1024, multi_memory=multi_memory)
    if made is None:
        raise Hidden("there is no room for values: the memory is imported, or there are several")
    run = expected(followed.with_module(made.module), made, followed.takes)
    content = bytearray()
    for entry in run.entries:
        place = made.places[entry.place]
        assert place.seen is Seen.RESULT  # only what gives numbers is replaced
        bits = entry.value & (1 << place.type.bits) - 1
        content += bytes(STRIDE // 2) + bits.to_bytes(STRIDE // 2, "little")
    if not run.whole or len(content) > _MOST:
        raise Hidden("too many values are computed to be replayed")
    return _written(followed, places, bytes(content), multi_memory)


def _possible(followed: Followed, place: At) -> bool:
    """Whether an instruction can be replaced: it gives numbers, does nothing else, and never traps in this run."""
    node = followed.node(place)
    last = followed.run.steps[-1]
    return replayable(node.op) and bool(node.outs) and all(isinstance(slot.type, NumType) for slot in node.outs) and (
        (last.func, last.at) != place
    )  # fmt: skip


def _written(followed: Followed, places: frozenset[At], content: bytes, multi_memory: bool) -> Replayed:
    module = decode(followed.case.content)
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
            if (index, at) not in places:
                body.append(instr)
                before.append(at)
                continue
            node = followed.node((index, at))
            body += [OPS["drop"].bare] * len(node.ins)
            for slot in node.outs:
                assert isinstance(slot.type, NumType)
                body += writer.replay(slot.type)
            before += [-1] * (len(body) - len(before))
        origins[index] = before
        module.funcs[number] = Func(func.type_index, func.locals, body)
    return Replayed(followed.with_module(module), origins)
