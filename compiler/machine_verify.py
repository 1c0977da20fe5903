"""The verifier of machine functions: every rule that ``compiler.machine`` states, each error tied to its place."""

from __future__ import annotations

from compiler.dominators import dominators
from compiler.machine import (
    ConstraintKind,
    MachineFunc,
    MachineInst,
    Operand,
    OperandKind,
    OperandPos,
    PReg,
    VReg,
)


class InvalidMachineFunc(Exception):
    """A machine function breaks the rules: a bug of whoever made it. The message lists every error, a line each."""


def predecessors(func: MachineFunc) -> list[list[tuple[int, int]]]:
    """For each block the (block, edge number) pairs that lead to it; an edge named twice counts twice."""
    incoming: list[list[tuple[int, int]]] = [[] for _ in func.blocks]
    for index, block in enumerate(func.blocks):
        for number, edge in enumerate(block.edges):
            incoming[edge.block].append((index, number))
    return incoming


def verify(func: MachineFunc) -> list[str]:
    """All broken rules, as ``block 2, inst 5: ...`` (instructions numbered through all blocks); empty if none."""
    errors = _shape(func)
    if errors:
        return errors
    errors += _edges(func)
    return errors or _definitions(func)


def assert_valid(func: MachineFunc) -> None:
    """Raises ``InvalidMachineFunc`` with every error."""
    errors = verify(func)
    if errors:
        raise InvalidMachineFunc(f"{func.name}:\n" + "\n".join(errors))


def _reuses(inst: MachineInst) -> list[str]:
    inputs = [operand.constraint.number for operand in inst.operands if operand.constraint.kind is ConstraintKind.REUSE]
    return ["two definitions reuse one input"] if len(set(inputs)) < len(inputs) else []


def _fixed(inst: MachineInst) -> list[str]:
    """One register asked for two values at one moment, or clobbered while it holds one."""
    errors = []
    held: dict[tuple[PReg, OperandPos], VReg] = {}
    for operand in inst.operands:
        constraint = operand.constraint
        if constraint.kind is ConstraintKind.REUSE:
            constraint = inst.operands[constraint.number].constraint
        if constraint.preg is None:
            continue
        usual = OperandPos.EARLY if operand.kind is OperandKind.USE else OperandPos.LATE
        through = operand.pos is not usual
        moments = (OperandPos.EARLY, OperandPos.LATE) if through else (usual,)
        holders = [held.setdefault((constraint.preg, pos), operand.vreg) for pos in moments]
        errors += [f"v{operand.vreg} is fixed where another value is" for vreg in holders if vreg != operand.vreg]
        if through and constraint.preg in inst.clobbers:
            errors.append(f"v{operand.vreg} is fixed in a register that is clobbered")
    return errors


def _shape(func: MachineFunc) -> list[str]:
    errors = []
    if not func.blocks:
        return ["there is no block"]
    number = 0
    for index, block in enumerate(func.blocks):
        if not block.insts:
            errors.append(f"block {index} is empty")
        for position, inst in enumerate(block.insts):
            where = f"block {index}, inst {number}"
            if inst.is_terminator != (position == len(block.insts) - 1):
                errors.append(f"{where}: a terminator stands last, and nothing else does")
            errors += [f"{where}: {text}" for text in _operands(func, inst) or _reuses(inst) + _fixed(inst)]
            for edge in inst.edges or ():
                if not 0 <= edge.block < len(func.blocks):
                    errors.append(f"{where}: there is no block {edge.block}")
            number += 1
    return errors


def _operands(func: MachineFunc, inst: MachineInst) -> list[str]:
    errors = []
    for k, operand in enumerate(inst.operands):
        if not 0 <= operand.vreg < len(func.vregs):
            errors.append(f"operand {k}: there is no v{operand.vreg}")
            continue
        errors += [f"operand {k}: {text}" for text in _operand(func, inst, operand)]
    return errors


