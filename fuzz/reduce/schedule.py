"""How a pass's edits are tried, and which pass is next.

Two ways to try edits. ``CHUNKS``: all at once, then halves, quarters and so on down to single ones (delta debugging,
Zeller and Hildebrandt 2002), twice as many after each success. ``ENDS``: per group, as many as possible from its end,
then from its beginning, found by doubling and bisection: exact in a logarithmic number of runs, which is how "how many
results does it take" is answered.

A sweep is one pass over the edits at one chunk size. The next sweep is always the one that promises most bytes per run:
the weight of its chunks times how often the pass's candidates were accepted lately. Passes of tier 3 only make things
simpler, and wait until no other pass gets further. All of it depends on counts alone, never on time, so the same input
and predicate give the same reduction.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import fuzz.reduce.passes
from fuzz.reduce.contract import CHUNKS, POLISH, Edit, Scope, Strategy
from fuzz.reduce.engine import PassStats, Search
from fuzz.reduce.subject import SortKey, Subject
from wasm.rewrite.index_map import Dangling


@dataclass(frozen=True, slots=True)
class Pass:
    """A file of ``fuzz/reduce/passes``; ``fuzz.reduce.contract`` says what its members are."""

    name: str
    tier: int
    strategy: Strategy
    edits: Callable[[Subject], list[Edit]]
    apply: Callable[[Subject, Sequence[Edit]], Subject | None]


@cache
def all_passes(valid: bool = True) -> tuple[Pass, ...]:
    """Every pass for modules that are valid, or not: from the folder's listing, by name."""
    other = Scope.INVALID if valid else Scope.VALID
    passes = []
    for info in pkgutil.iter_modules(fuzz.reduce.passes.__path__):
        module = importlib.import_module(f"fuzz.reduce.passes.{info.name}")
        strategy = getattr(module, "STRATEGY", CHUNKS)
        if getattr(module, "SCOPE", Scope.VALID) is not other:
            passes.append(Pass(info.name, module.TIER, strategy, module.edits, module.apply))
    return tuple(sorted(passes, key=lambda p: p.name))


def find_integer(holds: Callable[[int], bool]) -> int:
    """The largest n for which ``holds`` is true, if it is true up to there and false right after; 0 always holds.

    Doubling, then bisection: about 2 log2(n) questions.
    """
    low, high = 0, 1
    while holds(high):
        low, high = high, high * 2
    while low + 1 < high:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True)
class Worker:
    """One pass at work: its statistics, its chunk size, and the state in which it could do no more."""

    spec: Pass
    stats: PassStats = field(default_factory=PassStats)
    rate: float = 0.5
    chunk: int = 0
    seen: SortKey | None = None
    settled: SortKey | None = None
    possible: list[Edit] = field(default_factory=list)
    sweeps: int = 0

    def look(self, search: Search) -> None:
        """Bring the list of edits up to date with the subject."""
        if self.seen != search.key:
            self.seen = search.key
            self.possible = self.spec.edits(search.subject)

    def promise(self) -> float:
        """Expected bytes per run of the next sweep."""
        total, count = sum(edit.weight for edit in self.possible), len(self.possible)
        if not count:
            return 0.0
        if self.spec.strategy is not CHUNKS:
            groups = len({edit.group for edit in self.possible})
            return self.rate * total / groups / (2 + (count // groups).bit_length())
        size = min(self.chunk or count, count)
        return self.rate * total * size / count

    def sweep(self, search: Search) -> None:
        """One sweep at the present chunk size; afterwards a smaller one is due, or the pass is settled."""
        self.sweeps += 1
        before_key, before = search.key, (self.stats.runs + self.stats.cached, self.stats.accepted)
        if self.spec.strategy is CHUNKS:
            size = self.chunk or len(self.possible)
            self._chunks(search, size)
            if size > 1:
                self.chunk = (size + 1) // 2 if self.sweeps < 40 or size < len(self.possible) else 1
            elif search.key == before_key:
                self._settle(search)
        else:
            self._ends(search)
            if search.key == before_key:
                self._settle(search)
        tried = self.stats.runs + self.stats.cached - before[0]
        if tried:
            self.rate = 0.6 * self.rate + 0.4 * (self.stats.accepted - before[1]) / tried
        self.rate = max(self.rate, 0.02)

    def _settle(self, search: Search) -> None:
        self.settled, self.chunk = search.key, 0

    def candidate(self, subject: Subject, edits: Sequence[Edit]) -> Subject | None:
        if not edits:
            return None
        try:
            return self.spec.apply(subject, edits)
        except Dangling:
            return None

    def _chunks(self, search: Search, size: int) -> None:
        position = 0
        while position < len(self.possible):
            here = self.possible

            def candidates(start: int = position, known: list[Edit] = here) -> Iterator[Subject | None]:
                for first in range(start, len(known), size):
                    yield self.candidate(search.subject, known[first : first + size])

            accepted = search.first(candidates(), self.stats)
            if accepted is None:
                return
            position += accepted * size
            position = self._grow(search, position, size)

    def _grow(self, search: Search, position: int, size: int) -> int:
        """After a success: twice as many at the same place as long as that works."""
        self.look(search)
        while position < len(self.possible):
            size *= 2
            chunk = self.possible[position : position + size]
            if not search.try_one(self.candidate(search.subject, chunk), self.stats):
                return position
            self.look(search)
        return position

    def _ends(self, search: Search) -> None:
        done: set[object] = set()
        while True:
            self.look(search)
            group = next((edit.group for edit in self.possible if edit.group not in done), None)
            if group is None:
                return
            done.add(group)
            for from_end in (True, False):
                self._one_end(search, group, from_end)

    def _one_end(self, search: Search, group: object, from_end: bool) -> None:
        self.look(search)
        base, members = search.subject, [edit for edit in self.possible if edit.group == group]

        def holds(count: int) -> bool:
            if count > len(members):
                return False
            chosen = members[-count:] if from_end else members[:count]
            return search.try_one(self.candidate(base, chosen), self.stats)

        if members and (len(members) == 1 or not holds(len(members))):
            find_integer(holds)


def run_passes(search: Search, passes: Sequence[Pass]) -> None:
    """Run passes until none gets further. The statistics are in ``search``. Raises ``OutOfBudget``."""
    workers = [Worker(spec) for spec in passes]
    search.pass_stats = {worker.spec.name: worker.stats for worker in workers}
    while True:
        ready = []
        for worker in workers:
            if worker.settled == search.key:
                continue
            worker.look(search)
            if worker.possible:
                ready.append(worker)
            else:
                worker.settled = search.key
        if not ready:
            return
        early = [worker for worker in ready if worker.spec.tier < POLISH]
        max(early or ready, key=lambda w: (w.promise(), -w.spec.tier, w.spec.name)).sweep(search)
