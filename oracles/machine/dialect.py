"""What an allocator can be asked, and the nearest function that it can be.

Our machine functions allow more than regalloc2's contract does. What lies outside of it is not the allocator's fault,
so a function is adapted first, to one that asks for a little less:

    blocks that nothing leads to                        are left out, and VRegs are numbered anew without gaps
    stack, limit, where the allocator has them not      any, reg; a limit that is no power of two becomes the next one
    stack, where the instruction has the value twice    any: "not supported"
    fixed to a register that is not allocatable         any
    reuse of an input that is not reg                   the input becomes reg; both fixed, if it is fixed
    reuse of an input beyond the 32nd operand           operands in another order: an index has 5 bits
    a clobber that a fixed definition overwrites        is left out: "illegal"
    clobbers that leave definitions without registers   are left out: a clobber is a definition
    a terminator's definition that is not fixed         any or stack, for fastalloc, which has nothing else there

What is known to go wrong (docs/found/regalloc2.md) is avoided as well, so that what is not known can be seen, unless
the dialect says ``known``:

    several reuses in an instruction                    the first stays, other definitions are any
    beside a reuse: an input fixed where the            the clobber is left out, the input any
        instruction writes or clobbers
    beside a reuse: a value fixed by one operand and    the fixed one is any
        asked for by another
    late: a value fixed in two places, or beyond its    the first stays, others are any
        limit
    a value with a limit fixed in two places            the first stays, others are any
    a block before all that lead to it                  blocks in reverse postorder
    for fastalloc: definitions on the stack             any
    for fastalloc: a parameter that gets what the       is the argument, if that has other uses
        terminator before it defines

The result is valid, and is the function itself where nothing of this is in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from compiler.dominators import reverse_postorder
from compiler.machine import (
    ANY,
    REG,
    ConstraintKind,
    Edge,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    Operand,
    OperandKind,
    OperandPos,
    PReg,
    RegClass,
    VReg,
    fixed,
    limit,
    reuse,
)
from compiler.regalloc.enough import enough_registers

REUSABLE: Final = 32
"""Operands that a definition may reuse: the first so many."""
_UNLIMITED: Final = 64


@dataclass(frozen=True, slots=True)
class Dialect:
    """``constraints`` are those that there are. ``fast``: it is fastalloc. ``known``: it is asked what is known to go
    wrong as well."""

    constraints: frozenset[ConstraintKind]
    fast: bool = False
    known: bool = False


def adapted(func: MachineFunc, env: MachineEnv, dialect: Dialect) -> MachineFunc:
    """The nearest function that an allocator of this dialect can be asked about. ``func`` must be valid."""
    func = _reached(func, not dialect.known)
    if dialect.fast and not dialect.known:
        func = _without_copies(func)
    blocks = [
        MachineBlock(block.params, [_inst(inst, func, env, dialect) for inst in block.insts]) for block in func.blocks
    ]
    return _numbered(replace(func, blocks=blocks))


def certainly_enough(func: MachineFunc, env: MachineEnv) -> bool:
    """Whether every instruction finds its registers where clobbers are definitions (``enough_registers``)."""
    return all(_enough(inst, func, env) for block in func.blocks for inst in block.insts)


def _enough(inst: MachineInst, func: MachineFunc, env: MachineEnv) -> bool:
    classes = [func.class_of(operand.vreg) for operand in inst.operands]
    return all(enough_registers(inst, env, cls, classes, clobbers_are_outputs=True) for cls in RegClass)


def is_forward(func: MachineFunc) -> bool:
    """Whether every block but the entry has a predecessor before it."""
    seen = {0}
    for index, block in enumerate(func.blocks):
        if index not in seen:
            return False
        seen.update(edge.block for edge in block.edges)
    return True


def _reached(func: MachineFunc, forward: bool) -> MachineFunc:
    """The blocks that the entry leads to; in reverse postorder with ``forward``, if their own order is not good."""
    order = reverse_postorder(func.successors())
    kept = order if forward and not is_forward(func) else sorted(order)
    if kept == list(range(len(func.blocks))):
        return func
    place = {old: new for new, old in enumerate(kept)}
    blocks = []
    for index in kept:
        block = func.blocks[index]
        last = block.insts[-1]
        edges = tuple(Edge(place[edge.block], edge.args) for edge in last.edges or ())
        blocks.append(MachineBlock(block.params, [*block.insts[:-1], replace(last, edges=edges)]))
    return replace(func, blocks=blocks)


def _numbered(func: MachineFunc) -> MachineFunc:
    """VRegs that nothing defines left out."""
    defined = {param for block in func.blocks for param in block.params}
    defined.update(
        operand.vreg
        for block in func.blocks
        for inst in block.insts
        for operand in inst.operands
        if operand.kind is OperandKind.DEF
    )
    if len(defined) == len(func.vregs):
        return func
    number: dict[VReg, VReg] = {old: new for new, old in enumerate(sorted(defined))}
    blocks = []
    for block in func.blocks:
        insts = []
        for inst in block.insts:
            operands = tuple([operand._replace(vreg=number[operand.vreg]) for operand in inst.operands])
            edges = inst.edges and tuple(Edge(e.block, tuple(number[arg] for arg in e.args)) for e in inst.edges)
            insts.append(replace(inst, operands=operands, edges=edges))
        blocks.append(MachineBlock(tuple(number[param] for param in block.params), insts))
    return MachineFunc(func.name, [func.vregs[old] for old in sorted(defined)], blocks)


def _inst(inst: MachineInst, func: MachineFunc, env: MachineEnv, dialect: Dialect) -> MachineInst:
    operands = _reusing(inst.operands)
    if not dialect.known:
        operands = _avoiding(operands, dialect.fast)
    uses = Counter(operand.vreg for operand in operands)
    operands = [_operand(operand, func, env, dialect, uses[operand.vreg] > 1) for operand in operands]
    if inst.is_terminator and dialect.fast:
        operands = [_on_branch(operand) for operand in operands]
    asked = replace(inst, operands=_reordered(operands))
    if not inst.clobbers:
        return asked
    allocatable = {preg for regs in env.regs.values() for preg in regs}
    careful = not dialect.known and _reused(operands) is not None
    held = {o.constraint.preg for o in operands if o.kind is OperandKind.DEF or careful}
    kept = tuple(preg for preg in inst.clobbers if preg in allocatable and preg not in held)
    asked = replace(asked, clobbers=kept)
    return asked if _enough(asked, func, env) else replace(asked, clobbers=())


def _reusing(given: tuple[Operand, ...]) -> list[Operand]:
    """Reuse of registers alone: a fixed input makes its definition a fixed one, any other is a register's."""
    operands = list(given)
    for k, operand in enumerate(given):
        if operand.constraint.kind is ConstraintKind.REUSE:
            source = given[operand.constraint.number]
            if source.constraint.preg is not None:
                operands[k] = operand._replace(constraint=fixed(source.constraint.preg))
            else:
                operands[operand.constraint.number] = source._replace(constraint=REG)
    return operands


