"""The campaign: hands cases to slots, records what they find, and goes on until the budget is spent."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from fuzz import VERSION
from fuzz.archive.archive import Archive, read_findings
from fuzz.archive.disk import ArchiveError
from fuzz.archive.recorded import stored_findings
from fuzz.campaign.slot import (
    Batch,
    Broken,
    Failed,
    Found,
    Hello,
    Idle,
    Minimize,
    Minimized,
    Plan,
    Report,
    RunCases,
    slot_main,
)
from fuzz.records.finding import Finding
from fuzz.records.stats import Stats
from fuzz.records.summary import Observer, Summary
from fuzz.triage.buckets import Admission, Buckets
from fuzz.triage.known import KnownIssues
from oracles.reference import REFERENCE

BATCH: Final = 8
"""Cases per order: about a second's work, so that little is lost to a kill and the parent is rarely asked."""

TICK: Final = 0.25
MAX_DEATHS: Final = 5
"""A slot that dies is a failure of the harness; after this many the run ends."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how wide to run. ``seconds`` or ``cases`` bounds it; ``minimize_seconds`` 0 minimizes nothing."""

    seconds: float | None = 60.0
    cases: int | None = None
    jobs: int = 1
    max_per_signature: int = 3
    minimize_seconds: float = 60.0


@dataclass(slots=True)
class _Slot:
    """The parent's side of a slot; ``numbers`` are the cases of the order under way, ``bundle`` what it minimizes."""

    process: BaseProcess
    pipe: Connection
    idle: bool = False
    numbers: tuple[int, ...] = ()
    bundle: str = ""
    greeted: bool = False