def _operand(func: MachineFunc, inst: MachineInst, operand: Operand) -> list[str]:
    errors = []
    kind, constraint = operand.constraint.kind, operand.constraint
    if kind is ConstraintKind.FIXED and (
        constraint.preg is None or constraint.preg.cls is not func.class_of(operand.vreg)
    ):
        errors.append("a fixed register of another class")
    if kind is ConstraintKind.REUSE:
        source = inst.operands[constraint.number] if constraint.number < len(inst.operands) else None
        if operand.kind is not OperandKind.DEF or source is None or source.kind is not OperandKind.USE:
            errors.append("reuse joins a definition to a use of the same instruction")
        elif func.class_of(source.vreg) is not func.class_of(operand.vreg):
            errors.append("reuse of a register of another class")
        elif OperandPos.EARLY is operand.pos or source.pos is OperandPos.LATE:
            errors.append("reuse joins a late definition to an early use")
        elif source.constraint.kind is ConstraintKind.STACK:
            errors.append("reuse of an input on the stack")
    late_use = operand.kind is OperandKind.USE and operand.pos is OperandPos.LATE
    if inst.is_terminator and late_use:
        errors.append("a late use on a terminator")
    if inst.is_move and (len(inst.operands) != 2 or inst.is_terminator):
        errors.append("a move has two operands and is no terminator")
    return errors


def _edges(func: MachineFunc) -> list[str]:
    errors = []
    preds = predecessors(func)
    if func.blocks[0].params or preds[0]:
        errors.append("the entry has parameters or predecessors")
    for index, block in enumerate(func.blocks):
        terminator = block.terminator
        for number, edge in enumerate(block.edges):
            target = func.blocks[edge.block]
            where = f"block {index}, edge {number} to {edge.block}"
            if [func.vregs[arg] for arg in edge.args] != [func.vregs[param] for param in target.params]:
                errors.append(f"{where}: arguments do not fit the parameters")
            alone = len(preds[edge.block]) == 1
            if len(block.edges) > 1 and not alone:
                errors.append(f"{where}: a critical edge")
            if (terminator.operands or terminator.clobbers) and not alone:
                has = "operands" if terminator.operands else "clobbers"
                errors.append(f"{where}: the terminator has {has}, so the successor may have no other predecessor")
    return errors


def _definitions(func: MachineFunc) -> list[str]:
    """Single definitions, and each use dominated by its definition (edge definitions by the edge's target)."""
    tree = dominators(func.successors())
    place: dict[VReg, tuple[int, int]] = {}
    errors = []

    def put(vreg: VReg, block: int, position: int) -> None:
        if vreg in place:
            errors.append(f"v{vreg} has two definitions, the second in block {block}")
        place[vreg] = (block, position)

    for index, block in enumerate(func.blocks):
        for param in block.params:
            put(param, index, -1)
        for position, inst in enumerate(block.insts):
            for operand in inst.operands:
                if operand.kind is not OperandKind.DEF:
                    continue
                if inst.edges:
                    put(operand.vreg, inst.edges[0].block, -1)
                elif inst.is_terminator:
                    errors.append(f"block {index}: a terminator without edges defines v{operand.vreg}")
                else:
                    put(operand.vreg, index, 2 * position + 1)

    def check(vreg: VReg, block: int, position: int, what: str) -> None:
        definition = place.get(vreg)
        if definition is None:
            errors.append(f"block {block}: {what} v{vreg} is never defined")
        elif definition[0] == block:
            if definition[1] >= position:
                errors.append(f"block {block}: {what} v{vreg} comes before its definition")
        elif not tree.dominates(definition[0], block):
            errors.append(f"block {block}: {what} v{vreg} is not dominated by its definition in block {definition[0]}")

    for index in tree.order:
        block = func.blocks[index]
        for position, inst in enumerate(block.insts):
            for operand in inst.operands:
                if operand.kind is OperandKind.USE:
                    late = operand.pos is OperandPos.LATE
                    check(operand.vreg, index, 2 * position + (1 if late else 0), "the use of")
            for number, edge in enumerate(inst.edges or ()):
                for arg in edge.args:
                    # A value that the terminator defines lives from edge 0 on, so that edge may pass it.
                    own = (
                        number == 0 and place.get(arg) == (edge.block, -1) and arg not in func.blocks[edge.block].params
                    )
                    if not own:
                        check(arg, index, 2 * len(block.insts), "the argument")
    return errors
