"""Which engines a slot has on its bench, where an engine's id stands for several (``wasmtime:cpu=any``).

One is drawn for every ``RUN`` case numbers, from the series' seed: the same cases meet the same engines on a machine
with the same CPU, whichever slot runs them. A finding names the one that was drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Final

from fuzz.campaign.messages import Plan
from fuzz.trial.bench import Bench
from oracles.engine import EngineId, draws
from oracles.engines.mutant import behind, number_of

RUN: Final = 64
"""Case numbers that meet the same engines: starting others takes as long as a few cases."""


class Benches:
    """A bench for each choice of engines that a slot came to. Only one has workers; of the others there is left what
    forks them, so that coming back to them is quick."""

    def __init__(self, plan: Plan, told: Callable[[Bench], None]) -> None:
        self._plan, self._told = plan, told
        self._choices = [_choices(name) for name in plan.engines]
        self._benches: dict[tuple[str, ...], Bench] = {}
        self.current = self._open(tuple(names[0] for names in self._choices))

    def for_case(self, number: int) -> Bench:
        """The bench for a case of the plan's series."""
        return self._take(tuple(self._drawn(at, names, number // RUN) for at, names in enumerate(self._choices)))

    def for_engines(self, engines: Collection[str]) -> Bench:
        """The bench that has these engines, as far as the plan has them; mutants on one of the plan's engines, too."""
        plain = tuple(next((name for name in names if name in engines), names[0]) for names in self._choices)
        mutants = (name for name in engines if number_of(name) and str(behind(name)) in plain)
        return self._take(plain + tuple(sorted(mutants)))

    def _drawn(self, at: int, names: tuple[str, ...], run: int) -> str:
        if len(names) == 1:
            return names[0]
        mixed = hashlib.sha256(f"{self._plan.series.seed} {at} {run}".encode()).digest()
        return names[int.from_bytes(mixed[:8], "little") % len(names)]

    def _take(self, engines: tuple[str, ...]) -> Bench:
        bench = self._benches.get(engines)
        if bench is not self.current or bench is None:
            self.current.fresh()
            self.current = bench or self._open(engines)
            self._told(self.current)
        return self.current

    def _open(self, engines: tuple[str, ...]) -> Bench:
        plan = self._plan
        self._benches[engines] = bench = Bench(engines, plan.limits, plan.offline, plan.opener)
        return bench

    @property
    def reference_cpu(self) -> float:
        """CPU seconds of the reference, on all benches."""
        return sum(bench.reference_cpu for bench in self._benches.values())

    @property
    def own_cpu(self) -> float:
        """CPU seconds of other engines in this process, on all benches."""
        return sum(bench.own_cpu for bench in self._benches.values())

    def close(self) -> None:
        for bench in self._benches.values():
            bench.close()


def _choices(name: str) -> tuple[str, ...]:
    """The engines that an id stands for; one that is not known here stands for itself."""
    id = EngineId.read(name)
    return tuple(map(str, draws(id)))
