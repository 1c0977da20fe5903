"""Places as small integers, and the groups of moves between instructions, which both allocators share.

A place is 0..63 for an INT register's hardware encoding, 64..127 for a FLOAT one, and 128 + word for a spill slot.
Integers hash and compare quickly; ``Allocation`` objects are made once, when the answer is written.

Slots of one word and of two words come from two pools that never mix, so that two places are either the same or
disjoint: a parallel move need not know about halves of slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from compiler.machine import (
    Allocation,
    Edit,
    MachineEnv,
    Move,
    PReg,
    ProgPoint,
    RegClass,
    SpillSlot,
)
from compiler.regalloc.moves import PlacedMove, resolve
from compiler.regalloc.positions import Point, inst_of_point
from wasm.valtypes import V128, NumType

Place: TypeAlias = int

FLOAT_BASE: Final = 64
SLOT_BASE: Final = 128

# Groups of moves at one point run in this order; the moves of one group are parallel.
SCRATCH_SOURCE: Final = 0  # out of a scratch register that an instruction defined, before anything else needs it
DEFINITION: Final = 1  # from where an instruction defined a value to where the value lives
IN_EDGE: Final = 2  # an edge's moves at the start of its target
REGULAR: Final = 3  # a value changes its home
FIXUP: Final = 4  # copies for one instruction's constraints
SCRATCH_TARGET: Final = 5  # into a scratch register that an instruction reads, after everything else that needs it
OUT_EDGE: Final = 6  # an edge's moves before the jump


def place_of(preg: PReg) -> Place:
    return preg.hw if preg.cls is RegClass.INT else preg.hw + FLOAT_BASE


def hw_of(place: Place) -> int:
    """The hardware encoding of a register, 0 to 63, whichever its class."""
    return place & 63


PREGS: Final[tuple[PReg, ...]] = tuple(PReg(cls, hw) for cls in (RegClass.INT, RegClass.FLOAT) for hw in range(64))
"""The register of each place below ``SLOT_BASE``."""


class Slots:
    """The frame's words, handed out in two pools (see above)."""

    __slots__ = ("_single", "words")

    def __init__(self) -> None:
        self.words = 0
        self._single: Place | None = None

    def new(self, wide: bool) -> Place:
        """A slot that nothing else uses: two aligned words if ``wide``."""
        if wide:
            if self.words % 2:
                # The word that alignment leaves over serves the next narrow slot.
                self._single = SLOT_BASE + self.words
                self.words += 1
            self.words += 2
            return SLOT_BASE + self.words - 2
        if self._single is not None:
            place, self._single = self._single, None
            return place
        self.words += 1
        return SLOT_BASE + self.words - 1


class MoveGroups:
    """Collects parallel moves by (point, order); ``edits`` makes them sequential."""

    __slots__ = ("groups",)

    def __init__(self) -> None:
        self.groups: dict[int, list[PlacedMove]] = {}

    def add(self, inst: int, after: int, order: int, move: PlacedMove) -> None:
        """``move`` is (source, target, type); moves of one group have different targets."""
        key = (inst << 1 | after) << 3 | order  # ``positions.point``, then the order: it sorts as they do
        group = self.groups.get(key)
        if group is None:
            self.groups[key] = [move]
        else:
            group.append(move)

    def sequential(self, scratch: tuple[Place, Place], slots: Slots) -> list[tuple[Point, PlacedMove]]:
        """Moves with their points, in order. May take a slot or two for cycles within memory."""
        spare: dict[bool, Place] = {}

        def spare_slot(type_: NumType) -> Place:
            wide = type_ is V128
            if wide not in spare:
                spare[wide] = slots.new(wide)
            return spare[wide]

        moves: list[tuple[Point, PlacedMove]] = []
        for key in sorted(self.groups):
            at = key >> 3
            moves += [(at, move) for move in resolve(self.groups[key], scratch, spare_slot)]
        return moves


def scratch_places(env: MachineEnv) -> tuple[Place, Place]:
    """The scratch registers of INT and FLOAT."""
    return place_of(env.scratch[RegClass.INT]), place_of(env.scratch[RegClass.FLOAT])


def allocation_table(words: int) -> list[Allocation]:
    """The ``Allocation`` of every place in a frame of so many words."""
    return [*PREGS, *map(SpillSlot, range(words))]


def make_edits(moves: Iterable[tuple[Point, PlacedMove]], table: list[Allocation]) -> list[Edit]:
    edits = []
    last, where = -1, ProgPoint(0, 0)
    for at, (source, target, type_) in moves:
        if at != last:
            last, where = at, ProgPoint(*inst_of_point(at))
        edits.append(Edit(where, Move(table[source], table[target], type_)))
    return edits


def registers_of(env: MachineEnv) -> tuple[list[Place], list[Place]]:
    """The allocatable registers of INT and FLOAT in order of preference."""
    return [place_of(preg) for preg in env.regs[RegClass.INT]], [place_of(preg) for preg in env.regs[RegClass.FLOAT]]
