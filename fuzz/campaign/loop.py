"""The campaign: hands cases to slots, records what they find, and goes on until the budget is spent."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

from fuzz import VERSION
from fuzz.archive.archive import Archive
from fuzz.archive.disk import ArchiveError
from fuzz.archive.done import Done
from fuzz.archive.recorded import stored_findings
from fuzz.campaign.crew import BATCH, Crew, Processes, Runner
from fuzz.campaign.deadline import TimeIsOver, until
from fuzz.campaign.desk import Desk
from fuzz.campaign.histories import bisect_new
from fuzz.campaign.messages import (
    Batch,
    Broken,
    Failed,
    Found,
    Hello,
    Idle,
    Minimize,
    Minimized,
    Order,
    Plan,
    Reconsider,
    Reconsidered,
    Report,
    RunCases,
    Stop,
)
from fuzz.campaign.numbering import Numbers
from fuzz.campaign.settings import LAST_WORDS, Settings
from fuzz.records.history import SetAside
from fuzz.records.printable import printable_lines
from fuzz.records.stats import Stats
from fuzz.records.summary import Now, Observer, Summary
from fuzz.triage.known import KnownIssues
from oracles.reference import REFERENCE

TICK: Final = 0.25


@dataclass(slots=True)
class _Slot:
    """The parent's side of a slot; ``numbers`` are the cases of the order under way, ``items`` those that it asks
    again, ``bundle`` what it minimizes; ``since`` is when it was given, ``triage`` whether it is about causes."""

    runner: Runner
    idle: bool = False
    since: float = 0.0
    triage: bool = False
    numbers: tuple[int, ...] = ()
    bundle: str = ""
    items: tuple[SetAside, ...] = ()
    greeted: bool = False

    @property
    def pipe(self) -> Connection:
        return self.runner.pipe


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
    slots: list[_Slot] = field(default_factory=list)
    doubted: set[int | SetAside] = field(default_factory=set)
    deadline: float | None = None
    numbers: Numbers = field(init=False)
    triage_seconds: float = 0.0
    case_seconds: float = 0.0

    def __post_init__(self) -> None:
        series = self.plan.series
        self.summary = Summary(series.names, series.seed, series.version, self.archive.folder)
        self.summary.fail_on_any = self.settings.fail_on_any
        settings = self.settings
        self.crew = self.by or Processes(settings.jobs)
        self.desk = Desk(
            self.archive, self.known, settings.max_per_signature, settings.minimize_seconds, series,
            epoch=settings.epoch, learns=settings.shard is None,
        )  # fmt: skip

    def run(self) -> Summary:
        """Run until the budget is spent or a KeyboardInterrupt comes; either way the summary is complete."""
        start = time.monotonic()
        done, stats = self.archive.begin(self.plan.series)
        self.summary.resumed = len(done)
        self.summary.stats.add(stats)
        self.numbers = Numbers(self._numbers(done), self.settings.epoch)
        if self.settings.seconds is not None:
            self.deadline = time.monotonic() + self.settings.seconds
        before = time.process_time()
        try:
            self.desk.open()
            self._collect()
            self.observer.started(self.summary)
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

    def _numbers(self, done: Done) -> Iterator[int]:
        """The numbers of the cases to run."""
        shard, cases = self.settings.shard, self.settings.cases
        return shard.missing(done, len(self.plan.series.targets), cases) if shard else done.missing(cases)

    def _now(self) -> Now:
        cases, shard = self.settings.cases, self.settings.shard
        if cases is not None and shard is not None:
            cases = shard.share(len(self.plan.series.targets), cases)
        return Now(
            starting=sum(not slot.greeted for slot in self.slots),
            running=sum(bool(slot.numbers) for slot in self.slots),
            asking=sum(bool(slot.items) for slot in self.slots),
            minimizing=sum(bool(slot.bundle) for slot in self.slots),
            queue=len(self.desk.tasks) + len(self.desk.smaller),
            seconds_left=None if self.deadline is None else max(0.0, self.deadline - time.monotonic()),
            cases_left=None if cases is None else max(0, cases - self.summary.stats.cases),
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
            self.slots.append(_Slot(runner))

    def _busy(self) -> bool:
        """Whether anything is under way or left to do. Minimizing goes on after the deadline, within its own time."""
        self._fill()
        if not self.slots:
            if self.crew.hopes() and not self._late():
                return True
            if self.crew.complaint:
                self._failed(self.crew.complaint)
            return False
        self._hand_out()
        return any(not slot.idle for slot in self.slots)

    def _hand_out(self) -> None:
        """Causes first: what is known of them saves work on everything else. But not for more than half of the time:
        what cannot be told apart quickly must not keep the night from finding something else."""
        for slot in self.slots:
            if not slot.idle:
                continue
            # One slot runs cases while all others find out about causes, so that no night comes to a standstill.
            last = len(self.slots) > 1 and all(other.bundle for other in self.slots if other is not slot)
            if (last or self._owes_cases()) and (numbers := self._next_numbers()):
                self._run(slot, numbers)
            elif (task := self.desk.next_task()) is not None:
                self._minimize(slot, task)
            elif items := self._next_waiting():
                slot.items = items
                self._order(slot, Reconsider(items, self.desk.knowledge()))
            elif numbers := self._next_numbers():
                self._run(slot, numbers)
            elif not self._late() and (task := self.desk.next_smaller()) is not None:
                self._minimize(slot, task)

    def _owes_cases(self) -> bool:
        """Whether finding out about causes has had more of the slots' time than running cases, by so much as two
        minimizations may take."""
        return self.triage_seconds > self.case_seconds + 2 * self.settings.minimize_seconds

    def _run(self, slot: _Slot, numbers: tuple[int, ...]) -> None:
        slot.numbers = numbers
        self._order(slot, RunCases(numbers, self.desk.knowledge(), self.deadline))

    def _minimize(self, slot: _Slot, task: Minimize) -> None:
        slot.bundle = task.bundle
        self._order(slot, task)

    def _order(self, slot: _Slot, order: Order) -> None:
        slot.idle, slot.since = False, time.monotonic()
        slot.triage = not isinstance(order, RunCases)
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is noticed when it is read from
            slot.pipe.send(order)

    def _next_waiting(self) -> tuple[SetAside, ...]:
        """Disagreements that waited; sorting them may go on after the deadline for as long as minimizing one finding.
        What still waits then stays recorded, and the next run in the folder goes on."""
        return () if self._late() else self.desk.next_waiting(BATCH)

    def _late(self) -> bool:
        """Whether the time is over by as long as minimizing one finding may take."""
        return self.deadline is not None and time.monotonic() > self.deadline + self.settings.minimize_seconds

    def _next_numbers(self) -> tuple[int, ...]:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return ()
        return self.numbers.batch(self.crew.batch, self._may_begin)

    def _may_begin(self, number: int) -> bool:
        """Whether all is known that a case is steered by: what the last epoch but one has taught."""
        before = (self.numbers.epoch_of(number) - 1) * self.settings.epoch
        if before <= 0 or not self.desk.learns:
            return True
        running = any(slot.numbers and min(slot.numbers) < before for slot in self.slots)
        return not running and self.desk.settled_before(before)

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

    def _take(self, slot: _Slot, report: Report) -> None:
        match report:
            case Hello():
                self._greet(slot, report)
            case Idle():
                slot.idle = True
                self._account(slot)
            case Found():
                self._found(report)
            case Batch():
                slot.numbers = ()
                self.summary.quiet_since = self.summary.wall_seconds
                self.summary.stats.add(report.stats)
                self.desk.batch(report)
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

    def _account(self, slot: _Slot) -> None:
        """Count the time of the order that a slot is done with."""
        spent = time.monotonic() - slot.since if slot.since else 0.0
        if slot.triage:
            self.triage_seconds += spent
        else:
            self.case_seconds += spent

    def _greet(self, slot: _Slot, hello: Hello) -> None:
        slot.greeted = True
        self.summary.engines |= {REFERENCE: VERSION, **dict(hello.engines)}
        self.summary.notes = list(dict.fromkeys((*self.summary.notes, *hello.notes)))
        for engine, release in self.summary.engines.items():
            self.archive.record_engine(engine, release)
        if hello.engines:
            self.desk.greeted(dict(hello.engines))
        self._collect()
        for engine, reason in hello.broken:
            self._broken(engine, reason)
        if not hello.engines:
            self.crew.useless(slot.runner)
            self._drop(slot)
        self._fill()

    def _died(self, slot: _Slot) -> None:
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
            self.numbers.again.append(number)
        if slot.bundle:
            self.desk.minimizer_died(slot.bundle)
        if slot.items:
            alone = len(slot.items) == 1
            self.desk.give_back(slot.items, lost=alone and slot.items[0] in self.doubted)
            self.doubted.update(slot.items if alone else ())

    def _drop(self, slot: _Slot) -> None:
        self.slots.remove(slot)
        slot.pipe.close()

    def _keep_best(self) -> None:
        """Give what is being minimized a moment to tell how far it has come; another interrupt ends that too."""
        minimizing = [slot for slot in self.slots if slot.bundle]
        deadline = time.monotonic() + LAST_WORDS
        with suppress(KeyboardInterrupt, ArchiveError):
            for slot in minimizing:
                self._order(slot, Stop())
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
        cases = self.summary.stats.cases
        self.summary.steered = [str(lesson) for lesson in self.desk.lessons if lesson.begins < cases]

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
