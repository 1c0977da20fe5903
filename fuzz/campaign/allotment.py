"""Allotment: targets that have lately found something new take all of their turns, the others only a part of them.

A bandit with many arms, by epochs as steering goes: what targets gave in one epoch decides about the next but one. Its
arms are targets, a reward is a new cause or something that no case had executed before, and the price of a case is its
target's ``COST``, which is the same wherever and however often the case is run; CPU seconds that a machine measures are
not (docs/decisions/0015).

    {"simd": Gave(...), "calls": Gave(...)}  ->  (("calls", 8),)      # an eighth of its turns
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fuzz.campaign.epochs import Epochs
from fuzz.records.epoch import FULL, Epoch, Parts, shares_of
from fuzz.records.history import Series
from fuzz.records.stats import Stats
from generators.registry import load_target

AFTER: Final = 2
"""Epochs between what was learned and where it is used: all of the first is known before the other begins."""

LEAST: Final = FULL // 8
"""Every target takes this part of its turns, whatever it gave: what has gone quiet may speak again."""

WORD: Final = 0.02
"""What something executed for the first time is worth, where a new cause is worth 1."""

FADES: Final = 0.9
"""What counts in an epoch counts so much one epoch later."""

LONG: Final = 40
"""Epochs after which nothing counts any more."""

DOUBT: Final = 10.0
"""For so many seconds, as ``COST`` has it, a target is credited with having given what all of them give on average."""


@dataclass(frozen=True, slots=True)
class Gave:
    """What a target gave in an epoch: cases that were run, causes and words that nobody had met before."""

    cases: int = 0
    causes: int = 0
    words: int = 0


def allotted(gave: Sequence[Mapping[str, Gave]], costs: Mapping[str, float]) -> Parts:
    """What part of its turns each target takes after these epochs, the last one last. ``costs`` are in milliseconds a
    case. What each gave per second (with a gamma prior of ``DOUBT`` seconds at the mean of all) is compared with what
    the best one did."""
    credit, seconds = dict.fromkeys(costs, 0.0), dict.fromkeys(costs, 0.0)
    for age, epoch in enumerate(reversed(gave)):
        weight = FADES**age
        for target, one in epoch.items():
            credit[target] += weight * (one.causes + WORD * one.words)
            seconds[target] += weight * one.cases * costs[target] / 1000
    whole = sum(seconds.values())
    mean = sum(credit.values()) / whole if whole else 0.0
    if not mean:
        return ()
    rates = {target: (credit[target] + DOUBT * mean) / (seconds[target] + DOUBT) for target in costs}
    best = max(rates.values())
    parts = {target: min(FULL, max(LEAST, round(FULL * rate / best))) for target, rate in rates.items()}
    return tuple(sorted((target, part) for target, part in parts.items() if part < FULL))


@dataclass(slots=True)
class Gains:
    """What the targets of a series have given so far: ``causes`` has by id the least number of a case that showed it,
    ``words`` by target and word the first epoch in which it was met."""

    series: Series
    causes: dict[int, int] = field(default_factory=dict)
    words: dict[tuple[str, str], int] = field(default_factory=dict)
    _cases: dict[int, Counter[str]] = field(default_factory=dict)

    def showed(self, cause: int, number: int) -> None:
        """A case of the series showed a cause."""
        self.causes[cause] = min(number, self.causes.get(cause, number))

    def executed(self, words: Iterable[tuple[str, str]], epoch: int) -> list[tuple[str, str]]:
        """Cases of an epoch had these (target, word); gives those that were not met so early before."""
        new = [one for one in words if epoch < self.words.get(one, epoch + 1)]
        self.words.update(dict.fromkeys(new, epoch))
        return new

    def allotted(self, epochs: Epochs, roots: Mapping[int, int], goes_on: bool = True) -> Parts:
        """What part of their turns targets take in the epoch that comes next, where all begun epochs but the last are
        known whole, or (unless it ``goes_on``) all. ``roots`` has for each cause that counts the one it is part of."""
        last = len(epochs.begun) - (AFTER - 1 if goes_on else 0)
        return allotted(self.gave(epochs, roots, max(0, last)), costs_of(self.series))

    def gave(self, epochs: Epochs, roots: Mapping[int, int], end: int) -> list[dict[str, Gave]]:
        """By epoch and target, as far back from epoch ``end`` as it counts. What several targets met first in one epoch
        counts for each of them."""
        first: dict[int, int] = {}
        for cause, number in self.causes.items():
            if cause in roots:
                first[roots[cause]] = min(number, first.get(roots[cause], number))
        causes = Counter((epochs.index(number), self.series.case(number)[0]) for number in first.values())
        earliest: dict[str, int] = {}
        for (_, word), epoch in self.words.items():
            earliest[word] = min(epoch, earliest.get(word, epoch))
        words = Counter((epoch, target) for (target, word), epoch in self.words.items() if epoch == earliest[word])
        return [
            {
                target: Gave(cases, causes[epoch.index, target], words[epoch.index, target])
                for target, cases in self._cases_in(epoch).items()
            }
            for epoch in epochs.begun[max(0, end - LONG) : end]
        ]

    def _cases_in(self, epoch: Epoch) -> Counter[str]:
        """How many cases each target has in an epoch, counted once."""
        if epoch.index not in self._cases:
            self._cases[epoch.index] = epoch.cases(self.series)
        return self._cases[epoch.index]


def words_of(stats: Stats) -> list[tuple[str, str]]:
    """What cases executed and were, by target: instructions, endings, sizes of calls that were executed past, sizes of
    the module, and what the generator says that they are about."""
    return [
        (target, f"{kind} {word}")
        for target, counts in stats.yields.items()
        for kind, met in (
            ("executed", counts.executed), ("ended", counts.outcomes), ("passed", counts.passed),
            ("measured", counts.measured), ("label", counts.labels),
        )
        for word in met
    ]  # fmt: skip


def told(epochs: Epochs) -> dict[str, float]:
    """The part of its turns, up to 1, that each target takes in the last epoch; none where all take all, as those do
    that are not left out altogether."""
    last = epochs.begun[-1] if epochs.begun else None
    parts = {name: last.part(name) for name in epochs.series.names} if last else {}
    return shares_of(parts)


def costs_of(series: Series) -> dict[str, float]:
    """What a case of each target costs, in milliseconds."""
    return {name: load_target(name).cost for name in series.names}
