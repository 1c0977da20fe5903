"""Free NaNs: which bits of a value the specification leaves open, and which instructions let them decide something.

An instruction whose row says ``nan`` may give any of several NaNs (spec 4.3.3, NaN propagation): either sign, and
either the canonical payload, if every NaN among its operands is canonical, or else any arithmetic one. The
interpreter goes on with the positive canonical NaN and keeps the mask of the open bits above the value's own bits:
``bits | mask << width``. So copying a value costs nothing, and the functions that ``guarded`` gives compute masks bit
by bit where an instruction moves bits, and report to the meter where an open bit decides anything else.
"""

from __future__ import annotations

from typing import Any, Final

from oracles.interpreter.budget import Meter
from wasm.embedding import FreeNan
from wasm.isa import OPS, Op
from wasm.semantics.floats import F32, F64, FloatFormat
from wasm.semantics.lanes import ONES, repeat
from wasm.semantics.registry import Pure
from wasm.valtypes import F32 as F32_TYPE
from wasm.valtypes import F64 as F64_TYPE
from wasm.valtypes import I32, I64, V128, NumType

FORMS: Final[dict[object, FloatFormat]] = {F32_TYPE: F32, F64_TYPE: F64}
_SHAPES: Final = {"f32x4": F32, "f64x2": F64}


def open_mask(form: FloatFormat) -> int:
    """The open bits of a NaN that may be any arithmetic one: the sign and all of the payload but its top bit."""
    return form.sign | (1 << form.fraction_bits - 1) - 1


def _is_canonical(form: FloatFormat, bits: int, mask: int) -> bool:
    return bits & form.sign - 1 == form.canonical_nan and not mask & form.sign - 1


def result_mask(form: FloatFormat, operands: list[tuple[FloatFormat, int, int]]) -> int:
    """The open bits of a NaN result, from the operands as (format, bits, mask)."""
    for source, bits, mask in operands:
        if source.is_nan(bits) and not _is_canonical(source, bits, mask):
            return open_mask(form)
    return form.sign


def free_nans(index: int, type_: NumType, value: int) -> list[FreeNan] | None:
    """The open bits of a value as free NaNs; None where they are not whole NaNs (a vector cut to pieces)."""
    bits, mask = value & (1 << type_.bits) - 1, value >> type_.bits
    if not mask:
        return []
    if type_ in FORMS:
        lane = _free_lane(FORMS[type_], bits, mask)
        return None if lane is None else [FreeNan(index, 0, type_.bits, lane)]
    if type_ is not V128:
        return None
    for form in (F64, F32):
        lanes = [(i, bits >> i & _low(form), mask >> i & _low(form)) for i in range(0, 128, form.width)]
        kinds = [(offset, _free_lane(form, b, m)) for offset, b, m in lanes if m]
        if all(kind is not None for _, kind in kinds):
            return [FreeNan(index, offset, form.width, bool(kind)) for offset, kind in kinds]
    return None


def _low(form: FloatFormat) -> int:
    return (1 << form.width) - 1


def _free_lane(form: FloatFormat, bits: int, mask: int) -> bool | None:
    """Whether a lane is a free canonical NaN (True) or a free arithmetic one (False); None if it is neither."""
    if bits & form.canonical_nan != form.canonical_nan or mask & ~open_mask(form):
        return None
    return _is_canonical(form, bits, mask)


def settle(form: FloatFormat, value: int, meter: Meter, width: int = 128) -> int:
    """The own bits of a value of ``width`` bits with lanes of a format, for an operator to which only NaN-ness matters.

    Open bits that are not those of a whole NaN (a vector cut to pieces) decide its result: they count as observed.
    """
    bits, mask = value & (1 << width) - 1, value >> width
    for i in range(0, width, form.width):
        lane = mask >> i & _low(form)
        if lane and _free_lane(form, bits >> i & _low(form), lane) is None:
            meter.observed = True
    return bits


# One guarded function per kind of instruction


def guarded(op: Op, pure: Pure, meter: Meter) -> Pure:
    """The meaning of a numeric or vector instruction on values with open bits, reporting to ``meter``."""
    params = op.params or ()
    results = op.results or ()
    if all(param in (I32, I64) for param in params):
        return pure  # results of these have no open bits: converted and reinterpreted integers are no NaNs
    if V128 in params or V128 in results:
        return _vector(op, pure, meter)
    return _scalar(op, pure, meter)


