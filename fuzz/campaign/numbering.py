"""Which case numbers are next: in order, but for those that have to be done again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fuzz.campaign.epochs import Epochs


@dataclass(slots=True)
class Numbers:
    """The numbers of a run's cases, handed out in batches that lie in one epoch. Those in ``again`` come first, each
    alone, since one of them may have ended a slot. ``passed`` are numbers that were passed over: dealt with, not run.
    """

    source: Iterator[int]
    epochs: Epochs
    again: deque[int] = field(default_factory=deque)
    passed: list[int] = field(default_factory=list)
    peeked: int | None = None

    def batch(self, most: int, may_begin: Callable[[int], bool]) -> tuple[int, ...]:
        """The next numbers, at most so many; none if there are no more, or the next epoch (its index) may not begin
        yet. ``may_begin`` begins it if it may."""
        if self.again:
            return (self.again.popleft(),)
        batch: list[int] = []
        while len(batch) < most:
            if self.peeked is None:
                self.peeked = next(self.source, None)
            if self.peeked is None or self._over(self.peeked):
                break
            epoch = self.epochs.index(self.peeked)
            # All cases of a batch are steered by the same lessons.
            if batch and epoch > self.epochs.index(batch[0]):
                break
            if not batch and not may_begin(epoch):
                break
            if self._over(self.peeked):  # the epoch has only now begun, and with it comes the end
                break
            if self.epochs.index(self.peeked) > epoch:  # it lies beyond the epoch that has just begun
                continue
            (batch if self.epochs.takes(self.peeked) else self.passed).append(self.peeked)
            self.peeked = None
        return tuple(batch)

    def _over(self, number: int) -> bool:
        stop = self.epochs.stop
        return stop is not None and number >= stop

    def dealt_with(self) -> tuple[int, ...]:
        """The numbers that were passed over since this was asked last."""
        passed = tuple(self.passed)
        self.passed.clear()
        return passed
