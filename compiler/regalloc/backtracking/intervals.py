"""Live ranges, uses, and what instructions hold in registers whatever the ranges do.

Ranges are (start, end, vreg), half-open, in positions (``compiler.regalloc.flow``). An early last use ends a range at
4i + 1, so that an output may take its register. A definition that reuses an input begins at 4i: its register is loaded
before the instruction runs, so nothing else that is read there may sit in it. The reused input, if it ends there and is
read nowhere else, ends at 4i: then the two touch and may be one bundle.

FIXED and STACK ask nothing of a range. The register is held for that instruction, and a copy is made where the range
ended up elsewhere; so a VReg may be wanted in any number of places at once, and requirements never contradict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from compiler.machine import Constraint, ConstraintKind, MachineEnv, MachineInst, OperandKind, TooManyLiveRegs, VReg
from compiler.regalloc.flow import Flow, loop_depths
from compiler.regalloc.places import Place, place_of, registers_of
from compiler.regalloc.requirements import ANY_REGISTER, BOTH, EARLY, LATE, THROUGH, need_of, operand_span

LiveRange: TypeAlias = tuple[int, int, VReg]

NOBODY: Final = -1
_LOOP_WEIGHTS: Final = (1.0, 8.0, 64.0, 512.0, 4096.0)


class Use(NamedTuple):
    """A VReg at the instruction at ``position`` (4i), in a register below ``need`` (0: anywhere) over ``span``."""

    position: int
    vreg: VReg
    need: int
    span: int
    weight: float


def intervals(inst: int, span: int) -> list[tuple[int, int]]:
    """The positions of an instruction that a span covers."""
    at = 4 * inst
    if span == THROUGH:
        return [(at, at + 4)]
    return ([(at, at + 1)] if span & EARLY else []) + ([(at + 2, at + 4)] if span & LATE else [])


def effective(inst: MachineInst, constraint: Constraint) -> Constraint:
    """What a REUSE constraint amounts to: that of its input."""
    return inst.operands[constraint.number].constraint if constraint.kind is ConstraintKind.REUSE else constraint


def demand_of(inst: MachineInst, k: int, reused: frozenset[int]) -> tuple[int, int]:
    """(need, span) of operand ``k``; a need of 0 is none. A reused input needs nothing beside its definition."""
    _, constraint, kind, pos = inst.operands[k]
    if k in reused:
        return 0, EARLY
    if constraint.kind is ConstraintKind.REUSE:
        source = inst.operands[constraint.number].constraint
        if source.kind is ConstraintKind.FIXED:
            return 0, BOTH
        return need_of(source) or ANY_REGISTER, BOTH
    return need_of(constraint), operand_span(kind, pos, False)


NO_REUSE: Final[frozenset[int]] = frozenset()


def reused_inputs(inst: MachineInst) -> frozenset[int]:
    return frozenset(c.number for _, c, _, _ in inst.operands if c.kind is ConstraintKind.REUSE)


@dataclass(slots=True)
class Intervals:
    """``of[v]`` are v's ranges in ascending order, ``uses[v]`` its uses; ``held[place]`` are (start, end, VReg).

    ``stacked`` are VRegs that an instruction wants in memory. ``copies`` are (weight, source, target) pairs that would
    like one register; ``hints[v]`` a register that an instruction wants v in.
    """

    of: list[list[LiveRange]]
    uses: list[list[Use]]
    held: dict[Place, list[LiveRange]]
    stacked: set[VReg] = field(default_factory=set)
    copies: list[tuple[float, VReg, VReg]] = field(default_factory=list)
    hints: dict[VReg, Place] = field(default_factory=dict)


def build(flow: Flow, env: MachineEnv) -> Intervals:
    """Scan a function backwards. Raises ``TooManyLiveRegs`` if an instruction wants one register for two values."""
    count = len(flow.func.vregs)
    places = [place for of_class in registers_of(env) for place in of_class]
    found = Intervals([[] for _ in range(count)], [[] for _ in range(count)], {place: [] for place in places})
    depths = loop_depths(flow)
    for block in range(len(flow.func.blocks) - 1, -1, -1):
        _block(flow, found, block, _LOOP_WEIGHTS[min(depths[block], len(_LOOP_WEIGHTS) - 1)])
    for ranges in found.of:
        ranges.reverse()
    for held in found.held.values():
        held.sort()
    return found


def _block(flow: Flow, found: Intervals, index: int, weight: float) -> None:
    first, last = flow.first[index], flow.first[index + 1] - 1
    live: dict[VReg, int] = {}
    for edge in flow.insts[last].edges or ():
        live.update(dict.fromkeys(flow.live_in[edge.block], 4 * last + 4))
        for arg, param in zip(edge.args, flow.func.blocks[edge.block].params, strict=True):
            live[arg] = 4 * last + 4
            found.copies.append((weight, arg, param))
    for number in range(last, first - 1, -1):
        inst = flow.insts[number]
        reused = reused_inputs(inst) if number in flow.reusing else NO_REUSE
        _hold(inst, number, found)
        _inst(inst, number, found, live, (weight, number == first), reused)
    for vreg, end in live.items():
        found.of[vreg].append((4 * first, end, vreg))


def _inst(
    inst: MachineInst,
    number: int,
    found: Intervals,
    live: dict[VReg, int],
    where: tuple[float, bool],
    reused: frozenset[int],
) -> None:
    weight, at_start = where
    position = 4 * number
    for k, (vreg, constraint, kind, _) in enumerate(inst.operands):
        need, span = demand_of(inst, k, reused)
        if constraint.kind is ConstraintKind.STACK:
            found.stacked.add(vreg)
        found.uses[vreg].append(Use(position, vreg, need, span, weight + weight if need else weight))
        if kind is OperandKind.DEF:
            start = position + 2 if span == LATE else position
            found.of[vreg].append((start, live.pop(vreg, position + 4), vreg))
            if constraint.kind is ConstraintKind.REUSE:
                found.copies.append((8 * weight, inst.operands[constraint.number].vreg, vreg))
        else:
            shortened = k in reused and not at_start and sum(o.vreg == vreg for o in inst.operands) == 1
            end = position if shortened else position + (1 if span == EARLY else 4)
            if live.get(vreg, -1) < end:
                live[vreg] = end
    if inst.is_move and len(inst.operands) == 2:
        found.copies.append((4 * weight, inst.operands[1].vreg, inst.operands[0].vreg))


def _hold(inst: MachineInst, number: int, found: Intervals) -> None:
    """Reserve fixed registers and clobbers."""
    mine: dict[Place, list[LiveRange]] = {}
    for vreg, constraint, kind, pos in inst.operands:
        asked = effective(inst, constraint)
        if asked.kind is not ConstraintKind.FIXED or asked.preg is None:
            continue
        place = place_of(asked.preg)
        if place not in found.held:
            continue
        found.hints[vreg] = place
        span = operand_span(kind, pos, False)
        for start, end in intervals(number, span):
            for other_start, other_end, owner in mine.setdefault(place, []):
                if owner != vreg and start < other_end and other_start < end:
                    raise TooManyLiveRegs(f"{inst.name} needs one register for two values", number)
            mine[place].append((start, end, vreg))
        if span == THROUGH and asked.preg in inst.clobbers:
            raise TooManyLiveRegs(f"{inst.name} clobbers a register that it needs", number)
    for place, held in mine.items():
        found.held[place] += held
    for preg in inst.clobbers:
        if place_of(preg) in found.held:
            found.held[place_of(preg)].append((4 * number + 1, 4 * number + 2, NOBODY))
