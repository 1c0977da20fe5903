"""Whether an allocator may say that there are too few registers: it judges refusals, as the checker does answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compiler.machine import ConstraintKind, MachineEnv, MachineInst, OperandKind, OperandPos, RegClass

_UNLIMITED: Final = 64
"""The bound of a register operand without a limit: hardware encodings are below it."""


def enough_registers(
    inst: MachineInst,
    env: MachineEnv,
    cls: RegClass,
    operand_classes: Sequence[RegClass],
    clobbers_are_outputs: bool = False,
) -> bool:
    """Whether there are certainly enough registers of a class for an instruction, by counting generously.

    Every operand with a register constraint counts as a register, and fixed registers as lost: inputs and outputs apart
    in a plain instruction, all together and with the clobbers in one with reuse, late uses or early definitions. So it
    judges whether ``TooManyLiveRegs`` is a finding. It shares nothing with the allocators, whose mistakes it would
    repeat. ``clobbers_are_outputs``: no output may sit in a register that the instruction clobbers, as in regalloc2.
    """
    usual = {OperandKind.USE: OperandPos.EARLY, OperandKind.DEF: OperandPos.LATE}
    through = any(operand.pos is not usual[operand.kind] for operand in inst.operands)
    plain = not through and all(o.constraint.kind is not ConstraintKind.REUSE for o in inst.operands)
    wanted: tuple[list[int], list[int]] = ([], [])
    lost: tuple[set[int], set[int]] = (set(), set())
    for operand, operand_class in zip(inst.operands, operand_classes, strict=True):
        constraint = operand.constraint
        if operand_class is not cls:
            continue
        moment = int(plain and operand.kind is OperandKind.DEF)
        if constraint.preg is not None:
            lost[moment].add(constraint.preg.hw)
        elif constraint.kind is ConstraintKind.REUSE:
            # A reused input that asks for a register is counted already, and its register serves both.
            if inst.operands[constraint.number].constraint.kind is ConstraintKind.ANY:
                wanted[0].append(_UNLIMITED)
        elif constraint.kind is ConstraintKind.REG:
            wanted[moment].append(_UNLIMITED)
        elif constraint.kind is ConstraintKind.LIMIT:
            wanted[moment].append(min(constraint.number, _UNLIMITED))
    if clobbers_are_outputs:
        lost[int(plain)].update(preg.hw for preg in inst.clobbers if preg.cls is cls)
    elif through:
        lost[0].update(preg.hw for preg in inst.clobbers if preg.cls is cls)
    for wants, without in zip(wanted, lost, strict=True):
        kept = [preg.hw for preg in env.regs[cls] if preg.hw not in without]
        for bound in set(wants):
            if sum(want <= bound for want in wants) > sum(hw < bound for hw in kept):
                return False
    return True
