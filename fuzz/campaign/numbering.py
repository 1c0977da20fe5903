"""Which case numbers are next: in order, but for those that have to be done again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Numbers:
    """The numbers of a run's cases, handed out in batches that lie in one epoch of steering (``epoch`` numbers long, 0
    for none). Those in ``again`` come first, each alone, since one of them may have ended a slot."""

    source: Iterator[int]
    epoch: int
    again: deque[int] = field(default_factory=deque)
    peeked: int | None = None

    def batch(self, most: int, may_begin: Callable[[int], bool]) -> tuple[int, ...]:
        """The next numbers, at most so many; none if there are no more, or the next one may not begin yet."""
        if self.again:
            return (self.again.popleft(),)
        batch: list[int] = []
        while len(batch) < most:
            if self.peeked is None:
                self.peeked = next(self.source, None)
            # All cases of a batch are steered by the same lessons.
            if self.peeked is None or (batch and self.epoch_of(self.peeked) > self.epoch_of(batch[0])):
                break
            if not batch and not may_begin(self.peeked):
                break
            batch.append(self.peeked)
            self.peeked = None
        return tuple(batch)

    def epoch_of(self, number: int) -> int:
        """Which epoch a number lies in."""
        return number // self.epoch if self.epoch else 0
