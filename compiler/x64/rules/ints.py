"""Lowering rules: integers, comparisons, selection, conversions between integers."""

from __future__ import annotations

from typing import Final

from compiler.abi import RAX, RDX
from compiler.ir import Inst, ValueId
from compiler.lower import Lowering, lowers
from compiler.machine import REG, VReg, define, fixed, late_use, reuse, use
from compiler.x64.build import pseudo, row
from compiler.x64.rules.simd_ints import VECTOR_TESTS, vector_test
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64, NumType

_BITS: Final = {"i32": 32, "i64": 64}
_ALU: Final = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor"}
_SHIFTS: Final = {"shl": "shl", "shr_s": "sar", "shr_u": "shr", "rotl": "rol", "rotr": "ror"}
_CONDITIONS: Final = {
    "eq": "e", "ne": "ne", "lt_s": "l", "lt_u": "b", "gt_s": "g", "gt_u": "a", "le_s": "le", "le_u": "be", "ge_s": "ge",
    "ge_u": "ae",
}  # fmt: skip
_SWAPPED: Final = {"e": "e", "ne": "ne", "l": "g", "g": "l", "b": "a", "a": "b", "le": "ge", "ge": "le", "be": "ae",
                   "ae": "be"}  # fmt: skip
INVERSE: Final = {
    "e": "ne", "ne": "e", "l": "ge", "ge": "l", "g": "le", "le": "g", "b": "ae", "ae": "b", "a": "be", "be": "a",
}  # fmt: skip
COMPARISONS: Final = tuple(f"{t}.{name}" for t in _BITS for name in (*_CONDITIONS, "eqz"))
_COMMUTES: Final = frozenset(("add", "and", "or", "xor"))


def split(inst: Inst) -> tuple[int, str]:
    """Width in bits and the operation's word of ``i32.add``."""
    type_, _, name = inst.op.name.partition(".")
    return _BITS[type_], name


def signed32(c: Lowering, value: ValueId) -> int | None:
    """A constant that an instruction can hold as a sign-extended 32-bit immediate."""
    bits = c.constant(value)
    if bits is None:
        return None
    width = c.type_of(value).bits
    number = bits - (1 << width) if bits >> width - 1 else bits
    return number if -(1 << 31) <= number < 1 << 31 else None


def alu(c: Lowering, name: str, bits: int, left: VReg, right: ValueId, out: VReg | None = None) -> VReg:
    """``name left, right`` with the shortest form for a constant."""
    number = signed32(c, right) if c.settings.opt != "none" else None
    if number is None:
        return row(c, f"{name}{bits}", left, c.use(right), out=out)
    short = "i8" if -128 <= number < 128 else "i32"
    return row(c, f"{name}{bits}_{short}", left, imm=number, out=out)


@lowers(*(f"{t}.{name}" for t in _BITS for name in _ALU))
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
        row(c, f"imul{bits}", c.use(left), c.use(right), out=inst.results[0])
    else:
        row(c, f"imul{bits}_i32", c.use(left), imm=number, out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in _BITS for name in _SHIFTS))
