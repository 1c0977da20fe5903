"""The instruction table as makers of expressions see it: what operands may hold, what the result may be, what traps.

``candidate_of(OPS["f32.copysign"])`` takes any NaN on its left and none with open bits on its right, whose sign it
would observe, and its result may hold an open NaN if its left operand does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from generators.config import by_instructions
from generators.draw.values import CANONICAL_NAN
from wasm.features import Feature
from wasm.isa import ROWS, Imm, Op
from wasm.valtypes import V128, NumType, ValType


class Nan(Enum):
    """Which bits of a value may be a NaN with open bits."""

    NONE = "none"
    SCALAR = "scalar"
    F32X4 = "f32x4"
    F64X2 = "f64x2"


_VECTOR_NANS: Final = {"f32x4": Nan.F32X4, "f64x2": Nan.F64X2}


class Guard(Enum):
    """What keeps an instruction from trapping, applied to its last operand."""

    ODD = "or 1: a divisor that is not zero"
    POSITIVE = "a positive divisor, so the quotient fits"
    IN_RANGE = "a float whose integer part fits"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A row as the generator sees it: operand types with the NaNs each takes unobserved, and the NaN of its result.

    One that ``passes`` hands an operand's NaN on: its result may hold ``gives`` only if an operand does.
    """

    op: Op
    params: tuple[ValType, ...]
    takes: tuple[Nan, ...]
    passes: bool
    gives: Nan
    guard: Guard | None


_SKIPPED: Final = frozenset({"memory.size", "memory.grow", "ref.eq", "array.len", "i31.get_s", "i31.get_u"})
"""Of the pure rows: what reads a memory's or an object's state, or takes references."""
_PASSING: Final = ("abs", "neg", "copysign", "pmin", "pmax", "splat", "replace_lane", "extract_lane")


def _guard(row: Op) -> Guard | None:
    word = row.name.partition(".")[2]
    if word == "div_s":
        return Guard.POSITIVE
    if word in ("div_u", "rem_u", "rem_s"):
        return Guard.ODD
    return Guard.IN_RANGE if row.name.startswith(("i32.trunc_f", "i64.trunc_f")) else None


def _shape(row: Op) -> Nan:
    """How a row reads its vector operands: the shape it is named after, or the one it converts from."""
    shape, _, word = row.name.partition(".")
    for name, nan in _VECTOR_NANS.items():
        if f"_{name}" in word:
            return nan
    return Nan.NONE if "_i" in word else _VECTOR_NANS.get(shape, Nan.NONE)


def _takes(row: Op, position: int, type_: ValType) -> Nan:
    """The NaN that the operand may hold without its bits being observed."""
    word = row.name.partition(".")[2]
    if type_ is V128:
        return _shape(row)
    if type_ not in CANONICAL_NAN or word.startswith("reinterpret") or (word == "copysign" and position == 1):
        return Nan.NONE
    return Nan.SCALAR


def candidate_of(row: Op) -> Candidate | None:
    """The row as an operation on numbers and vectors; None for what reads memory, takes references or has no result."""
    if row.params is None or row.results is None or len(row.results) != 1 or row.name in _SKIPPED:
        return None
    if row.access is not None or Imm.MEMARG in row.imms or not row.params:
        return None
    if not all(isinstance(type_, NumType) for type_ in (*row.params, *row.results)):
        return None
    params = tuple(type_ for type_ in row.params if isinstance(type_, NumType))
    result = row.results[0]
    word = row.name.partition(".")[2]
    gives = Nan.NONE
    passes = word.startswith(_PASSING) and ("f32" in row.name or "f64" in row.name)
    if row.nan or passes:
        gives = Nan.SCALAR if result is not V128 else _VECTOR_NANS[row.name[:5]]
    takes = tuple(_takes(row, i, type_) for i, type_ in enumerate(params))
    return Candidate(row, params, takes, passes and not row.nan, gives, _guard(row))


@by_instructions
def candidates(features: frozenset[Feature], result: NumType) -> tuple[Candidate, ...]:
    """The pure instructions with this result type, less what needs features that are off, and relaxed ones."""
    allowed = (
        row
        for row in ROWS
        if row.results == (result,)
        and row.feature is not Feature.RELAXED_SIMD
        and (row.feature is None or row.feature in features)
    )
    return tuple(candidate for row in allowed if (candidate := candidate_of(row)) is not None)


@by_instructions
def loads(features: frozenset[Feature], result: NumType) -> tuple[Op, ...]:
    """The loads from a memory that give one value of a type, atomic ones and those of one lane aside."""
    return tuple(
        row
        for row in ROWS
        if row.access is not None
        and row.access.kind == "load"
        and row.results == (result,)
        and row.params == ("addr",)
        and row.feature is not Feature.THREADS
        and (row.feature is None or row.feature in features)
    )


@by_instructions
def binary_rows(features: frozenset[Feature], type_: NumType, nans: bool) -> tuple[Op, ...]:
    """Instructions from two values of a type to one that never trap; with ``nans`` those that may make an open NaN.

    No comparisons: a row of values that are all 0 or 1 would hide a swap.
    """
    gives = Nan.SCALAR if nans else Nan.NONE
    return tuple(
        c.op
        for c in candidates(features, type_)
        if c.params == (type_, type_)
        and c.guard is None
        and not c.op.imms
        and c.gives is gives
        and not c.passes
        and not _is_comparison(c.op)
    )


_COMPARISONS: Final = frozenset(("eq", "ne", "lt", "gt", "le", "ge"))


def _is_comparison(op: Op) -> bool:
    return op.name.partition(".")[2][:2] in _COMPARISONS


def result_of(candidate: Candidate, operands: Nan) -> Nan:
    """The NaN that a candidate's result may hold if one of its operands may hold ``operands``."""
    return candidate.gives if not candidate.passes or operands is not Nan.NONE else Nan.NONE
