"""Where to cut a bundle, and the cutting.

A piece is a run of consecutive uses with the interval around them that keeps a register. Between two pieces lies what
has no use, and that is spilled: it costs nothing there. Cuts lie before an instruction; only a piece whose last use is
early may go on to the clobbers, while the spilled part begins before the instruction already, where a move could still
be made.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from compiler.regalloc.backtracking.bundles import Bundle
from compiler.regalloc.backtracking.ranges import AT, END, START, LiveRange, Use
from compiler.regalloc.positions import FOREVER, Position, after, clobbers, early, inst_of, is_early
from compiler.regalloc.requirements import EARLY, LATE, THROUGH

Piece: TypeAlias = tuple[Position, Position, Position, list[Use]]
"""(low, high, spill, uses): the register is kept over [low, high), and given up from ``spill`` on."""


def _begin(uses: list[Use]) -> Position:
    """Where a piece begins that is not needed before its first use: at it if that is a definition, else before it."""
    return uses[0][AT]


def _last_inst(uses: list[Use]) -> int:
    return inst_of(uses[-1][AT])


def _end(uses: list[Use], at_once: bool) -> tuple[Position, Position]:
    """(high, spill) of a piece that is not needed after its last use; ``at_once`` if not even until the instruction is
    over, which takes an early use."""
    last = _last_inst(uses)
    return (clobbers(last), early(last)) if at_once else (after(last), after(last))


def pieces_between_calls(bundle: Bundle, calls: list[int]) -> list[Piece]:
    """Cut at every position of ``calls`` (those of clobbers, sorted) at once. Some position lies in the bundle.

    ``marks[k]`` is the number of calls before the uses of group k, or -1 for a use that is needed on both sides of one.
    """
    groups: list[list[Use]] = []
    marks: list[int] = []
    for use in bundle.uses:
        position, _, _, _, _, span = use
        mark = bisect_left(calls, position)
        if span & EARLY and span & LATE and mark < len(calls) and calls[mark] < after(inst_of(position)):
            groups.append([use])  # needed on both sides of the call: this takes a register for itself
            marks.append(-1)
        elif marks and marks[-1] == mark:
            groups[-1].append(use)
        else:
            groups.append([use])
            marks.append(mark)
    pieces: list[Piece] = []
    start, end = bundle.ranges[0][START], bundle.ranges[-1][END]
    for i, (uses, mark) in enumerate(zip(groups, marks, strict=True)):
        low = _begin(uses)
        if i == 0 and mark >= 0 and bisect_left(calls, start) == mark:
            low = start
        last = _last_inst(uses)
        call = bisect_left(calls, early(last))
        at_once = mark >= 0 and is_early(uses[-1][AT]) and call < len(calls) and calls[call] < after(last)
        high, spill = _end(uses, at_once)
        if i == len(groups) - 1 and mark >= 0 and (mark == len(calls) or calls[mark] >= end):
            high = spill = FOREVER
        pieces.append((low, high, spill, uses))
    return pieces


def pieces_at_conflict(bundle: Bundle, conflict: int) -> list[Piece]:
    """Cut before ``conflict``, a position in the bundle from which on it cannot keep a register."""
    start = bundle.ranges[0][START]
    uses = bundle.uses
    count = 0
    for position, _, _, _, _, span in uses:
        inst = inst_of(position)
        if (clobbers(inst) if span & THROUGH == EARLY else after(inst)) > conflict:
            break
        count += 1
    if not count:
        first = inst_of(uses[0][AT])
        if early(first) > start:
            return [(_begin(uses), FOREVER, FOREVER, uses)]
        while count < len(uses) and uses[count][AT] < after(first):
            count += 1
        conflict = after(first)
    left, right = uses[:count], uses[count:]
    at_once = _last_inst(left) == inst_of(conflict)
    pieces: list[Piece] = [(start, *_end(left, at_once), left)]
    if right:
        pieces.append((_begin(right), FOREVER, FOREVER, right))
    return pieces


def carve(bundle: Bundle, pieces: list[Piece]) -> tuple[list[tuple[list[LiveRange], list[Use]]], list[LiveRange]]:
    """The ranges and uses of each piece, and the ranges between pieces. Both kinds are in ascending order."""
    kept = []
    gaps: list[LiveRange] = []
    ranges = bundle.ranges
    at = 0
    high, spill = -1, -1
    for low, next_high, next_spill, uses in [*pieces, (FOREVER, FOREVER, FOREVER, [])]:
        while at < len(ranges) and ranges[at][END] <= low:
            _gap(ranges[at], high, spill, low, gaps)
            at += 1
        if at < len(ranges) and ranges[at][START] < low:
            _gap(ranges[at], high, spill, low, gaps)
        mine = []
        i = at
        while i < len(ranges) and ranges[i][START] < next_high:
            start, end, vreg = ranges[i]
            if end > low:
                mine.append((max(start, low), min(end, next_high), vreg))
            i += 1
        at = max(at, i - 1) if i > at else at
        if mine:
            kept.append((mine, uses))
        high, spill = next_high, next_spill
    return kept, gaps


def _gap(piece: LiveRange, high: int, spill: int, low: int, gaps: list[LiveRange]) -> None:
    """Add what of a range lies between the piece that ends at ``high`` and the one that begins at ``low``."""
    start, end, vreg = piece
    if end <= high:
        return
    start, end = max(start, spill), min(end, low)
    if start < end:
        gaps.append((start, end, vreg))
