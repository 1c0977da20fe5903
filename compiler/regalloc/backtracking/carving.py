"""Where to cut a bundle, and the cutting.

A piece is a run of consecutive uses with the interval around them that keeps a register. Between two pieces lies what
has no use, and that is spilled: it costs nothing there. Cuts lie before an instruction (4i); only a piece whose last
use is early may go on to 4i + 1, while the spilled part begins at 4i already, where a move could still be made.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from compiler.regalloc.backtracking.bundles import Bundle
from compiler.regalloc.backtracking.ranges import LiveRange, Use
from compiler.regalloc.requirements import EARLY, LATE, THROUGH

Piece: TypeAlias = tuple[int, int, int, list[Use]]
"""(low, high, spill, uses): the register is kept over [low, high), and given up from ``spill`` on."""

_FOREVER = 1 << 62


def _begin(uses: list[Use]) -> int:
    """Where a piece begins that is not needed before its first use: at it if that is a definition, else before it."""
    return uses[0][0]


def _end(uses: list[Use], at_once: bool) -> tuple[int, int]:
    """(high, spill) of a piece that is not needed after its last use; ``at_once`` if not even until the instruction is
    over, which takes an early use."""
    at = uses[-1][0] & ~3
    return (at + 1, at) if at_once else (at + 4, at + 4)


def pieces_between_calls(bundle: Bundle, calls: list[int]) -> list[Piece]:
    """Cut at every position of ``calls`` (4i + 1, sorted) at once. Some position lies in the bundle."""
    groups: list[list[Use]] = []
    marks: list[int] = []
    for use in bundle.uses:
        position, span = use[0], use[5] & THROUGH
        mark = bisect_left(calls, position)
        if span & EARLY and span & LATE and mark < len(calls) and calls[mark] < position + 4:
            groups.append([use])  # needed on both sides of the call: this takes a register for itself
            marks.append(-1)
        elif marks and marks[-1] == mark:
            groups[-1].append(use)
        else:
            groups.append([use])
            marks.append(mark)
    pieces: list[Piece] = []
    start, end = bundle.ranges[0][0], bundle.ranges[-1][1]
    for i, (uses, mark) in enumerate(zip(groups, marks, strict=True)):
        low = _begin(uses)
        if i == 0 and mark >= 0 and bisect_left(calls, start) == mark:
            low = start
        last = uses[-1][0] & ~3
        call = bisect_left(calls, last)
        at_once = mark >= 0 and not uses[-1][0] & 3 and call < len(calls) and calls[call] < last + 4
        high, spill = _end(uses, at_once)
        if i == len(groups) - 1 and mark >= 0 and (mark == len(calls) or calls[mark] >= end):
            high = spill = _FOREVER
        pieces.append((low, high, spill, uses))
    return pieces


def pieces_at_conflict(bundle: Bundle, conflict: int) -> list[Piece]:
    """Cut before ``conflict``, a position in the bundle from which on it cannot keep a register."""
    start = bundle.ranges[0][0]
    uses = bundle.uses
    count = 0
    for position, _, _, _, _, span in uses:
        length = 1 if span & THROUGH == EARLY else 4 - (position & 3)
        if position + length > conflict:
            break
        count += 1
    if not count:
        first = uses[0][0] & ~3
        if first > start:
            return [(_begin(uses), _FOREVER, _FOREVER, uses)]
        while count < len(uses) and uses[count][0] < first + 4:
            count += 1
        conflict = first + 4
    left, right = uses[:count], uses[count:]
    at_once = left[-1][0] & ~3 == conflict & ~3
    pieces: list[Piece] = [(start, *_end(left, at_once), left)]
    if right:
        pieces.append((_begin(right), _FOREVER, _FOREVER, right))
    return pieces


def carve(bundle: Bundle, pieces: list[Piece]) -> tuple[list[tuple[list[LiveRange], list[Use]]], list[LiveRange]]:
    """The ranges and uses of each piece, and the ranges between pieces. Both kinds are in ascending order."""
    kept = []
    gaps: list[LiveRange] = []
    ranges = bundle.ranges
    at = 0
    high, spill = -1, -1
    for low, next_high, next_spill, uses in [*pieces, (_FOREVER, _FOREVER, _FOREVER, [])]:
        while at < len(ranges) and ranges[at][1] <= low:
            _gap(ranges[at], high, spill, low, gaps)
            at += 1
        if at < len(ranges) and ranges[at][0] < low:
            _gap(ranges[at], high, spill, low, gaps)
        mine = []
        i = at
        while i < len(ranges) and ranges[i][0] < next_high:
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
