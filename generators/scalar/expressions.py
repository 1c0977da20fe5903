"""Type-directed expressions over every pure instruction of the table: valid by construction, never trapping.

``emit(fn, source, I32, 2)`` may write

    local.get 0  i32.const 255  i32.and  local.get 2  i32.const 1  i32.or  i32.div_u

where the ``or`` is the guard that keeps the divisor from being zero.

The candidates come from the instruction table by result type (``generators.scalar.candidates``). Operands that would
trap are guarded. A NaN result whose bits the specification leaves open (4.3.3) may flow on through float operations as
it likes, which keeps the fusions under test intact; it is replaced by the canonical NaN only where an instruction would
observe its bits. ``Nan`` tracks that: which lanes, if any, may hold such a NaN.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, CONST, INTERESTING, constant
from generators.module.function import GET, I32_CONST, SET, Function
from generators.module.loops import ROUNDS
from generators.module.shell import DATA_BYTES
from generators.scalar.candidates import Candidate, Guard, Nan, candidates, loads, result_of
from wasm.features import Feature
from wasm.fragment import Code, Template, code, template
from wasm.isa import Imm, MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

# Code

TWICE: Final = template("local.tee $t  local.get $t")
LEAVE: Final = code("br_if 0  drop")
"""Out of a block of one result with the value below the condition; else that value makes room for another."""

SELECT: Final = code("select")
TYPED_SELECT: Final = {t: template("select_t (result $t)")(t=t) for t in CONST}

ODD: Final[dict[NumType, Code]] = {t: code(f"{t}.const 1  {t}.or") for t in (I32, I64)}
POSITIVE: Final[dict[NumType, Code]] = {
    t: template(f"{t}.const $most  {t}.and")(most=(1 << t.bits - 1) - 1) for t in (I32, I64)
}
_IN_RANGE: Final[dict[NumType, Template]] = {
    t: template(f"{t}.abs  local.tee $t  {t}.const 0.0  local.get $t  {t}.const $limit  {t}.le  select")
    for t in (F32, F64)
}
"""The magnitude if it is in range, else zero; a NaN compares as out of range."""

_LIMITS: Final = {
    ("i32", "f32"): 0x4EFFFFFF,
    ("i32", "f64"): 0x41DFFFFFFFC00000,
    ("i64", "f32"): 0x5EFFFFFF,
    ("i64", "f64"): 0x43DFFFFFFFFFFFFF,
}
"""The largest float that both the signed and the unsigned conversion take."""

_CANONICAL_F64X2: Final = template(
    "local.tee $t  v128.const $nans  local.get $t  local.get $t  f64x2.eq  v128.bitselect"
)
_IN_LOWER_HALF: Final = template("i32.const $mask  i32.and")(mask=DATA_BYTES // 2 - 1)
"""An address, so that every offset up to the middle of the data stays within it."""


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
    locals_ = fn.sources.get(type_)
    if not locals_ or not source.chance(2, 3):
        fn.f.body.append(constant(source, type_))
        return Nan.NONE
    fn.f.body.append((GET, source.pick(locals_)))
    return Nan.SCALAR if fn.shell.free_nans and type_ in CANONICAL_NAN else Nan.NONE


def _operation(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    chosen = source.pick(candidates(fn.shell.config.features, type_))
    nan = Nan.NONE
    same = source.one_in(16)
    last = len(chosen.params) - 1
    guard = chosen.guard
    for i, param in enumerate(chosen.params):
        assert isinstance(param, NumType)
        if i == last and (guard is Guard.ODD or guard is Guard.POSITIVE) and source.one_in(2):
            # A divisor that is known: rules for powers of two and reciprocals.
            fn.f.body.append((CONST[param], source.pick(_divisors(param))))
            guard = None
            continue
        if same and i == last and i and chosen.params[0] is param:
            # The same value twice: operand reuse, and rules that match equal operands.
            fn.f.body += TWICE(t=fn.temp(param))
            operand = nan
        else:
            operand = emit(fn, source, param, depth - 1)
        operand = settle(fn, operand, param, chosen.takes[i])
        if operand is not Nan.NONE:
            nan = operand
    if guard is not None:
        _apply(fn, guard, chosen)
    op = chosen.op
    fn.f.body.append((op, immediate(source, op)) if op.imms else op.bare)
    return result_of(chosen, nan)


@lru_cache(maxsize=2)
def _divisors(type_: NumType) -> tuple[int, ...]:
    """Constants by which any number can be divided: neither 0 nor -1."""
    minus_one = (1 << type_.bits) - 1
    return tuple(value for value in INTERESTING[type_] if value not in (0, minus_one))


def immediate(source: ChoiceSource, op: Op) -> object:
    """The immediate of a pure instruction that takes one: a lane, or the byte indices of a shuffle."""
    if op.imms == (Imm.LANE,):
        return source.below(int(op.name[op.name.index("x") + 1 : op.name.index(".")]))
    assert op.imms == (Imm.LANES,), op
    match source.pick(_SHUFFLES):
        case "identity":
            return tuple(range(16))
        case "rotation":
            start = source.below(17)
            return tuple((start + i) % 32 for i in range(16))
        case "repetition":
            width = source.pick((1, 2, 4, 8))
            lane = source.below(32 // width)
            return tuple(lane * width + i % width for i in range(16))
    return tuple(byte & 31 for byte in source.bytes(16))


_SHUFFLES: Final = ("identity", "rotation", "repetition", "any")


def settle(fn: Function, nan: Nan, type_: NumType, takes: Nan) -> Nan:
    """Replace open NaNs on the stack unless the consumer takes them as they are."""
    if nan is Nan.NONE or nan is takes:
        return nan
    if nan is Nan.F64X2:
        lane = CANONICAL_NAN[F64]
        fn.f.body += _CANONICAL_F64X2(t=fn.temp(V128), nans=lane << 64 | lane)
    else:
        fn.f.body += fn.canonical(type_)
    return Nan.NONE


def merge(fn: Function, type_: NumType, first: Nan, second: Nan) -> Nan:
    """The second of two alternatives for one place is on the stack: let the place hold open NaNs of one kind only.

    Gives what the place may hold.
    """
    if second is not first and Nan.NONE not in (first, second):
        second = settle(fn, second, type_, first)
    return second if first is Nan.NONE else first


def _apply(fn: Function, guard: Guard, guarded: Candidate) -> None:
    type_ = guarded.params[-1]
    assert isinstance(type_, NumType)
    if guard is Guard.IN_RANGE:
        fn += _IN_RANGE[type_](t=fn.temp(type_), limit=_LIMITS[guarded.op.name[:3], str(type_)])
        return
    if guard is Guard.POSITIVE:
        fn += POSITIVE[type_]
    fn += ODD[type_]


def _select(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    first = emit(fn, source, type_, depth - 1)
    nan = merge(fn, type_, first, emit(fn, source, type_, depth - 1))
    emit(fn, source, I32, depth - 1)
    typed = source.one_in(4) and fn.shell.config.allows(Feature.REFERENCE_TYPES)
    fn += TYPED_SELECT[type_] if typed else SELECT
    return nan


def _if(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    emit(fn, source, I32, depth - 1)
    with fn.block("if", (), (type_,)):
        first = emit(fn, source, type_, depth - 1)
        fn.else_()
        return merge(fn, type_, first, emit(fn, source, type_, depth - 1))


def _load(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A load of any width inside the data: a masked address and an offset that leaves room."""
    fn.shell.uses_memory = True
    op = source.pick(loads(fn.shell.config.features, type_))
    assert op.access is not None
    size = op.access.bytes
    if source.one_in(2):
        emit(fn, source, I32, depth - 2)
        fn += _IN_LOWER_HALF
        offset = source.below(DATA_BYTES // 2 - size + 1)
    else:
        fn.f.body.append((I32_CONST, 0))
        offset = source.below(DATA_BYTES - size + 1)
    align = source.below(size.bit_length())
    fn.f.body.append((op, MemArg(align, offset)))
    return Nan.NONE


def _block(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A block that a conditional branch leaves early with a value."""
    with fn.block("block", (), (type_,)):
        first = emit(fn, source, type_, depth - 1)
        emit(fn, source, I32, depth - 1)
        fn += LEAVE
        return merge(fn, type_, first, emit(fn, source, type_, depth - 1))


def _loop(fn: Function, source: ChoiceSource, type_: NumType, depth: int) -> Nan:
    """A loop of one to four rounds that computes a value again and again, mostly from itself."""
    body = fn.f.body
    emit_clean(fn, source, type_, depth - 2)
    value, count = fn.local(type_), fn.local(I32)
    body.append((SET, value))
    fn += ROUNDS(source.between(1, 4), count)
    fn.sources.setdefault(type_, []).append(value)
    with fn.repeat(count):
        emit_clean(fn, source, type_, depth - 1)
        body.append((SET, value))
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
