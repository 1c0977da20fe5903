"""The neutral mutants of a case in a campaign: what there is to suspect in one (docs/mutants.md)."""

from __future__ import annotations

from fuzz.campaign.drawing import Benches
from fuzz.records.stats import Stats
from fuzz.trial.account import account_mutant
from fuzz.trial.bench import Trial
from fuzz.trial.itself import BOTH_RIGHT, against_itself, known_to_reference, wrong_one
from oracles.engines.mutant import id_of
from oracles.judge.verdict import Disagree
from oracles.mutants import mutant_of


def mutant_trial(benches: Benches, trial: Trial, number: int, stats: Stats, by_mutants: bool) -> Trial | None:
    """Run mutant ``number`` of a trial's case; a trial in which something is wrong, or None.

    Where the reference knows the case, the mutant is one more case on all engines; or with ``by_mutants``, each engine
    is held against itself, and where it differs, the reference says whether it is wrong about the mutant or the case.
    Where it does not, the trial is of the case, and the engine that runs the mutant is on the bench.
    """
    mutant = mutant_of(trial.case, number)
    if mutant is None:
        return None
    known, bench = known_to_reference(trial), benches.current
    if known and not by_mutants:
        shown = bench.run(mutant.case)
        account_mutant(stats, shown.observations, shown.silent, shown.verdict)
        return shown
    pair = against_itself(bench, trial, mutant.case)
    account_mutant(stats, pair.observations, pair.silent)
    if by_mutants:
        stats.poisons.update(poison.reason for every in pair.poisons.values() for poison in every)
    if not pair.dissents:
        return None
    stats.disagreements += 1
    if not known:
        engine = min(pair.dissents)
        others = [seen.engine for seen in trial.observations if seen.engine != engine]
        bench = benches.for_engines({engine, *others, id_of(engine, number)})
        again = bench.run(trial.case, {engine, id_of(engine, number)})
        return again if isinstance(again.verdict, Disagree) else None
    shown_wrong = wrong_one(bench, pair)
    if shown_wrong is None:
        stats.poisons[BOTH_RIGHT] += 1
    return shown_wrong
