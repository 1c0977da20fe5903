"""Edits of machine functions that keep them consistent: what loses its definition goes as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from compiler.machine import (
    ANY,
    REG,
    Constraint,
    ConstraintKind,
    Edge,
    MachineBlock,
    MachineFunc,
    MachineInst,
    Operand,
    OperandKind,
    OperandPos,
    VReg,
)


def without(
    func: MachineFunc,
    insts: set[tuple[int, int]] | None = None,
    operands: set[tuple[int, int, int]] | None = None,
    vregs: set[VReg] | None = None,
) -> MachineFunc:
    """A copy without these instructions (block, position), operands (block, position, index) and VRegs.

    The definitions among them, and parameters that have one of them as argument, go everywhere.
    """
    insts, operands, gone = insts or set(), operands or set(), set(vregs or ())
    for b, i, k, operand in operands_of(func):
        if operand.kind is OperandKind.DEF and ((b, i) in insts or (b, i, k) in operands):
            gone.add(operand.vreg)
    pairs = [
        (arg, param)
        for block in func.blocks
        for edge in block.edges
        for arg, param in zip(edge.args, func.blocks[edge.block].params, strict=True)
    ]
    more = True
    while more:
        more = False
        for arg, param in pairs:
            if arg in gone and param not in gone:
                gone.add(param)
                more = True
    blocks = []
    for b, block in enumerate(func.blocks):
        kept = []
        for i, inst in enumerate(block.insts):
            if (b, i) not in insts:
                lost = {k for k, o in enumerate(inst.operands) if o.vreg in gone or (b, i, k) in operands}
                edges = inst.edges and tuple(
                    Edge(
                        edge.block,
                        tuple(
                            a for a, p in zip(edge.args, func.blocks[edge.block].params, strict=True) if p not in gone
                        ),
                    )
                    for edge in inst.edges
                )
                kept.append(_with_operands(inst, lost, edges))
        blocks.append(MachineBlock(tuple(param for param in block.params if param not in gone), kept))
    return MachineFunc(func.name, list(func.vregs), blocks)


def _with_operands(inst: MachineInst, lost: set[int], edges: tuple[Edge, ...] | None) -> MachineInst:
    """The instruction without some operands; what reused a lost one asks for any register."""
    kept = []
    for k, operand in enumerate(inst.operands):
        if k in lost:
            continue
        if operand.constraint.kind is ConstraintKind.REUSE:
            source = operand.constraint.number
            moved = source - sum(other < source for other in lost)
            constraint = REG if source in lost else Constraint(ConstraintKind.REUSE, None, moved)
            operand = operand._replace(constraint=constraint)
        kept.append(operand)
    return replace(inst, operands=tuple(kept), edges=edges, is_move=inst.is_move and not lost)


def operands_of(func: MachineFunc) -> Iterator[tuple[int, int, int, Operand]]:
    for b, block in enumerate(func.blocks):
        for i, inst in enumerate(block.insts):
            for k, operand in enumerate(inst.operands):
                yield b, i, k, operand


def defined_in(block: MachineBlock) -> Iterator[VReg]:
    yield from block.params
    for inst in block.insts:
        for operand in inst.operands:
            if operand.kind is OperandKind.DEF:
                yield operand.vreg


def mapped(func: MachineFunc, change: Callable[[int, int, MachineInst], MachineInst]) -> MachineFunc:
    blocks = [
        MachineBlock(block.params, [change(b, i, inst) for i, inst in enumerate(block.insts)])
        for b, block in enumerate(func.blocks)
    ]
    return MachineFunc(func.name, list(func.vregs), blocks)


def with_operand(func: MachineFunc, where: tuple[int, int, int], operand: Operand) -> MachineFunc:
    def change(b: int, i: int, inst: MachineInst) -> MachineInst:
        if (b, i) != where[:2]:
            return inst
        return replace(inst, operands=(*inst.operands[: where[2]], operand, *inst.operands[where[2] + 1 :]))

    return mapped(func, change)


def simpler(operand: Operand) -> Iterator[Operand]:
    usual = OperandPos.EARLY if operand.kind is OperandKind.USE else OperandPos.LATE
    if operand.constraint != ANY:
        yield operand._replace(constraint=ANY)
        if operand.pos is not usual:
            yield operand._replace(constraint=ANY, pos=usual)
    if operand.pos is not usual:
        yield operand._replace(pos=usual)
    if operand.constraint.kind in (ConstraintKind.FIXED, ConstraintKind.LIMIT, ConstraintKind.REUSE):
        yield operand._replace(constraint=REG)


def with_edges(func: MachineFunc, index: int, edges: tuple[Edge, ...]) -> MachineFunc:
    """The terminator of a block with other edges: without any it is a return and defines nothing, and of two it loses
    edge 0's definitions with edge 0."""
    old = func.blocks[index].terminator
    lost = not edges or not old.edges or edges[0] is not old.edges[0]
    last = len(func.blocks[index].insts) - 1
    gone = {(index, last, k) for k, operand in enumerate(old.operands) if operand.kind is OperandKind.DEF and lost}
    name = old.name if edges else "ret"
    cut = mapped(func, lambda b, i, inst: replace(inst, name=name, edges=edges) if (b, i) == (index, last) else inst)
    return without(cut, operands=gone)


