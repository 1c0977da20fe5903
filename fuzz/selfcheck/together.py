"""Several faults at once: does a campaign find each, as one cause, however loud another one is?

A campaign runs against the compiler with all of the faults in it. Then each cause's smallest finding is run on the
compiler with each fault alone: the fault that shows it is the cause's. All is well if every fault has one cause and
every cause one fault.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import FINDINGS, read_bundle
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.records.finding import Finding
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.selfcheck.search import LIMITS, SETTINGS, WORKER, Search, capabilities
from fuzz.triage import known
from fuzz.triage.signature import may_hold
from fuzz.trial.bench import Bench
from fuzz.trial.children import family_cpu
from generators.registry import load_target, make_case, version_of, wasm_target_names
from oracles.engine import Capabilities, Engine, EngineId, Limits
from oracles.engines.compiler import worker_of
from oracles.judge.verdict import Disagree
from oracles.remote.worker_engine import WorkerEngine


@cache
def known_capabilities() -> dict[str, Capabilities]:
    """What the compiler can do without a fault, by setting."""
    return capabilities(Search((), 1))


@cache
def fitting_targets() -> tuple[str, ...]:
    """The targets whose modules every setting of the compiler takes."""
    features = frozenset.intersection(*(one.features for one in known_capabilities().values()))
    return tuple(name for name in wasm_target_names() if load_target(name).needs <= features)


@dataclass(frozen=True, slots=True)
class Together:
    """How to look: cases of these targets from ``seed`` on, for ``seconds`` of CPU time (of all processes, making
    findings smaller included) or a number of ``cases``, with ``minimize`` seconds of wall time for each finding, with
    steering or without, in so many slots. ``first``: only until the first finding is minimized. ``each``: so many
    findings of a cause are stored. ``settle``: then so many CPU seconds more for what is left to find out about what
    was found, without further cases."""

    faults: tuple[str, ...]
    targets: tuple[str, ...]
    seed: int
    seconds: float | None
    cases: int | None = None
    minimize: float = 20.0
    steer: bool = True
    jobs: int = 1
    first: bool = False
    each: int = 3
    settle: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What came of it: the causes by name, each with the faults that show its smallest finding; CPU seconds, cases."""

    causes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    cpu: float = 0.0
    cases: int = 0
    errors: list[str] = field(default_factory=list)

    def of(self, fault: str) -> list[str]:
        """The causes that are a fault's."""
        return [name for name, faults in self.causes if fault in faults]

    def right(self, faults: Sequence[str]) -> bool:
        """Whether every fault has exactly one cause and every cause exactly one fault."""
        return all(len(self.of(fault)) == 1 for fault in faults) and all(len(shown) == 1 for _, shown in self.causes)


@dataclass(slots=True)
class Watch:
    """An observer that ends the run, as an interrupt would, when its time is over."""

    how: Together
    start: float = field(default_factory=family_cpu)
    spent: float = 0.0

    def tick(self, summary: Summary) -> None:  # noqa: ARG002
        self.spent = family_cpu() - self.start
        if self.how.seconds is not None and self.spent > self.how.seconds:
            raise KeyboardInterrupt

    def minimized(self, finding: Finding, path: Path) -> None:  # noqa: ARG002
        if self.how.first:
            self.spent = family_cpu() - self.start
            raise KeyboardInterrupt

    def started(self, summary: Summary) -> None: ...
    def stored(self, finding: Finding, path: Path, first: bool) -> None: ...
    def note(self, text: str) -> None: ...
    def finished(self, summary: Summary) -> None: ...


def open_faulty(
    faults: str, capabilities: Mapping[str, Capabilities], id: str, limits: Limits, offline: bool  # noqa: ARG001
) -> Engine:  # fmt: skip
    """The compiler with these faults (joined by ``+``); its capabilities are those that it has without, at any setting:
    those that are not here are the default's with values in other places."""
    parsed = EngineId.parse(id)
    able = capabilities.get(str(parsed)) or capabilities[parsed.name]
    return WorkerEngine(parsed, worker_of(parsed, limits, (WORKER, faults)), limits, able)


def loudness(how: Together, capabilities: Mapping[str, Capabilities]) -> float:
    """The share of the first ``how.cases`` cases in which the faults show."""
    assert how.cases
    series = Series(how.targets, how.seed, version_of(how.targets))
    bench = Bench(list(capabilities), LIMITS, True, partial(open_faulty, "+".join(how.faults), capabilities))
    try:
        trials = (bench.run(make_case(target, how.seed, index)) for target, index in map(series.case, range(how.cases)))
        return sum(isinstance(trial.verdict, Disagree) for trial in trials) / how.cases
    finally:
        bench.close()


def look(how: Together, capabilities: Mapping[str, Capabilities], folder: Path | None = None) -> Outcome:
    """Run the campaign, in ``folder`` or in one that is taken away, and ask each fault for its causes."""
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return look(how, capabilities, Path(temporary) / "out")
    archive = Archive(folder)
    try:
        series = Series(how.targets, how.seed, version_of(how.targets))
        opener = partial(open_faulty, "+".join(how.faults), capabilities)
        plan = Plan(tuple(capabilities), series, LIMITS, offline=True, opener=opener)
        settings = Settings(None, how.cases, how.jobs, how.each, how.minimize, steer=how.steer)
        watch = Watch(how)
        summary = Campaign(plan, settings, archive, known.none(), watch).run()
        settled(plan, settings, archive, how)
    finally:
        archive.close()
    outcome = Outcome(cpu=watch.spent, cases=summary.stats.cases, errors=list(summary.errors))
    outcome.causes = _attributed(how, capabilities, folder)
    return outcome


def settled(plan: Plan, settings: Settings, archive: Archive, how: Together) -> None:
    """Go on with what a campaign left in its archive as the next night would: disagreements that were set aside,
    findings without a cause."""
    if how.settle > 0:
        again = Watch(replace(how, seconds=how.settle, first=False))
        Campaign(plan, replace(settings, cases=archive.stats().cases), archive, known.none(), again).run()


def _attributed(
    how: Together, capabilities: Mapping[str, Capabilities], folder: Path
) -> list[tuple[str, tuple[str, ...]]]:
    examples: list[tuple[str, Finding]] = []
    with Reader(folder) as reader:
        for cause in reader.causes.all():
            rows = sorted(reader.findings(cause.id), key=lambda row: row.size)
            if rows:
                finding = read_bundle(folder / FINDINGS / rows[0].bundle)
                examples.append((f"{cause.id} {cause.name}", finding))
    shown: dict[str, list[str]] = {name: [] for name, _ in examples}
    for fault in how.faults:
        bench = Bench(list(SETTINGS), LIMITS, True, partial(open_faulty, fault, capabilities))
        try:
            for name, finding in examples:
                verdict = bench.run_after(finding.before, finding.best).verdict
                if isinstance(verdict, Disagree) and may_hold(verdict, finding.signature.bucket):
                    shown[name].append(fault)
        finally:
            bench.close()
    return [(name, tuple(faults)) for name, faults in shown.items()]
