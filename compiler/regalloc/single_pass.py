"""The single-pass allocator: a reverse linear scan of each block by itself (regalloc2's ``fastalloc`` tradition).

Every VReg that ever leaves registers has one spill slot of its own, written once, right after its definition, and valid
from there on: the value of a VReg never changes. So to take a register from a value that lives through an instruction,
it is enough to load it back after the instruction, and at a block's edges everything lives in its slot.

Going up through a block, ``home[v]`` is the register in which v is expected at the current point; a VReg that is live
without a home is expected in its slot. Blocks do not see each other, so any block order will do.
"""

from __future__ import annotations

from compiler.machine import (
    Allocation,
    Allocations,
    MachineEnv,
    MachineFunc,
    TooManyLiveRegs,
    VReg,
)
from compiler.regalloc.flow import analyse
from compiler.regalloc.places import (
    IN_EDGE,
    OUT_EDGE,
    REGULAR,
    Place,
    allocation_table,
    make_edits,
)
from compiler.regalloc.single_pass_inst import InstScan, ScanState


def allocate(func: MachineFunc, env: MachineEnv) -> Allocations:
    """Allocate a valid function. Raises ``TooManyOperands`` or ``TooManyLiveRegs``."""
    flow = analyse(func)
    state = ScanState(flow, env)
    for block in range(len(func.blocks) - 1, -1, -1):
        _block(state, block)
    moves = state.groups.sequential(state.scratch, state.slots)
    table: list[Allocation] = allocation_table(state.slots.words)
    operands = [tuple([table[place] for place in places]) for places in state.operands]
    stats = {"moves": len(moves), "spills": len(state.slot_of), "evictions": state.evictions}
    return Allocations(operands, make_edits(moves, table), state.slots.words, stats)


def _block(state: ScanState, index: int) -> None:
    flow = state.flow
    first, end = flow.first[index], flow.first[index + 1]
    _edges(state, end - 1)
    insts = flow.insts
    for number in range(end - 1, first - 1, -1):
        inst = insts[number]
        one = InstScan(state, number, inst)
        if not one.run():
            one = InstScan(state, number, inst, clear=True)
            if not one.run():
                raise TooManyLiveRegs(f"{inst.name} needs more registers than there are", number)
        state.operands[number] = one.places
    # What still has a home is live into the block, and every edge left it in its slot.
    for vreg, place in state.home.items():
        state.groups.add(first, 0, REGULAR, (state.slot(vreg), place, state.types[vreg]))
    state.home.clear()
    state.held.clear()


def _edges(state: ScanState, terminator: int) -> None:
    """The moves of a block's edges, into the slots of the parameters."""
    flow = state.flow
    for edge in flow.insts[terminator].edges or ():
        if not edge.args:
            continue
        params = flow.func.blocks[edge.block].params
        at_start = flow.moves_at_start(edge.block)
        for arg, param in zip(edge.args, params, strict=True):
            if at_start:
                point, order, source = flow.first[edge.block], IN_EDGE, state.slot(arg)
            else:
                point, order, source = terminator, OUT_EDGE, _argument(state, arg)
            state.groups.add(point, 0, order, (source, state.slot(param), state.types[arg]))


def _argument(state: ScanState, arg: VReg) -> Place:
    """Where a jump finds an argument: in a register if one is free, else in its slot."""
    place = state.home.get(arg)
    if place is not None:
        return place
    for place in state.registers[state.floats[arg]]:
        if place not in state.held:
            state.home[arg] = place
            state.held[place] = arg
            return place
    return state.slot(arg)
