"""A stretch of case numbers in which each target takes a fixed part of its turns.

    Epoch(2, 2000, 3906, (("calls", 8), ("memory", 32)))    # an eighth of calls, half of memory, all of the others

A turn that is not taken is passed over: its number is dealt with, and the case is never made. Which case a number
stands for does not change by that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from fuzz.records.history import Series

FULL: Final = 64
"""Parts are sixty-fourths: whole numbers, which compare alike on every machine."""

Parts = tuple[tuple[str, int], ...]
"""By target, in alphabetical order, how many of ``FULL`` turns it takes, 0 to 63; one that is not there takes all."""

_STEP: Final = 0x6A09E667
"""The fraction of the square root of 2, in 32 bits. Over consecutive indices its multiples fill the range evenly, and
independently both of what goes by remainders of the index and of the generators' golden ratio."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Numbers from ``first`` up to ``end`` (without it)."""

    index: int
    first: int
    end: int
    parts: Parts = ()
    _by_target: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_target", dict(self.parts))

    def part(self, target: str) -> int:
        """How many of ``FULL`` turns a target takes."""
        return self._by_target.get(target, FULL)

    def takes(self, target: str, index: int) -> bool:
        """Whether the case of a target's turn is run."""
        return taken(self.part(target), index)

    def cases(self, series: Series) -> Counter[str]:
        """How many cases each target has in it."""
        turns = map(series.case, range(self.first, self.end))
        return Counter(target for target, index in turns if self.takes(target, index))


def taken(part: int, index: int) -> bool:
    """Whether a turn is among ``part`` of ``FULL``; what a smaller part takes is part of what a larger one does."""
    return part >= FULL or ((index + 1) * _STEP & 0xFFFFFFFF) * FULL < part << 32


def shares_of(parts: Mapping[str, int]) -> dict[str, float]:
    """Parts as fractions of 1, for a reader: without targets that are left out, and none where all others are whole."""
    given = {name: part / FULL for name, part in parts.items() if part}
    return given if any(part < 1 for part in given.values()) else {}


def epoch_from(series: Series, index: int, first: int, cases: int, parts: Parts = ()) -> Epoch:
    """The epoch that begins at a number and has so many cases."""
    if not parts:
        return Epoch(index, first, first + cases)
    whole = Epoch(index, first, first, parts)
    return replace(whole, end=end_after(series, whole, cases))


def end_after(series: Series, epoch: Epoch, cases: int) -> int:
    """The number before which so many cases of an epoch lie."""
    if not epoch.parts or not cases:
        return epoch.first + cases
    return max(_taken_from(series, epoch, cases)) + 1


def _taken_from(series: Series, epoch: Epoch, cases: int) -> Iterator[int]:
    """The numbers of so many cases from an epoch's first number on."""
    number, left = epoch.first, cases
    while left:
        if epoch.takes(*series.case(number)):
            left -= 1
            yield number
        number += 1
