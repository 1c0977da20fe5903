"""Positions: the grid on which live ranges lie, four positions for each instruction i.

    early(i)      4i      inputs are read; moves before the instruction happen just before this
    clobbers(i)   4i + 1  registers that the instruction ends lose what they hold
    late(i)       4i + 2  outputs are written
    after(i)      4i + 4  early(i + 1): what lives past the instruction lives at least to here

A live range is a half-open interval. A value whose last use is early ends at 4i + 1: it does not contain the clobbers'
position, so a call's argument may sit in a register that the call ends, and not 4i + 2, so an output may take its
register. docs/regalloc.md has a picture.

Positions and points are plain integers, since there are several for each operand. What they mean is asked by the
functions here; two loops that run once per operand write ``4 * number`` themselves, and say so.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Position: TypeAlias = int

FOREVER: Final = 1 << 62
"""Later than any position."""


def early(inst: int) -> Position:
    return 4 * inst


def clobbers(inst: int) -> Position:
    return 4 * inst + 1


def late(inst: int) -> Position:
    return 4 * inst + 2


def after(inst: int) -> Position:
    return 4 * inst + 4


def inst_of(position: Position) -> int:
    """The instruction that a position belongs to."""
    return position >> 2


def is_early(position: Position) -> bool:
    """Whether inputs are read there."""
    return not position & 3


# Points: where edits stand. Those of an instruction are two, before and behind it.

Point: TypeAlias = int


def point(inst: int, behind: int) -> Point:
    """Before an instruction (``behind`` 0) or behind it (1); points are in program order."""
    return inst << 1 | behind


def inst_of_point(at: Point) -> tuple[int, int]:
    """The instruction, and 1 if the point is behind it."""
    return at >> 1, at & 1


def next_inst(at: Point) -> int:
    """The first instruction that has not run at a point."""
    return at + 1 >> 1
