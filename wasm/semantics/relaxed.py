"""Relaxed SIMD: the meaning of each relaxed instruction under a profile of the choices that the spec leaves open.

The specification (3.0, 4.3.7 Relaxed operations) has nine global parameters, each fixed for a program's execution; in
the deterministic profile each is 0. A ``RelaxedProfile`` is a little finer: one field per instruction group and lane
width, since engines choose per instruction. It also knows the results that the official test suite accepts beyond the
nine parameters (wrapping or wide sums in the dot products, the top bit of each byte in i16x8.relaxed_laneselect).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import get_type_hints

from wasm.semantics import conversions, float_lanes, floats
from wasm.semantics.floats import F32, F64, FloatFormat
from wasm.semantics.fma import exact_fma, fast_f32_fma
from wasm.semantics.integer_lanes import q15_multiply
from wasm.semantics.lanes import JOIN, SPLIT, SPLIT_SIGNED, bit_select, float_splitter, lanewise_two, repeat, swizzle
from wasm.semantics.registry import Pure, semantics


class Madd(Enum):
    """``relaxed_madd`` and ``relaxed_nmadd``: rounded after the product and after the sum, or once."""

    UNFUSED = "unfused"
    FUSED = "fused"


class MinMax(Enum):
    """``relaxed_min`` and ``relaxed_max`` where an operand is a NaN or where both are zeros of different sign."""

    IEEE = "ieee"
    FIRST = "first"
    SECOND = "second"
    NUMBER = "number"  # the operand that is no NaN (the second of two NaNs); of zeros the lesser or greater one


class TruncSigned(Enum):
    """Signed ``relaxed_trunc`` of NaN and of values out of range: as ``trunc_sat``, or 0x8000_0000."""

    SATURATE = "saturate"
    LEAST = "least"


class TruncUnsigned(Enum):
    """Unsigned ``relaxed_trunc`` of NaN and of values out of range: as ``trunc_sat``, or one bit pattern for all."""

    SATURATE = "saturate"
    ALL_ONES = "0xffffffff"
    ALL_ONES_BUT_LAST = "0xfffffffe"
    TOP_BIT = "0x80000000"


class Swizzle(Enum):
    """``relaxed_swizzle`` with an index from 16 to 127: 0, or the index modulo 16. Above that always 0."""

    ZERO = "zero"
    MODULO = "modulo"


class LaneSelect(Enum):
    """``relaxed_laneselect``: by each bit of the mask, by its lane's top bit or (i16x8) by each byte's top bit."""

    BITS = "bits"
    TOP_BIT = "top-bit"
    BYTE_TOP_BIT = "byte-top-bit"


class Dot(Enum):
    """The relaxed dot products: sign of the second operand's bytes, and what becomes of an overflowing i16 sum.

    WIDE sums never were i16 (the accumulating instruction only).
    """

    SIGNED_SATURATE = "signed-saturate"
    UNSIGNED_SATURATE = "unsigned-saturate"
    SIGNED_WRAP = "signed-wrap"
    UNSIGNED_WRAP = "unsigned-wrap"
    SIGNED_WIDE = "signed-wide"
    UNSIGNED_WIDE = "unsigned-wide"


class Q15(Enum):
    """``relaxed_q15mulr_s`` of -1 * -1: 0x7fff or 0x8000."""

    SATURATE = "saturate"
    WRAP = "wrap"


@dataclass(frozen=True, slots=True)
class RelaxedProfile:
    """The choices of one engine on one machine; the defaults are the deterministic profile's (spec, appendix A.2)."""

    madd_f32: Madd = Madd.UNFUSED
    madd_f64: Madd = Madd.UNFUSED
    nmadd_f32: Madd = Madd.UNFUSED
    nmadd_f64: Madd = Madd.UNFUSED
    min_f32: MinMax = MinMax.IEEE
    min_f64: MinMax = MinMax.IEEE
    max_f32: MinMax = MinMax.IEEE
    max_f64: MinMax = MinMax.IEEE
    trunc_f32_s: TruncSigned = TruncSigned.SATURATE
    trunc_f64_s: TruncSigned = TruncSigned.SATURATE
    trunc_f32_u: TruncUnsigned = TruncUnsigned.SATURATE
    trunc_f64_u: TruncUnsigned = TruncUnsigned.SATURATE
    swizzle: Swizzle = Swizzle.ZERO
    laneselect_8: LaneSelect = LaneSelect.BITS
    laneselect_16: LaneSelect = LaneSelect.BITS
    laneselect_32: LaneSelect = LaneSelect.BITS
    laneselect_64: LaneSelect = LaneSelect.BITS
    dot: Dot = Dot.SIGNED_SATURATE
    dot_add: Dot = Dot.SIGNED_SATURATE
    q15mulr: Q15 = Q15.SATURATE

    def to_dict(self) -> dict[str, str]:
        """For JSON: field name to choice, in field order."""
        return {field.name: getattr(self, field.name).value for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> RelaxedProfile:
        """The inverse of ``to_dict``; a missing field is deterministic.

        Raises ValueError for an unknown field or choice, also for one that the field's instruction does not have.
        """
        unknown = data.keys() - OPTIONS.keys()
        if unknown:
            raise ValueError(f"unknown relaxed SIMD choice: {', '.join(sorted(unknown))}")
        chosen = {name: _choice(name, value) for name, value in data.items()}
        return cls(**chosen)  # type: ignore[arg-type]


DETERMINISTIC = RelaxedProfile()

_NOT_WIDE = (Dot.SIGNED_SATURATE, Dot.UNSIGNED_SATURATE, Dot.SIGNED_WRAP, Dot.UNSIGNED_WRAP)
_NOT_BYTES = (LaneSelect.BITS, LaneSelect.TOP_BIT)
_RESTRICTED: dict[str, tuple[Enum, ...]] = {
    "dot": _NOT_WIDE,
    "laneselect_8": _NOT_BYTES,
    "laneselect_32": _NOT_BYTES,
    "laneselect_64": _NOT_BYTES,
}
OPTIONS: dict[str, tuple[Enum, ...]] = {
    name: _RESTRICTED.get(name, tuple(kind)) for name, kind in get_type_hints(RelaxedProfile).items()
}
"""The choices that each field of a profile has, the deterministic one first."""


def _choice(name: str, value: str) -> Enum:
    for option in OPTIONS[name]:
        if option.value == value:
            return option
    raise ValueError(f"relaxed SIMD choice {name} cannot be {value!r}")


def _madd(form: FloatFormat, choice: Enum, negate: bool) -> Pure:
    """``a * b + c``, or ``-(a * b) + c`` (spec: the first operand is negated, a bit operation)."""
    flip = repeat(form.width, form.sign) if negate else 0
    if choice is Madd.UNFUSED:
        operators = float_lanes.arithmetic(form)
        multiply, add = operators["mul"], operators["add"]
        return lambda a, b, c: add(multiply(a ^ flip, b), c)
    lane = fast_f32_fma() if form is F32 else exact_fma(form)
    split, join = SPLIT[form.width], JOIN[form.width]
    return lambda a, b, c: join(map(lane, split(a ^ flip), split(b), split(c)))


def _minimum_maximum(form: FloatFormat, name: str, choice: Enum) -> Pure:
    """A NaN that is picked rather than made keeps its bits, sign and payload."""
    ieee = floats.minimum_maximum(form)[name]
    sign = form.sign

    def lane(a: int, b: int) -> int:
        first_nan, second_nan = form.is_nan(a), form.is_nan(b)
        if not (first_nan or second_nan or ((a | b) == sign and a != b)):
            return ieee(a, b)  # type: ignore[no-any-return]
        if choice is MinMax.FIRST:
            return a
        if choice is MinMax.SECOND or first_nan:
            return b
        return a if second_nan else sign if name == "min" else 0

    return lanewise_two(form.width, ieee if choice is MinMax.IEEE else lane)


_OUT_OF_RANGE: dict[Enum, int] = {
    TruncSigned.LEAST: 0x8000_0000,
    TruncUnsigned.ALL_ONES: 0xFFFF_FFFF,
    TruncUnsigned.ALL_ONES_BUT_LAST: 0xFFFF_FFFE,
    TruncUnsigned.TOP_BIT: 0x8000_0000,
}


def _truncation(form: FloatFormat, signed: bool, choice: Enum) -> Pure:
    if choice not in _OUT_OF_RANGE:
        return float_lanes.saturating_truncation(form, signed)
    other = _OUT_OF_RANGE[choice]
    split, join = float_splitter(form.width), JOIN[32]
    least, greatest = conversions.bounds(32, signed)

    def lane(x: float) -> int:
        return int(x) & 0xFFFF_FFFF if least - 1 < x < greatest + 1 else other

    upper = () if form is F32 else (0, 0)
    return lambda a: join((*map(lane, split(a)), *upper))


def _swizzle(choice: Enum) -> Pure:
    if choice is Swizzle.ZERO:
        return swizzle
    # Clearing the bits 4 to 6 takes an index below 128 modulo 16 and leaves one above it out of range.
    kept = repeat(8, 0x8F)
    return lambda a, b: swizzle(a, b & kept)


def _laneselect(width: int, choice: Enum) -> Pure:
    if choice is LaneSelect.BITS:
        return bit_select
    tested = 8 if choice is LaneSelect.BYTE_TOP_BIT else width
    lowest, full = repeat(tested, 1), (1 << tested) - 1
    return lambda a, b, mask: bit_select(a, b, (mask >> tested - 1 & lowest) * full)


def _dot_sums(choice: Enum) -> Callable[[int, int], list[int]]:
    """The eight pairwise sums as Python integers, before they are put into lanes."""
    unsigned = choice in {Dot.UNSIGNED_SATURATE, Dot.UNSIGNED_WRAP, Dot.UNSIGNED_WIDE}
    first, second = SPLIT_SIGNED[8], (SPLIT if unsigned else SPLIT_SIGNED)[8]

    def sums(a: int, b: int) -> list[int]:
        products = [x * y for x, y in zip(first(a), second(b), strict=True)]
        pairs = [x + y for x, y in zip(products[::2], products[1::2], strict=True)]
        if choice in {Dot.SIGNED_SATURATE, Dot.UNSIGNED_SATURATE}:
            return [max(-0x8000, min(x, 0x7FFF)) for x in pairs]
        if choice in {Dot.SIGNED_WRAP, Dot.UNSIGNED_WRAP}:
            return [(x + 0x8000 & 0xFFFF) - 0x8000 for x in pairs]
        return pairs

    return sums


def _dot(choice: Enum) -> Pure:
    sums, join = _dot_sums(choice), JOIN[16]
    return lambda a, b: join([x & 0xFFFF for x in sums(a, b)])


def _dot_add(choice: Enum) -> Pure:
    sums, split, join = _dot_sums(choice), SPLIT[32], JOIN[32]

    def dot_add(a: int, b: int, c: int) -> int:
        pairs = sums(a, b)
        lanes = zip(pairs[::2], pairs[1::2], split(c), strict=True)
        return join([x + y + z & 0xFFFF_FFFF for x, y, z in lanes])

    return dot_add


def _q15(choice: Enum) -> Pure:
    if choice is Q15.SATURATE:
        return q15_multiply
    signed, join = SPLIT_SIGNED[16], JOIN[16]
    return lambda a, b: join([x * y + 0x4000 >> 15 & 0xFFFF for x, y in zip(signed(a), signed(b), strict=True)])


INSTRUCTIONS: dict[str, tuple[str, Callable[[Enum], Pure]]] = {
    "i8x16.relaxed_swizzle": ("swizzle", _swizzle),
    "i32x4.relaxed_trunc_f32x4_s": ("trunc_f32_s", lambda choice: _truncation(F32, True, choice)),
    "i32x4.relaxed_trunc_f32x4_u": ("trunc_f32_u", lambda choice: _truncation(F32, False, choice)),
    "i32x4.relaxed_trunc_f64x2_s_zero": ("trunc_f64_s", lambda choice: _truncation(F64, True, choice)),
    "i32x4.relaxed_trunc_f64x2_u_zero": ("trunc_f64_u", lambda choice: _truncation(F64, False, choice)),
    "f32x4.relaxed_madd": ("madd_f32", lambda choice: _madd(F32, choice, False)),
    "f32x4.relaxed_nmadd": ("nmadd_f32", lambda choice: _madd(F32, choice, True)),
    "f64x2.relaxed_madd": ("madd_f64", lambda choice: _madd(F64, choice, False)),
    "f64x2.relaxed_nmadd": ("nmadd_f64", lambda choice: _madd(F64, choice, True)),
    "i8x16.relaxed_laneselect": ("laneselect_8", lambda choice: _laneselect(8, choice)),
    "i16x8.relaxed_laneselect": ("laneselect_16", lambda choice: _laneselect(16, choice)),
    "i32x4.relaxed_laneselect": ("laneselect_32", lambda choice: _laneselect(32, choice)),
    "i64x2.relaxed_laneselect": ("laneselect_64", lambda choice: _laneselect(64, choice)),
    "f32x4.relaxed_min": ("min_f32", lambda choice: _minimum_maximum(F32, "min", choice)),
    "f32x4.relaxed_max": ("max_f32", lambda choice: _minimum_maximum(F32, "max", choice)),
    "f64x2.relaxed_min": ("min_f64", lambda choice: _minimum_maximum(F64, "min", choice)),
    "f64x2.relaxed_max": ("max_f64", lambda choice: _minimum_maximum(F64, "max", choice)),
    "i16x8.relaxed_q15mulr_s": ("q15mulr", _q15),
    "i16x8.relaxed_dot_i8x16_i7x16_s": ("dot", _dot),
    "i32x4.relaxed_dot_i8x16_i7x16_add_s": ("dot_add", _dot_add),
}
"""Instruction to the field that decides it, and from a choice to the meaning under it."""


def relaxed_semantics(profile: RelaxedProfile) -> dict[str, Pure]:
    """The 20 relaxed instructions under a profile, by name."""
    return {name: make(getattr(profile, field)) for name, (field, make) in INSTRUCTIONS.items()}


def _register() -> None:
    for name, function in relaxed_semantics(DETERMINISTIC).items():
        semantics(name)(function)


_register()