def _shift(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    value, amount = inst.args
    known = c.constant(amount) if c.settings.opt != "none" else None
    if known is None:
        row(c, f"{_SHIFTS[name]}{bits}", c.use(value), c.use(amount), out=inst.results[0])
    else:
        # The amount counts modulo the width (spec 4.3.2); an immediate is taken as it stands.
        row(c, f"{_SHIFTS[name]}{bits}_i", c.use(value), imm=known % bits, out=inst.results[0])


@lowers(*(f"{t}.{name}" for t in _BITS for name in ("div_s", "div_u", "rem_s", "rem_u")))
def _divide(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    dividend, divisor = map(c.use, inst.args)
    row(c, f"test{bits}", divisor, divisor)
    trap_if(c, "e", TrapKind.DIV_BY_ZERO)
    if name == "div_s":
        pseudo(c, "check_overflow", (use(dividend), use(divisor)), bits)
    wanted, other = (RAX, RDX) if name.startswith("div") else (RDX, RAX)
    # The divisor is read after rdx was written: a late use keeps it out of both.
    operands = (use(dividend, fixed(RAX)), late_use(divisor), define(inst.results[0], fixed(wanted)))
    pseudo(c, "divide", operands, (name, bits), (other,))


def trap_if(c: Lowering, condition: str, kind: TrapKind) -> None:
    """Trap if the flags, just set, meet a condition. Moves that an allocator may put between do not touch flags."""
    pseudo(c, "trap_if", (), (condition, kind))


@lowers(*(f"{t}.{name}" for t in _BITS for name in ("clz", "ctz", "popcnt")))
def _count(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    value = c.use(inst.args[0])
    if name == "popcnt":
        row(c, f"popcnt{bits}", value, out=inst.results[0])
    else:
        pseudo(c, name, (use(value), define(inst.results[0])), bits)


def compare(c: Lowering, inst: Inst) -> str:
    """Set the flags by an integer comparison and return the condition under which it holds."""
    bits, name = split(inst)
    if name == "eqz":
        value = c.use(inst.args[0])
        row(c, f"test{bits}", value, value)
        return "e"
    left, right = inst.args
    condition = _CONDITIONS[name]
    if c.settings.opt != "none" and c.constant(left) is not None and c.constant(right) is None:
        left, right, condition = right, left, _SWAPPED[condition]
    alu(c, "cmp", bits, c.use(left), right)
    return condition


def condition_of(c: Lowering, value: ValueId) -> str:
    """Set the flags so that the returned condition holds if the i32 is not zero; folds the comparison that made it."""
    maker = c.maker(value, *COMPARISONS, "is_null")
    if maker is not None:
        if maker.op.name == "is_null":
            reference = c.use(maker.args[0])
            row(c, "test64", reference, reference)
            return "e"
        return compare(c, maker)
    from compiler.x64.rules.floats import FLOAT_ORDERINGS, compare_floats

    maker = c.maker(value, *FLOAT_ORDERINGS)
    if maker is not None:
        return compare_floats(c, maker)
    maker = c.maker(value, *VECTOR_TESTS)
    if maker is not None:
        return vector_test(c, maker)
    condition = c.use(value)
    row(c, "test32", condition, condition)
    return "ne"


@lowers(*COMPARISONS)
def _comparison(c: Lowering, inst: Inst) -> None:
    pseudo(c, "setcc", (define(inst.results[0]),), compare(c, inst))


@lowers("is_null")
def _is_null(c: Lowering, inst: Inst) -> None:
    reference = c.use(inst.args[0])
    row(c, "test64", reference, reference)
    pseudo(c, "setcc", (define(inst.results[0]),), "e")


@lowers("trap_if")
def _trap_if(c: Lowering, inst: Inst) -> None:
    trap_if(c, condition_of(c, inst.args[0]), inst.imm)


@lowers("select")
def _select(c: Lowering, inst: Inst) -> None:
    then, otherwise, condition = inst.args
    type_ = c.type_of(then)
    # Constants are made before the flags are set.
    yes, no = c.use(then), c.use(otherwise)
    if type_ in (I32, I64):
        flag = condition_of(c, condition)
        row(c, f"cmov{flag}{type_.bits}", no, yes, out=inst.results[0])
    else:
        test = c.use(condition)
        operands = (use(test), use(no), use(yes), define(inst.results[0], reuse(1)))
        pseudo(c, "select_x", operands)


@lowers("i32.wrap_i64", "i64.extend_i32_u")
def _low_half(c: Lowering, inst: Inst) -> None:
    row(c, "mov32", c.use(inst.args[0]), out=inst.results[0])


@lowers("i64.extend_i32_s", "i64.extend32_s")
def _sign_extend_32(c: Lowering, inst: Inst) -> None:
    row(c, "movsxd64", c.use(inst.args[0]), out=inst.results[0])


@lowers(*(f"{t}.extend{bits}_s" for t in _BITS for bits in (8, 16)))
def _sign_extend(c: Lowering, inst: Inst) -> None:
    bits, name = split(inst)
    row(c, f"movsx{name[6:-2]}_{bits}", c.use(inst.args[0]), out=inst.results[0])


@lowers("i64.add128", "i64.sub128")
def _wide_add(c: Lowering, inst: Inst) -> None:
    low, high = ("add64", "adc64") if inst.op.name == "i64.add128" else ("sub64", "sbb64")
    a_low, a_high, b_low, b_high = map(c.use, inst.args)
    row(c, low, a_low, b_low, out=inst.results[0])
    row(c, high, a_high, b_high, out=inst.results[1])


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


def zero_extended(c: Lowering, value: ValueId) -> VReg:
    """An i32 as a 64-bit address or index.

    Every instruction that makes, loads or moves an i32 zeroes the upper half of its register (Intel SDM, volume 1,
    3.4.1.1), so the register can be used as it is; without optimization the extension is made all the same.
    """
    type_: NumType = c.type_of(value)
    if type_ is I64:
        return c.use(value)
    known = c.constant(value)
    if known is not None:
        return c.make_constant(I64, known)
    if c.settings.opt != "none":
        return c.use(value)
    wide = c.new(I64)
    row(c, "mov32", c.use(value), out=wide)
    return wide