def kept_blocks(func: MachineFunc, order: list[int]) -> MachineFunc:
    number = {old: new for new, old in enumerate(order)}
    blocks = []
    for old in order:
        block = func.blocks[old]
        edges = tuple(Edge(number[edge.block], edge.args) for edge in block.edges)
        blocks.append(MachineBlock(block.params, [*block.insts[:-1], replace(block.terminator, edges=edges)]))
    return MachineFunc(func.name, list(func.vregs), blocks)


def appended(func: MachineFunc, index: int) -> MachineFunc | None:
    """The block's only successor appended to it, if it is that one's only predecessor and jumps plainly."""
    block = func.blocks[index]
    terminator = block.terminator
    if len(block.edges) != 1 or terminator.operands or terminator.clobbers:
        return None
    edge = block.edges[0]
    if edge.block in (0, index) or sum(row.count(edge.block) for row in func.successors()) != 1:
        return None
    renamed = dict(zip(func.blocks[edge.block].params, edge.args, strict=True))

    def rename(_b: int, _i: int, inst: MachineInst) -> MachineInst:
        operands = tuple(o._replace(vreg=renamed.get(o.vreg, o.vreg)) for o in inst.operands)
        edges = inst.edges and tuple(Edge(e.block, tuple(renamed.get(a, a) for a in e.args)) for e in inst.edges)
        return replace(inst, operands=operands, edges=edges)

    renamed_func = mapped(func, rename)
    joined = [*renamed_func.blocks[index].insts[:-1], *renamed_func.blocks[edge.block].insts]
    renamed_func.blocks[index] = MachineBlock(block.params, joined)
    return kept_blocks(renamed_func, [b for b in range(len(func.blocks)) if b != edge.block])


def past(func: MachineFunc, index: int) -> MachineFunc | None:
    """All edges to a block led to its only successor instead, if the block does nothing but jump."""
    block = func.blocks[index]
    if len(block.insts) != 1 or len(block.edges) != 1 or block.edges[0].block == index:
        return None
    onward = block.edges[0]

    def change(_b: int, _i: int, inst: MachineInst) -> MachineInst:
        edges = []
        for edge in inst.edges or ():
            if edge.block == index:
                renamed = dict(zip(block.params, edge.args, strict=True))
                edge = Edge(onward.block, tuple(renamed.get(arg, arg) for arg in onward.args))
            edges.append(edge)
        return replace(inst, edges=inst.edges and tuple(edges))

    led = mapped(func, change)
    # Uses of the parameters elsewhere have lost their definition.
    kept = [b for b in range(len(func.blocks)) if b != index]
    return without(kept_blocks(led, kept), vregs=set(block.params))
