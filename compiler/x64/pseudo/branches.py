"""Branches between blocks, jump tables, and traps."""

from __future__ import annotations

from compiler.abi import SCRATCH, TEMP
from compiler.machine import MachineInst
from compiler.x64.assembler import Allocs, FunctionAssembler, emits, hw
from compiler.x64.encode import Mem


@emits("jmp")
def _jmp(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    assert inst.edges is not None
    target = inst.edges[0].block
    if not e.next_is(target):
        e.jump(e.labels[target])


@emits("trap")
def _trap(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    e.buffer.trap_site(inst.imm.name)
    e.jump(e.trap_label(inst.imm))


@emits("trap_if")
def _trap_if(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    condition, kind = inst.imm
    e.buffer.trap_site(kind.name)
    e.jump(e.trap_label(kind), condition)


@emits("jcc")
def _jcc(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    assert inst.edges is not None
    condition, inverse = inst.imm
    then, otherwise = (edge.block for edge in inst.edges)
    if e.next_is(then) and inverse is not None:
        e.jump(e.labels[otherwise], inverse)
        return
    e.jump(e.labels[then], condition)
    if not e.next_is(otherwise):
        e.jump(e.labels[otherwise])


@emits("br_table")
def _br_table(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """An index past the table takes the last entry. Entries are distances from the table's start."""
    assert inst.edges is not None
    targets = [e.labels[inst.edges[edge].block] for edge in inst.imm]
    e.asm("mov32", TEMP.hw, hw(allocs[0]))
    e.asm("cmp32_i32", TEMP.hw, imm=len(targets) - 1)
    e.jump(targets[-1], "ae")
    table = e.buffer.label()
    e.buffer.code += b"\x4c\x8d\x1d"  # lea r11, [rip + table]
    e.buffer.rel32(table)
    e.asm("movsxd64_load", TEMP.hw, Mem(SCRATCH.hw, 0, TEMP.hw, 4))
    e.asm("add64", TEMP.hw, SCRATCH.hw)
    e.asm("jmp_reg", TEMP.hw)
    e.buffer.place(table)
    base = len(e.buffer.code)
    for label in targets[:-1]:
        e.buffer.rel32(label, base)
