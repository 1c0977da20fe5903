"""Bundles: ranges that get one register together; and spill sets: bundles that were one, and so share one slot.

At first every VReg is a bundle. Those that a reused register, a move or an edge joins become one if their ranges do not
overlap: then the copy between them is none.
"""

from __future__ import annotations

from heapq import merge
from typing import Final

from compiler.machine import VReg
from compiler.regalloc.backtracking.ranges import (
    ANYWHERE,
    AT,
    END,
    FIXED,
    IN_SLOT,
    START,
    LiveRange,
    Ranges,
    Use,
    fixed_place,
)
from compiler.regalloc.places import Place
from wasm.valtypes import F32, F64, V128, NumType

NOWHERE: Final = -1
MOST_RANGES: Final = 1000
"""Bundles are not merged beyond this: every probe of a register goes through all ranges."""


class SpillSet:
    """What the pieces of one merged bundle share: a class, a slot (or a second chance at a register), a hint.

    ``ranges`` and ``uses`` are the parts that have no register of their own; ``place`` is where they live.
    ``bundles`` counts the bundles still in registers or in the queue.
    """

    __slots__ = ("bundles", "floats", "hint", "place", "ranges", "uses", "wide")

    def __init__(self, floats: bool, wide: bool) -> None:
        self.floats, self.wide = floats, wide
        self.ranges: list[LiveRange] = []
        self.uses: list[Use] = []
        self.place: Place = NOWHERE
        self.hint: Place = NOWHERE
        self.bundles = 0


class Bundle:
    """Ranges in ascending order with their uses. ``need`` bounds the register's encoding; ``weight`` is the uses'
    weight per position; ``wanted`` says that some use would rather have a register; ``splits`` how often it was cut.
    """

    __slots__ = ("family", "hints", "length", "need", "place", "ranges", "splits", "uses", "wanted", "weight")

    def __init__(self, ranges: list[LiveRange], uses: list[Use], family: SpillSet, splits: int = 0) -> None:
        self.ranges, self.uses, self.family, self.splits = ranges, uses, family, splits
        self.place: Place = NOWHERE
        self.length = 0
        self.weight = 0.0
        self.need = 64
        self.wanted = False
        self.hints: list[Place] = []

    def weigh(self) -> None:
        """Work out what depends on ranges and uses, once they are final."""
        length = 0
        for start, end, _ in self.ranges:
            length += end - start
        self.length = length
        total, need = 0.0, 64
        hints: dict[Place, float] = {}
        for _, _, asked, _, weight, _ in self.uses:
            total += weight
            if asked > 0:
                self.wanted = True
                if asked < need:
                    need = asked
            elif asked <= FIXED:
                self.wanted = True
                place = fixed_place(asked)
                hints[place] = hints.get(place, 0.0) + weight
            elif asked != ANYWHERE and asked != IN_SLOT:
                self.wanted = True
        self.weight = total / length
        self.need = need
        if len(hints) > 1:
            self.hints = sorted(hints, key=lambda place: -hints[place])
        elif hints:
            self.hints = list(hints)


def merged_bundles(live: Ranges, types: list[NumType]) -> list[Bundle]:
    """The bundles to begin with. Joins of greater weight come first."""
    bundle_of: dict[VReg, Bundle] = {}
    for vreg, ranges in enumerate(live.of):
        if ranges:
            type_ = types[vreg]
            family = SpillSet(type_ is F64 or type_ is F32 or type_ is V128, type_ is V128)
            bundle_of[vreg] = Bundle(ranges, live.uses[vreg], family)
    copies = live.copies
    copies.sort(key=_weight, reverse=True)
    for _, source, target in copies:
        first, second = bundle_of.get(source), bundle_of.get(target)
        if first is None or second is None or first is second:
            continue
        if first.family.floats is not second.family.floats or first.family.wide is not second.family.wide:
            continue
        if len(first.ranges) < len(second.ranges):
            first, second = second, first
        if _join(first, second):
            for _, _, vreg in second.ranges:
                bundle_of[vreg] = first
    unique = list(dict.fromkeys(bundle_of.values()))
    for bundle in unique:
        bundle.family.bundles = 1
    return unique


def _weight(copy: tuple[float, VReg, VReg]) -> float:
    return copy[0]


def _join(first: Bundle, second: Bundle) -> bool:
    """Merge ``second`` into ``first`` unless they overlap or would be too many."""
    mine, others = first.ranges, second.ranges
    if mine[-1][END] <= others[0][START]:
        ranges = mine + others
    elif others[-1][END] <= mine[0][START]:
        ranges = others + mine
    else:
        ranges = sorted(mine + others)
        end = 0
        for start, after, _ in ranges:
            if start < end:
                return False
            end = after
    if len(ranges) > MOST_RANGES:
        return False
    first.ranges = ranges
    uses, more = first.uses, second.uses
    if uses and more and uses[-1][AT] > more[0][AT]:
        first.uses = more + uses if more[-1][AT] <= uses[0][AT] else list(merge(uses, more))
    else:
        first.uses = uses + more
    return True
