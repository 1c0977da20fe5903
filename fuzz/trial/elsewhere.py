"""Engines with values in other places (``oracles.engine.placements``), to see whether a finding comes and goes with
that (``fuzz.triage.places``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fuzz.records.finding import Signature
from fuzz.triage.causes import RUNS_NOTHING
from fuzz.triage.places import NOWHERE, Elsewhere
from fuzz.triage.signature import ANSWERED, split
from fuzz.trial.bench import Bench, OpenEngine, Trial
from oracles.engine import EngineId, Limits, open_engine, placements
from oracles.judge.verdict import Disagree, Kind
from wasm.case import Case
from wasm.embedding import Unsupported

_WRONG = ANSWERED | {Kind.CRASH.value}
"""What values in the wrong place can show as."""


class Placements:
    """A bench for each such setting of an engine, opened when it is asked first."""

    def __init__(self, limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine) -> None:
        self._limits, self._offline, self._opener = limits, offline, opener
        self._benches: dict[str, Bench] = {}

    def of(self, engine: str, bucket: Signature, before: Sequence[Case] = ()) -> Elsewhere:
        """The questions about an engine that shows a bucket after these cases; about one that takes too long, or that
        has not run anything yet, there are none."""
        others = [str(id) for id in placements(EngineId.read(engine))]
        if not others or bucket.kind not in _WRONG or bucket.phase in RUNS_NOTHING:
            return NOWHERE
        return Elsewhere(
            lambda case: any(_is_right(trial) for trial in self._trials(others, before, case)),
            lambda case: any(_is_wrong(trial) for trial in self._trials(others, before, case)),
        )

    def right_in(self, engine: str, before: Sequence[Case], case: Case) -> tuple[str, ...]:
        """The ids with which a case is right."""
        others = [str(id) for id in placements(EngineId.read(engine))]
        return tuple(id for id in others if any(_is_right(trial) for trial in self._trials([id], before, case)))

    def _trials(self, ids: Sequence[str], before: Sequence[Case], case: Case) -> Iterator[Trial]:
        for id in ids:
            bench = self._benches.get(id)
            if bench is None:
                bench = self._benches[id] = Bench([id], self._limits, self._offline, self._opener)
            if bench.seats and not bench.broken:
                yield bench.run_after(before, case)

    def rest(self) -> None:
        """End the workers: what is left of each bench is what forks them."""
        for bench in self._benches.values():
            if bench.history:
                bench.fresh()

    def close(self) -> None:
        """End all of them."""
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()


def _is_right(trial: Trial) -> bool:
    ran = all(not isinstance(seen.instantiation, Unsupported) for seen in trial.observations)
    return bool(trial.observations) and ran and not isinstance(trial.verdict, Disagree) and not trial.verdict.poisons


def _is_wrong(trial: Trial) -> bool:
    if not isinstance(trial.verdict, Disagree):
        return False
    return any(key.kind in _WRONG and key.phase not in RUNS_NOTHING for key, _ in split(trial.verdict))
