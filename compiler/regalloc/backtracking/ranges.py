"""Live ranges with their uses, and what the instructions reserve: one reverse scan over the function.

Ranges are (start, end, vreg), half-open, on the grid of ``compiler.regalloc.positions``. Inputs other than the reused
one stay until after an instruction with a REUSE constraint: the reused register is written before it runs.

Constraints that name a place (FIXED, STACK, and the input of REUSE) ask nothing of the value's own range. The place is
reserved at that instruction for that VReg, and a fix-up move copies there and back where the range ended up elsewhere.
So ranges never have contradictory requirements, and a VReg may be wanted in any number of places at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from compiler.machine import (
    Constraint,
    ConstraintKind,
    MachineEnv,
    MachineInst,
    OperandKind,
    OperandPos,
    PReg,
    TooManyLiveRegs,
    VReg,
)
from compiler.regalloc.flow import Flow, loop_depths
from compiler.regalloc.places import Place, place_of, registers_of
from compiler.regalloc.positions import Position, after, clobbers, early, late
from compiler.regalloc.requirements import BOTH, EARLY, LATE, THROUGH, reuse_need

LiveRange: TypeAlias = tuple[int, int, VReg]

START, END = 0, 1
"""Where a range has what."""

Use: TypeAlias = tuple[Position, int, int, VReg, float, int]
"""(position, index, need, vreg, weight, span): operand ``index`` of the instruction at ``position``, which is early, or
late for late definitions. A plain tuple, taken apart by names: there is one for every operand, and making them is what
the scan costs. ``AT`` is the position's place in it."""
AT: Final = 0

ANYWHERE: Final = 0
IN_SLOT: Final = -2
REUSED: Final = -3
FIXED: Final = -10
"""A ``need``: a positive bound on the register's encoding, ``ANYWHERE``, or a fix-up: a negative number. From ``FIXED``
down they name the place: ``fixed_need`` and ``fixed_place``."""


def fixed_need(place: Place) -> int:
    """The need of an operand that is fixed to a place."""
    return FIXED - place


def fixed_place(need: int) -> Place:
    """The place that a need, ``FIXED`` or below, names."""
    return FIXED - need


DEFINES: Final = 8
DEAD: Final = 16
"""Bits of a use's ``span`` beside those of ``compiler.regalloc.requirements``: a definition; one that nothing reads."""

_LOOP_WEIGHTS: Final = (1.0, 8.0, 64.0, 512.0, 4096.0)


