"""Engines against themselves: a neutral mutant of a case on each of them, and its answers held against its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from fuzz.trial.bench import Bench, Trial
from oracles.engines.interpreter import budget_of
from oracles.engines.mutant import id_of
from oracles.interpreter import run_case
from oracles.judge.compare import Fetch
from oracles.judge.itself import answered, judge_itself
from oracles.judge.verdict import Disagree, Dissent, Poison
from oracles.judge.vote import Voter
from oracles.reference import REFERENCE
from wasm.case import Case
from wasm.embedding import Observation

_Blocks: TypeAlias = tuple[tuple[str, int], ...]
BOTH_RIGHT: Final = "a mutant differs, both are right"
"""The reason for a vote that does not count: the reference has nothing against either answer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A trial of a case, what engines did with a mutant of it, and by engine how that differs (``Dissent.engine`` is
    the one that runs mutants) where it does. ``poisons`` has by engine why votes do not count, if there is a reason."""

    trial: Trial
    mutant: Case
    observations: tuple[Observation, ...]
    dissents: Mapping[str, Dissent]
    poisons: Mapping[str, tuple[Poison, ...]] = field(default_factory=dict)

    @property
    def silent(self) -> frozenset[str]:
        """Engines of which nothing was compared."""
        return frozenset(name for name, every in self.poisons.items() if any(one.start < 0 for one in every))


def against_itself(bench: Bench, trial: Trial, mutant: Case, only: Collection[str] | None = None) -> Pair:
    """Run a mutant of a trial's case on the engines that ran the case, or on those of ``only``. Nobody else is asked
    whether what they answer is right."""
    own = {seen.engine: seen for seen in trial.observations if only is None or seen.engine in only}
    seen = bench.observe(mutant, own)
    number = mutant.provenance.mutant
    dissents, poisons = {}, {}
    for one in seen:
        told = replace(one, engine=id_of(one.engine, number))
        verdict = judge_itself(
            trial.case, own[one.engine], told, trial.reference, bench.seats[one.engine].voter, bench.limits.steps,
            _fetcher(bench, one.engine, trial.case, mutant),
        )  # fmt: skip
        if verdict.poisons:
            poisons[one.engine] = verdict.poisons
        if isinstance(verdict, Disagree):
            dissents[one.engine] = verdict.dissents[0]
    return Pair(trial, mutant, seen, dissents, poisons)


def reference_itself(bench: Bench, trial: Trial, mutant: Case) -> Pair:
    """The same for the reference."""
    seen = run_case(mutant, None, budget_of(bench.limits))
    told = replace(seen, engine=id_of(REFERENCE, mutant.provenance.mutant), notes=None)
    verdict = judge_itself(trial.case, trial.reference, told, trial.reference, Voter(REFERENCE), bench.limits.steps)
    dissents = {REFERENCE: verdict.dissents[0]} if isinstance(verdict, Disagree) else {}
    return Pair(trial, mutant, (), dissents)


def _fetcher(bench: Bench, engine: str, case: Case, mutant: Case) -> Fetch:
    def fetch(of: Observation, blocks: _Blocks) -> Mapping[tuple[str, int], bytes]:
        running = bench.engines.get(engine)
        return running.dump(case if of.engine == engine else mutant, blocks) if running is not None else {}

    return fetch


def known_to_reference(trial: Trial) -> bool:
    """Whether the reference can say which of a case and its mutant an engine is wrong about."""
    return answered(trial.reference)


def wrong_one(bench: Bench, pair: Pair) -> Trial | None:
    """The trial of the mutant, or else of the case itself, in which the reference says that an engine that differs is
    wrong; None if it is content with both."""
    for case in (pair.mutant, pair.trial.case):
        trial = bench.run(case, pair.dissents)
        if isinstance(trial.verdict, Disagree):
            return trial
    return None
