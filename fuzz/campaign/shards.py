"""Shards: which cases of a series are whose when several runs divide them, without talking to each other.

Numbers are dealt out in blocks, one to each shard in turn, and the blocks grow: eight cases of each target at first, so
that a short run has work for everybody, and twice as many each round until a block is about as long as an epoch, so
that what was done stays a handful of ranges however long it goes. Every block has all targets in equal parts.

    4 shards of 1 target    0..7 8..15 16..23 24..31 | 32..47 48..63 64..79 80..95 | 96..127 ...
                              1    2      3      4        1      2      3      4        1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from fuzz.archive.done import Done, Range

FIRST: Final = 8
LONG: Final = 20
"""A list of more targets (all of them, each as often as it has turns) begins with blocks that are that much shorter."""
LONGEST: Final = 1024
"""Cases of each target in the first block, and at most in a later one (or what makes about as many of all targets)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``index``-th of ``of`` shards, from 1 on."""

    index: int
    of: int

    @staticmethod
    def read(text: str) -> Shard:
        """Read ``2/4``. Raises ``ValueError``."""
        matched = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if matched is None or not 1 <= int(matched[1]) <= int(matched[2]):
            raise ValueError(f"{text!r} is no shard: write 2/4 for the second of four")
        return Shard(int(matched[1]), int(matched[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def blocks(self, targets: int, limit: int | None = None) -> Iterator[Range]:
        """The ranges of numbers that are this shard's, in order, below ``limit`` or without end."""
        start, size = 0, max(1, FIRST * LONG // max(LONG, targets))
        for _ in count():
            length = size * targets
            first = start + (self.index - 1) * length
            if limit is not None and first >= limit:
                if start >= limit:
                    return
            else:
                yield first, first + length - 1 if limit is None else min(first + length, limit) - 1
            start += self.of * length
            size = min(2 * size, max(FIRST, LONGEST // targets))

    def missing(self, done: Done, targets: int, limit: int | None = None) -> Iterator[int]:
        """The numbers of this shard that are not done, in order, below ``limit`` or without end."""
        for first, last in self.blocks(targets, limit):
            yield from (number for number in range(first, last + 1) if number not in done)

    def share(self, targets: int, limit: int) -> int:
        """How many of the numbers below ``limit`` are this shard's."""
        return sum(last - first + 1 for first, last in self.blocks(targets, limit))
