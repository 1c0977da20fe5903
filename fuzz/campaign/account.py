"""Counting what a trial was worth: yield, shapes, poison, CPU time (design, section 6)."""

from __future__ import annotations

from fuzz.campaign.bench import REFERENCE, Trial
from fuzz.stats import Stats, size_range
from oracles.verdict import Disagree
from wasm.case import Case
from wasm.embedding import Exhausted, Observation, Outcome, Returned, Threw, TimedOut, Trapped

_LIMIT_ZONE = range(240, 261)


def account(stats: Stats, trial: Trial) -> None:
    """Add one trial to the counts."""
    case, seen = trial.case, trial.reference
    stats.cases += 1
    stats.targets[case.provenance.target] += 1
    shape(stats, case)
    passed = passed_sites(case, seen)
    stats.passed_site += bool(passed)
    stats.wide_passed_site += any(case.sites[i].wide for i in passed)
    for outcome in seen.outcomes if seen.instantiated else (seen.instantiation,):
        stats.outcomes[ending(outcome)] += 1
    stats.nan_cases += seen.notes is not None and seen.notes.nan_observed_at is not None
    stats.disagreements += isinstance(trial.verdict, Disagree)
    for poison in trial.verdict.poisons:
        stats.poisons[poison.reason] += 1
    stats.engine_cases[REFERENCE] += 1
    for other in trial.observations:
        stats.engine_cases[other.engine] += 1
        stats.engine_cpu[other.engine] = stats.engine_cpu.get(other.engine, 0.0) + sum(s for _, s in other.cpu)


def shape(stats: Stats, case: Case) -> None:
    """The shape of a case's call sites, before it is run."""
    sites = case.sites
    if not sites:
        return
    stats.wide_cases += any(site.wide for site in sites)
    stats.shapes[f"results {size_range(max(site.results for site in sites))}"] += 1
    stats.shapes[f"params {size_range(max(site.params for site in sites))}"] += 1
    most = max(site.operands for site in sites)
    stats.shapes[f"operands {size_range(most)}"] += 1
    stats.many_operands += most >= _LIMIT_ZONE.start
    for kind in {site.kind for site in sites}:
        stats.shapes[f"call {kind}"] += 1
    for kind, operands in {(site.kind, site.operands) for site in sites if site.operands in _LIMIT_ZONE}:
        stats.operands_by_kind[f"{kind}:{operands}"] += 1


def passed_sites(case: Case, seen: Observation) -> frozenset[int]:
    """The sites whose last result was used; a call by the host counts when its invocation returned."""
    executed = set(seen.notes.executed_sites if seen.notes else ())
    for i, site in enumerate(case.sites):
        done = seen.outcomes[site.use_at : site.use_at + 1] if site.kind == "host" else ()
        if done and isinstance(done[0], Returned):
            executed.add(i)
    return frozenset(i for i in executed if i < len(case.sites))


def ending(outcome: Outcome) -> str:
    """A word for how something ended, for the histograms."""
    match outcome:
        case Returned():
            return "returned"
        case Trapped():
            return "trapped"
        case Threw():
            return "threw"
        case Exhausted():
            return f"exhausted {outcome.what}"
        case TimedOut():
            return "timed out"
        case _:
            return type(outcome).__name__.lower()
