"""Lowering rules: float vectors, and conversions of lanes. Relaxed rows choose as the deterministic profile does."""

from __future__ import annotations

import struct
from typing import Final

from compiler.ir import Inst
from compiler.lower import Lowering, lowers
from compiler.machine import VReg
from compiler.x64.build import build
from compiler.x64.vectors import WIDTH, every, zeros

_SUFFIX: Final = {"f32x4": "ps", "f64x2": "pd"}
_ROUND: Final = {"nearest": 8, "floor": 9, "ceil": 10, "trunc": 11}
"""Rounding modes of roundps, with the precision exception suppressed."""
_COMPARE: Final = {
    "eq": (0, False), "lt": (1, False), "le": (2, False), "ne": (4, False), "gt": (1, True), "ge": (2, True),
}  # fmt: skip
"""Predicate of cmpps, and whether the operands change places. All but ne are false for a NaN."""
_LESS_OR_EQUAL: Final = 2
_UNORDERED: Final = 3
_EQUAL: Final = 0
_PAYLOAD: Final = {"ps": ("psrld_i", 10), "pd": ("psrlq_i", 13)}
"""A logical shift that leaves ones in a NaN's payload: below sign, exponent and the fraction's top bit."""


def _split(inst: Inst) -> tuple[str, str]:
    shape, _, name = inst.op.name.partition(".")
    return _SUFFIX[shape], name


def _shapes(*names: str) -> tuple[str, ...]:
    return tuple(f"{shape}.{name}" for shape in _SUFFIX for name in names)


def _float(width: int, number: float) -> int:
    return int.from_bytes(struct.pack("<f" if width == 32 else "<d", number), "little")


@lowers(*_shapes("add", "sub", "mul", "div"))
def _arithmetic(c: Lowering, inst: Inst) -> None:
    suffix, name = _split(inst)
    left, right = map(c.use, inst.args)
    build(c, f"{name}{suffix}", left, right, out=inst.results[0])


@lowers(*_shapes("sqrt"))
def _sqrt(c: Lowering, inst: Inst) -> None:
    build(c, f"sqrt{_split(inst)[0]}", c.use(inst.args[0]), out=inst.results[0])


@lowers(*_shapes(*_ROUND))
def _round(c: Lowering, inst: Inst) -> None:
    suffix, name = _split(inst)
    build(c, f"round{suffix}", c.use(inst.args[0]), imm=_ROUND[name], out=inst.results[0])


@lowers(*_shapes(*_COMPARE))
def _compare(c: Lowering, inst: Inst) -> None:
    suffix, name = _split(inst)
    predicate, swapped = _COMPARE[name]
    left, right = map(c.use, inst.args)
    if swapped:
        left, right = right, left
    build(c, f"cmp{suffix}", left, right, imm=predicate, out=inst.results[0])


def _signs(c: Lowering, inst: Inst) -> VReg:
    width = WIDTH[inst.op.name.partition(".")[0]]
    return every(c, width, 1 << width - 1)


@lowers(*_shapes("abs"))
def _abs(c: Lowering, inst: Inst) -> None:
    build(c, "andnps", _signs(c, inst), c.use(inst.args[0]), out=inst.results[0])


@lowers(*_shapes("neg"))
def _neg(c: Lowering, inst: Inst) -> None:
    build(c, "xorps", c.use(inst.args[0]), _signs(c, inst), out=inst.results[0])


@lowers(*_shapes("pmin", "pmax"))
def _pseudo_min_max(c: Lowering, inst: Inst) -> None:
    """``b < a ? b : a``: what minps does with its operands the other way round, also for NaNs and zeros."""
    suffix, name = _split(inst)
    left, right = map(c.use, inst.args)
    build(c, f"{name[1:]}{suffix}", right, left, out=inst.results[0])


@lowers(*_shapes("min", "max", "relaxed_min", "relaxed_max"))
def _min_max(c: Lowering, inst: Inst) -> None:
    """minps and maxps give the second operand for a NaN and for two zeros, so both orders together tell these cases.

    min: the union of both results has the sign of a negative zero, and is a NaN where an operand is one.
    max: where the results differ, the union minus the difference's bits is positive zero, or a NaN.
    A NaN's payload is then cleared: that makes it canonical, which is always allowed. It must be quiet before, or it
    would become an infinity: max's subtraction has made it so, for min all its bits are set.
    """
    suffix, name = _split(inst)
    name = name.removeprefix("relaxed_")
    left, right = map(c.use, inst.args)
    one, other = build(c, f"{name}{suffix}", left, right), build(c, f"{name}{suffix}", right, left)
    joined = build(c, "orps", one, other)
    if name == "max":
        joined = build(c, f"sub{suffix}", joined, build(c, "xorps", one, other))
    unordered = build(c, f"cmp{suffix}", joined, joined, imm=_UNORDERED)
    if name == "min":
        joined = build(c, "orps", joined, unordered)
    shift, count = _PAYLOAD[suffix]
    build(c, "andnps", build(c, shift, unordered, imm=count), joined, out=inst.results[0])


