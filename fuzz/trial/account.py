"""Counting what a trial was worth: yield, shapes, poison, CPU time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from fuzz.records.stats import Stats, size_range
from fuzz.records.target_yield import TargetYield, measure
from fuzz.trial.bench import Trial
from generators.enumeration.listing import met
from oracles.interpreter import Budget, run_case
from oracles.interpreter.runner import load
from oracles.judge.verdict import Disagree, Verdict
from oracles.reference import REFERENCE
from wasm.case import CallSite, Case, CaseKind
from wasm.embedding import Exhausted, Observation, Outcome, Returned, Threw, TimedOut, Trapped, Unsupported
from wasm.isa import Op

_LIMIT_ZONE = range(240, 261)

SAMPLE: Final = 20
"""Every so manyth case of a target is run once more to count what it executes: 3% of the CPU time of a run with one
engine, so that it is every tenth of these from case ``_OFTEN`` on."""
_OFTEN: Final = 400
_RARELY: Final = 10 * SAMPLE

_SAMPLE_STEPS: Final = 200_000
"""Counting stops here: a case that runs on has long shown what it executes."""


def account(stats: Stats, trial: Trial, judged: bool = True) -> None:
    """Add one trial to the counts; not ``judged``, nobody has said anything about it: see ``account_judge``."""
    case, seen = trial.case, trial.reference
    stats.cases += 1
    stats.targets[case.provenance.target] += 1
    shape(stats, case)
    passed = passed_sites(case, seen)
    stats.passed_site += bool(passed)
    stats.wide_passed_site += any(case.sites[i].wide for i in passed)
    endings = Counter(_endings(case, seen))
    stats.outcomes.update(endings)
    target_yield(stats.of(case.provenance.target), case, passed, endings)
    stats.nan_cases += seen.notes is not None and seen.notes.nan_observed_at is not None
    if judged:
        stats.disagreements += isinstance(trial.verdict, Disagree)
        for poison in trial.verdict.poisons:
            stats.poisons[poison.reason] += 1
        stats.engine_silent.update(trial.silent)
        stats.compared += trial.compared
    stats.engine_cases[REFERENCE] += 1
    _spent(stats, trial.observations)


def account_spared(stats: Stats, case: Case, observations: Sequence[Observation]) -> None:
    """Add a case on which engines agreed so much that the reference was not asked: what it did is not known, and
    nothing else is counted of it."""
    stats.spared += 1
    stats.targets[case.provenance.target] += 1
    stats.engine_silent.update(seen.engine for seen in observations if isinstance(seen.instantiation, Unsupported))
    _spent(stats, observations)


def account_mutant(
    stats: Stats, observations: Iterable[Observation], silent: Iterable[str], verdict: Verdict | None = None
) -> None:
    """Add a mutant of a case to the counts, the engines that had no vote on it, and the verdict of one that the
    reference ran as well."""
    stats.mutants += 1
    stats.engine_silent.update(silent)
    _spent(stats, observations)
    if verdict is not None:
        stats.engine_cases[REFERENCE] += 1
        stats.disagreements += isinstance(verdict, Disagree)
        for poison in verdict.poisons:
            stats.poisons[poison.reason] += 1


def account_judge(stats: Stats, trial: Trial) -> None:
    """Add to the counts of a trial's mutants who was compared by them: an engine that was not with any of them had no
    vote on the case either."""
    engines = {seen.engine for seen in trial.observations}
    silent = {name for name in engines if stats.engine_silent[name] >= stats.engine_cases[name]}
    stats.engine_silent.update(silent)
    stats.compared += len(silent) < len(engines)


def _spent(stats: Stats, observations: Iterable[Observation]) -> None:
    for other in observations:
        stats.engine_cases[other.engine] += 1
        stats.engine_cpu[other.engine] = stats.engine_cpu.get(other.engine, 0.0) + sum(s for _, s in other.cpu)


def _endings(case: Case, seen: Observation) -> list[str]:
    """How the invocations ended, or the module if it came to none."""
    if case.kind is CaseKind.BYTES:
        return ["valid" if seen.instantiated else "not valid"]
    return [ending(outcome) for outcome in (seen.outcomes if seen.instantiated else (seen.instantiation,))]


def target_yield(counts: TargetYield, case: Case, passed: Iterable[int], endings: Counter[str]) -> None:
    """Add one case to the counts of its target."""
    reached = [case.sites[i] for i in passed]
    counts.cases += 1
    counts.wide += any(site.wide for site in case.sites)
    counts.passed_wide += any(site.wide for site in reached)
    counts.outcomes.update(endings)
    counts.asked.update(_largest(case.sites))
    counts.passed.update(_largest(reached))
    counts.features.update(case.features)
    counts.labels.update(case.labels)
    counts.met.update(met(case))
    index = case.provenance.index
    if case.kind is CaseKind.WASM and index % (SAMPLE if index < _OFTEN else _RARELY) == 0:
        sample(counts, case)


def _largest(sites: Iterable[CallSite]) -> list[str]:
    """The bars of the largest of these call sites, if there is any."""
    sites = tuple(sites)
    if not sites:
        return []
    sizes = {name: max(getattr(site, name) for site in sites) for name in ("results", "params", "operands")}
    return [f"{name} {size_range(size)}" for name, size in sizes.items()]


def sample(counts: TargetYield, case: Case) -> None:
    """Look at the module itself, and count the instructions that it executes on the interpreter's first tier."""
    module = load(case.content)
    if isinstance(module, Observation):
        return
    executed: dict[Op, int] = {}
    run_case(case, module, Budget(steps=_SAMPLE_STEPS), counts=executed)
    counts.sampled += 1
    counts.measured.update(f"{name} {size_range(size)}" for name, size in measure(module).items())
    for one in (module, *(load(content) for _, content in case.before)):
        if not isinstance(one, Observation):
            counts.generated.update({op.name for func in one.funcs for op, _ in func.body})
    counts.executed.update(op.name for op in executed)
    counts.executed_features.update({op.feature.value for op in executed if op.feature is not None})


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