@dataclass(slots=True)
class Campaign:
    """One run into one archive."""

    plan: Plan
    settings: Settings
    archive: Archive
    known: KnownIssues
    observer: Observer
    summary: Summary = field(init=False)
    buckets: Buckets = field(init=False)
    slots: list[_Slot] = field(default_factory=list)
    tasks: deque[Minimize] = field(default_factory=deque)
    again: deque[int] = field(default_factory=deque)
    doubted: set[int] = field(default_factory=set)
    deaths: int = 0
    deadline: float | None = None
    numbers: Iterator[int] = field(init=False)
    exhausted: bool = False

    def __post_init__(self) -> None:
        series = self.plan.series
        self.summary = Summary(series.targets, series.seed, series.version, self.archive.folder)
        self.buckets = self.archive.buckets(self.settings.max_per_signature)

    def run(self) -> Summary:
        """Run until the budget is spent or a KeyboardInterrupt comes; either way the summary is complete."""
        start = time.monotonic()
        done, stats = self.archive.begin(self.plan.series)
        self.summary.resumed = len(done)
        self.summary.stats.add(stats)
        limit = self.settings.cases
        self.numbers = (n for n in (range(limit) if limit is not None else count()) if n not in done)
        if self.settings.seconds is not None:
            self.deadline = time.time() + self.settings.seconds
        before = time.process_time()
        try:
            self._collect()
            self._resume_minimizing()
            self.observer.started(self.summary)
            self._start_slot()
            while self._busy():
                self._step()
                self.summary.wall_seconds = time.monotonic() - start
                self.observer.tick(self.summary)
        except KeyboardInterrupt:
            self.summary.interrupted = True
        except ArchiveError as error:
            # Nothing can be recorded any more, so nothing is worth running; what was recorded is intact.
            self.summary.errors.append(str(error))
        finally:
            self._stop()
        self.summary.stats.harness_cpu += time.process_time() - before
        self.summary.wall_seconds = time.monotonic() - start
        self._collect()
        self._review_known()
        self.observer.finished(self.summary)
        return self.summary

    # --- slots -------------------------------------------------------------------------------------------------------

    def _start_slot(self) -> None:
        """Start one more slot. An interrupt from the terminal is for the parent, so slots start with it blocked."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            process = context.Process(target=slot_main, args=(theirs, self.plan), daemon=True)
            process.start()
            theirs.close()
            self.slots.append(_Slot(process, ours))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def _busy(self) -> bool:
        """Whether anything is under way or left to do. Minimizing goes on after the deadline, within its own time."""
        if not self.slots:
            return False
        self._hand_out()
        return any(not slot.idle for slot in self.slots)

    def _hand_out(self) -> None:
        for slot in self.slots:
            if not slot.idle:
                continue
            if self.tasks:
                task = self.tasks.popleft()
                slot.bundle = task.bundle
                self._order(slot, task)
            elif numbers := self._next_numbers():
                slot.numbers = numbers
                self._order(slot, RunCases(numbers, self.buckets.full(), self.deadline))

    def _order(self, slot: _Slot, order: RunCases | Minimize) -> None:
        slot.idle = False
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is noticed when it is read from
            slot.pipe.send(order)

    def _next_numbers(self) -> tuple[int, ...]:
        if self.deadline is not None and time.time() >= self.deadline:
            return ()
        if self.again:
            return (self.again.popleft(),)
        batch = []
        for number in self.numbers:
            batch.append(number)
            if len(batch) == BATCH:
                break
        return tuple(batch)

    def _step(self) -> None:
        """Take what slots report; wait a little if there is nothing."""
        pipes = {slot.pipe: slot for slot in self.slots}
        for ready in wait(list(pipes), TICK):
            slot = pipes[ready]  # type: ignore[index]
            try:
                while slot in self.slots and slot.pipe.poll():
                    self._take(slot, slot.pipe.recv())
            except (EOFError, ConnectionResetError):
                self._died(slot)

    def _take(self, slot: _Slot, report: Report) -> None:
        match report:
            case Hello():
                self._greet(slot, report)
            case Idle():
                slot.idle = True
            case Found():
                self._found(report.finding)
            case Batch():
                slot.numbers = ()
                self.summary.quiet_since = self.summary.wall_seconds
                self.summary.stats.add(report.stats)
                if report.numbers:
                    self.archive.record_batch(list(report.numbers), report.stats)
            case Minimized():
                slot.bundle = ""
                self._minimized(report)
            case Broken():
                self._broken(report.engine, report.reason)
            case Failed():
                self._failed(report.text)

    def _greet(self, slot: _Slot, hello: Hello) -> None:
        slot.greeted = True
        self.summary.engines = {REFERENCE: VERSION, **dict(hello.engines)}
        self.summary.notes = list(hello.notes)
        for engine, reason in hello.broken:
            self._broken(engine, reason)
        if not hello.engines:
            self._drop(slot)
            return
        # The first slot has installed and checked every engine; only now do the others start.
        while len(self.slots) < self.settings.jobs and slot is self.slots[0]:
            self._start_slot()

    def _died(self, slot: _Slot) -> None:
        self._drop(slot)
        self.deaths += 1
        slot.process.join(5)
        self._failed(f"a slot died (exit code {slot.process.exitcode}) in cases {list(slot.numbers) or 'none'}")
        for number in slot.numbers:
            if number in self.doubted:
                self.summary.stats.discarded["harness died"] += 1
                self.archive.record_batch([number], Stats())
            elif len(slot.numbers) == 1 and slot.greeted:
                self.doubted.add(number)
                self.again.append(number)
            else:
                self.again.append(number)
        if self.deaths < MAX_DEATHS:
            self._start_slot()

    def _drop(self, slot: _Slot) -> None:
        self.slots.remove(slot)
        slot.pipe.close()

    def _stop(self) -> None:
        """End the slots: closing the pipe ends an idle one, the others are killed; their workers see it and end."""
        for slot in self.slots:
            slot.pipe.close()
            slot.process.join(1.0 if slot.idle else 0.0)
        for slot in self.slots:
            if slot.process.is_alive():
                slot.process.kill()
            slot.process.join(5)
        self.slots.clear()

    # --- findings ----------------------------------------------------------------------------------------------------

    def _found(self, finding: Finding) -> None:
        if self.archive.holds(finding):
            return
        admission = self.buckets.admit(finding.signature)
        if admission is Admission.COUNTED:
            return
        finding = self._with_known(finding)
        path = self.archive.record_finding(finding)
        self._collect()
        self.observer.stored(finding, path, admission is Admission.FIRST)
        # Wrong values of different causes look alike until they are small: each that is stored is minimized.
        first = admission is Admission.FIRST or finding.signature.provisional
        wanted = first and not finding.known and self.settings.minimize_seconds > 0
        if wanted and finding.repeats:
            self.tasks.append(Minimize(finding, path.name, self.settings.minimize_seconds))

    def _resume_minimizing(self) -> None:
        """Take up what an earlier run in this folder left unminimized: the first of each bucket."""
        stored = list(read_findings(self.archive.folder))
        seen = {finding.signature.bucket.key for _, finding in stored if finding.minimized is not None}
        for path, finding in stored:
            key = finding.signature.bucket.key
            if key not in seen and not finding.known and finding.repeats and self.settings.minimize_seconds > 0:
                seen.add(key)
                self.tasks.append(Minimize(finding, path.name, self.settings.minimize_seconds))

    def _with_known(self, finding: Finding) -> Finding:
        versions = {run.engine: run.version for run in finding.runs}
        dissenting = [(d.engine, versions.get(d.engine, "")) for d in finding.verdict.dissents]
        return replace(finding, known=self.known.match(finding.signature, dissenting))

    def _minimized(self, report: Minimized) -> None:
        if report.finding.minimized is None:
            return
        finding = self._with_known(report.finding)
        path = self.archive.replace_finding(self.archive.findings / report.bundle, finding)
        self._collect()
        self.observer.minimized(finding, path)

    def _collect(self) -> None:
        """Refresh the list of stored findings from the disk, which is the truth."""
        self.summary.findings = stored_findings(self.archive.folder, self.archive.bucket_counts())

    def _review_known(self) -> None:
        self.summary.expired_known = [entry.id for entry in self.known.expired()]
        pairs = list(self.summary.engines.items())
        self.summary.unmatched_known = [entry.id for entry in self.known.unmatched(pairs)]

    # --- trouble -----------------------------------------------------------------------------------------------------

    def _broken(self, engine: str, reason: str) -> None:
        if engine not in self.summary.broken:
            self.summary.broken[engine] = reason
            self.observer.note(f"engine unusable: {reason}")

    def _failed(self, text: str) -> None:
        line = text.strip().splitlines()[-1] if text.strip() else "unknown failure"
        where = re.match(r"(case \S+ \S+ \S+|minimizing \S+): ", text)
        self.summary.errors.append(f"{where[1]}: {line}" if where else line)
        _log(self.archive.folder, text)
        self.observer.note(self.summary.errors[-1])


def _log(folder: Path, text: str) -> None:
    """Keep the whole text of a failure beside the archive; a report of it should have it attached."""
    try:
        with open(folder / "harness-errors.log", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} pid {os.getpid()}\n{text.rstrip()}\n\n")
    except OSError:
        pass
