"""Type-directed expressions over every pure instruction of the table: valid by construction, never trapping.

The candidates come from the instruction table by result type. Operands that would trap are guarded. A NaN result whose
bits the specification leaves open (4.3.3) may flow on through float operations as it likes, which keeps the fusions
under test intact; it is replaced by the canonical NaN only where an instruction would observe its bits. ``Nan`` tracks
that: which lanes, if any, may hold such a NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import by_instructions
from generators.draw.values import CANONICAL_NAN, INTERESTING, constant
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import DATA_BYTES
from wasm.features import Feature
from wasm.isa import OPS, ROWS, Imm, MemArg, Op
from wasm.valtypes import F64, I32, I64, V128, NumType, ValType


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
    """A row as the generator sees it: operand types with the NaNs each takes unobserved, and the NaN of its result."""

    op: Op
    params: tuple[ValType, ...]
    takes: tuple[Nan, ...]
    passes: bool
    gives: Nan
    guard: Guard | None


_SKIPPED: Final = frozenset({"memory.size", "memory.grow", "ref.eq", "array.len", "i31.get_s", "i31.get_u"})
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
    found = []
    for row in ROWS:
        if row.results != (result,) or row.feature is Feature.RELAXED_SIMD:
            continue
        if row.feature is None or row.feature in features:
            candidate = candidate_of(row)
            if candidate is not None:
                found.append(candidate)
    return tuple(found)


@by_instructions
def _loads(features: frozenset[Feature], result: NumType) -> tuple[Op, ...]:
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
    found = (c for c in candidates(features, type_) if c.params == (type_, type_) and c.guard is None and not c.op.imms)
    gives = Nan.SCALAR if nans else Nan.NONE
    return tuple(c.op for c in found if c.gives is gives and not c.passes and not _is_comparison(c.op))


_COMPARISONS: Final = frozenset(("eq", "ne", "lt", "gt", "le", "ge"))


def _is_comparison(op: Op) -> bool:
    return op.name.partition(".")[2][:2] in _COMPARISONS


def emit_value(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> None:
    """An expression whose value leaves the function: a float may be an open NaN if the module lets it."""
    nan = emit(fn, source, type_, depth)
    if nan is not Nan.SCALAR or not fn.shell.free_nans:
        settle(fn, nan, type_, Nan.NONE)


def emit_clean(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> None:
    """An expression whose value has no open NaN bits."""
    settle(fn, emit(fn, source, type_, depth), type_, Nan.NONE)


def emit(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """An expression of a type on the stack, nested up to ``depth``; says which of its bits may be an open NaN."""
    if depth <= 0:
        return _leaf(fn, source, type_, 0)
    return source.weighted(_FORMS)(fn, source, type_, depth)


def _leaf(fn: Function, source: ChoiceSource, type_: NumType, _depth: int) -> Nan:
    found = fn.sources.get(type_)
    if not found or not source.below(3):
        fn.f.body.append(constant(source, type_))
        return Nan.NONE
    fn.f.body.append((GET, source.pick(found)))
    return Nan.SCALAR if fn.shell.free_nans and type_ in CANONICAL_NAN else Nan.NONE


def _operation(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    row = source.pick(candidates(fn.shell.config.features, type_))
    nan = Nan.NONE
    same = source.below(16) == 15
    last = len(row.params) - 1
    guard = row.guard
    for i, param in enumerate(row.params):
        assert isinstance(param, NumType)
        if i == last and (guard is Guard.ODD or guard is Guard.POSITIVE) and source.below(2):
            # A divisor that is known: rules for powers of two and reciprocals.
            fn.f.body.append((OPS[f"{param}.const"], source.pick(_divisors(param))))
            guard = None
            continue
        if same and i == last and i and row.params[0] is param:
            # The same value twice: operand reuse, and rules that match equal operands.
            t = fn.temp(param)
            fn.f.body += ((TEE, t), (GET, t))
            found = nan
        else:
            found = emit(fn, source, param, depth - 1)
        found = settle(fn, found, param, row.takes[i])
        if found is not Nan.NONE:
            nan = found
    if guard is not None:
        _apply(fn, guard, row)
    op = row.op
    fn.f.body.append((op, immediate(source, op)) if op.imms else op.bare)
    if row.passes:
        return row.gives if nan is not Nan.NONE else Nan.NONE
    return row.gives


@lru_cache(maxsize=2)
def _divisors(type_: NumType) -> tuple[int, ...]:
    """Constants by which any number can be divided: neither 0 nor -1."""
    minus_one = (1 << type_.bits) - 1
    return tuple(value for value in INTERESTING[type_] if value not in (0, minus_one))


def immediate(source: ChoiceSource, op: Op) -> object:
    """A lane or a row of lanes for an instruction that takes one: identity, rotation, repetition or any."""
    if op.imms == (Imm.LANE,):
        return source.below(int(op.name[op.name.index("x") + 1 : op.name.index(".")]))
    assert op.imms == (Imm.LANES,), op
    kind = source.below(4)
    if kind == 0:
        return tuple(range(16))
    if kind == 1:
        start = source.below(17)
        return tuple((start + i) % 32 for i in range(16))
    if kind == 2:
        width = 1 << source.below(4)
        lane = source.below(32 // width)
        return tuple(lane * width + i % width for i in range(16))
    return tuple(byte & 31 for byte in source.bytes(16))


def settle(fn: Function, nan: Nan, type_: NumType, takes: Nan) -> Nan:
    """Replace open NaNs on the stack unless the consumer takes them as they are."""
    if nan is Nan.NONE or nan is takes:
        return nan
    if nan is Nan.F64X2:
        t = fn.temp(V128)
        lanes = CANONICAL_NAN[F64]
        fn.f.body += (
            (TEE, t), (OPS["v128.const"], lanes << 64 | lanes), (GET, t), (GET, t), BARE["f64x2.eq"],
            BARE["v128.bitselect"],
        )  # fmt: skip
    else:
        fn.f.body += fn.canonical(type_)
    return Nan.NONE


_POSITIVE: Final = {I32: 0x7FFFFFFF, I64: 0x7FFFFFFFFFFFFFFF}
_RANGES: Final = {
    ("i32", "f32"): 0x4EFFFFFF,
    ("i32", "f64"): 0x41DFFFFFFFC00000,
    ("i64", "f32"): 0x5EFFFFFF,
    ("i64", "f64"): 0x43DFFFFFFFFFFFFF,
}
"""The largest float that both the signed and the unsigned conversion take."""


def _apply(fn: Function, guard: Guard, row: Candidate) -> None:
    body, type_ = fn.f.body, row.params[-1]
    assert isinstance(type_, NumType)
    if guard is Guard.IN_RANGE:
        limit = _RANGES[row.op.name[:3], str(type_)]
        t = fn.temp(type_)
        # The magnitude if it is in range, else zero; a NaN compares as out of range.
        body += (
            BARE[f"{type_}.abs"], (TEE, t), (OPS[f"{type_}.const"], 0), (GET, t), (OPS[f"{type_}.const"], limit),
            BARE[f"{type_}.le"], BARE["select"],
        )  # fmt: skip
        return
    if guard is Guard.POSITIVE:
        body += ((OPS[f"{type_}.const"], _POSITIVE[type_]), BARE[f"{type_}.and"])
    body += ((OPS[f"{type_}.const"], 1), BARE[f"{type_}.or"])


def _union(a: Nan, b: Nan) -> Nan:
    return b if a is Nan.NONE else a


def _select(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    first = emit(fn, source, type_, depth - 1)
    second = emit(fn, source, type_, depth - 1)
    if second is not first and Nan.NONE not in (first, second):
        second = settle(fn, second, type_, first)
    emit(fn, source, I32, depth - 1)
    if source.chance(1, 4) and fn.shell.config.allows(Feature.REFERENCE_TYPES):
        fn.f.body.append((OPS["select_t"], (type_,)))
    else:
        fn.f.body.append(BARE["select"])
    return _union(first, second)


def _if(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    emit(fn, source, I32, depth - 1)
    fn.f.open("if", (), (type_,))
    first = emit(fn, source, type_, depth - 1)
    fn.f.else_()
    second = emit(fn, source, type_, depth - 1)
    if second is not first and Nan.NONE not in (first, second):
        second = settle(fn, second, type_, first)
    fn.f.end()
    return _union(first, second)


def _load(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A load of any width inside the data: a masked address and an offset that leaves room."""
    fn.shell.uses_memory = True
    op = source.pick(_loads(fn.shell.config.features, type_))
    assert op.access is not None
    size = op.access.bytes
    if source.below(2):
        emit(fn, source, I32, depth - 2)
        fn.f.body += ((I32_CONST, DATA_BYTES // 2 - 1), BARE["i32.and"])
        offset = source.below(DATA_BYTES // 2 - size + 1)
    else:
        fn.f.body.append((I32_CONST, 0))
        offset = source.below(DATA_BYTES - size + 1)
    align = source.below(size.bit_length())
    fn.f.body.append((op, MemArg(align, offset)))
    return Nan.NONE


def _block(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A block that a conditional branch leaves early with a value."""
    fn.f.open("block", (), (type_,))
    first = emit(fn, source, type_, depth - 1)
    emit(fn, source, I32, depth - 1)
    fn.f.body += ((OPS["br_if"], 0), BARE["drop"])
    second = emit(fn, source, type_, depth - 1)
    if second is not first and Nan.NONE not in (first, second):
        second = settle(fn, second, type_, first)
    fn.f.end()
    return _union(first, second)


def _loop(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A loop of one to four rounds that computes a value again and again, mostly from itself."""
    body = fn.f.body
    emit_clean(fn, source, type_, depth - 2)
    value, count = fn.f.local(type_), fn.f.local(I32)
    body += ((SET, value), (I32_CONST, source.between(1, 4)), (SET, count))
    known = fn.sources.setdefault(type_, [])
    known.append(value)
    fn.f.open("loop")
    emit_clean(fn, source, type_, depth - 1)
    body += ((SET, value), (GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
    fn.f.end()
    body.append((GET, value))
    return Nan.NONE


_FORMS: Final = weighted(
    (_leaf, 38), (_operation, 150), (_select, 16), (_if, 16), (_load, 20), (_block, 10), (_loop, 6)
)
"""The forms of an expression that is not a leaf for lack of depth, simplest first."""


def emit_statement(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> int:
    """Compute a value into a new local, which later expressions may read; gives its index."""
    emit_clean(fn, source, type_, depth)
    local = fn.f.local(type_)
    fn.f.body.append((SET, local))
    fn.sources.setdefault(type_, []).append(local)
    return local