def _reused(operands: list[Operand]) -> VReg | None:
    """The value that the first definition with reuse takes over."""
    numbers = [o.constraint.number for o in operands if o.constraint.kind is ConstraintKind.REUSE]
    return operands[numbers[0]].vreg if numbers else None


def _without_copies(func: MachineFunc) -> MachineFunc:
    """Parameters that get what the terminator before them defines are that itself, where it has other uses: their block
    has one predecessor."""
    uses = Counter(o.vreg for block in func.blocks for inst in block.insts for o in inst.operands)
    uses.update(arg for block in func.blocks for edge in block.edges for arg in edge.args)
    renamed: dict[VReg, VReg] = {}
    gone: dict[int, set[int]] = {}
    for block in func.blocks:
        born = {o.vreg for o in block.terminator.operands if o.kind is OperandKind.DEF}
        for edge in block.edges if born else ():
            for k, arg in enumerate(edge.args):
                if arg in born and uses[arg] > 2:  # its definition is one
                    renamed[func.blocks[edge.block].params[k]] = arg
                    gone.setdefault(edge.block, set()).add(k)
    if not renamed:
        return func

    def name(vreg: VReg) -> VReg:
        while vreg in renamed:
            vreg = renamed[vreg]
        return vreg

    def kept(index: int, items: tuple[VReg, ...]) -> tuple[VReg, ...]:
        return tuple(name(item) for k, item in enumerate(items) if k not in gone.get(index, ()))

    blocks = []
    for index, block in enumerate(func.blocks):
        insts = []
        for inst in block.insts:
            operands = tuple([operand._replace(vreg=name(operand.vreg)) for operand in inst.operands])
            edges = inst.edges and tuple(Edge(edge.block, kept(edge.block, edge.args)) for edge in inst.edges)
            insts.append(replace(inst, operands=operands, edges=edges))
        params = tuple(param for k, param in enumerate(block.params) if k not in gone.get(index, ()))
        blocks.append(MachineBlock(params, insts))
    return replace(func, blocks=blocks)


