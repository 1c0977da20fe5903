"""Bundles to registers: a priority queue, eviction by weight, splitting at conflicts, spilling, temporaries.

Progress: an eviction needs a strictly greater weight, a bundle is split a bounded number of times and is spilled after
that, and what is held for an instruction (fixed registers, clobbers, temporaries) is never evicted. Where temporaries
do not find room, the instruction is cleared of everything and its demands are placed exactly (``requirements.assign``).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from itertools import pairwise

from compiler.machine import MachineEnv, TooManyLiveRegs, VReg
from compiler.regalloc.backtracking.intervals import (
    NO_REUSE,
    Intervals,
    LiveRange,
    Use,
    demand_of,
    intervals,
    reused_inputs,
)
from compiler.regalloc.flow import Flow
from compiler.regalloc.places import Place, registers_of
from compiler.regalloc.requirements import Demand, assign
from wasm.valtypes import F32, F64, V128

_MAX_SPLITS = 5
_MAX_RANGES = 128


@dataclass(slots=True, eq=False)
class Bundle:
    """Ranges that live in one place: a register, or the slots of their VRegs (``place`` -1)."""

    ranges: list[LiveRange]
    uses: list[Use]
    group: int
    floats: bool
    splits: int = 0
    place: Place = -1
    weight: float = 0.0
    need: int = 64
    hints: list[Place] = field(default_factory=list)

    def weigh(self) -> None:
        length = sum(end - start for start, end, _ in self.ranges)
        self.weight = sum(use.weight for use in self.uses) / (length + 1)
        self.need = min((use.need for use in self.uses if use.need), default=64)


class Process:
    """The state of allocation; ``bundles`` are all final ones, ``temps[inst, vreg]`` registers for one instruction."""

    def __init__(self, flow: Flow, env: MachineEnv, found: Intervals) -> None:
        self.flow, self.found = flow, found
        self.registers = registers_of(env)
        self.floats = [t is F32 or t is F64 or t is V128 for t in flow.func.vregs]
        self.soft: dict[Place, list[tuple[int, int, VReg, int]]] = {p: [] for p in found.held}
        self.hard = found.held
        self.temps: dict[tuple[int, VReg], Place] = {}
        self.exact: set[tuple[int, bool]] = set()
        self.bundles: dict[int, Bundle] = {}
        self.queue: list[tuple[int, int]] = []
        self.group_of = list(range(len(flow.func.vregs)))
        self.stats = {"evictions": 0, "splits": 0, "temporaries": 0}
        self.count = 0

    def run(self) -> None:
        for bundle in self._initial():
            self._push(bundle)
        while self.queue:
            number = heapq.heappop(self.queue)[1]
            self._place(number, self.bundles[number])

    def _push(self, bundle: Bundle) -> None:
        bundle.weigh()
        self.count += 1
        self.bundles[self.count] = bundle
        length = sum(end - start for start, end, _ in bundle.ranges)
        heapq.heappush(self.queue, (-length, self.count))

    def _initial(self) -> list[Bundle]:
        """One bundle per VReg; then those that a move, an edge or a reused register joins, if they do not overlap."""
        found, types = self.found, self.flow.func.vregs
        bundles: dict[int, Bundle] = {}
        for vreg, ranges in enumerate(found.of):
            if ranges:
                hints = [found.hints[vreg]] if vreg in found.hints else []
                bundles[vreg] = Bundle(ranges, found.uses[vreg], vreg, self.floats[vreg], hints=hints)
        for _, source, target in sorted(found.copies, key=lambda copy: -copy[0]):
            a, b = self._root(source), self._root(target)
            if a == b or a not in bundles or b not in bundles:
                continue
            if self.floats[a] != self.floats[b] or (types[a] is V128) != (types[b] is V128):
                continue
            first, second = bundles[a], bundles[b]
            if len(first.ranges) + len(second.ranges) > _MAX_RANGES:
                continue
            merged = sorted(first.ranges + second.ranges)
            if any(x[1] > y[0] for x, y in pairwise(merged)):
                continue
            first.ranges, first.uses = merged, first.uses + second.uses
            first.hints += second.hints
            del bundles[b]
            self.group_of[b] = a
        for bundle in bundles.values():
            bundle.uses.sort(key=lambda use: use.position)
        return list(bundles.values())

    def _root(self, vreg: VReg) -> int:
        while self.group_of[vreg] != vreg:
            self.group_of[vreg] = self.group_of[self.group_of[vreg]]
            vreg = self.group_of[vreg]
        return vreg

    def group(self, vreg: VReg) -> int:
        """The spill set of a VReg: those with one slot."""
        return self._root(vreg)

    # Conflicts.

    def _held_at(self, place: Place, wanted: LiveRange) -> int:
        """Where an instruction's hold on a register for another VReg first overlaps, or -1."""
        start, end, vreg = wanted
        held = self.hard[place]
        for at in range(bisect_left(held, (start - 4,)), len(held)):
            other_start, other_end, owner = held[at]
            if other_start >= end:
                break
            if other_end > start and owner != vreg:
                return other_start
        return -1

    def _soft_at(self, place: Place, wanted: LiveRange) -> list[tuple[int, int]]:
        """(start, bundle) of what overlaps in a register."""
        start, end, _ = wanted
        soft = self.soft[place]
        at = max(0, bisect_left(soft, (start,)) - 1)
        overlapping = []
        while at < len(soft) and soft[at][0] < end:
            if soft[at][1] > start:
                overlapping.append((soft[at][0], soft[at][3]))
            at += 1
        return overlapping

    def _place(self, number: int, bundle: Bundle) -> None:
        best: tuple[float, Place, set[int]] | None = None
        latest = -1
        order = dict.fromkeys([p for p in bundle.hints if p in self.hard] + self.registers[bundle.floats])
        for place in order:
            if place & 63 >= bundle.need:
                continue
            others: set[int] = set()
            conflict = -1
            hard = False
            for wanted in bundle.ranges:
                at = self._held_at(place, wanted)
                soft = self._soft_at(place, wanted)
                others.update(other for _, other in soft)
                points = [max(point, wanted[0]) for point in ([at] if at >= 0 else []) + [s for s, _ in soft]]
                if points and conflict < 0:
                    conflict = min(points)
                if at >= 0:
                    hard = True
                    break
            if conflict < 0:
                self._occupy(number, bundle, place)
                return
            latest = max(latest, conflict)
            if not hard:
                heaviest = max(self.bundles[other].weight for other in others)
                if heaviest < bundle.weight and (best is None or heaviest < best[0]):
                    best = (heaviest, place, others)
        if best is not None:
            for other in sorted(best[2]):
                self._evict(other)
            self._occupy(number, bundle, best[1])
            return
        self._split(number, bundle, latest)

    def _occupy(self, number: int, bundle: Bundle, place: Place) -> None:
        bundle.place = place
        for start, end, vreg in bundle.ranges:
            insort(self.soft[place], (start, end, vreg, number))

    def _evict(self, number: int) -> None:
        bundle = self.bundles[number]
        soft = self.soft[bundle.place]
        for start, end, vreg in bundle.ranges:
            del soft[bisect_left(soft, (start, end, vreg, number))]
        bundle.place = -1
        self.stats["evictions"] += 1
        heapq.heappush(self.queue, (-sum(e - s for s, e, _ in bundle.ranges), number))

    def _split(self, number: int, bundle: Bundle, conflict: int) -> None:
        """Cut before the instruction of the first conflict, or after it if that is where the bundle starts."""
        start, end = bundle.ranges[0][0], bundle.ranges[-1][1]
        at = conflict & ~3
        if at <= start:
            at = (start & ~3) + 4
        if bundle.splits >= _MAX_SPLITS or conflict < 0 or at >= end or not bundle.uses:
            self._spill(bundle)
            return
        self.stats["splits"] += 1
        del self.bundles[number]
        halves: tuple[list[LiveRange], list[LiveRange]] = ([], [])
        for first, last, vreg in bundle.ranges:
            if first < at:
                halves[0].append((first, min(last, at), vreg))
            if last > at:
                halves[1].append((max(first, at), last, vreg))
        uses = ([u for u in bundle.uses if u.position < at], [u for u in bundle.uses if u.position >= at])
        # A use at a range's very end (a reused input) belongs to nobody: it is copied from where the range ended.
        for ranges, mine in zip(halves, uses, strict=True):
            if ranges:
                self._push(
                    Bundle(ranges, mine, bundle.group, bundle.floats, bundle.splits + 1, hints=list(bundle.hints))
                )

    def _spill(self, bundle: Bundle) -> None:
        del bundle.hints[:]
        for use in bundle.uses:
            if use.need:
                self.temporary(use)

    # Registers for one instruction.

    def temporary(self, use: Use) -> None:
        """A register for one VReg at one instruction, taken from bundles if need be."""
        inst = use.position >> 2
        floats = self.floats[use.vreg]
        known = self.temps.get((inst, use.vreg))
        if (inst, floats) in self.exact and known is not None:
            return
        need, span = self._demands(inst, floats)[use.vreg]
        if known is not None:
            return
        self.stats["temporaries"] += 1
        wanted = [(start, end, use.vreg) for start, end in intervals(inst, span)]
        best: tuple[float, Place, set[int]] | None = None
        for place in self.registers[floats]:
            if place & 63 >= need or any(self._held_at(place, one) >= 0 for one in wanted):
                continue
            others = {other for one in wanted for _, other in self._soft_at(place, one)}
            heaviest = max((self.bundles[other].weight for other in others), default=-1.0)
            if best is None or heaviest < best[0]:
                best = (heaviest, place, others)
            if not others:
                break
        if best is None:
            self._exactly(inst, floats)
            return
        for other in sorted(best[2]):
            self._evict(other)
        self._hold(inst, use.vreg, best[1], span)

    def _hold(self, inst: int, vreg: VReg, place: Place, span: int) -> None:
        self.temps[inst, vreg] = place
        for start, end in intervals(inst, span):
            insort(self.hard[place], (start, end, vreg))

    def _demands(self, inst: int, floats: bool) -> dict[VReg, tuple[int, int]]:
        """All demands of a class at an instruction, one per VReg."""
        operands = self.flow.insts[inst].operands
        reused = reused_inputs(self.flow.insts[inst]) if inst in self.flow.reusing else NO_REUSE
        demands: dict[VReg, tuple[int, int]] = {}
        for k, operand in enumerate(operands):
            if self.floats[operand.vreg] is floats:
                need, span = demand_of(self.flow.insts[inst], k, reused)
                if need:
                    old = demands.get(operand.vreg, (64, 0))
                    demands[operand.vreg] = (min(need, old[0]), span | old[1])
        return demands

    def _exactly(self, inst: int, floats: bool) -> None:
        """Place all demands of a class at an instruction anew, with nothing in the way but fixed registers."""
        name = self.flow.insts[inst].name
        if (inst, floats) in self.exact:
            raise TooManyLiveRegs(f"{name} needs more registers than there are", inst)
        self.exact.add((inst, floats))
        demands = self._demands(inst, floats)
        for vreg, (_, span) in demands.items():
            place = self.temps.pop((inst, vreg), None)
            if place is not None:
                for start, end in intervals(inst, span):
                    self.hard[place].remove((start, end, vreg))
        taken: tuple[set[Place], set[Place], set[Place]] = (set(), set(), set())
        at = 4 * inst
        for place in self.registers[floats]:
            for busy, moment in zip(taken, (at, at + 2, at + 1), strict=True):
                if self._held_at(place, (moment, moment + 1, -2)) >= 0:
                    busy.add(place)
        places = assign([Demand(*d) for d in demands.values()], self.registers[floats], *taken)
        if places is None:
            raise TooManyLiveRegs(f"{name} needs more registers than there are", inst)
        for (vreg, (_, span)), place in zip(demands.items(), places, strict=True):
            for start, end in intervals(inst, span):
                for _, other in self._soft_at(place, (start, end, vreg)):
                    if self.bundles[other].place == place:
                        self._evict(other)
            self._hold(inst, vreg, place, span)
