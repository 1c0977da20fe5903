"""From an allocated machine function to bytes: prologue, moves, rows, pseudo instructions, and the exits behind them.

Each instruction becomes its code with the allocator's moves around it. A row is encoded from the table; anything else
has a function of its own in ``compiler.x64.pseudo``, whose files are all imported here.
"""

from __future__ import annotations

from compiler.abi import SCRATCH
from compiler.emit import NO_INST, CompiledFunction
from compiler.layout import STACK_LIMIT, STATUS_STACK
from compiler.machine import Allocations, MachineFunc, MachineInst, Move, PReg
from compiler.registry import import_all
from compiler.x64 import pseudo
from compiler.x64.assembler import PSEUDO, Allocs, FunctionAssembler
from compiler.x64.build import RowImm
from compiler.x64.encode import NO_REGISTER, RBP, RSP, Mem, Place, encode
from compiler.x64.insts import ROWS

import_all(pseudo)


def emit_function(
    func: MachineFunc, answer: Allocations, area: int = 0, staging: int = 0, grows: int = 0
) -> CompiledFunction:
    """Bytes for an allocated function. ``area`` and ``staging`` are the lowering's, in bytes; ``grows`` is by how many
    bytes the longest tail-called argument list exceeds this function's own.
    """
    goes_to = _skip_jumps(func, answer)
    e = FunctionAssembler(answer.slots, area, staging, grows, goes_to)
    edits: dict[tuple[int, int], list[Move]] = {}
    for edit in answer.edits:
        edits.setdefault((edit.point.inst, edit.point.after), []).append(edit.move)
    lines = []
    number = 0
    _prologue(e)
    emitted = [index for index, target in enumerate(goes_to) if index == target]
    after = dict(zip(emitted, [*emitted[1:], -1], strict=True))
    for index, block in enumerate(func.blocks):
        if index not in after:
            lines.append((len(e.buffer.code), number))
            number += 1
            continue
        e.following = after[index]
        e.buffer.place(e.labels[index])
        for inst in block.insts:
            lines.append((len(e.buffer.code), number))
            for move in edits.get((number, 0), ()):
                e.move(move)
            _inst(e, inst, answer.operands[number])
            for move in edits.get((number, 1), ()):
                e.move(move)
            number += 1
    lines.append((len(e.buffer.code), NO_INST))
    for label, write in e.out_of_line:
        e.buffer.place(label)
        write()
    return e.buffer.finish(func.name, e.frame, lines)


def _skip_jumps(func: MachineFunc, answer: Allocations) -> list[int]:
    """For each block the one that its label stands for: chains of lone jumps without moves are followed to the end.

    A block that only jumps is its target: nothing is emitted for it.
    """
    moved = {edit.point.inst for edit in answer.edits}
    number = 0
    onward: list[int] = []
    for index, block in enumerate(func.blocks):
        lone = index > 0 and len(block.insts) == 1 and block.insts[0].name == "jmp" and number not in moved
        onward.append(block.edges[0].block if lone else index)
        number += len(block.insts)
    goes_to = []
    for index in range(len(onward)):
        target, seen = index, {index}
        while onward[target] != target:
            target = onward[target]
            if target in seen:  # blocks that jump in a circle: an endless loop, which stays as it is
                target = index
                break
            seen.add(target)
        goes_to.append(target)
    return goes_to


def _prologue(e: FunctionAssembler) -> None:
    """Open the frame; the limit is compared before sp moves, so that a huge frame cannot jump a guard page."""
    e.asm("push", RBP)
    e.asm("mov64", RBP, RSP)
    runtime = e.runtime()
    e.asm("lea64", SCRATCH.hw, Mem(RSP, -e.frame))
    e.asm("cmp64_load", SCRATCH.hw, runtime._replace(disp=STACK_LIMIT))
    e.jump(e.leave_label(STATUS_STACK), "b")
    if e.frame:
        e.asm("mov64", RSP, SCRATCH.hw)


def _inst(e: FunctionAssembler, inst: MachineInst, allocs: Allocs) -> None:
    special = PSEUDO.get(inst.name)
    if special is not None:
        special(e, inst, allocs)
        return
    row = ROWS[inst.name]
    imm: RowImm = inst.imm
    places: list[Place] = []
    # A row has one slot for an address, an instruction one or two operands: the base, and the index if there is one.
    position = 0
    for slot in row.slots:
        if slot.place == "m":
            base, idx = allocs[position], NO_REGISTER
            assert isinstance(base, PReg)
            position += 1
            if imm.indexed:
                register = allocs[position]
                assert isinstance(register, PReg)
                idx = register.hw
                position += 1
            places.append(Mem(base.hw, imm.disp, idx, imm.scale))
        else:
            places.append(e.place(allocs[position]))
            position += 1
    e.buffer.code += encode(row, tuple(places), imm.imm)
