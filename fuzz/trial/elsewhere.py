"""Engines with values in other places (``oracles.switches.placements``), to see whether a finding comes and goes with
that (``fuzz.triage.places``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fuzz.records.finding import Signature
from fuzz.triage.places import NOWHERE, Elsewhere
from fuzz.triage.signature import ANSWERED, RUNS_NOTHING, split
from fuzz.trial.bench import Bench, OpenEngine, Trial
from oracles.engine import EngineId, Limits, open_engine
from oracles.judge.verdict import Disagree, Kind
from oracles.switches import placements
from wasm.case import Case
from wasm.embedding import Unsupported

_WRONG = ANSWERED | {Kind.CRASH.value}
"""What values in the wrong place can show as."""


class Placements:
    """A bench for each such setting of an engine, opened when it is asked first.

    Settings are asked in turn until one gives the answer that is looked for, first the one that gave it last: one
    mistake is right, or wrong, with the same settings more often than not.
    """

    def __init__(self, limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine) -> None:
        self._limits, self._offline, self._opener = limits, offline, opener
        self._benches: dict[str, Bench] = {}
        self._first: dict[tuple[str, bool], str] = {}

    def of(self, engine: str, bucket: Signature, before: Sequence[Case] = ()) -> Elsewhere:
        """The questions about an engine that shows a bucket after these cases; about one that takes too long, or that
        has not run anything yet, there are none."""
        if bucket.kind not in _WRONG or bucket.phase in RUNS_NOTHING or not placements(EngineId.read(engine)):
            return NOWHERE
        return Elsewhere(
            lambda case: bool(self.right_in(engine, before, case)),
            lambda case: bool(self._wrong_in(engine, before, case)),
        )

    def right_in(self, engine: str, before: Sequence[Case], case: Case) -> str:
        """The id of one with which a case is right; "" if there is none."""
        return self._one(engine, before, case, True)

    def _wrong_in(self, engine: str, before: Sequence[Case], case: Case) -> str:
        return self._one(engine, before, case, False)

    def _one(self, engine: str, before: Sequence[Case], case: Case, right: bool) -> str:
        first = self._first.get((engine, right), "")
        ids = sorted(map(str, placements(EngineId.read(engine))), key=lambda id: id != first)
        for id, trial in self._trials(ids, before, case):
            if _is_right(trial) if right else _is_wrong(trial):
                self._first[engine, right] = id
                return id
        return ""

    def _trials(self, ids: Sequence[str], before: Sequence[Case], case: Case) -> Iterator[tuple[str, Trial]]:
        for id in ids:
            bench = self._benches.get(id)
            if bench is None:
                bench = self._benches[id] = Bench([id], self._limits, self._offline, self._opener)
            if bench.seats and not bench.broken:
                yield id, bench.run_after(before, case)

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
