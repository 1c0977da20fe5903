"""Which values each block still needs: what the checker may forget on the way.

A state that keeps every value ever stored makes checking quadratic in the number of blocks. Forgetting a value that no
path uses before defining it anew changes no answer: a set here that is too small makes the checker complain about a
right allocation, and none makes it accept a wrong one.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from compiler.machine import Edge, MachineBlock, MachineFunc, OperandKind, VReg


@dataclass(frozen=True, slots=True)
class Needs:
    """``entry[b]``: the values that block ``b`` or what follows uses before defining them, parameters among them."""

    func: MachineFunc
    entry: tuple[Set[VReg], ...]

    def before(self, edge: Edge) -> set[VReg]:
        """What must be known before an edge renames: its arguments and what its block needs besides its parameters."""
        needed = set(self.entry[edge.block])
        needed.difference_update(self.func.blocks[edge.block].params)
        needed.update(edge.args)
        return needed


def needs_of(func: MachineFunc) -> Needs:
    """Backward data flow to the least fixed point; blocks are visited again when a successor's set has grown."""
    entry: list[set[VReg]] = [set() for _ in func.blocks]
    needs = Needs(func, tuple(entry))
    before: list[list[int]] = [[] for _ in func.blocks]
    local = [_local(block) for block in func.blocks]
    for index, block in enumerate(func.blocks):
        for edge in block.insts[-1].edges or ():
            before[edge.block].append(index)
    waiting = list(range(len(func.blocks)))
    queued = set(waiting)
    while waiting:
        index = waiting.pop()
        queued.discard(index)
        used, defined = local[index]
        last = func.blocks[index].insts[-1]
        needed = set(used)
        for position, edge in enumerate(last.edges or ()):
            wanted = needs.before(edge)
            if position == 0:
                wanted.difference_update(o.vreg for o in last.operands if o.kind is OperandKind.DEF)
            wanted -= defined
            needed |= wanted
        if len(needed) > len(entry[index]):
            entry[index] |= needed
            for other in before[index]:
                if other not in queued:
                    queued.add(other)
                    waiting.append(other)
    return needs


def _local(block: MachineBlock) -> tuple[set[VReg], set[VReg]]:
    """What a block uses before it defines it, and what it defines before its terminator."""
    used: set[VReg] = set()
    defined: set[VReg] = set()
    for inst in block.insts:
        used.update(o.vreg for o in inst.operands if o.kind is OperandKind.USE and o.vreg not in defined)
        if not inst.is_terminator:
            defined.update(o.vreg for o in inst.operands if o.kind is OperandKind.DEF)
    return used, defined
