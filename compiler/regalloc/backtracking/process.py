"""Bundles to registers: a priority queue, eviction by weight, splitting at conflicts, spilling, temporaries.

Long bundles go first. A bundle takes a register that is free, or one whose holders weigh less, all of which go back to
the queue; else it is cut where the register that would last longest ends, and the parts without uses are spilled. Where
every register is clobbered, which is at calls, it is cut at once.

A spilled VReg is stored once, right after its definition, and its slot is valid from there on, since its value never
changes. A use of it that needs a register gets a temporary, for one instruction.

Progress: an eviction needs a strictly greater weight, a cut leaves less, cuts by pressure are bounded, and temporaries
are never evicted. When they find no room, their instruction is cleared of everything and all its temporaries are
placed exactly (``requirements.assign``): only what has no solution is refused.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heapify, heappop, heappush
from typing import Final

from compiler.machine import MachineEnv, TooManyLiveRegs, VReg
from compiler.regalloc.backtracking.bundles import NOWHERE, Bundle, SpillSet, merged_bundles
from compiler.regalloc.backtracking.carving import Piece, carve, pieces_at_conflict, pieces_between_calls
from compiler.regalloc.backtracking.ranges import END, START, LiveRange, Ranges, Use
from compiler.regalloc.flow import Flow
from compiler.regalloc.places import Place, hw_of, registers_of
from compiler.regalloc.positions import after, clobbers, early, inst_of, late
from compiler.regalloc.requirements import EARLY, LATE, THROUGH, Demand, assign
from wasm.valtypes import F32, F64, V128

_MAX_SPLITS: Final = 6
_MAX_EVICTED: Final = 12
_HEAVIEST: Final = float("inf")
_UNTIL: Final = 0
"""Where an entry of ``Process.holders`` has its end."""


class Temporary:
    """A register below ``need`` for one VReg over ``span`` at one instruction."""

    __slots__ = ("inst", "need", "place", "span", "vreg")

    def __init__(self, inst: int, vreg: VReg, need: int, span: int) -> None:
        self.inst, self.vreg, self.need, self.span = inst, vreg, need, span
        self.place: Place = NOWHERE

    def ranges(self) -> list[LiveRange]:
        inst, vreg, span = self.inst, self.vreg, self.span
        if span == THROUGH:
            return [(early(inst), after(inst), vreg)]
        ranges = []
        if span & EARLY:
            ranges.append((early(inst), clobbers(inst), vreg))
        if span & LATE:
            ranges.append((late(inst), after(inst), vreg))
        return ranges


class Process:
    """The state of allocation. Afterwards ``done`` are the bundles in registers, ``families`` all spill sets,
    ``temporaries`` those by (instruction, vreg).
    """

    def __init__(self, flow: Flow, env: MachineEnv, live: Ranges) -> None:
        self.flow, self.live = flow, live
        self.registers = registers_of(env)
        places = self.registers[0] + self.registers[1]
        # Per register: the starts of what is in it, sorted, and by start its end and holder. They are disjoint.
        self.starts: dict[Place, list[int]] = {place: [] for place in places}
        self.holders: dict[Place, dict[int, tuple[int, Bundle | Temporary]]] = {place: {} for place in places}
        self.temporaries: dict[tuple[int, VReg], Temporary] = {}
        self.at_inst: dict[int, list[Temporary]] = {}
        self.queue: list[tuple[int, int, Bundle]] = []
        self.done: dict[Bundle, None] = {}
        self.families: list[SpillSet] = []
        self.count = 0
        self.is_float = [type_ is F64 or type_ is F32 or type_ is V128 for type_ in flow.func.vregs]
        self.stats = {"evictions": 0, "splits": 0, "temporaries": 0}

    def run(self) -> None:
        for bundle in merged_bundles(self.live, self.flow.func.vregs):
            bundle.weigh()
            self.families.append(bundle.family)
            self.queue.append((-bundle.length, self.count, bundle))
            self.count += 1
        heapify(self.queue)
        while self.queue:
            _, _, bundle = heappop(self.queue)
            self._place(bundle)
        self._second_chance()

    def _push(self, bundle: Bundle) -> None:
        heappush(self.queue, (-bundle.length, self.count, bundle))
        self.count += 1

    # Registers.

    def _place(self, bundle: Bundle) -> None:
        family, ranges = bundle.family, bundle.ranges
        if not bundle.wanted:
            self._spill(family, ranges, bundle.uses)
            family.bundles -= 1
            return
        calls = self.live.all_clobbered[family.floats]
        if calls and _contains(calls, ranges):
            self._cut(bundle, pieces_between_calls(bundle, calls))
            return
        need, weight = bundle.need, bundle.weight
        lightest, victim, conflict = weight, NOWHERE, -1
        for place in self._candidates(bundle):
            if hw_of(place) >= need:
                continue
            heaviest, position = self._probe(place, ranges, weight)
            if position < 0:
                self._occupy(bundle, place)
                return
            if heaviest < lightest:
                lightest, victim = heaviest, place
            elif heaviest >= weight and position > conflict:
                conflict = position
        # Strictly heavier than all that it drives out, so no two bundles can drive each other out for ever.
        if victim >= 0:
            for other in self._holders(victim, ranges):
                assert isinstance(other, Bundle)
                self._evict(other)
            self._occupy(bundle, victim)
        elif bundle.splits >= _MAX_SPLITS or conflict < 0:
            self._spill(family, ranges, bundle.uses)
            family.bundles -= 1
        else:
            self.stats["splits"] += 1
            self._cut(bundle, pieces_at_conflict(bundle, conflict))

    def _candidates(self, bundle: Bundle) -> list[Place]:
        """Registers in the order to try: those that uses name, that of a sibling, then all, from a changing start."""
        registers = self.registers[bundle.family.floats]
        start = self.count % len(registers) if registers else 0
        rest = registers[start:] + registers[:start]
        if bundle.family.hint >= 0 or bundle.hints:
            first = [place for place in (*bundle.hints, bundle.family.hint) if place in self.starts]
            return first + rest
        return rest

    def _probe(self, place: Place, ranges: list[LiveRange], weight: float) -> tuple[float, int]:
        """What is in the way in a register: the greatest weight, and the position of the first that weighs at least
        ``weight`` (or just the first, if none does); (0, -1) if nothing is."""
        clobbers, reserved = self.live.clobbers[place], self.live.reserved[place]
        starts, holders = self.starts[place], self.holders[place]
        heaviest, first, others = 0.0, -1, 0
        for start, end, vreg in ranges:
            if clobbers:
                at = bisect_left(clobbers, start)
                if at < len(clobbers) and clobbers[at] < end:
                    return _HEAVIEST, clobbers[at]
            if reserved.ends:
                at = bisect_right(reserved.ends, start)
                while at < len(reserved.ends) and reserved.starts[at] < end:
                    if reserved.owners[at] != vreg:
                        return _HEAVIEST, reserved.starts[at]
                    at += 1
            at = bisect_right(starts, start)
            if at and holders[starts[at - 1]][_UNTIL] > start:
                at -= 1
            while at < len(starts) and starts[at] < end:
                _, holder = holders[starts[at]]
                others += 1
                if type(holder) is Temporary or others > _MAX_EVICTED:
                    return _HEAVIEST, max(start, starts[at])
                assert isinstance(holder, Bundle)
                if holder.weight >= weight:
                    return holder.weight, max(start, starts[at])
                if holder.weight > heaviest:
                    heaviest = holder.weight
                if first < 0:
                    first = max(start, starts[at])
                at += 1
        return heaviest, first

    def _holders(self, place: Place, ranges: list[LiveRange]) -> list[Bundle | Temporary]:
        """Who is in a register over these ranges, each once."""
        starts, holders = self.starts[place], self.holders[place]
        held: dict[Bundle | Temporary, None] = {}
        for start, end, _ in ranges:
            at = bisect_right(starts, start)
            if at and holders[starts[at - 1]][_UNTIL] > start:
                at -= 1
            while at < len(starts) and starts[at] < end:
                _, holder = holders[starts[at]]
                held[holder] = None
                at += 1
        return list(held)

    def _insert(self, holder: Bundle | Temporary, ranges: list[LiveRange], place: Place) -> None:
        starts, holders = self.starts[place], self.holders[place]
        for start, end, _ in ranges:
            starts.insert(bisect_left(starts, start), start)
            holders[start] = (end, holder)
        holder.place = place

    def _remove(self, holder: Bundle | Temporary, ranges: list[LiveRange]) -> None:
        starts, holders = self.starts[holder.place], self.holders[holder.place]
        for start, _, _ in ranges:
            del starts[bisect_left(starts, start)]
            del holders[start]
        holder.place = NOWHERE

    def _occupy(self, bundle: Bundle, place: Place) -> None:
        self._insert(bundle, bundle.ranges, place)
        self.done[bundle] = None
        bundle.family.hint = place

    def _evict(self, bundle: Bundle) -> None:
        self._remove(bundle, bundle.ranges)
        del self.done[bundle]
        self.stats["evictions"] += 1
        self._push(bundle)

    # Splitting and spilling.

    def _cut(self, bundle: Bundle, pieces: list[Piece]) -> None:
        """Replace a bundle by pieces, and spill what lies between them."""
        family = bundle.family
        kept, gaps = carve(bundle, pieces)
        family.bundles -= 1
        family.ranges += gaps
        for ranges, uses in kept:
            # A piece within one instruction could not be cut again: its uses are temporaries.
            if ranges[-1][END] <= after(inst_of(ranges[0][START])):
                self._spill(family, ranges, uses)
                continue
            piece = Bundle(ranges, uses, family, bundle.splits + 1)
            piece.weigh()
            family.bundles += 1
            self._push(piece)

    def _spill(self, family: SpillSet, ranges: list[LiveRange], uses: list[Use]) -> None:
        family.ranges += ranges
        family.uses += uses
        for position, _, need, vreg, _, span in uses:
            if need > 0:
                self._temporary(inst_of(position), vreg, need, span & THROUGH)

    def _second_chance(self) -> None:
        """Registers that are left over, for what would live in memory."""
        for family in self.families:
            if not family.ranges:
                continue
            family.ranges = _coalesced(family.ranges)
            calls = self.live.all_clobbered[family.floats]
            if len(family.ranges) > 64 or (calls and _contains(calls, family.ranges)):
                continue
            for place in self.registers[family.floats]:
                _, conflict = self._probe(place, family.ranges, 0.0)
                if conflict < 0:
                    bundle = Bundle(family.ranges, family.uses, family)
                    self._insert(bundle, bundle.ranges, place)
                    family.place = place
                    break

    # Temporaries.

    def _temporary(self, inst: int, vreg: VReg, need: int, span: int) -> None:
        """A register for one VReg at one instruction; several uses of it share one."""
        for place in self.live.fixed_at.get((inst, vreg), ()):
            if hw_of(place) < need and self._reserved(place, inst, vreg, span):
                return
        known = self.temporaries.get((inst, vreg))
        if known is None:
            temp = self.temporaries[inst, vreg] = Temporary(inst, vreg, need, span)
            self.at_inst.setdefault(inst, []).append(temp)
            self.stats["temporaries"] += 1
        else:
            temp = known
            if known.need <= need and known.span & span == span:
                return
            # What serves both uses is the tighter limit over the longer span.
            self._remove(temp, temp.ranges())
            temp.need, temp.span = min(need, temp.need), span | temp.span
        self._hold(temp)

    def _reserved(self, place: Place, inst: int, vreg: VReg, span: int) -> bool:
        """Whether a register is reserved for ``vreg`` over ``span``, so that it serves other uses as well."""
        held = self.live.reserved[place]
        start, end = early(inst), after(inst)
        at = bisect_right(held.ends, start)
        if at == len(held.ends) or held.owners[at] != vreg or held.starts[at] > start:
            return False
        clobbered = _contains(self.live.clobbers[place], [(start, end, vreg)])
        return (not span & LATE or held.ends[at] >= end) and not (span == THROUGH and clobbered)

    def shared(self, inst: int, vreg: VReg, need: int, span: int) -> Place:
        """The register of a use in memory that needs one: reserved for the VReg anyway, or a temporary."""
        for place in self.live.fixed_at.get((inst, vreg), ()):
            if hw_of(place) < need and self._reserved(place, inst, vreg, span & THROUGH):
                return place
        return self.temporaries[inst, vreg].place

    def _hold(self, temp: Temporary) -> None:
        ranges = temp.ranges()
        lightest, victim = _HEAVIEST, NOWHERE
        floats = self.is_float[temp.vreg]
        for place in self.registers[floats]:
            if hw_of(place) < temp.need:
                heaviest, position = self._probe(place, ranges, _HEAVIEST)
                if position < 0:
                    self._insert(temp, ranges, place)
                    return
                if heaviest < lightest:
                    lightest, victim = heaviest, place
        if victim < 0:
            self._hold_all(temp.inst, floats)
            return
        self._clear(victim, ranges)
        self._insert(temp, ranges, victim)

    def _clear(self, place: Place, ranges: list[LiveRange]) -> None:
        for other in self._holders(place, ranges):
            assert isinstance(other, Bundle)
            self._evict(other)

    def _hold_all(self, inst: int, floats: bool) -> None:
        """Place all temporaries of a class at an instruction anew, with nothing in the way but fixed registers."""
        temps = [temp for temp in self.at_inst[inst] if self.is_float[temp.vreg] is floats]
        for temp in temps:
            if temp.place >= 0:
                self._remove(temp, temp.ranges())
        start, end = early(inst), after(inst)
        taken_early, taken_late, clobbered = set(), set(), set()
        for place in self.registers[floats]:
            held = self.live.reserved[place]
            for i in range(bisect_right(held.ends, start), len(held.ends)):
                if held.starts[i] >= end:
                    break
                if held.starts[i] <= start:
                    taken_early.add(place)
                if held.ends[i] >= end:
                    taken_late.add(place)
            if _contains(self.live.clobbers[place], [(start, end, 0)]):
                clobbered.add(place)
        demands = [Demand(temp.need, temp.span) for temp in temps]
        places = assign(demands, self.registers[floats], taken_early, taken_late, clobbered)
        if places is None:
            name = self.flow.insts[inst].name
            raise TooManyLiveRegs(f"{name} needs more registers than there are", inst)
        for temp, place in zip(temps, places, strict=True):
            self._clear(place, temp.ranges())
            self._insert(temp, temp.ranges(), place)


def _coalesced(ranges: list[LiveRange]) -> list[LiveRange]:
    """Sorted, with ranges of one VReg that touch or overlap made one."""
    ranges.sort()
    joined = ranges[:1]
    for start, end, vreg in ranges[1:]:
        last_start, last_end, last_vreg = joined[-1]
        if last_vreg == vreg and last_end >= start:
            joined[-1] = (last_start, max(end, last_end), vreg)
        else:
            joined.append((start, end, vreg))
    return joined


def _contains(positions: list[int], ranges: list[LiveRange]) -> bool:
    """Whether one of the sorted positions lies in one of the ranges."""
    for start, end, _ in ranges:
        at = bisect_left(positions, start)
        if at < len(positions) and positions[at] < end:
            return True
    return False
