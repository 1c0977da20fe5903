"""Setting ``spill=all``: every value lives in memory between instructions, whichever allocator places the rest.

A rewrite of a machine function before allocation, as textbooks describe "spill everywhere" (Chaitin et al., "Register
allocation via coloring", 1981): a value is moved to a stack slot right after its definition and into a register of its
own right before each use. An operand that may be anywhere is in its slot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from compiler.machine import (
    REG,
    STACK,
    ConstraintKind,
    MachineBlock,
    MachineFunc,
    MachineInst,
    Operand,
    OperandKind,
    VReg,
    define,
    use,
)

MOVE: Final = "move"
"""The instruction that copies operand 1 to operand 0; its immediate is the type."""
_IN_MEMORY: Final = (ConstraintKind.ANY, ConstraintKind.STACK)


def spill_everywhere(func: MachineFunc) -> MachineFunc:
    """The rewritten function; the given one is left alone."""
    return _Rewrite(func).run()


class _Rewrite:
    def __init__(self, func: MachineFunc) -> None:
        self.func = func
        self.made = MachineFunc(func.name, list(func.vregs))

    def run(self) -> MachineFunc:
        """Definitions of a terminator reach their slots at the beginning of its first successor."""
        arriving: dict[int, list[MachineInst]] = {}
        for block in self.func.blocks:
            insts: list[MachineInst] = []
            for inst in block.insts:
                before, changed, after = self._inst(inst)
                insts += before
                insts.append(changed)
                if inst.edges:
                    arriving.setdefault(inst.edges[0].block, []).extend(after)
                else:
                    insts += after
            self.made.blocks.append(MachineBlock(block.params, insts))
        for index, moves in arriving.items():
            insts = self.made.blocks[index].insts
            insts[:0] = moves
        return self.made

    def _inst(self, inst: MachineInst) -> tuple[list[MachineInst], MachineInst, list[MachineInst]]:
        """The moves before an instruction, itself, and the moves behind it."""
        before: list[MachineInst] = []
        after: list[MachineInst] = []
        loaded: dict[VReg, VReg] = {}
        defined: dict[VReg, VReg] = {}
        operands: list[Operand] = []
        # A definition takes the place of an input only in a register.
        reused = {one.constraint.number for one in inst.operands if one.constraint.kind is ConstraintKind.REUSE}
        for index, operand in enumerate(inst.operands):
            vreg = operand.vreg
            if index in reused and operand.constraint.kind is ConstraintKind.ANY:
                operand = operand._replace(constraint=REG)
            if operand.constraint.kind in _IN_MEMORY:
                operands.append(operand._replace(constraint=STACK))
                continue
            if operand.kind is OperandKind.DEF:
                fresh = self._like(vreg)
                after.append(self._move(define(vreg, STACK), use(fresh), vreg))
                defined[vreg] = fresh
            elif operand.constraint.kind is ConstraintKind.REG and vreg in loaded:
                fresh = loaded[vreg]
            else:
                fresh = self._like(vreg)
                before.append(self._move(define(fresh), use(vreg, STACK), vreg))
                if operand.constraint.kind is ConstraintKind.REG:
                    loaded[vreg] = fresh
            operands.append(operand._replace(vreg=fresh))
        edges = inst.edges
        if edges and defined:
            # What a terminator defines has not reached its slot when the edge is taken.
            args = tuple(defined.get(arg, arg) for arg in edges[0].args)
            edges = (edges[0]._replace(args=args), *edges[1:])
        return before, replace(inst, operands=tuple(operands), edges=edges, is_move=False), after

    def _like(self, vreg: VReg) -> VReg:
        return self.made.new_vreg(self.func.vregs[vreg])

    def _move(self, target: Operand, source: Operand, vreg: VReg) -> MachineInst:
        return MachineInst(MOVE, (target, source), self.func.vregs[vreg], is_move=True)