def _avoiding(given: list[Operand], fast: bool) -> list[Operand]:
    """Without what is known to go wrong in one instruction."""
    operands = list(given)
    for k, operand in enumerate(operands):
        if fast and operand.kind is OperandKind.DEF and operand.constraint.kind is ConstraintKind.STACK:
            operands[k] = operand._replace(constraint=ANY)
    for k in [k for k, o in enumerate(operands) if o.constraint.kind is ConstraintKind.REUSE][1:]:
        operands[k] = operands[k]._replace(constraint=ANY)
    reused = _reused(operands)
    several = Counter(operand.vreg for operand in operands)
    written = {o.constraint.preg for o in operands if o.kind is OperandKind.DEF} if reused is not None else set()
    limits: dict[VReg, int] = {}
    for operand in operands:
        if operand.kind is OperandKind.USE and operand.constraint.kind is ConstraintKind.LIMIT:
            limits[operand.vreg] = min(operand.constraint.number, limits.get(operand.vreg, _UNLIMITED))
    held: dict[VReg, PReg] = {}
    for k, operand in enumerate(operands):
        preg = operand.constraint.preg
        if preg is None or operand.kind is OperandKind.DEF:
            continue
        if reused is not None:
            other = several[operand.vreg] > 1 or preg in written
        else:
            late = operand.pos is OperandPos.LATE
            beyond = preg.hw >= limits.get(operand.vreg, _UNLIMITED)
            counted = late or operand.vreg in limits
            other = counted and (held.setdefault(operand.vreg, preg) != preg or (late and beyond))
        if other:
            operands[k] = operand._replace(constraint=ANY)
    return operands


def _operand(operand: Operand, func: MachineFunc, env: MachineEnv, dialect: Dialect, several: bool) -> Operand:
    constraint = operand.constraint
    match constraint.kind:
        case ConstraintKind.FIXED if constraint.preg not in env.regs[func.class_of(operand.vreg)]:
            return operand._replace(constraint=ANY)
        case ConstraintKind.STACK if several or ConstraintKind.STACK not in dialect.constraints:
            return operand._replace(constraint=ANY)
        case ConstraintKind.LIMIT:
            power = 1 << max(0, constraint.number - 1).bit_length()
            known = ConstraintKind.LIMIT in dialect.constraints and power < _UNLIMITED
            return operand._replace(constraint=limit(power) if known else REG)
        case _:
            return operand


def _on_branch(operand: Operand) -> Operand:
    kind = operand.constraint.kind
    if operand.kind is OperandKind.USE or kind in (ConstraintKind.FIXED, ConstraintKind.ANY, ConstraintKind.STACK):
        return operand
    return operand._replace(constraint=ANY)


def _reordered(operands: list[Operand]) -> tuple[Operand, ...]:
    """Reused inputs first, where one of them is too far behind; what is left without a place there is any register."""
    reused = [o.constraint.number for o in operands if o.constraint.kind is ConstraintKind.REUSE]
    if max(reused, default=0) < REUSABLE:
        return tuple(operands)
    first = set(reused)
    order = [*sorted(first), *(k for k in range(len(operands)) if k not in first)]
    place = {old: new for new, old in enumerate(order)}
    placed = []
    for k in order:
        operand = operands[k]
        if operand.constraint.kind is ConstraintKind.REUSE:
            new = place[operand.constraint.number]
            operand = operand._replace(constraint=reuse(new) if new < REUSABLE else REG)
        placed.append(operand)
    return tuple(placed)
