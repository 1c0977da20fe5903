"""Two operations on the same operands, and a third that puts their results together.

    (i32.and (i32.lt_s x y) (i32.ne x y))     comparisons, as they are and with their operands swapped
    (i64.or (i64.shl x c) (i64.shr_u x 64-c)) arithmetic and shifts, by constants that belong together
    (v128.or (i16x8.gt_s x y) (i16x8.eq x y)) lane by lane

Of one shape of lanes each with each; the second one with its operands in either order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.enumeration.rows import operand_types, usable
from generators.enumeration.writing import Form, Meeting, Module
from wasm.features import Feature
from wasm.isa import OPS, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

_COMBINERS: Final[dict[NumType, tuple[str, ...]]] = {
    I32: ("i32.and", "i32.or", "i32.xor", "i32.sub", "select"),
    I64: ("i64.and", "i64.or", "i64.xor", "i64.add", "i64.sub"),
    F32: ("f32.add", "f32.sub", "f32.mul", "f32.min"),
    F64: ("f64.add", "f64.sub", "f64.mul", "f64.max"),
    V128: ("v128.and", "v128.or", "v128.xor", "v128.andnot", "v128.bitselect"),
}
_OPERANDS: Final = (
    (Form.PARAM, Form.PARAM),
    (Form.PARAM, Form.CONSTANT),
    (Form.PARAM, Form.AT_END),
    (Form.LOADED, Form.PARAM),
)
"""How the two shared operands come about, in turn."""


@dataclass(frozen=True, slots=True)
class Triple:
    first: Op
    second: Op
    swapped: bool
    combiner: str


@lru_cache(maxsize=8)
def triples(features: frozenset[Feature]) -> tuple[Triple, ...]:
    """All of them, family by family. A combiner is one of the type's in turn for vectors, of which there are many
    pairs; every one for scalars."""
    found: list[Triple] = []
    for family in _families(features):
        assert family[0].results is not None
        result = family[0].results[0]
        assert isinstance(result, NumType)
        combiners = _COMBINERS[result]
        for i, first in enumerate(family):
            for j, second in enumerate(family):
                for swapped in (False, True):
                    every = combiners if result is not V128 else (combiners[(i + 2 * j + swapped) % len(combiners)],)
                    found += [Triple(first, second, swapped, combiner) for combiner in every]
    return tuple(found)


def _families(features: frozenset[Feature]) -> list[list[Op]]:
    """Pure binary rows on two operands of one type, by operand type, result and lanes."""
    families: dict[tuple[object, ...], list[Op]] = {}
    for op in usable(features):
        types = operand_types(op)
        if len(types) != 2 or op.pure is None or op.imms or op.results is None or len(op.results) != 1:
            continue
        if types[0] is not types[1] and not _is_shift(op):
            continue
        lanes = op.name.partition(".")[0] if types[0] is V128 else ""
        families.setdefault((types, op.results, lanes), []).append(op)
    return [family for family in families.values() if len(family) > 1 or _is_shift(family[0])]


def _is_shift(op: Op) -> bool:
    return operand_types(op) == (V128, I32)


def write_triple(module: Module, number: int, triple: Triple) -> None:
    """The function of a triple, with its number in the list."""
    meeting = Meeting(module, f"t{number}", number + module.variation)
    first, second = operand_types(triple.first)
    x, y = meeting.local(first), meeting.local(second)
    forms = _OPERANDS[number % len(_OPERANDS)]
    for local, type_, form in ((x, first, forms[0]), (y, second, forms[1])):
        meeting.operand(type_, form)
        meeting.write((OPS["local.set"], local))
    meeting.write((OPS["local.get"], x), (OPS["local.get"], y))
    meeting.emit(triple.first, number)
    swap = triple.swapped and first is second
    meeting.write((OPS["local.get"], y if swap else x))
    if triple.swapped and not swap:
        # A shift by what is left of the lane's width, or by a related amount.
        meeting.operand(second, Form.RELATED)
    else:
        meeting.write((OPS["local.get"], x if swap else y))
    meeting.emit(triple.second, number)
    result = triple.first.results
    assert result is not None
    if triple.combiner in ("select", "v128.bitselect"):
        meeting.write((OPS["local.get"], 0) if triple.combiner == "select" else (OPS["local.get"], x))
    meeting.write(OPS[triple.combiner].bare)
    meeting.risky = (triple.first.nan or triple.second.nan) and not triple.combiner.startswith(("f32.", "f64."))
    meeting.finish([t for t in result if isinstance(t, NumType)])
