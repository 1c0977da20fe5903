"""What a campaign did, as data for every report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from fuzz.records.exit_code import ExitCode
from fuzz.records.finding import Finding, Signature
from fuzz.records.stats import Stats

SUMMARY_VERSION: Final = 1
SLOW: Final = "slow"
"""The kind of findings that are about time alone."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A finding in the output folder: ``path`` is its bundle, ``count`` on how many cases its cause was seen.

    ``known`` is the id of the known issue that explains it, "" if none does; ``size`` is the bytes of the best case.
    ``cause`` and ``cause_name`` say what it has in common with others (0 and "" while nobody can tell), ``fresh``
    whether that is new in this run: not seen by any run in the folder before.
    """

    path: Path
    signature: Signature
    count: int
    known: str
    stable: bool
    size: int
    cause: int = 0
    cause_name: str = ""
    fresh: bool = True

    @property
    def title(self) -> str:
        """The cause if it has one, else the signature."""
        return self.cause_name or str(self.signature)

    def to_json(self) -> dict[str, Any]:
        return {
            "bundle": str(self.path),
            "signature": self.signature.to_json(),
            "count": self.count,
            "known": self.known,
            "stable": self.stable,
            "bytes": self.size,
            "cause": self.cause,
            "cause_name": self.cause_name,
            "new": self.fresh and not self.known,
        }


@dataclass(frozen=True, slots=True)
class Now:
    """What a run is doing just now, in numbers of its slots: some start their engines, run cases, ask disagreements
    again that were set aside, or minimize findings, for which ``queue`` more wait.

    ``seconds_left`` and ``cases_left`` are the budget, None where there is no such bound.
    """

    starting: int = 0
    running: int = 0
    asking: int = 0
    minimizing: int = 0
    queue: int = 0
    seconds_left: float | None = None
    cases_left: int | None = None

    def to_json(self) -> dict[str, Any]:
        seconds = None if self.seconds_left is None else round(self.seconds_left, 1)
        return {
            "starting": self.starting,
            "running": self.running,
            "asking": self.asking,
            "minimizing": self.minimizing,
            "queue": self.queue,
            "seconds_left": seconds,
            "cases_left": self.cases_left,
        }


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """A series of a folder and how many of its cases were run."""

    targets: tuple[str, ...]
    seed: int
    generators: str
    cases: int

    def to_json(self) -> dict[str, Any]:
        return {
            "targets": list(self.targets),
            "seed": self.seed,
            "generators": self.generators,
            "cases": self.cases,
        }


@dataclass(slots=True)
class Summary:
    """A run as far as it got; the counts include what earlier runs in the same folder did of the same series.

    ``engines`` maps ids to releases, ``broken`` ids to reasons; ``notes`` say what an engine's build leaves out.
    ``errors`` are failures of the harness itself, ``unreadable`` bundles that were set aside, a line each. ``resumed``
    is how many cases had been done before this run; ``quiet_since`` is the wall second in which cases were reported
    last, ``new_at`` the one in which the last new finding was stored (None before). ``steered`` says what later cases
    were made without, a line each, ``narrowed`` for which engines others were made without what they lack; ``allotted``
    is the part of its turns that each target takes by now, empty where all take all. In a report on a folder ``series``
    has all of its series, the last one last: its seed is ``seed``. With ``fail_on_any`` findings of earlier runs count
    for the exit code too, with ``fail_on_slow`` those that are about time alone.
    """

    targets: tuple[str, ...]
    seed: int
    generators: str
    out: Path
    stats: Stats = field(default_factory=Stats)
    findings: list[Stored] = field(default_factory=list)
    engines: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    expired_known: list[str] = field(default_factory=list)
    unmatched_known: list[str] = field(default_factory=list)
    resumed: int = 0
    wall_seconds: float = 0.0
    quiet_since: float = 0.0
    interrupted: bool = False
    steered: list[str] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    allotted: dict[str, float] = field(default_factory=dict)
    fail_on_any: bool = False
    fail_on_slow: bool = False
    new_at: float | None = None
    now: Now = Now()
    series: list[SeriesCount] = field(default_factory=list)

    def by_cause(self) -> list[list[Stored]]:
        """The stored findings, those of one cause together: new causes first, known issues last; small cases first."""
        groups: dict[object, list[Stored]] = {}
        for stored in self.findings:
            groups.setdefault(stored.cause or stored.path, []).append(stored)
        together = [sorted(group, key=lambda one: (one.size, one.path)) for group in groups.values()]
        return sorted(
            together, key=lambda group: (bool(group[0].known), not group[0].fresh, group[0].cause, group[0].path)
        )

    @property
    def new(self) -> list[Stored]:
        """Stored findings that no known issue explains, of causes that no earlier run in the folder has seen."""
        return [stored for stored in self.unexplained if stored.fresh]

    @property
    def unexplained(self) -> list[Stored]:
        """Stored findings that no known issue explains, whenever they were found; what is only slow where it is asked
        for (``fail_on_slow``)."""
        return [one for one in self.findings if not one.known and (one.signature.kind != SLOW or self.fail_on_slow)]

    @property
    def exit_code(self) -> ExitCode:
        """Interruption says so; then new findings win over broken engines and errors."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.unexplained if self.fail_on_any else self.new:
            return ExitCode.FINDINGS
        return ExitCode.UNUSABLE if self.broken or self.errors or self.unreadable or self.idle else ExitCode.CLEAN

    @property
    def idle(self) -> bool:
        """Whether no engine could run any case: then nothing was compared, which is not the same as agreement."""
        return bool(self.stats.cases) and not self.stats.compared

    def to_json(self) -> dict[str, Any]:
        """The ``summary`` line of ``--json`` (docs/json.md)."""
        stats = self.stats
        return {
            "type": "summary",
            "version": SUMMARY_VERSION,
            "targets": list(self.targets),
            "seed": self.seed,
            "generators": self.generators,
            "out": str(self.out),
            "cases": stats.cases,
            "series": [one.to_json() for one in self.series],
            "compared_cases": stats.compared,
            "resumed_cases": self.resumed,
            "mutants": stats.mutants,
            "spared_cases": stats.spared,
            "wide_cases": stats.wide_cases,
            "many_operand_cases": stats.many_operands,
            "executed_past_site": stats.passed_site,
            "executed_past_wide_site": stats.wide_passed_site,
            "outcomes": dict(sorted(stats.outcomes.items())),
            "poisoned": dict(sorted(stats.poisons.items())),
            "nan_cases": stats.nan_cases,
            "discarded": dict(sorted(stats.discarded.items())),
            "disagreements": stats.disagreements,
            "unstable": stats.unstable,
            "findings": [stored.to_json() for stored in self.findings],
            "engines": [
                {
                    "id": engine,
                    "release": release,
                    "cases": stats.engine_cases.get(engine, 0),
                    "silent_cases": stats.engine_silent.get(engine, 0),
                    "cpu_seconds": round(stats.engine_cpu.get(engine, 0.0), 3),
                }
                for engine, release in self.engines.items()
            ],
            "notes": self.notes,
            "broken": self.broken,
            "errors": self.errors,
            "unreadable": self.unreadable,
            "known_expired": self.expired_known,
            "known_unmatched": self.unmatched_known,
            "harness_cpu_seconds": round(stats.harness_cpu, 3),
            "generator_cpu_seconds": round(stats.generator_cpu, 3),
            "yields": {target: counts.to_json() for target, counts in sorted(stats.yields.items())},
            "wall_seconds": round(self.wall_seconds, 3),
            "shapes": dict(sorted(stats.shapes.items())),
            "operands_by_kind": dict(sorted(stats.operands_by_kind.items())),
            "targets_cases": dict(sorted(stats.targets.items())),
            "targets_cpu_seconds": {name: round(spent, 3) for name, spent in sorted(stats.target_cpu.items())},
            "steered": self.steered,
            "narrowed": self.narrowed,
            "allotted": {name: round(part, 3) for name, part in sorted(self.allotted.items())},
            "interrupted": self.interrupted,
            "exit_code": int(self.exit_code),
        }


def _order(first: Stored) -> tuple[bool, bool, int, Path]:
    return bool(first.known), not first.fresh, first.cause, first.path


class Observer(Protocol):
    """Whoever watches a run; called in the parent process only."""

    def started(self, summary: Summary) -> None:
        """The series is known, engines are being started."""

    def tick(self, summary: Summary) -> None:
        """Called several times a second."""

    def stored(self, finding: Finding, path: Path, first: bool) -> None:
        """A finding was stored; ``first`` of its bucket or another example."""

    def minimized(self, finding: Finding, path: Path) -> None: ...

    def note(self, text: str) -> None:
        """Something to know: an engine that broke, a failure of the harness."""

    def finished(self, summary: Summary) -> None: ...
