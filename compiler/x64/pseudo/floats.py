"""Short sequences of floating point, and selection between vector registers."""

from __future__ import annotations

from compiler.abi import FTEMP, SCRATCH, TEMP
from compiler.machine import MachineInst
from compiler.x64.assembler import Allocs, FunctionAssembler, emits, hw


@emits("select_x")
def _select_x(e: FunctionAssembler, _inst: MachineInst, allocs: Allocs) -> None:
    """Operands: condition, otherwise (tied to the result), then."""
    done = e.buffer.label()
    e.asm("test32", hw(allocs[0]), hw(allocs[0]))
    e.jump(done, "e")
    e.asm("movaps", hw(allocs[3]), hw(allocs[2]))
    e.buffer.place(done)


@emits("set_float_eq")
def _set_float_eq(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """ucomis has just run: equal is zero and no parity; a NaN sets all three flags."""
    result = hw(allocs[0])
    eq = inst.imm == "eq"
    e.asm("sete" if eq else "setne", result)
    e.asm("setnp" if eq else "setp", TEMP.hw)
    e.asm("and32" if eq else "or32", result, TEMP.hw)
    e.asm("movzx8_32", result, result)


@emits("fminmax")
def _fminmax(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """minss and maxss take the second operand for NaNs and for zeros; the spec wants a NaN and the zero by sign."""
    suffix, name = inst.imm
    result, other = hw(allocs[2]), hw(allocs[1])
    unequal, nan, done = e.buffer.label(), e.buffer.label(), e.buffer.label()
    e.asm(f"ucomi{suffix}", result, other)
    e.jump(nan, "p")
    e.jump(unequal, "ne")
    e.asm("orps" if name == "min" else "andps", result, other)
    e.jump(done)
    e.buffer.place(nan)
    e.asm(f"add{suffix}", result, other)
    e.jump(done)
    e.buffer.place(unequal)
    e.asm(f"{name}{suffix}", result, other)
    e.buffer.place(done)


@emits("convert_u64")
def _convert_u64(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """From 2^63 on: halve with the lowest bit kept as a sticky bit, convert, double."""
    suffix = inst.imm
    value, result = hw(allocs[0]), hw(allocs[2])
    big, done = e.buffer.label(), e.buffer.label()
    e.asm("test64", value, value)
    e.jump(big, "s")
    e.asm(f"cvtsi2{suffix}_64", result, value)
    e.jump(done)
    e.buffer.place(big)
    e.asm("mov64", TEMP.hw, value)
    e.asm("shr64_i", TEMP.hw, imm=1)
    e.asm("mov32", SCRATCH.hw, value)
    e.asm("and32_i8", SCRATCH.hw, imm=1)
    e.asm("or64", TEMP.hw, SCRATCH.hw)
    e.asm(f"cvtsi2{suffix}_64", result, TEMP.hw)
    e.asm(f"add{suffix}", result, result)
    e.buffer.place(done)


def _two_63(e: FunctionAssembler, suffix: str) -> None:
    """2^63 into the temporary vector register."""
    e.asm("mov64_imm64", TEMP.hw, imm=0x5F000000 if suffix == "ss" else 0x43E0000000000000)
    e.asm("movq_to_x", FTEMP.hw, TEMP.hw)


@emits("trunc_u64")
def _trunc_u64(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    _truncate_u64(e, inst.imm, hw(allocs[0]), hw(allocs[1]))


def _truncate_u64(e: FunctionAssembler, suffix: str, value: int, result: int) -> None:
    """The value is known to lie in range: from 2^63 on, subtract that, convert, set the top bit."""
    big, done = e.buffer.label(), e.buffer.label()
    _two_63(e, suffix)
    e.asm(f"ucomi{suffix}", value, FTEMP.hw)
    e.jump(big, "ae")
    e.asm(f"cvtt{suffix}2si_64", result, value)
    e.jump(done)
    e.buffer.place(big)
    # value - 2^63 without touching the value: both are in the top half, so -(2^63 - value) is exact as well.
    e.asm(f"sub{suffix}", FTEMP.hw, value)
    e.asm(f"cvtt{suffix}2si_64", result, FTEMP.hw)
    e.asm("neg64", result)
    e.asm("mov64_imm64", TEMP.hw, imm=1 << 63)
    e.asm("xor64", result, TEMP.hw)
    e.buffer.place(done)


@emits("trunc_sat")
def _trunc_sat(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """NaN gives 0, what is out of range the nearest bound (spec 4.3.3, trunc_sat)."""
    suffix, integer, sign, past = inst.imm
    value, result = hw(allocs[0]), hw(allocs[1])
    bits = int(integer[1:])
    zero, top, done = e.buffer.label(), e.buffer.label(), e.buffer.label()
    e.asm(f"ucomi{suffix}", value, value)
    e.jump(zero, "p")
    e.asm("mov64_imm64", TEMP.hw, imm=past)
    e.asm("movq_to_x", FTEMP.hw, TEMP.hw)
    e.asm(f"ucomi{suffix}", value, FTEMP.hw)
    e.jump(top, "ae")
    if sign == "s":
        # Below the least number cvtt gives the "indefinite" pattern, which is the least number.
        e.asm(f"cvtt{suffix}2si_{bits}", result, value)
    else:
        e.asm("xorps", FTEMP.hw, FTEMP.hw)
        e.asm(f"ucomi{suffix}", value, FTEMP.hw)
        e.jump(zero, "b")
        if bits == 64:
            _truncate_u64(e, suffix, value, result)
        else:
            e.asm(f"cvtt{suffix}2si_64", result, value)
    e.jump(done)
    e.buffer.place(zero)
    e.asm("mov32_imm", result, imm=0)
    e.jump(done)
    e.buffer.place(top)
    limit = (1 << bits - (1 if sign == "s" else 0)) - 1
    e.asm("mov64_imm64", result, imm=limit)
    e.buffer.place(done)
