"""The parent's desk: findings come in, get stored, made smaller and given their causes; what is known goes out."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fuzz.archive.archive import Archive
from fuzz.campaign.messages import Batch, Found, Knowledge, Minimize, Minimized, Reconsidered
from fuzz.campaign.steering import BEFORE, EPOCH, Lesson, lesson_of, lessons_of_issues
from fuzz.records.finding import Finding
from fuzz.records.history import Cause, Ending, SetAside
from fuzz.records.stats import Stats
from fuzz.triage.causes import cause_of, same_cause, united
from fuzz.triage.essentials import Essentials
from fuzz.triage.known import KnownIssues
from fuzz.triage.signature import is_telling
from generators.registry import avoided

AGAIN: Final = frozenset({Ending.BUDGET, Ending.INTERRUPTED})
"""Minimizations that a later run goes on with: nothing says that it gets no smaller."""


@dataclass(slots=True)
class Desk:
    """What is known of findings and causes, and what is to be done about them.

    ``limit`` is how many findings of a cause are stored as examples, and how many unstable ones of a bucket.
    ``working`` counts by bucket the findings whose cause is being found out, ``waiting`` the disagreements set aside;
    of those that are being ``asked`` again some are ``put_back`` meanwhile. ``numbers`` has by bundle the number of the
    case with which a finding that is worked on was met. ``epoch`` is that of steering, 0 for none.
    """

    archive: Archive
    issues: KnownIssues
    limit: int
    minimize_seconds: float
    version: str
    tasks: deque[Minimize] = field(default_factory=deque)
    working: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    unstable: Counter[str] = field(default_factory=Counter)
    examples: Counter[int] = field(default_factory=Counter)
    asked: set[SetAside] = field(default_factory=set)
    put_back: set[SetAside] = field(default_factory=set)
    causes: tuple[Cause, ...] = ()
    epoch: int = EPOCH
    lessons: list[Lesson] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def open(self) -> None:
        """Take up what earlier runs in this folder left: unsorted disagreements, findings that could be smaller."""
        self._refresh()
        if self.epoch:
            self.lessons += lessons_of_issues(self.issues)
            self.lessons += filter(None, (lesson_of(cause, BEFORE) for cause in self.causes))
        waiting = (item for item in self.archive.pending() if avoided(item.series.version)[0] == self.version)
        self.waiting.update(item.bucket for item in waiting)
        endings = {tried.bundle: tried.ending for tried in self.archive.minimizations()}
        for row in self.archive.findings():
            key = row.signature.bucket.key
            if not row.repeats:
                self.unstable[key] += 1
                continue
            unknown = row.cause is None
            if row.cause is not None:
                self.examples[self.archive.causes.root(row.cause)] += 1
            if row.known or not (unknown or endings.get(row.bundle) in AGAIN):
                continue
            finding = self.archive.read(row.bundle)
            if finding is not None:
                self._work_on(finding, row.bundle, unknown)

    def _work_on(self, finding: Finding, bundle: str, unknown: bool) -> None:
        if self.minimize_seconds > 0:
            self.working[finding.signature.bucket.key] += unknown
            self.numbers[bundle] = BEFORE
            self.tasks.append(Minimize(finding, bundle, self.minimize_seconds))
        elif unknown:
            self._settle(bundle, finding, ())

    # What goes out.

    def knowledge(self) -> Knowledge:
        """What a slot has to know for an order that it gets now."""
        return Knowledge(
            self.causes,
            frozenset(key for key, count in self.working.items() if count > 0),
            frozenset(cause.id for cause in self.causes if self.examples[cause.id] < self.limit),
            frozenset(key for key, count in self.unstable.items() if count >= self.limit),
            tuple(self.lessons),
        )

    def settled_before(self, number: int) -> bool:
        """Whether the causes of all findings from cases before a number are known, and none of their disagreements
        waits."""
        return not any(begun < number for begun in self.numbers.values()) and not any(self.waiting.values())

    def next_task(self) -> Minimize | None:
        return self.tasks.popleft() if self.tasks else None

    def next_waiting(self, most: int) -> tuple[SetAside, ...]:
        """Disagreements of one bucket to be asked again: nobody works on it any more."""
        for key, count in self.waiting.items():
            if count > 0 and self.working[key] <= 0:
                items = tuple(self.archive.take_up(key, most))
                self.waiting[key] = count - len(items) if items else 0
                if items:
                    self.asked.update(map(_bare, items))
                    return items
        return ()

    # What comes in.

    def found(self, report: Found) -> tuple[Path, Finding, bool] | None:
        """Store a finding. Gives its bundle, itself with its known issue, and whether its cause is to be found out;
        None if it is not stored."""
        finding, key = report.finding, report.finding.signature.bucket.key
        if self.archive.holds(finding):
            return None
        if report.cause is None and self.working[key] > 0:
            self._set_aside(report.aside)
            return None
        if not finding.repeats and self.unstable[key] >= self.limit:
            return None
        finding = self._with_known(finding)
        path = self.archive.record_finding(finding, report.cause)
        if report.cause is not None:
            self.examples[report.cause] += 1
            return path, finding, False
        if not finding.repeats:
            self.unstable[key] += 1
        elif finding.known or self.minimize_seconds <= 0:
            self._settle(path.name, finding, ())
        else:
            self.working[key] += 1
            self.numbers[path.name] = report.aside.number
            self.tasks.append(Minimize(finding, path.name, self.minimize_seconds, report.start))
        return path, finding, True

    def minimized(self, report: Minimized) -> tuple[Path, Finding] | None:
        """Store what a finding has become, and give it its cause; None if it is as it was."""
        self.archive.record_minimization(report.work)
        key = report.finding.signature.bucket.key
        self.working[key] = max(0, self.working[key] - 1)
        number = self.numbers.pop(report.bundle, BEFORE)
        if report.finding.minimized is None:
            self._settle(report.bundle, report.finding, ())
            return None
        finding = self._with_known(report.finding)
        path = self.archive.replace_finding(self.archive.bundles / report.bundle, finding)
        self._settle(report.bundle, finding, report.essentials or (), number)
        return path, finding

    def batch(self, report: Batch) -> None:
        if report.numbers:
            self.archive.record_batch(report.numbers, report.stats, report.sightings, report.set_aside)
            self.waiting.update(item.bucket for item in report.set_aside)

    def reconsidered(self, report: Reconsidered) -> None:
        """What waits once more is not settled: it stays as it is."""
        again = [item for item in report.items if _bare(item) in self.put_back or _bare(item) in report.set_aside]
        settled = [item for item in report.items if item not in again]
        self.asked.difference_update(map(_bare, report.items))
        self.put_back.difference_update(map(_bare, again))
        self.archive.record_batch((), Stats(), report.sightings, settled=settled)
        self.archive.give_back(again)
        self.waiting.update(item.bucket for item in again)

    def give_back(self, items: tuple[SetAside, ...], lost: bool) -> None:
        """Whoever had these has died. One that was alone when that happened twice is given up (``lost``)."""
        self.asked.difference_update(map(_bare, items))
        if lost:
            self.archive.record_batch((), Stats(), settled=items)
        else:
            self.archive.give_back(items)
            self.waiting.update(item.bucket for item in items)

    def _set_aside(self, item: SetAside) -> None:
        """Let a disagreement wait. One that is just being asked again is told of at the end of that."""
        if _bare(item) in self.asked:
            self.put_back.add(_bare(item))
        else:
            self.archive.record_batch((), Stats(), set_aside=(item,))
            self.waiting[item.bucket] += 1

    # Causes.

    def _settle(self, bundle: str, finding: Finding, words: tuple[str, ...], number: int = BEFORE) -> None:
        """Give a stored finding its cause: one that is known already, or a new one, which steers from then on."""
        tables = self.archive.causes
        again = cause_of(finding, Essentials.of_words(words))
        telling = is_telling(finding.signature)
        known = next((cause for cause in self.causes if same_cause(cause, again, telling)), None)
        if known is None:
            id = tables.add(again)
            lesson = lesson_of(tables.get(id), number, self.epoch) if self.epoch else None
            self.lessons += [lesson] if lesson is not None else []
        else:
            id = known.id
            changes = united(known, again)
            if changes:
                tables.update(id, **changes)
        before = next((row.cause for row in self.archive.findings() if row.bundle == bundle), None)
        tables.give_finding(bundle, id)
        self.examples[id] += before is None
        self._refresh()

    def _refresh(self) -> None:
        self.causes = tuple(self.archive.causes.all())

    def _with_known(self, finding: Finding) -> Finding:
        versions = {run.engine: run.version for run in finding.runs}
        dissenting = [(d.engine, versions.get(d.engine, "")) for d in finding.verdict.dissents]
        return replace(finding, known=self.issues.match(finding.signature, dissenting))


def _bare(item: SetAside) -> SetAside:
    """Without when it was set aside: what it has in common with itself set aside again."""
    return replace(item, time=0.0, night=0)
