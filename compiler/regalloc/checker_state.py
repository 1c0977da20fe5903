"""The checker's lattice element: which values each place holds for certain, and how operations change that.

``compiler.regalloc.checker`` has the lattice and why it is enough.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from compiler.machine import Allocation, Move, SpillSlot, VReg

NOTHING: Final[frozenset[VReg]] = frozenset()
WIDE: Final = 128
"""Bits of a value that takes two words of the frame."""


class State:
    """A lattice element with its reverse index (VReg to allocations), which makes "v ends everywhere" cheap."""

    __slots__ = ("holds", "types", "where")

    def __init__(self, types: list[int]) -> None:
        self.types = types  # bits of each VReg
        self.holds: dict[Allocation, frozenset[VReg]] = {}
        self.where: dict[VReg, set[Allocation]] = {}

    def fresh(self) -> State:
        """A state that knows nothing, to be filled from this one."""
        return State(self.types)

    @property
    def clock(self) -> int:
        """How many writes were recorded (``checker_trace``); none here."""
        return 0

    def copy(self) -> State:
        other = self.fresh()
        other.holds = dict(self.holds)
        other.where = {vreg: set(places) for vreg, places in self.where.items()}
        return other

    def knowing(self, vregs: Set[VReg]) -> State:
        """A copy that has forgotten all other values."""
        other = self.fresh()
        where, holds = other.where, other.holds
        for vreg in vregs & self.where.keys():
            where[vreg] = places = set(self.where[vreg])
            for place in places:
                if place not in holds:
                    held = self.holds[place]
                    holds[place] = held if held <= vregs else held & vregs
        return other

    def get(self, place: Allocation) -> frozenset[VReg]:
        return self.holds.get(place, NOTHING)

    def _set(self, place: Allocation, vregs: frozenset[VReg]) -> None:
        for vreg in self.holds.get(place, NOTHING):
            places = self.where[vreg]
            places.discard(place)
            if not places:
                del self.where[vreg]
        if vregs:
            self.holds[place] = vregs
            for vreg in vregs:
                self.where.setdefault(vreg, set()).add(place)
        else:
            self.holds.pop(place, None)

    def write(self, place: Allocation, vregs: frozenset[VReg], bits: int) -> None:
        """Store a value of ``bits`` known to be ``vregs``'."""
        if isinstance(place, SpillSlot):
            if bits == WIDE:
                self._set(SpillSlot(place.word + 1), NOTHING)
            below = SpillSlot(place.word - 1)
            held = self.holds.get(below)
            if held:
                self._set(below, frozenset(v for v in held if self.types[v] != WIDE))
        self._set(place, vregs)

    def end(self, vreg: VReg) -> None:
        """The VReg's value so far is no longer its value."""
        for place in list(self.where.get(vreg, ())):
            self._set(place, self.holds[place] - {vreg})

    def define(self, place: Allocation, vreg: VReg) -> None:
        self.end(vreg)
        self.write(place, frozenset((vreg,)), self.types[vreg])

    def move(self, move: Move) -> None:
        bits = move.type.bits
        kept = frozenset(v for v in self.get(move.source) if self.types[v] <= bits)
        self.write(move.target, kept, bits)

    def rename(self, args: tuple[VReg, ...], params: tuple[VReg, ...]) -> None:
        """The parallel assignment of an edge."""
        gained = [(param, list(self.where.get(arg, ()))) for arg, param in zip(args, params, strict=True)]
        for param in params:
            self.end(param)
        for param, places in gained:
            for place in places:
                self._set(place, self.holds.get(place, NOTHING) | {param})

    def meet(self, other: State) -> bool:
        """Intersect with another state; whether this changed anything."""
        changed = False
        for place, vregs in list(self.holds.items()):
            common = vregs & other.get(place)
            if common != vregs:
                self._set(place, common)
                changed = True
        return changed
