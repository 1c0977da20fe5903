"""From places of bundles to an answer: slots, operands, and the moves that join a VReg's pieces."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import pairwise
from typing import Final

from compiler.machine import Allocations, ConstraintKind, MachineEnv, OperandKind, VReg
from compiler.regalloc.backtracking.intervals import NO_REUSE, demand_of, effective, reused_inputs
from compiler.regalloc.backtracking.process import Process
from compiler.regalloc.flow import Flow
from compiler.regalloc.places import (
    DEFINITION,
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
    place_of,
    scratch_places,
)
from compiler.regalloc.requirements import LATE
from wasm.valtypes import V128

_PROBED: Final = 8
"""Slots tried for sharing before a new one is made."""


def write(flow: Flow, env: MachineEnv, process: Process) -> Allocations:
    writer = _Writer(flow, env, process)
    writer.share_slots()
    for number in range(len(flow.insts)):
        writer.inst(number)
    writer.splits()
    for block in range(len(flow.func.blocks)):
        writer.edges(block)
    moves = writer.groups.sequential(writer.scratch, writer.slots)
    table = allocation_table(writer.slots.words)
    operands = [tuple([table[place] for place in row]) for row in writer.operands]
    stats = {**process.stats, "moves": len(moves), "spills": len(writer.spilled)}
    return Allocations(operands, make_edits(moves, table), writer.slots.words, stats)


class _Writer:
    def __init__(self, flow: Flow, env: MachineEnv, process: Process) -> None:
        self.flow, self.process = flow, process
        self.types = flow.func.vregs
        self.scratch = scratch_places(env)
        self.slots = Slots()
        self.slot_of: dict[int, Place] = {}  # by spill set
        self.groups = MoveGroups()
        self.operands: list[list[Place]] = []
        self.starts = set(flow.first)
        self.pieces: list[list[tuple[int, int, Place]]] = [[] for _ in self.types]
        self.spilled: set[VReg] = set(process.found.stacked)
        for bundle in process.bundles.values():
            for start, end, vreg in bundle.ranges:
                self.pieces[vreg].append((start, end, bundle.place))
                if bundle.place < 0:
                    self.spilled.add(vreg)
        for pieces in self.pieces:
            pieces.sort()
        for inst in flow.insts:
            for vreg, constraint, kind, _ in inst.operands:
                preg = effective(inst, constraint).preg
                if preg is not None and kind is OperandKind.DEF and place_of(preg) in self.scratch:
                    self.spilled.add(vreg)

    def share_slots(self) -> None:
        """A slot per spill set; sets whose ranges are disjoint share one."""
        sets: dict[int, list[VReg]] = {}
        for vreg in sorted(self.spilled):
            sets.setdefault(self.process.group(vreg), []).append(vreg)
        used: dict[bool, list[tuple[Place, list[tuple[int, int]]]]] = {False: [], True: []}
        for group, vregs in sets.items():
            ranges = [(start, end) for vreg in vregs for start, end, _ in self.process.found.of[vreg]]
            wide = self.types[group] is V128
            for place, taken in used[wide][-_PROBED:]:  # noqa: B007
                if not any(_overlaps(taken, *one) for one in ranges):
                    break
            else:
                place, taken = self.slots.new(wide), []
                used[wide].append((place, taken))
            for one in ranges:
                insort(taken, one)
            self.slot_of[group] = place

    def slot(self, vreg: VReg) -> Place:
        return self.slot_of[self.process.group(vreg)]

    def at(self, vreg: VReg, position: int) -> Place:
        """Where a VReg lives."""
        pieces = self.pieces[vreg]
        index = bisect_right(pieces, (position, 1 << 60, 0)) - 1
        place = pieces[index][2]
        return self.slot(vreg) if place < 0 else place

    def inst(self, number: int) -> None:
        inst = self.flow.insts[number]
        reused = reused_inputs(inst) if number in self.flow.reusing else NO_REUSE
        row: list[Place] = [-1] * len(inst.operands)
        self.operands.append(row)
        for k, (vreg, constraint, kind, _) in enumerate(inst.operands):
            if k in reused:
                continue
            need, span = demand_of(inst, k, reused)
            asked = effective(inst, constraint)
            if asked.kind is ConstraintKind.FIXED and asked.preg is not None:
                place = place_of(asked.preg)
            elif asked.kind is ConstraintKind.STACK:
                place = self.slot(vreg)
            else:
                temp = self.process.temps.get((number, vreg)) if need else None
                place = self.at(vreg, 4 * number + (2 if span == LATE else 0)) if temp is None else temp
            row[k] = place
            if constraint.kind is ConstraintKind.REUSE:
                row[constraint.number] = place
            if kind is OperandKind.DEF:
                self._define(number, vreg, place, span)
            else:
                self._read(number, vreg, place)
        for k in reused:
            self._read(number, inst.operands[k].vreg, row[k])

    def _read(self, number: int, vreg: VReg, place: Place) -> None:
        """Bring a VReg to where an instruction wants it."""
        position = 4 * number
        if place in self.scratch:
            self.groups.add(number, 0, SCRATCH_TARGET, (self.at(vreg, position), place, self.types[vreg]))
        elif place < SLOT_BASE:
            source = self.at(vreg, position if number in self.starts else position - 1)
            if source != place:
                self.groups.add(number, 0, REGULAR, (source, place, self.types[vreg]))

    def _define(self, number: int, vreg: VReg, place: Place, span: int) -> None:
        """From where an instruction leaves a VReg to its register and its slot."""
        type_ = self.types[vreg]
        edges = self.flow.insts[number].edges
        point, after = (self.flow.first[edges[0].block], 0) if edges else (number, 1)
        if self.flow.insts[number].is_terminator and not edges:
            return
        source = place
        if place in self.scratch:
            source = self.slot(vreg)
            self.groups.add(point, after, SCRATCH_SOURCE, (place, source, type_))
        targets = {self.at(vreg, 4 * number + (2 if span == LATE else 0))}
        if vreg in self.spilled:
            targets.add(self.slot(vreg))
        for target in sorted(targets - {source}):
            self.groups.add(point, after, DEFINITION, (source, target, type_))

    def splits(self) -> None:
        """Moves where a VReg goes from one piece to the next inside a block."""
        for vreg, pieces in enumerate(self.pieces):
            for (_, end, before), (start, _, place) in pairwise(pieces):
                inst = start >> 2
                if end == start and place >= 0 and place != before and not start & 3 and inst not in self.starts:
                    source = self.slot(vreg) if before < 0 else before
                    self.groups.add(inst, 0, REGULAR, (source, place, self.types[vreg]))

    def edges(self, block: int) -> None:
        flow = self.flow
        last = flow.first[block + 1] - 1
        for edge in flow.insts[last].edges or ():
            target = flow.first[edge.block]
            point, order = (target, IN_EDGE) if flow.moves_at_start(edge.block) else (last, OUT_EDGE)
            for vreg in flow.live_in[edge.block]:
                source, place = self.at(vreg, 4 * last + 3), self.at(vreg, 4 * target)
                if source != place and place < SLOT_BASE:
                    self.groups.add(point, 0, order, (source, place, self.types[vreg]))
            for arg, param in zip(edge.args, flow.func.blocks[edge.block].params, strict=True):
                # A parameter may be read in unreachable blocks only: then it has ranges, and none here.
                if not any(start == 4 * target for start, _, _ in self.pieces[param]):
                    continue
                source = self.at(arg, 4 * last + 3)
                places = {self.at(param, 4 * target)}
                if param in self.spilled:
                    places.add(self.slot(param))
                for place in sorted(places - {source}):
                    if place >= SLOT_BASE and arg in self.spilled and self.slot(arg) == place:
                        continue
                    self.groups.add(point, 0, order, (source, place, self.types[param]))


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    at = bisect_left(taken, (end,))
    return at > 0 and taken[at - 1][1] > start
