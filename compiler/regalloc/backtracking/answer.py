"""From registers of bundles to an answer: slots, operands, and the moves that join the pieces of a VReg.

A VReg with a spilled part is stored at its definition and on the edges that set it, so a slot is never written again:
going from a register to memory costs nothing, and coming back is a load.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from typing import TypeAlias

from compiler.machine import Allocations, MachineEnv, VReg
from compiler.regalloc.backtracking.bundles import SpillSet
from compiler.regalloc.backtracking.process import Process
from compiler.regalloc.backtracking.ranges import (
    DEAD,
    DEFINES,
    FIXED,
    IN_SLOT,
    REUSED,
    LiveRange,
    Use,
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

_Piece: TypeAlias = tuple[int, int, Place]
"""(start, end, place) of one VReg."""


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
    found: dict[SpillSet, dict[VReg, None]] = {}
    for family in process.families:
        if family.ranges and family.place < 0:
            found[family] = {vreg: None for _, _, vreg in family.ranges}
        for use in family.uses:
            if use[2] == IN_SLOT:
                found.setdefault(family, {})[use[3]] = None
    for bundle in process.done:
        for use in bundle.uses:
            if use[2] == IN_SLOT:
                found.setdefault(bundle.family, {})[use[3]] = None
    return found


class _Writer:
    """``home[v]`` is where v lives all along, or else ``pieces[v]`` has where it lives when; ``stored[v]`` is v's slot
    if it has one."""

    def __init__(self, flow: Flow, env: MachineEnv, process: Process) -> None:
        self.flow, self.process = flow, process
        self.types = flow.func.vregs
        self.scratch = scratch_places(env)
        self.slots = Slots()
        self.groups = MoveGroups()
        self.rows: list[list[Place]] = [[-1] * len(inst.operands) for inst in flow.insts]
        self.home: dict[VReg, Place] = {}
        self.pieces: dict[VReg, list[_Piece]] = {}
        self.stored: dict[VReg, Place] = {}
        self.block_starts = frozenset(flow.first)
        self.copied: set[int] = set()
        self.edge_stats = 0

    def share_slots(self, spilled: dict[SpillSet, dict[VReg, None]]) -> None:
        """A slot per spill set. Those that span disjoint stretches of the function share one."""
        of = self.process.found.of
        spans = []
        for order, (family, vregs) in enumerate(spilled.items()):
            start = min(of[vreg][0][0] for vreg in vregs)
            end = max(of[vreg][-1][1] for vreg in vregs)
            spans.append((start, end, order, family))
        spans.sort(key=lambda span: span[:3])
        free: dict[bool, list[tuple[int, Place]]] = {False: [], True: []}
        for start, end, _, family in spans:
            places = free[family.wide]
            if places and places[0][0] <= start:
                slot = heappop(places)[1]
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
            home[vreg] = pieces.pop(vreg)[0][2]
        for mine in pieces.values():
            mine.sort()

    def operands(self) -> None:
        rows, stored = self.rows, self.stored
        for number, index, place in self.process.found.decided:
            rows[number][index] = place
        reused: list[tuple[Use, Place]] = []
        for bundle in self.process.done:
            place = bundle.place
            for use in bundle.uses:
                # Most operands are simply where their bundle is.
                if use[2] >= 0 and (use[5] < DEFINES or use[3] not in stored):
                    rows[use[0] >> 2][use[1]] = place
                elif use[2] == REUSED:
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
                    self._operand(use, place, self.process.shared(position >> 2, vreg, need, span))
                else:
                    self._operand(use, place, place)
        reuses = self.process.found.reuses
        for (position, index, _, vreg, _, _), place in reused:
            number = position >> 2
            target = rows[number][index] = rows[number][reuses[number, index]]
            if target != place:
                self._copy_in(number, vreg, place, target)

    def _operand(self, use: Use, lives: Place, place: Place) -> None:
        """An operand at ``place``, unless its constraint says where, of a VReg that lives elsewhere perhaps."""
        position, index, need, vreg, _, span = use
        if need <= FIXED:
            place = FIXED - need
        elif need == IN_SLOT:
            place = self.stored[vreg]
        number = position >> 2
        self.rows[number][index] = place
        if span & DEFINES:
            if not span & DEAD:
                self._copy_out(number, vreg, place, lives)
        elif place != lives and need != IN_SLOT:
            self._copy_in(number, vreg, lives, place)

    def _copy_in(self, number: int, vreg: VReg, source: Place, target: Place) -> None:
        key = number << 7 | target
        if key in self.copied:
            return  # two uses of a VReg in one place, from two of its pieces: either will do
        self.copied.add(key)
        order = SCRATCH_TARGET if target in self.scratch else FIXUP
        self.groups.add(number, 0, order, (source, target, self.types[vreg]))

    def _copy_out(self, number: int, vreg: VReg, source: Place, lives: Place) -> None:
        """From where an instruction defines a VReg to where it lives, and to its slot."""
        targets = {lives, self.stored.get(vreg, lives)} - {source}
        if not targets:
            return
        edges = self.flow.insts[number].edges
        point, after = (self.flow.first[edges[0].block], 0) if edges else (number, 1)
        order = SCRATCH_SOURCE if source in self.scratch else DEFINITION
        for target in targets:
            self.groups.add(point, after, order, (source, target, self.types[vreg]))

    def splits(self) -> None:
        """Moves where a VReg goes from one piece to the next inside a block."""
        for vreg, pieces in self.pieces.items():
            _, end, source = pieces[0]
            fed = -1  # the position at which the last piece was entered by a move, and where that came from
            origin = source
            for start, next_end, place in pieces[1:]:
                inside = end > start or (end == start and start >> 2 not in self.block_starts)
                if inside and place != source and place < SLOT_BASE:
                    # A piece that begins where the last one began takes its value from where that one took it.
                    source = origin if fed == start else source
                    if source != place:
                        self.groups.add(start >> 2, 0, REGULAR, (source, place, self.types[vreg]))
                if inside:
                    fed, origin = (start, origin) if fed == start else (start, source)
                end, source = next_end, place

    def _at(self, vreg: VReg, position: int, leaving: bool) -> Place:
        """Where a VReg lives at the end (``leaving``) or the start of a block, -1 if it does not."""
        place = self.home.get(vreg)
        if place is not None:
            return place
        pieces = self.pieces.get(vreg, ())
        at = bisect_right(pieces, (position, 1 << 62, 0)) - 1
        while not leaving and at > 0 and pieces[at - 1][1] > position:
            at -= 1  # of two pieces that meet at the first instruction, the one that a move then leaves
        return pieces[at][2] if at >= 0 and pieces[at][1] > position else -1

    def _alive(self, vreg: VReg, position: int) -> bool:
        ranges = self.process.found.of[vreg]
        at = bisect_right(ranges, (position, 1 << 62, 0)) - 1
        return at >= 0 and ranges[at][1] > position

    def edges(self, block: int) -> None:
        flow, pieces = self.flow, self.pieces
        last = flow.first[block + 1] - 1
        for edge in flow.insts[last].edges or ():
            target = flow.first[edge.block]
            point, order = (target, IN_EDGE) if flow.moves_at_start(edge.block) else (last, OUT_EDGE)
            if pieces:
                for vreg in flow.live_in[edge.block]:
                    if vreg in pieces:
                        place = self._at(vreg, 4 * target, False)
                        if place < SLOT_BASE:
                            self._edge(point, order, vreg, self._at(vreg, 4 * last + 3, True), place)
            for arg, param in zip(edge.args, flow.func.blocks[edge.block].params, strict=True):
                if not self._alive(param, 4 * target):
                    continue  # nothing reads it, or only a block that cannot be reached
                place = self._at(param, 4 * target, False)
                source = self._at(arg, 4 * last + 3, True)
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
        kept = without_redundant(self.flow, self.rows, moves)
        table = allocation_table(self.slots.words)
        operands = [tuple([table[place] for place in row]) for row in self.rows]
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
