"""What is wrong with an allocation, as a value: the same for one mistake of an allocator whatever function shows it.

An allocator knows no instructions, only operands, so what tells its mistakes apart is what became of the value that an
operand should have read, and which constraint was not met; not the place in the function, nor the registers' numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from compiler.machine import ConstraintKind


class Problem(Enum):
    """What is wrong, in words."""

    SHAPE = "the answer has not one place for each operand"
    UNMET = "an operand is not where its constraint wants it"
    TWO_DEFINITIONS = "two definitions share a place"
    EARLY_DEFINITION_AND_USE = "an early definition and a use share a place"
    EARLY_AND_LATE_DEFINITION = "an early and a late definition share a place"
    LATE_USE_AND_DEFINITION = "a late use is not kept: a late use and a late definition share a place"
    LATE_USE_AND_CLOBBER = "a late use is not kept: a late use and a clobber share a place"
    NO_POINT = "a move stands where no instruction is"
    ORDER = "moves are not in order"
    BEHIND_TERMINATOR = "a move stands behind a terminator"
    MEMORY_TO_MEMORY = "a move goes from memory to memory"
    ACROSS_CLASSES = "a move goes from one class of registers to another"
    FOREIGN_REGISTER = "a move writes a register that is not the allocator's"
    OUTSIDE_FRAME = "a slot lies outside the frame"
    MISALIGNED = "a slot is no aligned place for a vector"
    NEVER = "it never comes"
    DEFINITION = "a definition overwrites it"
    MOVE = "a move overwrites it"
    TOGETHER = "another move at the same point overwrites it"
    CLOBBER = "it is clobbered"
    NARROW = "a move is too narrow for it"


class Kind(Enum):
    """What kind of place has lost its value, in words."""

    REGISTER = "a register lacks its value"
    SCRATCH = "a scratch register lacks its value"
    SLOT = "a slot lacks its value"


_ASKING: Final = frozenset({ConstraintKind.FIXED, ConstraintKind.REUSE, ConstraintKind.LIMIT, ConstraintKind.STACK})
"""Constraints for which a value is copied just before the instruction that has them."""


class Reason(NamedTuple):
    """One kind of mistake. ``place`` is for values that are lost; ``constraint`` for one that is not met, or to which
    a value was not copied; ``edge``: the value never came along an edge."""

    problem: Problem
    place: Kind | None = None
    constraint: ConstraintKind | None = None
    edge: bool = False

    def __str__(self) -> str:
        """``a register lacks its value: it never comes (along an edge)``: in front of the colon what is the same
        however the value was lost."""
        rest = [f"{self.constraint.value} operand"] if self.constraint else []
        rest += ["along an edge"] if self.edge else []
        said = self.problem.value + (f" ({', '.join(rest)})" if rest else "")
        return f"{self.place.value}: {said}" if self.place else said


def never(place: Kind, constraint: ConstraintKind | None, edge: bool) -> Reason:
    """A value never came. Where an operand asks for a place of its own, the copy to that is what is missing, wherever
    the value comes from."""
    asks = constraint if constraint in _ASKING else None
    return Reason(Problem.NEVER, place, asks, edge and asks is None)


@dataclass(frozen=True, slots=True)
class CheckError:
    """One thing that is wrong: the block, the instruction's number (through all blocks), and what, in a line. The first
    error of an answer has its ``reason``; what comes later may follow from it."""

    block: int
    inst: int
    message: str
    reason: Reason | None = None

    def __str__(self) -> str:
        return f"block {self.block}, inst {self.inst}: {self.message}"


class CheckFailed(Exception):
    """An allocation is wrong: a bug of the allocator. The message has the function, who allocated and the reason, and
    then the errors, a line each."""
