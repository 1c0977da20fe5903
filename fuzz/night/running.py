"""The night itself, from the lock on its folder to the reports in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.archive.archive import Archive
from fuzz.archive.disk import ArchiveError
from fuzz.archive.morning import morning
from fuzz.archive.report_files import FOLDER, write_reports
from fuzz.campaign.deadline import TimeIsOver, until
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import LAST_WORDS, Settings
from fuzz.corpus.folder import add, entries_of_output
from fuzz.night.explaining import explain_new
from fuzz.night.retest import Retested, retest
from fuzz.night.settings import Night, Shares, shares
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Series
from fuzz.records.summary import Observer, Summary
from fuzz.triage import known
from fuzz.trial.bench import OpenEngine
from generators.registry import version_of
from oracles.engine import UsageError, open_engine


@dataclass(slots=True)
class Told:
    """What came of a night. ``untested`` old causes were not reached; ``kept`` are new files of the corpus;
    ``missing`` says what there was no time for, or what failed after the cases, a line each."""

    summary: Summary
    retested: list[Retested] = field(default_factory=list)
    untested: int = 0
    kept: tuple[Path, ...] = ()
    reports: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """As of ``fuzz run``; a report that is missing makes a clean night unusable."""
        code = self.summary.exit_code
        return ExitCode.UNUSABLE if code is ExitCode.CLEAN and self.missing else code


def run_night(
    night: Night, observer: Observer, started: float, opener: OpenEngine = open_engine,
    tell: Callable[[Retested], None] = lambda _: None,
) -> Told:  # fmt: skip
    """Run a night that began at ``started`` (by ``time.monotonic``) and ends ``night.seconds`` later at the latest.

    Raises ``UsageError`` and ``ArchiveError`` before anything is run; another night in the folder is one of those.
    """
    ends = shares(night)
    issues = known.together([known.load(path) for path in night.known])
    archive = Archive(night.out)
    try:
        done: list[Retested] = []
        left = 0
        if night.retest:
            done, left = retest(
                archive, night.engines, started + ends.retest, offline=night.offline, opener=opener, tell=tell
            )
        version = version_of(night.targets)
        series = Series(night.targets, _seed(night, archive, version), version)
        plan = Plan(
            night.engines, series, offline=night.offline, seeds=night.seeds, opener=opener,
            mutants=night.mutants, by_mutants=night.by_mutants, slow=night.slow, narrow=night.narrow,
        )  # fmt: skip
        told = Told(Campaign(plan, _settings(night, ends, started), archive, issues, observer).run(), done, left)
        if night.explain and not told.summary.interrupted:
            over = started + ends.explaining
            with suppress(TimeIsOver), until(over):
                explain_new(night, told.summary, min(over, time.monotonic() + night.explain), observer, opener)
    finally:
        archive.close()
    try:
        with until(started + ends.report):
            _after(night, told)
    except TimeIsOver:
        told.missing.append("the time was over before the reports were written")
    except (ArchiveError, UsageError, OSError) as error:
        told.missing.append(str(error))
    return told


def _after(night: Night, told: Told) -> None:
    """The corpus and the reports. What is there when the time is over stays: each file is whole or not there."""
    if night.corpus is not None:
        told.kept = add(night.corpus, entries_of_output(night.out)).files
    if night.reports:
        for path in write_reports(morning(night.out), night.reports, night.out / FOLDER):
            told.reports.append(path)


def _seed(night: Night, archive: Archive, version: str) -> int:
    """As configured, or that of the folder's last night with these targets, or a random one."""
    if night.seed is not None:
        return night.seed
    last = archive.last_seed(night.targets, version)
    return secrets.randbelow(1 << 32) if last is None else last


def _settings(night: Night, ends: Shares, started: float) -> Settings:
    now = time.monotonic() - started
    return Settings(
        seconds=max(0.0, ends.cases - now),
        cases=night.cases,
        jobs=night.jobs,
        max_per_signature=night.examples,
        minimize_seconds=night.minimize,
        steer=night.steer,
        allot=night.allot,
        fail_on_any=night.fail_on_any,
        fail_on_slow=night.fail_on_slow,
        shard=night.shard,
        bisect_seconds=night.bisect,
        stop_at=started + ends.minimizing - LAST_WORDS - 1.0,
        bisect_until=started + ends.bisecting,
    )
