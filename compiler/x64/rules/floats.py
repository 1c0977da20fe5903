"""Lowering rules: scalar floating point and conversions."""

from __future__ import annotations

import struct
from typing import Final

from compiler.ir import Inst
from compiler.lower import Lowering, lowers
from compiler.machine import VReg, define, reuse, use
from compiler.x64.build import build, pseudo
from compiler.x64.rules.scalars import SUFFIX, split_float, trap_if, zero_extended
from wasm.traps import TrapKind
from wasm.valtypes import F32, F64, I32, I64, NumType

_TYPE: Final[dict[str, NumType]] = {"f32": F32, "f64": F64, "i32": I32, "i64": I64}
_SIGN: Final = {F32: 1 << 31, F64: 1 << 63}
_ROUND: Final = {"nearest": 8, "floor": 9, "ceil": 10, "trunc": 11}
"""Rounding modes of roundss, with the precision exception suppressed."""


@lowers(*(f"{t}.{name}" for t in SUFFIX for name in ("add", "sub", "mul", "div")))
def _arithmetic(c: Lowering, inst: Inst) -> None:
    suffix, name = split_float(inst)
    build(c, f"{name}{suffix}", c.use(inst.args[0]), c.use(inst.args[1]), out=inst.results[0])


@lowers("f32.sqrt", "f64.sqrt")
def _sqrt(c: Lowering, inst: Inst) -> None:
    build(c, f"sqrt{split_float(inst)[0]}", c.use(inst.args[0]), out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in SUFFIX for name in _ROUND))
def _round(c: Lowering, inst: Inst) -> None:
    suffix, name = split_float(inst)
    build(c, f"round{suffix}", c.use(inst.args[0]), imm=_ROUND[name], out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in SUFFIX for name in ("min", "max")))
def _min_max(c: Lowering, inst: Inst) -> None:
    left, right = map(c.use, inst.args)
    pseudo(c, "fminmax", (use(left), use(right), define(inst.results[0], reuse(0))), split_float(inst))


def _mask(c: Lowering, type_: NumType, invert: bool) -> VReg:
    bits = _SIGN[type_]
    return c.make_constant(type_, ~bits & (1 << type_.bits) - 1 if invert else bits)


@lowers("f32.abs", "f64.abs", "f32.neg", "f64.neg")
def _sign(c: Lowering, inst: Inst) -> None:
    type_ = c.type_of(inst.args[0])
    if inst.op.name.endswith("abs"):
        build(c, "andps", c.use(inst.args[0]), _mask(c, type_, True), out=inst.results[0])
    else:
        build(c, "xorps", c.use(inst.args[0]), _mask(c, type_, False), out=inst.results[0])


@lowers("f32.copysign", "f64.copysign")
def _copysign(c: Lowering, inst: Inst) -> None:
    type_ = c.type_of(inst.args[0])
    magnitude = build(c, "andps", c.use(inst.args[0]), _mask(c, type_, True), out=c.new(type_))
    sign = build(c, "andps", c.use(inst.args[1]), _mask(c, type_, False), out=c.new(type_))
    build(c, "orps", magnitude, sign, out=inst.results[0])


@lowers("f32.demote_f64", "f64.promote_f32")
def _resize(c: Lowering, inst: Inst) -> None:
    build(c, "cvtsd2ss" if inst.op.name == "f32.demote_f64" else "cvtss2sd", c.use(inst.args[0]), out=inst.results[0])


@lowers("i32.reinterpret_f32", "i64.reinterpret_f64", "f32.reinterpret_i32", "f64.reinterpret_i64")
def _reinterpret(c: Lowering, inst: Inst) -> None:
    letter = "d" if inst.op.name[1:3] == "32" else "q"
    way = "from_x" if inst.op.name[0] == "i" else "to_x"
    build(c, f"mov{letter}_{way}", c.use(inst.args[0]), out=inst.results[0])


