"""Lowering rules: integers, comparisons, selection, conversions between integers."""

from __future__ import annotations

from typing import Final

from compiler.abi import RAX, RDX
from compiler.ir import Inst
from compiler.lower import Lowering, lowers
from compiler.machine import REG, define, fixed, late_use, reuse, use
from compiler.x64.build import build, pseudo
from compiler.x64.rules.conditions import condition_of
from compiler.x64.rules.scalars import BITS, alu, signed32, split, trap_if
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64

_ALU: Final = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor"}
_SHIFTS: Final = {"shl": "shl", "shr_s": "sar", "shr_u": "shr", "rotl": "rol", "rotr": "ror"}
_COMMUTES: Final = frozenset(("add", "and", "or", "xor"))


@lowers(*(f"{t}.{name}" for t in BITS for name in _ALU))
def _alu(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    left, right = inst.args
    if name in _COMMUTES and c.constant(left) is not None:
        left, right = right, left
    alu(c, _ALU[name], bits, c.use(left), right, inst.results[0])


@lowers("i32.mul", "i64.mul")
def _mul(c: Lowering, inst: Inst) -> None:
    bits, _ = split(inst)
    left, right = inst.args
    number = signed32(c, right) if c.settings.opt != "none" else None
    if number is None:
        build(c, f"imul{bits}", c.use(left), c.use(right), out=inst.results[0])
    else:
        build(c, f"imul{bits}_i32", c.use(left), imm=number, out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in BITS for name in _SHIFTS))
def _shift(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    value, amount = inst.args
    known = c.constant(amount) if c.settings.opt != "none" else None
    if known is None:
        build(c, f"{_SHIFTS[name]}{bits}", c.use(value), c.use(amount), out=inst.results[0])
    else:
        # The amount counts modulo the width (spec 4.3.2); an immediate is taken as it stands.
        build(c, f"{_SHIFTS[name]}{bits}_i", c.use(value), imm=known % bits, out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in BITS for name in ("div_s", "div_u", "rem_s", "rem_u")))
def _divide(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    dividend, divisor = map(c.use, inst.args)
    build(c, f"test{bits}", divisor, divisor)
    trap_if(c, "e", TrapKind.DIV_BY_ZERO)
    if name == "div_s":
        pseudo(c, "check_overflow", (use(dividend), use(divisor)), bits)
    wanted, other = (RAX, RDX) if name.startswith("div") else (RDX, RAX)
    # The divisor is read after rdx was written: a late use keeps it out of both.
    operands = (use(dividend, fixed(RAX)), late_use(divisor), define(inst.results[0], fixed(wanted)))
    pseudo(c, "divide", operands, (name, bits), (other,))


@lowers(*(f"{t}.{name}" for t in BITS for name in ("clz", "ctz", "popcnt")))
def _count(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    value = c.use(inst.args[0])
    if name == "popcnt":
        build(c, f"popcnt{bits}", value, out=inst.results[0])
    else:
        pseudo(c, name, (use(value), define(inst.results[0])), bits)


@lowers("select")
def _select(c: Lowering, inst: Inst) -> None:
    then, otherwise, condition = inst.args
    type_ = c.type_of(then)
    # Constants are made before the flags are set.
    yes, no = c.use(then), c.use(otherwise)
    if type_ in (I32, I64):
        flag = condition_of(c, condition)
        build(c, f"cmov{flag}{type_.bits}", no, yes, out=inst.results[0])
    else:
        test = c.use(condition)
        operands = (use(test), use(no), use(yes), define(inst.results[0], reuse(1)))
        pseudo(c, "select_x", operands)


@lowers("i32.wrap_i64", "i64.extend_i32_u")
def _low_half(c: Lowering, inst: Inst) -> None:
    build(c, "mov32", c.use(inst.args[0]), out=inst.results[0])


@lowers("i64.extend_i32_s", "i64.extend32_s")
def _sign_extend_32(c: Lowering, inst: Inst) -> None:
    build(c, "movsxd64", c.use(inst.args[0]), out=inst.results[0])


@lowers(*(f"{t}.extend{bits}_s" for t in BITS for bits in (8, 16)))
def _sign_extend(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    build(c, f"movsx{name[6:-2]}_{bits}", c.use(inst.args[0]), out=inst.results[0])


@lowers("i64.add128", "i64.sub128")
def _wide_add(c: Lowering, inst: Inst) -> None:
    low, high = ("add64", "adc64") if inst.op.name == "i64.add128" else ("sub64", "sbb64")
    a_low, a_high, b_low, b_high = map(c.use, inst.args)
    build(c, low, a_low, b_low, out=inst.results[0])
    build(c, high, a_high, b_high, out=inst.results[1])


@lowers("i64.mul_wide_s", "i64.mul_wide_u")
def _wide_mul(c: Lowering, inst: Inst) -> None:
    left, right = map(c.use, inst.args)
    operands = (
        use(left, fixed(RAX)),
        use(right, REG),
        define(inst.results[0], fixed(RAX)),
        define(inst.results[1], fixed(RDX)),
    )
    pseudo(c, "mul_wide", operands, inst.op.name.endswith("s"))
