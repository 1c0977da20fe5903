"""From registers of bundles to an answer: slots, operands, and the moves that join the pieces of a VReg.

A VReg with a spilled part is stored at its definition and on the edges that set it, so a slot is never written again:
going from a register to memory costs nothing, and coming back is a load.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from typing import Final, TypeAlias

from compiler.machine import Allocations, MachineEnv, VReg
from compiler.regalloc.backtracking.bundles import NOWHERE, SpillSet
from compiler.regalloc.backtracking.process import Process
from compiler.regalloc.backtracking.ranges import (
    DEAD,
    DEFINES,
    END,
    FIXED,
    IN_SLOT,
    REUSED,
    START,
    LiveRange,
    Use,
    fixed_place,
)
from compiler.regalloc.backtracking.redundant import without_redundant
from compiler.regalloc.flow import Flow
from compiler.regalloc.places import (
    DEFINITION,
    FIXUP,
    IN_EDGE,
    OUT_EDGE,
    REGULAR,
    SCRATCH_SOURCE,
    SCRATCH_TARGET,
    SLOT_BASE,
    MoveGroups,
    Place,
    Slots,
    allocation_table,
    make_edits,
    scratch_places,
)
from compiler.regalloc.positions import FOREVER, after, early, inst_of

_Piece: TypeAlias = tuple[int, int, Place]
"""(start, end, place) of one VReg."""
_FREE_FROM: Final = 0
"""Where an entry (end, slot) of the slots in use has the position from which on the slot is free."""


def make_answer(flow: Flow, env: MachineEnv, process: Process) -> Allocations:
    writer = _Writer(flow, env, process)
    writer.share_slots(spilled_values(process))
    writer.locate()
    writer.operands()
    writer.splits()
    for block in range(len(flow.func.blocks)):
        writer.edges(block)
    return writer.finish()


def spilled_values(process: Process) -> dict[SpillSet, dict[VReg, None]]:
    """By spill set the VRegs that need its slot: those with a part in memory, or wanted there by an instruction."""
    spilled: dict[SpillSet, dict[VReg, None]] = {}
    for family in process.families:
        if family.ranges and family.place < 0:
            spilled[family] = {vreg: None for _, _, vreg in family.ranges}
        for _, _, need, vreg, _, _ in family.uses:
            if need == IN_SLOT:
                spilled.setdefault(family, {})[vreg] = None
    for bundle in process.done:
        for _, _, need, vreg, _, _ in bundle.uses:
            if need == IN_SLOT:
                spilled.setdefault(bundle.family, {})[vreg] = None
    return spilled


class _Writer:
    """``home[v]`` is where v lives all along, or else ``pieces[v]`` has where it lives when; ``stored[v]`` is v's slot
    if it has one."""

    def __init__(self, flow: Flow, env: MachineEnv, process: Process) -> None:
        self.flow, self.process = flow, process
        self.types = flow.func.vregs
        self.scratch = scratch_places(env)
        self.slots = Slots()
        self.groups = MoveGroups()
        self.allocs: list[list[Place]] = [[-1] * len(inst.operands) for inst in flow.insts]
        self.home: dict[VReg, Place] = {}
        self.pieces: dict[VReg, list[_Piece]] = {}
        self.stored: dict[VReg, Place] = {}
        self.block_starts = frozenset(flow.first)
        self.copied: set[int] = set()
        self.edge_stats = 0

    def share_slots(self, spilled: dict[SpillSet, dict[VReg, None]]) -> None:
        """A slot per spill set. Those that span disjoint stretches of the function share one."""
        of = self.process.live.of
        spans = []
        for order, (family, vregs) in enumerate(spilled.items()):
            start = min(of[vreg][0][START] for vreg in vregs)
            end = max(of[vreg][-1][END] for vreg in vregs)
            spans.append((start, end, order, family))
        spans.sort(key=lambda span: span[:3])
        free: dict[bool, list[tuple[int, Place]]] = {False: [], True: []}
        for start, end, _, family in spans:
            places = free[family.wide]
            if places and places[0][_FREE_FROM] <= start:
                _, slot = heappop(places)
            else:
                slot = self.slots.new(family.wide)
            heappush(places, (end, slot))
            if family.place < 0:
                family.place = slot
            for vreg in spilled[family]:
                self.stored[vreg] = slot

    def locate(self) -> None:
        home, pieces = self.home, self.pieces
        for bundle in self.process.done:
            family, place = bundle.family, bundle.place
            if family.bundles == 1 and not family.ranges:
                for _, _, vreg in bundle.ranges:
                    home[vreg] = place
            else:
                _add(pieces, bundle.ranges, place)
        for family in self.process.families:
            if not family.bundles:
                for _, _, vreg in family.ranges:
                    home[vreg] = family.place
            elif family.ranges:
                _add(pieces, family.ranges, family.place)
        for vreg in [vreg for vreg, mine in pieces.items() if len(mine) == 1]:
            _, _, home[vreg] = pieces.pop(vreg)[0]
        for mine in pieces.values():
            mine.sort()

    def operands(self) -> None:
        allocs, stored = self.allocs, self.stored
        for number, index, place in self.process.live.decided:
            allocs[number][index] = place
        reused: list[tuple[Use, Place]] = []
        for bundle in self.process.done:
            place = bundle.place
            for use in bundle.uses:
                position, index, need, vreg, _, span = use
                # Most operands are simply where their bundle is.
                if need >= 0 and (span < DEFINES or vreg not in stored):
                    allocs[position >> 2][index] = place
                elif need == REUSED:
                    reused.append((use, place))
                else:
                    self._operand(use, place, place)
        for family in self.process.families:
            place = family.place
            for use in family.uses:
                position, _, need, vreg, _, span = use
                if need == REUSED:
                    reused.append((use, place))
                elif need > 0:
                    self._operand(use, place, self.process.shared(inst_of(position), vreg, need, span))
                else:
                    self._operand(use, place, place)
        reuses = self.process.live.reuses
        for (position, index, _, vreg, _, _), place in reused:
            number = inst_of(position)
            target = allocs[number][index] = allocs[number][reuses[number, index]]
            if target != place:
                self._copy_in(number, vreg, place, target)

    def _operand(self, use: Use, lives: Place, place: Place) -> None:
        """An operand at ``place``, unless its constraint says where, of a VReg that lives elsewhere perhaps."""
        position, index, need, vreg, _, span = use
        if need <= FIXED:
            place = fixed_place(need)
        elif need == IN_SLOT:
            place = self.stored[vreg]
        number = inst_of(position)
        self.allocs[number][index] = place
        if span & DEFINES:
            if not span & DEAD:
                self._copy_out(number, vreg, place, lives)
        elif place != lives and need != IN_SLOT:
            self._copy_in(number, vreg, lives, place)

    def _copy_in(self, number: int, vreg: VReg, source: Place, target: Place) -> None:
        # An instruction's copies are to registers, and places below 128 are registers.
        key = number << 7 | target
        if key in self.copied:
            return  # two uses of a VReg in one place, from two of its pieces: either will do
        self.copied.add(key)
        order = SCRATCH_TARGET if target in self.scratch else FIXUP
        self.groups.add(number, 0, order, (source, target, self.types[vreg]))

    def _copy_out(self, number: int, vreg: VReg, source: Place, lives: Place) -> None:
        """From where an instruction defines a VReg to where it lives, and to its slot."""
        # The only store of the slot: the value never changes, and every later spill finds it there.
        targets = {lives, self.stored.get(vreg, lives)} - {source}
        if not targets:
            return
        edges = self.flow.insts[number].edges
        inst, behind = (self.flow.first[edges[0].block], 0) if edges else (number, 1)
        order = SCRATCH_SOURCE if source in self.scratch else DEFINITION
        for target in targets:
            self.groups.add(inst, behind, order, (source, target, self.types[vreg]))

    def splits(self) -> None:
        """Moves where a VReg goes from one piece to the next inside a block."""
        for vreg, pieces in self.pieces.items():
            _, end, source = pieces[0]
            fed = -1  # the position at which the last piece was entered by a move, and where that came from
            origin = source
            for start, next_end, place in pieces[1:]:
                inside = end > start or (end == start and inst_of(start) not in self.block_starts)
                if inside and place != source and place < SLOT_BASE:
                    # A piece that begins where the last one began takes its value from where that one took it.
                    source = origin if fed == start else source
                    if source != place:
                        self.groups.add(inst_of(start), 0, REGULAR, (source, place, self.types[vreg]))
                if inside:
                    fed, origin = (start, origin) if fed == start else (start, source)
                end, source = next_end, place

    def _at(self, vreg: VReg, position: int, leaving: bool) -> Place:
        """Where a VReg lives at the end (``leaving``) or the start of a block, -1 if it does not."""
        place = self.home.get(vreg)
        if place is not None:
            return place
        pieces = self.pieces.get(vreg, ())
        at = bisect_right(pieces, (position, FOREVER, 0)) - 1
        while not leaving and at > 0 and pieces[at - 1][END] > position:
            at -= 1  # of two pieces that meet at the first instruction, the one that a move then leaves
        if at < 0:
            return NOWHERE
        _, end, place = pieces[at]
        return place if end > position else NOWHERE

    def _alive(self, vreg: VReg, position: int) -> bool:
        ranges = self.process.live.of[vreg]
        at = bisect_right(ranges, (position, FOREVER, 0)) - 1
        return at >= 0 and ranges[at][END] > position

    def edges(self, block: int) -> None:
        flow, pieces = self.flow, self.pieces
        last = flow.first[block + 1] - 1
        leaving = after(last) - 1  # past the terminator's late moment, where what lives on still does
        for edge in flow.insts[last].edges or ():
            target = flow.first[edge.block]
            point, order = (target, IN_EDGE) if flow.moves_at_start(edge.block) else (last, OUT_EDGE)
            if pieces:
                for vreg in flow.live_in[edge.block]:
                    if vreg in pieces:
                        place = self._at(vreg, early(target), False)
                        if place < SLOT_BASE:
                            self._edge(point, order, vreg, self._at(vreg, leaving, True), place)
            for arg, param in zip(edge.args, flow.func.blocks[edge.block].params, strict=True):
                if not self._alive(param, early(target)):
                    continue  # nothing reads it, or only a block that cannot be reached
                place = self._at(param, early(target), False)
                source = self._at(arg, leaving, True)
                slot = self.stored.get(param, place)
                if place < SLOT_BASE:
                    self._edge(point, order, arg, source, place)
                if slot >= SLOT_BASE and self.stored.get(arg) != slot:
                    self._edge(point, order, arg, source, slot)

    def _edge(self, point: int, order: int, vreg: VReg, source: Place, target: Place) -> None:
        if source != target:
            self.groups.add(point, 0, order, (source, target, self.types[vreg]))
            self.edge_stats += 1

    def finish(self) -> Allocations:
        moves = self.groups.sequential(self.scratch, self.slots)
        kept = without_redundant(self.flow, self.allocs, moves)
        table = allocation_table(self.slots.words)
        operands = [tuple([table[place] for place in places]) for places in self.allocs]
        stats = {
            **self.process.stats,
            "moves": len(kept),
            "spills": len(self.stored),
            "edge_moves": self.edge_stats,
            "redundant_moves": len(moves) - len(kept),
        }
        return Allocations(operands, make_edits(kept, table), self.slots.words, stats)


def _add(pieces: dict[VReg, list[_Piece]], ranges: list[LiveRange], place: Place) -> None:
    for start, end, vreg in ranges:
        mine = pieces.get(vreg)
        if mine is None:
            pieces[vreg] = [(start, end, place)]
        else:
            mine.append((start, end, place))
