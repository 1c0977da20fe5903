"""The frame: arguments and results in memory, the return area, moves, constants, and the way out."""

from __future__ import annotations

from compiler.abi import SCRATCH
from compiler.machine import MachineInst, Move, PReg
from compiler.x64.assembler import Allocs, FunctionAssembler, emits, hw
from compiler.x64.encode import RBP, RSP, Mem


@emits("args")
def _args(_e: FunctionAssembler, _inst: MachineInst, _allocs: Allocs) -> None:
    return


@emits("load_arg")
def _load_arg(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    type_, offset = inst.imm
    e.load(type_, allocs[0], Mem(RBP, 16 + offset))


@emits("adjust_sp")
def _adjust_sp(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    e.asm("lea64", RSP, Mem(RSP, -inst.imm))


@emits("store_arg", "stage_arg")
def _store_arg(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    """Staged arguments lie at the frame's bottom, which is where sp points when nothing else was pushed."""
    type_, offset = inst.imm
    e.store(type_, Mem(RSP, offset), allocs[0])


@emits("store_result")
def _store_result(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    type_, offset = inst.imm
    e.store(type_, Mem(hw(allocs[0]), offset), allocs[1])


@emits("area_pointer")
def _area_pointer(e: FunctionAssembler, _inst: MachineInst, allocs: Allocs) -> None:
    e.asm("lea64", hw(allocs[0]), e.area_at(0))


@emits("move")
def _move(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    if allocs[0] != allocs[1]:
        e.move(Move(allocs[1], allocs[0], inst.imm))


@emits("constant")
def _constant(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    type_, bits = inst.imm
    assert isinstance(allocs[0], PReg)
    e.constant(type_, allocs[0], bits)


@emits("return")
def _return(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    e.asm("mov64", RSP, RBP)
    e.asm("pop", RBP)
    if inst.imm:
        _pop_and_return(e, inst.imm)
    else:
        e.asm("ret")


def _pop_and_return(e: FunctionAssembler, size: int) -> None:
    """``ret n`` takes 16 bits; a longer argument list is dropped by hand."""
    if size < 1 << 16:
        e.asm("ret_pop", imm=size)
        return
    e.asm("pop", SCRATCH.hw)
    e.asm("lea64", RSP, Mem(RSP, size))
    e.asm("jmp_reg", SCRATCH.hw)
