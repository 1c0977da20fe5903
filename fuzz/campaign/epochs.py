"""The epochs of a run: a thousand cases each, of which steering and allotment take what earlier ones have taught.

An epoch has so many *cases*; how many case numbers that takes depends on how many turns are passed over in it. Cases
are counted from 0 over all epochs, so that epoch 2 begins with case 2,000, whatever its first number is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from fuzz.records.epoch import Epoch, Parts, end_after, epoch_from
from fuzz.records.history import Series


@dataclass(slots=True)
class Epochs:
    """The epochs that have begun, without a gap; ``length`` cases each, or all in one where that is 0.

    ``limit`` is how many cases there are to be in all, None for no end. Targets that are ``left_out`` get no turn.
    """

    series: Series
    length: int
    limit: int | None = None
    begun: list[Epoch] = field(default_factory=list)
    stop: int | None = None
    """The number before which all cases lie that there are to be; None while nobody can tell."""
    left_out: frozenset[str] = frozenset()
    _firsts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.length or self.limit == 0:
            self.stop = self.limit

    def resume(self, recorded: Iterable[Epoch], reached: int) -> None:
        """Begin all epochs that earlier runs began: those on record, and those below the number that they have
        ``reached``, which passed nothing over."""
        known = {epoch.index: epoch for epoch in recorded}
        while self.length and (self.end <= reached or len(self.begun) in known):
            epoch = known.get(len(self.begun))
            if epoch is not None and epoch.first == self.end:
                self._append(epoch)
            else:
                self.begin(())

    @property
    def end(self) -> int:
        """The number at which the next epoch begins."""
        return self.begun[-1].end if self.begun else 0

    def begin(self, parts: Parts) -> Epoch:
        """The next epoch."""
        if self.left_out:
            parts = tuple(sorted({**dict(parts), **dict.fromkeys(self.left_out, 0)}.items()))
        return self._append(epoch_from(self.series, len(self.begun), self.end, self.length, parts))

    def _append(self, epoch: Epoch) -> Epoch:
        self.begun.append(epoch)
        self._firsts.append(epoch.first)
        if self.limit is not None and self.stop is None and self.limit <= len(self.begun) * self.length:
            self.stop = end_after(self.series, epoch, self.limit - epoch.index * self.length)
        return epoch

    def index(self, number: int) -> int:
        """Which epoch a number lies in; beyond the last that has begun, the next one."""
        if number >= self.end:
            return len(self.begun)
        return bisect_right(self._firsts, number) - 1

    def case(self, number: int) -> int:
        """The place of a number among all cases, as exactly as steering needs it: the epoch is right."""
        if not self.length or number < 0:
            return number
        index = self.index(number)
        first = self._firsts[index] if index < len(self.begun) else self.end
        return index * self.length + min(number - first, self.length - 1)

    def takes(self, number: int) -> bool:
        """Whether the case of a number is run."""
        target, turn = self.series.case(number)
        index = self.index(number)
        return target not in self.left_out and (index >= len(self.begun) or self.begun[index].takes(target, turn))