def _scalar(op: Op, pure: Pure, meter: Meter) -> Pure:
    assert op.params is not None
    assert op.results is not None
    source = FORMS[op.params[0]]
    low, width = _low(source), source.width
    target = FORMS.get(op.results[0])
    kind = op.name.partition(".")[2]
    if target is None:
        if "reinterpret" in kind:
            return _observer(pure, (low,), meter)
        # Comparisons and truncations see that it is a NaN and nothing more.
        return _settled_one(source, pure, low, meter) if len(op.params) == 1 else _settled(source, pure, low, meter)
    if op.nan:
        return _arithmetic(source, target, pure, len(op.params), meter)
    magnitude = source.sign - 1
    if kind == "abs":
        return lambda a: pure(a & low) | (a >> width & magnitude) << width
    if kind == "neg":
        return lambda a: pure(a & low) | a >> width << width
    assert kind == "copysign"

    def copysign(a: int, b: int) -> int:
        mask = a >> width & magnitude | b >> width & source.sign
        if mask & source.sign and not source.is_nan(a & low):
            meter.observed = True
            mask &= magnitude
        result: int = pure(a & low, b & low)
        return result | mask << width

    return copysign


def _settled_one(form: FloatFormat, pure: Pure, low: int, meter: Meter) -> Pure:
    width = low.bit_length()
    return lambda a: pure(a if a <= low else settle(form, a, meter, width))


def _settled(form: FloatFormat, pure: Pure, low: int, meter: Meter) -> Pure:
    width = low.bit_length()

    def settled(a: int, b: int) -> Any:
        if a > low:
            a = settle(form, a, meter, width)
        if b > low:
            b = settle(form, b, meter, width)
        return pure(a, b)

    return settled


def _observer(pure: Pure, lows: tuple[int, ...], meter: Meter) -> Pure:
    """For instructions to which every bit matters: ``lows`` are the operands' own bits, then come immediates."""
    if len(lows) == 1:
        low = lows[0]

        def observe_one(a: int, *imms: Any) -> Any:
            if a > low:
                meter.observed = True
                a &= low
            return pure(a, *imms)

        return observe_one

    def observe(*operands: Any) -> Any:
        clean = list(operands)
        for i, low in enumerate(lows):
            if clean[i] > low:
                meter.observed = True
                clean[i] &= low
        return pure(*clean)

    return observe


def _arithmetic(source: FloatFormat, target: FloatFormat, pure: Pure, arity: int, meter: Meter) -> Pure:
    """Float arithmetic: a NaN result is free. ``pure`` gives the positive canonical NaN for each."""
    low, width, nan = _low(source), source.width, target.canonical_nan

    if arity == 1:

        def unary(a: int) -> int:
            result: int = pure(a if a <= low else settle(source, a, meter, width))
            if result == nan:
                result |= result_mask(target, [(source, a & low, a >> width)]) << target.width
            return result

        return unary

    def binary(a: int, b: int) -> int:
        result: int = pure(
            a if a <= low else settle(source, a, meter, width),
            b if b <= low else settle(source, b, meter, width),
        )
        if result == nan:
            operands = [(source, a & low, a >> width), (source, b & low, b >> width)]
            result |= result_mask(target, operands) << width
        return result

    return binary


# Vectors: the mask is 128 bits above the 128 bits of the value


def _vector(op: Op, pure: Pure, meter: Meter) -> Pure:
    shape, _, kind = op.name.partition(".")
    known = _BITWISE.get(op.name)
    if known is not None:
        return known
    if op.nan:
        return _lane_arithmetic(op, pure, meter)
    if kind in ("shuffle", "splat", "replace_lane", "swizzle", "relaxed_swizzle") or "laneselect" in kind:
        return _mover(op, pure, meter)
    if shape in _SHAPES:
        form = _SHAPES[shape]
        if kind in ("abs", "neg"):
            kept = repeat(form.width, form.sign - 1) if kind == "abs" else ONES
            return lambda a: pure(a & ONES) | (a >> 128 & kept) << 128
        if kind in ("pmin", "pmax"):
            return _pick(shape, kind, pure, meter)
        if kind == "extract_lane":
            low = _low(form)
            return lambda a, lane: a >> lane * form.width & low | (a >> 128 + lane * form.width & low) << form.width
        if kind in ("eq", "ne", "lt", "gt", "le", "ge"):
            return _settled(form, pure, ONES, meter)
    if "trunc" in kind:  # a NaN gives a number that does not depend on its bits
        return _settled_one(F32 if "f32x4" in kind else F64, pure, ONES, meter)
    if kind.startswith("extract_lane"):
        return _lane_reader(int(128 / int(shape.partition("x")[2])), pure, meter)
    lows = tuple((1 << param.bits) - 1 for param in op.params or () if isinstance(param, NumType))
    return _observer(pure, lows, meter)


def _split(*values: int) -> tuple[list[int], list[int]]:
    return [value & ONES for value in values], [value >> 128 for value in values]


def _bit_and(a: int, b: int) -> int:
    if a <= ONES and b <= ONES:
        return a & b
    (x, y), (m, n) = _split(a, b)
    return x & y | ((m | n) & (x | m) & (y | n)) << 128


