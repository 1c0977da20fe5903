"""Short sequences of integer arithmetic."""

from __future__ import annotations

from compiler.abi import RDX, SCRATCH, TEMP
from compiler.machine import MachineInst
from compiler.x64.assembler import Allocs, FunctionAssembler, emits, hw
from wasm.traps import TrapKind


@emits("setcc")
def _setcc(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    e.asm(f"set{inst.imm}", hw(allocs[0]))
    e.asm("movzx8_32", hw(allocs[0]), hw(allocs[0]))


@emits("check_overflow")
def _check_overflow(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """The least number divided by -1 (spec 4.3.2, idiv_s)."""
    bits = inst.imm
    fine = e.buffer.label()
    e.asm(f"cmp{bits}_i8", hw(allocs[1]), imm=-1)
    e.jump(fine, "ne")
    e.asm("mov64_imm64", TEMP.hw, imm=1 << bits - 1)
    e.asm(f"cmp{bits}", hw(allocs[0]), TEMP.hw)
    e.buffer.trap_site(TrapKind.INT_OVERFLOW.name)
    e.jump(e.trap_label(TrapKind.INT_OVERFLOW), "e")
    e.buffer.place(fine)


@emits("divide")
def _divide(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    name, bits = inst.imm
    divisor = hw(allocs[1])
    if name.endswith("_u"):
        e.asm("xor32", RDX.hw, RDX.hw)
        e.asm(f"div{bits}", divisor)
        return
    done = e.buffer.label()
    if name == "rem_s":
        # idiv faults on the least number by -1, whose remainder is 0.
        plain = e.buffer.label()
        e.asm(f"cmp{bits}_i8", divisor, imm=-1)
        e.jump(plain, "ne")
        e.asm("xor32", RDX.hw, RDX.hw)
        e.jump(done)
        e.buffer.place(plain)
    e.asm(f"cdq{bits}")
    e.asm(f"idiv{bits}", divisor)
    e.buffer.place(done)


@emits("clz")
def _clz(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """bsr leaves its target undefined for 0: take 2 * bits - 1, which the last step turns into bits."""
    bits = inst.imm
    e.asm("mov32_imm", TEMP.hw, imm=2 * bits - 1)
    e.asm(f"bsr{bits}", SCRATCH.hw, hw(allocs[0]))
    e.asm(f"cmove{bits}", SCRATCH.hw, TEMP.hw)
    e.asm(f"mov{bits}", hw(allocs[1]), SCRATCH.hw)
    e.asm(f"xor{bits}_i8", hw(allocs[1]), imm=bits - 1)


@emits("ctz")
def _ctz(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    bits = inst.imm
    e.asm("mov32_imm", TEMP.hw, imm=bits)
    e.asm(f"bsf{bits}", SCRATCH.hw, hw(allocs[0]))
    e.asm(f"cmove{bits}", SCRATCH.hw, TEMP.hw)
    e.asm(f"mov{bits}", hw(allocs[1]), SCRATCH.hw)


@emits("mul_wide")
def _mul_wide(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    e.asm("imul1_64" if inst.imm else "mul64", hw(allocs[1]))