@lowers(*_shapes("relaxed_madd", "relaxed_nmadd"))
def _multiply_add(c: Lowering, inst: Inst) -> None:
    """Rounded twice, since there is no fused instruction below AVX2; nmadd negates its first operand."""
    suffix, name = _split(inst)
    left, right, addend = map(c.use, inst.args)
    if name == "relaxed_nmadd":
        left = build(c, "xorps", left, _signs(c, inst))
    build(c, f"add{suffix}", build(c, f"mul{suffix}", left, right), addend, out=inst.results[0])


# Conversions.

_DIRECT: Final = {
    "f32x4.convert_i32x4_s": "cvtdq2ps",
    "f64x2.convert_low_i32x4_s": "cvtdq2pd",
    "f32x4.demote_f64x2_zero": "cvtpd2ps",
    "f64x2.promote_low_f32x4": "cvtps2pd",
}


@lowers(*_DIRECT)
def _convert(c: Lowering, inst: Inst) -> None:
    build(c, _DIRECT[inst.op.name], c.use(inst.args[0]), out=inst.results[0])


@lowers("f32x4.convert_i32x4_u")
def _convert_u32(c: Lowering, inst: Inst) -> None:
    """The upper halves of all lanes and the lower ones convert without rounding: only their sum rounds.

    The upper ones are halved first, since the instruction takes its source as signed.
    """
    value = c.use(inst.args[0])
    low = build(c, "pblendw", value, zeros(c), imm=0b1010_1010)
    high = build(c, "cvtdq2ps", build(c, "psrld_i", build(c, "psubd", value, low), imm=1))
    build(c, "addps", build(c, "addps", high, high), build(c, "cvtdq2ps", low), out=inst.results[0])


_TWO_52: Final = _float(64, float(1 << 52))


@lowers("f64x2.convert_low_i32x4_u")
def _convert_low_u32(c: Lowering, inst: Inst) -> None:
    """As the fraction of a double between 2^52 and 2^53, whose last place is 1."""
    numbers = build(c, "unpcklps", c.use(inst.args[0]), every(c, 32, _TWO_52 >> 32))
    build(c, "subpd", numbers, every(c, 64, _TWO_52), out=inst.results[0])


@lowers("i32x4.trunc_sat_f32x4_s", "i32x4.relaxed_trunc_f32x4_s")
def _truncate_f32_s(c: Lowering, inst: Inst) -> None:
    """What cvttps2dq cannot represent gives the least integer: right below, complemented above. NaNs become 0 first."""
    value = c.use(inst.args[0])
    number = build(c, "andps", value, build(c, "cmpps", value, value, imm=_EQUAL))
    above = build(c, "cmpps", every(c, 32, _float(32, 2.0**31)), number, imm=_LESS_OR_EQUAL)
    build(c, "pxor", build(c, "cvttps2dq", number), above, out=inst.results[0])


@lowers("i32x4.trunc_sat_f32x4_u", "i32x4.relaxed_trunc_f32x4_u")
def _truncate_f32_u(c: Lowering, inst: Inst) -> None:
    """Two parts: the number, which from 2^31 on converts to 2^31 whatever it is, and what it has above 2^31."""
    zero, limit = zeros(c), every(c, 32, _float(32, 2.0**31))
    # maxps gives its second operand for a NaN.
    number = build(c, "maxps", c.use(inst.args[0]), zero)
    rest = build(c, "subps", number, limit)
    above = build(c, "cmpps", limit, rest, imm=_LESS_OR_EQUAL)
    upper = build(c, "pmaxsd", build(c, "pxor", build(c, "cvttps2dq", rest), above), zero)
    build(c, "paddd", build(c, "cvttps2dq", number), upper, out=inst.results[0])


@lowers("i32x4.trunc_sat_f64x2_s_zero", "i32x4.relaxed_trunc_f64x2_s_zero")
def _truncate_f64_s(c: Lowering, inst: Inst) -> None:
    """At most the greatest integer, or 0 for a NaN, which minpd leaves for its second operand; below, as for f32."""
    value = c.use(inst.args[0])
    ordered = build(c, "cmppd", value, value, imm=_EQUAL)
    greatest = build(c, "andps", ordered, every(c, 64, _float(64, 2.0**31 - 1)))
    build(c, "cvttpd2dq", build(c, "minpd", value, greatest), out=inst.results[0])


@lowers("i32x4.trunc_sat_f64x2_u_zero", "i32x4.relaxed_trunc_f64x2_u_zero")
def _truncate_f64_u(c: Lowering, inst: Inst) -> None:
    """Clamped, truncated, and added to 2^52: then the fraction's lower half is the integer."""
    zero = zeros(c)
    number = build(c, "maxpd", c.use(inst.args[0]), zero)
    number = build(c, "minpd", number, every(c, 64, _float(64, 2.0**32 - 1)))
    number = build(c, "addpd", build(c, "roundpd", number, imm=_ROUND["trunc"]), every(c, 64, _TWO_52))
    build(c, "shufps", number, zero, imm=0b10_00_10_00, out=inst.results[0])
