"""Calls, calls of helpers, tail calls, and what they leave behind: landings, exceptions, fuel."""

from __future__ import annotations

from collections.abc import Callable

from compiler.abi import CALLEE, FTEMP, SCRATCH, TEMP
from compiler.helper_table import number
from compiler.layout import ARGS, CAUGHT, FUEL, STATUS_FUEL
from compiler.machine import Allocation, ConstraintKind, MachineInst, OperandKind
from compiler.x64.assembler import Allocs, FunctionAssembler, definitions, emits
from compiler.x64.encode import RBP, RSP, Mem
from wasm.valtypes import I64, V128, NumType


@emits("call")
def _call(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    imm = inst.imm
    if imm.target is None:
        e.asm("call_reg", CALLEE.hw)
    else:
        e.buffer.code.append(0xE8)
        e.buffer.reloc("call", imm.target)
    _protect(e, inst, imm.handlers)
    memory = [
        place
        for operand, place in zip(inst.operands, allocs, strict=True)
        if operand.kind is OperandKind.DEF and operand.constraint.kind is not ConstraintKind.FIXED
    ]
    for (type_, offset), place in zip(imm.loads, memory, strict=True):
        e.load(type_, place, e.area_at(offset))
    _go_on(e, inst)


def _protect(e: FunctionAssembler, inst: MachineInst, handlers: tuple[int | None, ...] | None) -> None:
    """Note where the handlers of the call just written begin: a landing puts sp back first."""
    if handlers is None:
        return
    assert inst.edges is not None
    landings = []
    for tag, edge in zip(handlers, inst.edges[1:], strict=True):
        label = e.buffer.label()
        landings.append((tag, label))
        e.out_of_line.append((label, _landing(e, e.labels[edge.block])))
    e.buffer.call_site(tuple(landings))


def _landing(e: FunctionAssembler, block: int) -> Callable[[], None]:
    def write() -> None:
        e.asm("lea64", RSP, Mem(RBP, -e.frame))
        e.jump(block)

    return write


def _go_on(e: FunctionAssembler, inst: MachineInst) -> None:
    """A protected call that returned goes on at its normal edge."""
    if inst.edges and not e.next_is(inst.edges[0].block):
        e.jump(e.labels[inst.edges[0].block])


@emits("helper")
def _helper(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    request, params, results, handlers = inst.imm
    runtime = e.runtime()
    for i, type_ in enumerate(params):
        _store_whole(e, type_, runtime._replace(disp=ARGS + 16 * i), allocs[1 + i])
    e.call_thunk(number(request))
    _protect(e, inst, handlers)
    if results:
        runtime = e.runtime()
    for i, (type_, place) in enumerate(zip(results, definitions(inst, allocs), strict=True)):
        e.load(type_, place, runtime._replace(disp=ARGS + 16 * i))
    _go_on(e, inst)


def _store_whole(e: FunctionAssembler, type_: NumType, target: Mem, source: Allocation) -> None:
    """Into a mailbox slot: zero above the value's width, so that the slot's bytes can be compared."""
    if type_ is not V128:
        e.asm("mov64_store_i32", target, imm=0)
        e.asm("mov64_store_i32", target._replace(disp=target.disp + 8), imm=0)
    e.store(type_, target, source)


@emits("tail_call")
def _tail_call(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    """Copy the staged arguments to where this function's own end, put back rbp, and jump with the old return address.

    The staged bytes lie wholly below their targets (``FunctionAssembler.frame`` makes room), so any order of copying is
    right.
    """
    imm = inst.imm
    start = 16 + imm.popped - imm.staged
    e.asm("mov64_load", TEMP.hw, Mem(RBP, 8))
    e.asm("mov64_load", SCRATCH.hw, Mem(RBP))
    for offset in range(0, imm.staged, 16):
        e.asm("movdqu_load", FTEMP.hw, Mem(RSP, offset))
        e.asm("movdqu_store", Mem(RBP, start + offset), FTEMP.hw)
    e.asm("lea64", RSP, Mem(RBP, start - 8))
    e.asm("mov64_store", Mem(RSP), TEMP.hw)
    e.asm("mov64", RBP, SCRATCH.hw)
    if imm.target is None:
        e.asm("jmp_reg", CALLEE.hw)
    else:
        e.buffer.code.append(0xE9)
        e.buffer.reloc("call", imm.target)


@emits("fuel")
def _fuel(e: FunctionAssembler, inst: MachineInst, _allocs: Allocs) -> None:
    runtime = e.runtime()
    e.asm("sub64_store_i32", runtime._replace(disp=FUEL), imm=inst.imm)
    e.jump(e.leave_label(STATUS_FUEL), "s")


@emits("caught")
def _caught(e: FunctionAssembler, _inst: MachineInst, allocs: Allocs) -> None:
    e.load(I64, allocs[0], e.runtime()._replace(disp=CAUGHT))