@dataclass(slots=True)
class Reservations:
    """What instructions hold in one register: sorted disjoint [start, end) intervals, each for one VReg."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    owners: list[VReg] = field(default_factory=list)


@dataclass(slots=True)
class Ranges:
    """``of[v]`` and ``uses[v]`` are v's ranges and uses in ascending order.

    ``clobbers[place]`` are positions, ``all_clobbered[class]`` those where every allocatable register is.
    ``reuses[i, k]`` is the definition's index for the reused input k of instruction i. ``copies`` are VRegs that a
    reused register, a move or an edge joins, with a weight. ``decided`` are operands (instruction, index, place) that
    need no range. ``fixed_at`` has the places of fixed uses by (instruction, vreg).
    """

    of: list[list[LiveRange]]
    uses: list[list[Use]]
    reserved: dict[Place, Reservations]
    clobbers: dict[Place, list[int]] = field(default_factory=dict)
    all_clobbered: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    reuses: dict[tuple[int, int], int] = field(default_factory=dict)
    copies: list[tuple[float, VReg, VReg]] = field(default_factory=list)
    decided: list[tuple[int, int, Place]] = field(default_factory=list)
    fixed_at: dict[tuple[int, VReg], list[Place]] = field(default_factory=dict)


def build_ranges(flow: Flow, env: MachineEnv) -> Ranges:
    """Scan a function. Raises ``TooManyLiveRegs`` if an instruction wants one register for two values at once."""
    builder = _Builder(flow, env)
    depths = loop_depths(flow)
    for block in range(len(flow.func.blocks) - 1, -1, -1):
        builder.block(block, _LOOP_WEIGHTS[min(depths[block], len(_LOOP_WEIGHTS) - 1)])
    return builder.finish()


class _Builder:
    def __init__(self, flow: Flow, env: MachineEnv) -> None:
        self.flow = flow
        count = len(flow.func.vregs)
        registers = registers_of(env)
        self.registers = (frozenset(registers[0]), frozenset(registers[1]))
        reserved = {place: Reservations() for of_class in registers for place in of_class}
        self.ranges = Ranges([[] for _ in range(count)], [[] for _ in range(count)], reserved)
        self.clobbered: dict[int, tuple[frozenset[Place], list[int]]] = {}  # by the identity of the clobbers' tuple
        # Of the instruction at hand, if it has a REUSE: the reused inputs, and where its definitions are fixed.
        self.reused: frozenset[int] = frozenset()
        self.defined_in: frozenset[Place] = frozenset()

    def block(self, index: int, weight: float) -> None:
        flow, of, uses = self.flow, self.ranges.of, self.ranges.uses
        first, last = flow.first[index], flow.first[index + 1] - 1
        live = self._live_out(index, last, weight)
        insts, reusing, twice = flow.insts, flow.reusing, weight + weight
        reg, any_, use = ConstraintKind.REG, ConstraintKind.ANY, OperandKind.USE
        early_pos = OperandPos.EARLY
        for number in range(last, first - 1, -1):
            inst = insts[number]
            position = 4 * number  # early(number); + 1 is behind an early use, + 2 late, + 4 after
            if inst.clobbers:
                self._clobber(inst, clobbers(number))
            if inst.is_move:
                self._copy(inst, weight)
            reuses = number in reusing
            if reuses:
                self._look_for_reuse(inst)
            index = -1
            for vreg, constraint, kind, pos in inst.operands:
                index += 1
                asked = constraint[0]  # its kind, twice as fast as by name
                if asked is not reg and asked is not any_:
                    (self._use if kind is use else self._define)(number, index, live, weight)
                elif kind is use:
                    if reuses or pos is not early_pos:
                        self._use(number, index, live, weight)
                        continue
                    if vreg not in live:
                        live[vreg] = position + 1
                    if asked is reg:
                        uses[vreg].append((position, index, 64, vreg, twice, EARLY))
                    else:
                        uses[vreg].append((position, index, ANYWHERE, vreg, weight, EARLY))
                elif pos is early_pos:
                    self._define(number, index, live, weight)
                else:
                    need = 64 if asked is reg else ANYWHERE
                    if vreg in live:
                        of[vreg].append((position + 2, live.pop(vreg), vreg))
                        uses[vreg].append((position + 2, index, need, vreg, twice, LATE | DEFINES))
                    else:
                        of[vreg].append((position + 2, position + 4, vreg))
                        uses[vreg].append((position + 2, index, need, vreg, weight, LATE | DEFINES | DEAD))
        start = early(first)
        for vreg, end in live.items():
            known = of[vreg]
            # The block behind this one in layout was scanned before: where its range goes on here, the two are one.
            if known and known[-1][START] == end:
                known[-1] = (start, known[-1][END], vreg)
            else:
                known.append((start, end, vreg))

    def _live_out(self, index: int, last: int, weight: float) -> dict[VReg, int]:
        """What is live at a block's end, with that end: arguments of its edges among it."""
        flow = self.flow
        end = after(last)
        live: dict[VReg, int] = {}
        for edge in flow.func.blocks[index].edges:
            live.update(dict.fromkeys(flow.live_in[edge.block], end))
            for arg, param in zip(edge.args, flow.func.blocks[edge.block].params, strict=True):
                live[arg] = end
                self.ranges.copies.append((weight, arg, param))
        return live

    def _use(self, number: int, index: int, live: dict[VReg, int], weight: float) -> None:
        """A use that is not simply an early one in a register or anywhere."""
        ranges, position = self.ranges, early(number)
        inst = self.flow.insts[number]
        vreg, constraint, _, pos = inst.operands[index]
        is_late, reuses = pos is OperandPos.LATE, number in self.flow.reusing
        span = THROUGH if is_late else BOTH if reuses else EARLY
        need = _need(constraint)
        if constraint.kind is ConstraintKind.FIXED and fixed_place(need) in ranges.reserved:
            place = fixed_place(need)
            ranges.fixed_at.setdefault((number, vreg), []).append(place)
            self._reserve(inst, number, place, vreg, EARLY if span == BOTH and place in self.defined_in else span)
            span = EARLY  # a copy is reserved, so the value itself may end early
        if reuses and index in self.reused:
            span = EARLY
            need = min(need, REUSED) if need < 0 else REUSED
        end = clobbers(number) if span == EARLY else after(number)
        if live.get(vreg, 0) < end:
            live[vreg] = end
        ranges.uses[vreg].append((position, index, need, vreg, weight + weight, span))

    def _look_for_reuse(self, inst: MachineInst) -> None:
        constraints = [constraint for _, constraint, kind, _ in inst.operands if kind is OperandKind.DEF]
        self.reused = frozenset(c.number for c in constraints if c.kind is ConstraintKind.REUSE)
        pregs = [_effective(inst, constraint).preg for constraint in constraints]
        self.defined_in = frozenset(place_of(preg) for preg in pregs if preg is not None)

    def _define(self, number: int, index: int, live: dict[VReg, int], weight: float) -> None:
        """A definition that is not simply a late one in a register or anywhere."""
        ranges = self.ranges
        inst = self.flow.insts[number]
        vreg, constraint, _, pos = inst.operands[index]
        start, span = (late(number), LATE) if pos is OperandPos.LATE else (early(number), THROUGH)
        if constraint.kind is ConstraintKind.REUSE:
            source = inst.operands[constraint.number]
            ranges.copies.append((16 * weight, source.vreg, vreg))
            ranges.reuses[number, constraint.number] = index
            constraint = source.constraint
            need = _need(constraint) if constraint.kind is ConstraintKind.FIXED else reuse_need(constraint)
        else:
            need = _need(constraint)
        dead = vreg not in live
        if need <= FIXED:
            place = fixed_place(need)
            if place in ranges.reserved:
                self._reserve(inst, number, place, vreg, span)
            if dead:
                ranges.decided.append((number, index, place))
                return
        ranges.of[vreg].append((start, live.pop(vreg, after(number)), vreg))
        ranges.uses[vreg].append(
            (start, index, need, vreg, weight + weight, span | (DEFINES | DEAD if dead else DEFINES))
        )

    def _reserve(self, inst: MachineInst, number: int, place: Place, vreg: VReg, span: int) -> None:
        """Hold a register for ``vreg`` at an instruction. Instructions come in descending order, and so the lists are
        descending until ``finish``: those of this instruction are the last few."""
        if span == THROUGH and place in self._clobbers_of(inst.clobbers)[0]:
            raise TooManyLiveRegs(f"{inst.name} clobbers a register that it needs", number)
        start = late(number) if span == LATE else early(number)
        end = clobbers(number) if span == EARLY else after(number)
        held = self.ranges.reserved[place]
        at = len(held.starts)
        while at and held.starts[at - 1] < after(number):
            at -= 1
            if held.starts[at] < end and held.ends[at] > start:
                if held.owners[at] != vreg:
                    raise TooManyLiveRegs(f"{inst.name} needs one register for two values", number)
                start, end = min(start, held.starts[at]), max(end, held.ends[at])
                del held.starts[at], held.ends[at], held.owners[at]
        while at < len(held.starts) and held.starts[at] > start:
            at += 1
        held.starts.insert(at, start)
        held.ends.insert(at, end)
        held.owners.insert(at, vreg)

    def _clobbers_of(self, clobbers: tuple[PReg, ...]) -> tuple[frozenset[Place], list[int]]:
        known = self.clobbered.get(id(clobbers))
        if known is None:
            known = self.clobbered[id(clobbers)] = (frozenset(map(place_of, clobbers)), [])
        return known

    def _clobber(self, inst: MachineInst, position: int) -> None:
        places, positions = self._clobbers_of(inst.clobbers)
        positions.append(position)
        for cls in (0, 1):
            if self.registers[cls] <= places:
                self.ranges.all_clobbered[cls].append(position)

    def _copy(self, inst: MachineInst, weight: float) -> None:
        defined = [o.vreg for o in inst.operands if o.kind is OperandKind.DEF]
        read = [o.vreg for o in inst.operands if o.kind is OperandKind.USE]
        if defined and read:
            self.ranges.copies.append((4 * weight, read[0], defined[0]))

    def finish(self) -> Ranges:
        made = self.ranges
        for ranges in made.of:
            if len(ranges) > 1:
                ranges.reverse()
        for uses in made.uses:
            if len(uses) > 1:
                uses.reverse()
        for held in made.reserved.values():
            held.starts.reverse()
            held.ends.reverse()
            held.owners.reverse()
        # Calls mostly clobber one and the same set, so registers share one list of positions.
        for place in made.reserved:
            lists = [positions for places, positions in self.clobbered.values() if place in places and positions]
            made.clobbers[place] = lists[0] if len(lists) == 1 else [p for positions in lists for p in positions]
        every = [*made.clobbers.values(), *made.all_clobbered]
        for positions in {id(positions): positions for positions in every}.values():
            positions.sort()
        return made


def _need(constraint: Constraint) -> int:
    match constraint.kind:
        case ConstraintKind.REG:
            return 64
        case ConstraintKind.LIMIT:
            return min(constraint.number, 64)
        case ConstraintKind.STACK:
            return IN_SLOT
        case ConstraintKind.FIXED:
            assert constraint.preg is not None
            return fixed_need(place_of(constraint.preg))
        case _:
            return ANYWHERE


def _effective(inst: MachineInst, constraint: Constraint) -> Constraint:
    """What a REUSE constraint amounts to: that of its input."""
    return inst.operands[constraint.number].constraint if constraint.kind is ConstraintKind.REUSE else constraint