@lowers(*(f"{f}.convert_{i}_{s}" for f in SUFFIX for i in ("i32", "i64") for s in "su"))
def _convert(c: Lowering, inst: Inst) -> None:
    suffix, name = split_float(inst)
    kind = name.removeprefix("convert_")
    # The instruction keeps the upper part of its target: starting from zero ends the dependency on what was there.
    zero = c.make_constant(c.type_of(inst.results[0]), 0)
    if kind == "i64_u":
        value = c.use(inst.args[0])
        pseudo(c, "convert_u64", (use(value), use(zero), define(inst.results[0], reuse(1))), suffix)
        return
    if kind == "i32_u":
        value, bits = zero_extended(c, inst.args[0]), 64
    else:
        value, bits = c.use(inst.args[0]), int(kind[1:3])
    build(c, f"cvtsi2{suffix}_{bits}", zero, value, out=inst.results[0])


_LIMITS: Final = {
    ("i32", "s"): (-(1 << 31), 1 << 31),
    ("i32", "u"): (0, 1 << 32),
    ("i64", "s"): (-(1 << 63), 1 << 63),
    ("i64", "u"): (0, 1 << 64),
}
"""First and one past the last integer of each target."""


def _float_bits(type_: NumType, value: int) -> int | None:
    """The bit pattern of an integer that is a power of two, its negative, or small; None if it is not exact."""

    code = "<f" if type_ is F32 else "<d"
    try:
        packed = struct.pack(code, float(value))
    except OverflowError:
        return None
    return int.from_bytes(packed, "little") if struct.unpack(code, packed)[0] == value else None


@lowers(*(f"{i}.trunc_{f}_{s}" for i in ("i32", "i64") for f in SUFFIX for s in "su"))
def _trunc(c: Lowering, inst: Inst) -> None:
    """Two comparisons for the two traps; what is left fits, so the conversion itself cannot fail."""
    integer, _, rest = inst.op.name.partition(".")
    float_, sign = rest.removeprefix("trunc_").split("_")
    type_ = _TYPE[float_]
    suffix = SUFFIX[float_]
    value = c.use(inst.args[0])
    build(c, f"ucomi{suffix}", value, value)
    trap_if(c, "p", TrapKind.BAD_CONVERSION)
    first, past = _LIMITS[(integer, sign)]
    upper = _float_bits(type_, past)
    assert upper is not None
    build(c, f"ucomi{suffix}", value, c.make_constant(type_, upper))
    trap_if(c, "ae", TrapKind.INT_OVERFLOW)
    # Everything above first - 1 truncates to at least first; where first - 1 is not exact, first is the least float.
    below = _float_bits(type_, first - 1)
    lower = below if below is not None else _float_bits(type_, first)
    assert lower is not None
    build(c, f"ucomi{suffix}", value, c.make_constant(type_, lower))
    trap_if(c, "be" if below is not None else "b", TrapKind.INT_OVERFLOW)
    if (integer, sign) == ("i64", "u"):
        pseudo(c, "trunc_u64", (use(value), define(inst.results[0])), suffix)
    elif sign == "u":
        build(c, f"cvtt{suffix}2si_64", value, out=inst.results[0])
    else:
        build(c, f"cvtt{suffix}2si_{integer[1:]}", value, out=inst.results[0])


@lowers(*(f"{i}.trunc_sat_{f}_{s}" for i in ("i32", "i64") for f in SUFFIX for s in "su"))
def _trunc_sat(c: Lowering, inst: Inst) -> None:
    integer, _, rest = inst.op.name.partition(".")
    float_, sign = rest.removeprefix("trunc_sat_").split("_")
    past = _float_bits(_TYPE[float_], _LIMITS[(integer, sign)][1])
    value = c.use(inst.args[0])
    pseudo(c, "trunc_sat", (use(value), define(inst.results[0])), (SUFFIX[float_], integer, sign, past))
