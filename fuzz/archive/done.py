"""Which case numbers are done, as ranges: ten million cases are a handful of pairs.

Done([(0, 7), (16, 23)])        # both ends belong to the range
add 8 .. 15                     # -> one range, (0, 23)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

Range = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, slots=True)
class Change:
    """How ranges change when numbers are added: those to take out, by their first number, and those to put in."""

    gone: tuple[int, ...]
    new: tuple[Range, ...]
    fresh: int
    """How many of the numbers were not done before."""


class Done:
    """A set of numbers from 0 on. Its ranges are sorted, do not overlap, and no two of them touch."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        pairs = sorted(ranges)
        self._firsts = [first for first, _ in pairs]
        self._lasts = [last for _, last in pairs]
        if any(first > last for first, last in pairs) or any(
            last + 1 >= first for last, first in zip(self._lasts, self._firsts[1:], strict=False)
        ):
            raise ValueError("ranges overlap, touch, or end before they begin")

    @property
    def ranges(self) -> list[Range]:
        return list(zip(self._firsts, self._lasts, strict=True))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __len__(self) -> int:
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def missing(self, limit: int | None = None) -> Iterator[int]:
        """The numbers that are not done, in order, below ``limit`` or without end; as things are when it is called."""
        start = 0
        for first, last in self.ranges:
            yield from range(start, first if limit is None else min(first, limit))
            start = last + 1
        yield from count(start) if limit is None else range(start, limit)

    def adding(self, numbers: Iterable[int]) -> Change:
        """What adding these numbers would change; nothing is changed yet, since the disk has to agree first."""
        gone: set[int] = set()
        new: list[Range] = []
        fresh = 0
        for first, last in _runs(numbers):
            # From the range that ends just before ``first`` or later, to the one that begins just after ``last``.
            low = bisect_right(self._firsts, first) - 1
            low += low < 0 or self._lasts[low] + 1 < first
            high = bisect_right(self._firsts, last + 1)
            touched = range(low, high)
            fresh += last - first + 1 - sum(
                max(0, min(last, self._lasts[at]) - max(first, self._firsts[at]) + 1) for at in touched
            )  # fmt: skip
            if touched:
                first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
            gone.update(self._firsts[at] for at in touched)
            if new and new[-1][1] + 1 >= first:  # both runs touch one old range
                new[-1] = (new[-1][0], max(new[-1][1], last))
            else:
                new.append((first, last))
        return Change(tuple(sorted(gone)), tuple(new), fresh)

    def apply(self, change: Change) -> None:
        """Take over what ``adding`` gave."""
        for first in change.gone:
            at = bisect_right(self._firsts, first) - 1
            del self._firsts[at], self._lasts[at]
        for first, last in change.new:
            at = bisect_right(self._firsts, first)
            self._firsts.insert(at, first)
            self._lasts.insert(at, last)


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in any order, which may overlap and touch, as those that ``Done`` has."""
    whole: list[Range] = []
    for first, last in sorted(ranges):
        if whole and first <= whole[-1][1] + 1:
            whole[-1] = (whole[-1][0], max(whole[-1][1], last))
        else:
            whole.append((first, last))
    return whole


def _runs(numbers: Iterable[int]) -> Iterator[Range]:
    """Numbers in any order, some perhaps twice, as sorted ranges that do not touch."""
    ordered = iter(sorted(numbers))
    first = last = next(ordered, None)
    if first is None or last is None:
        return
    for number in ordered:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
