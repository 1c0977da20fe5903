"""What both allocators know about a function before they start: numbering, predecessors, liveness, loops."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.machine import (
    MAX_OPERANDS,
    ConstraintKind,
    MachineFunc,
    MachineInst,
    OperandKind,
    TooManyOperands,
    VReg,
)


@dataclass(slots=True)
class Flow:
    """``insts`` are all instructions; block b's are ``first[b]`` to ``first[b + 1] - 1``. ``live_in[b]`` are the VRegs
    that are live at b's start, its own parameters apart. ``predecessors`` has one entry per edge.
    """

    func: MachineFunc
    insts: list[MachineInst]
    first: list[int]
    predecessors: list[list[int]]
    live_in: list[set[VReg]]
    reusing: set[int]

    def moves_at_start(self, target: int) -> bool:
        """Whether the moves of an edge stand at the start of its target: it has no other predecessor.

        Else they stand before the jump, which then has neither operands nor clobbers (``compiler.machine_verify``).
        """
        return len(self.predecessors[target]) == 1


def analyse(func: MachineFunc) -> Flow:
    """Number and scan a function. Raises ``TooManyOperands``.

    Liveness goes from each upward-exposed use back to its definition and marks the blocks on the way (Boissinot and
    others, "Computing Liveness Sets for SSA-Form Programs", 2011): time and memory are those of the result.
    """
    blocks = func.blocks
    insts: list[MachineInst] = []
    first = [0]
    predecessors: list[list[int]] = [[] for _ in blocks]
    live_in: list[set[VReg]] = []
    home = [-1] * len(func.vregs)  # the block that defines each VReg
    definition, reuse = OperandKind.DEF, ConstraintKind.REUSE
    reusing: set[int] = set()
    number = -1
    for index, block in enumerate(blocks):
        exposed: set[VReg] = set()
        live_in.append(exposed)
        for param in block.params:
            home[param] = index
        for inst in block.insts:
            number += 1
            operands = inst.operands
            if len(operands) > MAX_OPERANDS:
                raise TooManyOperands(f"{inst.name} has {len(operands)} operands, at most {MAX_OPERANDS}", number)
            for vreg, constraint, kind, _ in operands:
                if kind is definition:
                    home[vreg] = index
                    if constraint[0] is reuse:
                        reusing.add(number)
                elif home[vreg] != index:
                    exposed.add(vreg)
        for edge in block.edges:
            predecessors[edge.block].append(index)
            for vreg in edge.args:
                if home[vreg] != index:
                    exposed.add(vreg)
        insts += block.insts
        first.append(len(insts))
    _propagate(predecessors, live_in, home)
    return Flow(func, insts, first, predecessors, live_in, reusing)


def _propagate(predecessors: list[list[int]], live_in: list[set[VReg]], home: list[int]) -> None:
    # Blocks reached on behalf of an earlier block are marked with everything above them, so one pass is enough.
    for index, exposed in enumerate([list(vregs) for vregs in live_in]):
        for vreg in exposed:
            defined = home[vreg]
            work = [index]
            while work:
                for pred in predecessors[work.pop()]:
                    if pred != defined and vreg not in live_in[pred]:
                        live_in[pred].add(vreg)
                        work.append(pred)


def loop_depths(flow: Flow) -> list[int]:
    """Nesting of each block, taking every edge to an earlier or the same block in layout order as a loop's."""
    change = [0] * (len(flow.predecessors) + 1)
    for head, preds in enumerate(flow.predecessors):
        last = max(preds, default=-1)
        if last >= head:
            change[head] += 1
            change[last + 1] -= 1
    depths, depth = [], 0
    for delta in change[:-1]:
        depth += delta
        depths.append(depth)
    return depths