def _bit_not(a: int) -> int:
    return a ^ ONES


def _bit_and_not(a: int, b: int) -> int:
    return _bit_and(a, b ^ ONES)


def _bit_or(a: int, b: int) -> int:
    return _bit_and(a ^ ONES, b ^ ONES) ^ ONES


def _bit_xor(a: int, b: int) -> int:
    (x, y), (m, n) = _split(a, b)
    return x ^ y | (m | n) << 128


def _bit_select(a: int, b: int, c: int) -> int:
    (x, y, z), (m, n, o) = _split(a, b, c)
    # Where the selecting bit is open, the result is open unless both candidates are the same known bit.
    mask = (n ^ (m ^ n) & z) & ~o | o & (x ^ y | m | n)
    return y ^ (x ^ y) & z | mask << 128


_BITWISE: Final[dict[str, Pure]] = {
    "v128.and": _bit_and,
    "v128.not": _bit_not,
    "v128.andnot": _bit_and_not,
    "v128.or": _bit_or,
    "v128.xor": _bit_xor,
    "v128.bitselect": _bit_select,
}


def _mover(op: Op, pure: Pure, meter: Meter) -> Pure:
    """Instructions that move bits as other operands say: the masks move likewise."""
    shape, _, kind = op.name.partition(".")
    assert op.params is not None
    if kind == "splat":
        width = 128 // int(shape.partition("x")[2])
        low = _low(_SHAPES[shape])
        return lambda a: pure(a & low) | pure(a >> width) << 128
    if kind == "shuffle":
        return lambda a, b, lanes: pure(a & ONES, b & ONES, lanes) | pure(a >> 128, b >> 128, lanes) << 128
    if kind == "replace_lane":
        scalar = op.params[1]
        assert isinstance(scalar, NumType)
        low, bits = (1 << scalar.bits) - 1, scalar.bits
        return lambda a, x, lane: pure(a & ONES, x & low, lane) | pure(a >> 128, x >> bits, lane) << 128

    def select(*operands: int) -> int:
        *moved, selector = operands
        if selector > ONES:
            meter.observed = True
            selector &= ONES
        bits, masks = _split(*moved)
        result: int = pure(*bits, selector) | pure(*masks, selector) << 128
        return result

    return select


def _pick(shape: str, kind: str, pure: Pure, meter: Meter) -> Pure:
    form = _SHAPES[shape]
    less = OPS[f"{shape}.lt"].pure
    assert less is not None

    def pick(a: int, b: int) -> int:
        (x, y), (m, n) = _split(a, b)
        result: int = pure(x, y)
        if m or n:
            settle(form, a, meter)
            settle(form, b, meter)
            second = less(y, x) if kind == "pmin" else less(x, y)
            result |= (m ^ (m ^ n) & second) << 128
        return result

    return pick


def _lane_reader(width: int, pure: Pure, meter: Meter) -> Pure:
    low = (1 << width) - 1

    def extract(a: int, lane: int) -> int:
        if a > ONES and a >> 128 + lane * width & low:
            meter.observed = True
        result: int = pure(a & ONES, lane)
        return result

    return extract


def _lane_arithmetic(op: Op, pure: Pure, meter: Meter) -> Pure:
    """Float arithmetic on lanes: each NaN lane of the result is free.

    Relaxed min and max may give an operand back under a profile; then the lane has that operand's bits and mask.
    """
    shape, _, kind = op.name.partition(".")
    target = _SHAPES[shape]
    source = F64 if "f64x2" in kind else F32 if "f32x4" in kind else target
    copies = kind in ("relaxed_min", "relaxed_max")
    exponents = repeat(target.width, target.infinity)
    ones, tops = repeat(target.width, 1), repeat(target.width, target.sign)
    lanes = 128 // max(source.width, target.width)

    def arithmetic(*operands: int) -> int:
        bits, masks = _split(*operands)
        if any(masks):
            for operand in operands:
                settle(source, operand, meter)
        result: int = pure(*bits)
        # The classic test for an all-zero lane, here of the inverted exponents: quick, with rare false alarms.
        inverted = result & exponents ^ exponents
        if not (inverted - ones) & ~inverted & tops:
            return result
        for i in range(lanes):
            lane = result >> i * target.width & _low(target)
            if not target.is_nan(lane):
                continue
            each = [
                (source, b >> i * source.width & _low(source), m >> i * source.width & _low(source))
                for b, m in zip(bits, masks, strict=True)
            ]
            if copies and lane != target.canonical_nan:
                mask = next((m for _, b, m in each if b == lane), 0)
            else:
                mask = result_mask(target, each)
            result |= mask << 128 + i * target.width
        return result

    return arithmetic
