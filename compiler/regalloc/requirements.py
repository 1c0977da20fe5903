"""What one instruction asks of the registers, and how it can have it.

A demand is a VReg that must sit in a register while the instruction runs, over a span: while inputs are read (EARLY),
while outputs are written (LATE), at both moments (BOTH: an input that must survive until a reused input's register is
overwritten), or all through, past the clobbers (THROUGH: late uses and early definitions). All demands of one VReg at
one instruction are one demand.

``assign`` is what makes both allocators complete: when their heuristics fail at an instruction, they clear it of
everything that only passes through, and place exactly its demands. So a function has an allocation if every
instruction by itself has one, and the smallest number of registers that will do depends on single instructions only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from compiler.machine import (
    Constraint,
    ConstraintKind,
    MachineInst,
    OperandKind,
    OperandPos,
)
from compiler.regalloc.places import Place, hw_of, place_of

EARLY: Final = 1
LATE: Final = 2
BOTH: Final = 3
THROUGH: Final = 7
"""Spans as bits: 1 is the early moment, 2 the late one, 4 the clobbers."""

ANY_REGISTER: Final = 64
"""The ``need`` of a demand without a limit: hardware encodings are below 64."""


class Demand(NamedTuple):
    """A register with hardware encoding below ``need`` over ``span``."""

    need: int
    span: int


def need_of(constraint: Constraint) -> int:
    """The bound on the hardware encoding that a constraint sets; 0 if it needs no register of its own choice."""
    if constraint.kind is ConstraintKind.REG:
        return ANY_REGISTER
    if constraint.kind is ConstraintKind.LIMIT:
        return min(constraint.number, ANY_REGISTER)
    return 0


def reuse_need(constraint: Constraint) -> int:
    """The ``need`` of a definition that reuses an input of this constraint."""
    return need_of(constraint) or ANY_REGISTER


def assign(
    demands: Sequence[Demand],
    registers: Sequence[Place],
    early: Collection[Place],
    late: Collection[Place],
    clobbers: Collection[Place],
) -> list[Place] | None:
    """A register for each demand, all of one class, or None if there are too few.

    ``early`` and ``late`` are taken at those moments. Demands over both moments go first, tighter limits before looser
    ones, each to the highest register that will do: the sets of eligible registers are nested, so what is left over
    serves the rest best.
    """
    busy_early, busy_late = set(early), set(late)
    highest_first = sorted(registers, reverse=True)
    places: list[Place] = [-1] * len(demands)
    order = sorted(range(len(demands)), key=lambda i: (-demands[i].span, demands[i].need))
    if len(order) > 2 * len(registers):
        return None
    for i in order:
        need, span = demands[i]
        for place in highest_first:
            if (
                hw_of(place) < need
                and not (span & EARLY and place in busy_early)
                and not (span & LATE and place in busy_late)
                and not (span == THROUGH and place in clobbers)
            ):
                break
        else:
            return None
        places[i] = place
        if span & EARLY:
            busy_early.add(place)
        if span & LATE:
            busy_late.add(place)
    return places


def clobbered_places(inst: MachineInst) -> set[Place]:
    return {place_of(preg) for preg in inst.clobbers}


def operand_span(kind: OperandKind, pos: OperandPos, has_reuse: bool) -> int:
    """The span of a register operand; with ``has_reuse``, early uses other than the reused one stay until late."""
    if kind is OperandKind.DEF:
        return LATE if pos is OperandPos.LATE else THROUGH
    if pos is OperandPos.LATE:
        return THROUGH
    return BOTH if has_reuse else EARLY
