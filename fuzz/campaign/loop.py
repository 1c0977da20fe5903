"""The campaign: hands cases to slots, records what they find, and goes on until the budget is spent."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from fuzz import VERSION
from fuzz.archive.archive import Archive
from fuzz.archive.disk import ArchiveError
from fuzz.archive.done import Done
from fuzz.archive.epochs import epochs as recorded_epochs
from fuzz.archive.epochs import record_narrowed
from fuzz.archive.recorded import stored_findings
from fuzz.campaign.allotment import told
from fuzz.campaign.crew import Crew, Processes
from fuzz.campaign.deadline import TimeIsOver, until
from fuzz.campaign.desk import Desk
from fuzz.campaign.epochs import Epochs
from fuzz.campaign.histories import bisect_new
from fuzz.campaign.learning import Learning
from fuzz.campaign.messages import (
    Batch,
    Broken,
    Failed,
    Found,
    Hello,
    Idle,
    Minimized,
    Plan,
    Reconsidered,
    Report,
    Stop,
)
from fuzz.campaign.numbering import Numbers
from fuzz.campaign.orders import Orders, Slot
from fuzz.campaign.settings import LAST_WORDS, Settings
from fuzz.records.history import SetAside
from fuzz.records.printable import printable_lines
from fuzz.records.stats import Stats
from fuzz.records.summary import Now, Observer, Summary
from fuzz.triage.known import KnownIssues
from oracles.reference import REFERENCE

TICK: Final = 0.25


@dataclass(slots=True)
class Campaign:
    """One run into one archive. Its slots are processes of this machine, unless others (``by``) run them."""

    plan: Plan
    settings: Settings
    archive: Archive
    known: KnownIssues
    observer: Observer
    by: Crew | None = None
    crew: Crew = field(init=False)
    summary: Summary = field(init=False)
    desk: Desk = field(init=False)
    orders: Orders = field(init=False)
    doubted: set[int | SetAside] = field(default_factory=set)

    def __post_init__(self) -> None:
        series = self.plan.series
        self.summary = Summary(series.names, series.seed, series.version, self.archive.folder)
        self.summary.fail_on_any = self.settings.fail_on_any
        self.summary.fail_on_slow = self.settings.fail_on_slow
        settings = self.settings
        self.crew = self.by or Processes(settings.jobs)
        learns = settings.steer or settings.allot
        epochs = Epochs(series, settings.epoch if learns or self.plan.narrow else 0, settings.cases)
        goes_on = learns and settings.shard is None
        learning = Learning(self.archive, epochs, settings.steer, settings.allot, goes_on)
        self.desk = Desk(self.archive, self.known, settings.max_per_signature, settings.minimize_seconds, learning)
        self.orders = Orders(settings, self.desk, Numbers(iter(()), epochs), self.crew)

    @property
    def slots(self) -> list[Slot]:
        return self.orders.slots

    def run(self) -> Summary:
        """Run until the budget is spent or a KeyboardInterrupt comes; either way the summary is complete."""
        start = time.monotonic()
        done, stats = self.archive.begin(self.plan.series)
        self.summary.resumed = min(len(done), stats.all_cases + stats.discarded.total())
        self.summary.stats.add(stats)
        reached = max((last for _, last in done.ranges), default=-1)
        self.orders.numbers.epochs.resume(recorded_epochs(self.archive, self.plan.series), reached)
        self.orders.numbers.source = self._numbers(done)
        if self.settings.seconds is not None:
            self.orders.deadline = time.monotonic() + self.settings.seconds
        before = time.process_time()
        try:
            self.desk.open()
            self._collect()
            self.observer.started(self.summary)
            self._tell_of_no_work()
            while self._busy():
                self._step()
                self.summary.wall_seconds = time.monotonic() - start
                self.summary.now = self._now()
                self.observer.tick(self.summary)
                if self.settings.stop_at is not None and time.monotonic() >= self.settings.stop_at:
                    self.observer.note("the time is over: what is under way goes on another night")
                    self._keep_best()
                    break
        except KeyboardInterrupt:
            self.summary.interrupted = True
            self._keep_best()
        except ArchiveError as error:
            # Nothing can be recorded any more, so nothing is worth running; what was recorded is intact.
            self.summary.errors.append(str(error))
        finally:
            self._stop()
        self.summary.stats.harness_cpu += time.process_time() - before
        self.summary.wall_seconds = time.monotonic() - start
        self._close()
        self.observer.finished(self.summary)
        return self.summary

    def _tell_of_no_work(self) -> None:
        """A shard whose first block begins behind the last case does nothing, which is to be said."""
        shard, cases, targets = self.settings.shard, self.settings.cases, len(self.plan.series.targets)
        if shard is not None and cases is not None and not shard.share(targets, cases):
            first, _ = next(shard.blocks(targets))
            self.observer.note(f"none of the first {cases} cases is of shard {shard}: its own begin with case {first}")

    def _numbers(self, done: Done) -> Iterator[int]:
        """The numbers that are not done, without end."""
        shard = self.settings.shard
        return shard.missing(done, len(self.plan.series.targets)) if shard else done.missing()

    def _now(self) -> Now:
        cases, shard = self.settings.cases, self.settings.shard
        if cases is not None and shard is not None:
            cases = shard.share(len(self.plan.series.targets), cases)
        deadline = self.orders.deadline
        return Now(
            starting=sum(not slot.greeted for slot in self.slots),
            running=sum(bool(slot.numbers) for slot in self.slots),
            asking=sum(bool(slot.items) for slot in self.slots),
            minimizing=sum(bool(slot.bundle) for slot in self.slots),
            queue=len(self.desk.tasks) + len(self.desk.smaller),
            seconds_left=None if deadline is None else max(0.0, deadline - time.monotonic()),
            cases_left=None if cases is None else max(0, cases - self.summary.stats.all_cases),
        )

    def _close(self) -> None:
        """Bring the summary up to date and note the end of the night; what fails now is one more thing to say."""
        try:
            self._collect()
            if self.settings.bisect_seconds > 0 and not self.summary.interrupted:
                with suppress(TimeIsOver), until(self.settings.bisect_until):
                    bisect_new(self.plan, self.archive, self.summary, self.settings.bisect_seconds, self.observer)
            self._review_known()
            self.archive.end(int(self.summary.exit_code), self.summary.interrupted)
        except ArchiveError as error:
            if str(error) not in self.summary.errors:
                self.summary.errors.append(str(error))

    # --- slots -------------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Start the slots that there may be. The first one has installed and checked every engine when it says hello;
        only then do the others start."""
        while not self.slots or any(slot.greeted for slot in self.slots):
            runner = self.crew.start(self.plan, len(self.slots))
            if runner is None:
                return
            self.slots.append(Slot(runner))

    def _busy(self) -> bool:
        """Whether anything is under way or left to do. Minimizing goes on after the deadline, within its own time."""
        self._fill()
        if not self.slots:
            if self.crew.hopes() and not self.orders.late:
                return True
            if self.crew.complaint:
                self._failed(self.crew.complaint)
            return False
        self.orders.hand_out()
        return any(not slot.idle for slot in self.slots)

    def _step(self) -> None:
        """Take what slots report; wait a little if there is nothing."""
        if not self.slots:
            time.sleep(TICK)
        pipes = {slot.pipe: slot for slot in self.slots}
        for ready in wait(list(pipes), TICK):
            slot = pipes[ready]  # type: ignore[index]
            try:
                while slot in self.slots and slot.pipe.poll():
                    self._take(slot, slot.pipe.recv())
            except (EOFError, ConnectionResetError):
                self._died(slot)

    def _take(self, slot: Slot, report: Report) -> None:
        match report:
            case Hello():
                self._greet(slot, report)
            case Idle():
                slot.idle = True
                self.orders.account(slot)
            case Found():
                self._found(report)
            case Batch():
                slot.numbers = ()
                self.summary.quiet_since = self.summary.wall_seconds
                self.summary.stats.add(report.stats)
                self.desk.batch(report, self.orders.numbers.dealt_with())
            case Reconsidered():
                slot.items = ()
                self.desk.reconsidered(report)
            case Minimized():
                slot.bundle = ""
                self._minimized(report)
            case Broken():
                self._broken(report.engine, report.reason)
            case Failed():
                self._failed(report.text)

    def _greet(self, slot: Slot, hello: Hello) -> None:
        slot.greeted = True
        self.summary.engines |= {REFERENCE: VERSION, **dict(hello.engines)}
        self.summary.notes = list(dict.fromkeys((*self.summary.notes, *hello.notes)))
        for engine, release in self.summary.engines.items():
            self.archive.record_engine(engine, release)
        if hello.engines:
            self._narrow(hello)
            self.desk.greeted(dict(hello.engines))
        self._collect()
        for engine, reason in hello.broken:
            self._broken(engine, reason)
        if not hello.engines:
            self.crew.useless(slot.runner)
            self._drop(slot)
        self._fill()

    def _narrow(self, hello: Hello) -> None:
        """Note what cases are made without. What nobody can run is left out, as the first slot tells before it gets any
        case; where that is all there is, no engine is of use."""
        self.summary.narrowed = list(dict.fromkeys((*self.summary.narrowed, *hello.narrowed)))
        record_narrowed(self.archive, self.plan.series, hello.narrowed)
        if self.desk.ready:
            return
        gone = {one.target: one.needs for one in hello.left_out}
        self.orders.numbers.epochs.left_out = frozenset(gone)
        if gone.keys() >= {*self.plan.series.names}:
            self.orders.numbers.source = iter(())
            needs = ", ".join(sorted({need for needs in gone.values() for need in needs}))
            for engine, _ in hello.engines:
                self._broken(engine, f"no case of {', '.join(gone)} can do without {needs}")

    def _died(self, slot: Slot) -> None:
        self._drop(slot)
        fate = slot.runner.fate()
        if fate.failure:
            self._failed(f"{fate.text} in cases {list(slot.numbers) or 'none'}")
        else:
            self.observer.note(fate.text)
        for number in slot.numbers:
            if number in self.doubted:
                given_up = Stats(discarded=Counter({"harness died": 1}))
                self.summary.stats.add(given_up)
                self.archive.record_batch([number], given_up)
                continue
            if len(slot.numbers) == 1 and slot.greeted:
                self.doubted.add(number)
            self.orders.numbers.again.append(number)
        if slot.bundle:
            self.desk.minimizer_died(slot.bundle)
        if slot.items:
            alone = len(slot.items) == 1
            self.desk.give_back(slot.items, lost=alone and slot.items[0] in self.doubted)
            self.doubted.update(slot.items if alone else ())

    def _drop(self, slot: Slot) -> None:
        self.slots.remove(slot)
        slot.pipe.close()

    def _keep_best(self) -> None:
        """Give what is being minimized a moment to tell how far it has come; another interrupt ends that too."""
        minimizing = [slot for slot in self.slots if slot.bundle]
        deadline = time.monotonic() + LAST_WORDS
        with suppress(KeyboardInterrupt, ArchiveError):
            for slot in minimizing:
                self.orders.send(slot, Stop())
            while any(slot.bundle and slot in self.slots for slot in minimizing) and time.monotonic() < deadline:
                self._step()

    def _stop(self) -> None:
        """End the slots: closing the pipe ends an idle one, the others are killed; their workers see it and end."""
        for slot in self.slots:
            slot.pipe.close()
        for slot in self.slots:
            slot.runner.end(1.0 if slot.idle else 0.0)
        self.slots.clear()
        self.crew.close()

    # --- findings ----------------------------------------------------------------------------------------------------

    def _found(self, report: Found) -> None:
        stored = self.desk.found(report)
        if stored is None:
            return
        path, finding, first = stored
        self._collect()
        if first and not finding.known:
            self.summary.new_at = self.summary.wall_seconds
        self.observer.stored(finding, path, first)

    def _minimized(self, report: Minimized) -> None:
        stored = self.desk.minimized(report)
        self._collect()
        if stored is not None:
            path, finding = stored
            self.observer.minimized(finding, path)

    def _collect(self) -> None:
        """Refresh the list of stored findings from the archive."""
        self.summary.findings = stored_findings(self.archive)
        self.summary.unreadable = list(self.archive.unreadable)
        cases = self.summary.stats.all_cases
        learning = self.desk.learning
        self.summary.steered = [str(lesson) for lesson in learning.lessons if lesson.begins < cases]
        self.summary.allotted = told(learning.epochs)

    def _review_known(self) -> None:
        self.summary.expired_known = [entry.id for entry in self.known.expired()]
        # Where nothing was compared, nothing could be seen.
        pairs = list(self.summary.engines.items()) if self.summary.stats.compared else []
        self.summary.unmatched_known = [entry.id for entry in self.known.unmatched(pairs)]

    # --- trouble -----------------------------------------------------------------------------------------------------

    def _broken(self, engine: str, reason: str) -> None:
        if engine not in self.summary.broken:
            self.summary.broken[engine] = reason
            self.archive.record_broken(engine, reason)
            self.observer.note(f"engine unusable: {reason}")

    def _failed(self, text: str) -> None:
        line = text.strip().splitlines()[-1] if text.strip() else "unknown failure"
        where = re.match(r"(case \S+ \S+ \S+|minimizing \S+): ", text)
        self.summary.errors.append(f"{where[1]}: {line}" if where else line)
        _log(self.archive.folder, text)
        self.archive.record_error(self.summary.errors[-1], text)
        self.observer.note(self.summary.errors[-1])


def _log(folder: Path, text: str) -> None:
    """Keep the whole text of a failure beside the archive; a report of it should have it attached."""
    try:
        with open(folder / "harness-errors.log", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} pid {os.getpid()}\n{printable_lines(text.rstrip())}\n\n")
    except OSError:
        pass
