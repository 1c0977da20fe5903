"""The parent's desk: findings come in, get stored, made smaller and given their causes; what is known goes out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fuzz.archive.archive import Archive
from fuzz.archive.settling import Settling
from fuzz.campaign.learning import Learning
from fuzz.campaign.messages import Batch, Found, Knowledge, Minimize, Minimized, Reconsidered
from fuzz.campaign.steering import BEFORE
from fuzz.records.finding import Finding
from fuzz.records.history import Cause, Ending, Minimization, SetAside, Sighting, StoredFinding
from fuzz.records.stats import Stats
from fuzz.triage.causes import cause_of, is_bare, says_little
from fuzz.triage.essentials import Essentials
from fuzz.triage.kin import generalized
from fuzz.triage.known import KnownIssues
from fuzz.triage.signature import is_slow, is_telling
from wasm.case import Case

AGAIN: Final = frozenset({Ending.BUDGET, Ending.INTERRUPTED})
"""Minimizations that a later run goes on with: nothing says that it gets no smaller."""


@dataclass(slots=True)
class Desk:
    """What is known of findings and causes, and what is to be done about them.

    ``limit`` is how many findings of a cause are stored as examples, and how many unstable ones of a bucket.
    ``working`` counts by bucket the findings whose cause is being found out (``unknown`` has their bundles),
    ``waiting`` the disagreements set aside; of those that are being ``asked`` again some are ``put_back`` meanwhile.
    ``numbers`` has by bundle the number of the case with which a finding that is worked on was met. ``smaller`` are
    findings of known causes that can be made smaller when there is nothing better to do. ``under_way`` are the tasks
    that slots have, by bundle, and ``died`` those whose slot died once. ``telling`` are the buckets that say much.
    ``learning`` is what its cases teach of how to make further ones.
    """

    archive: Archive
    issues: KnownIssues
    limit: int
    minimize_seconds: float
    learning: Learning
    tasks: deque[Minimize] = field(default_factory=deque)
    smaller: deque[Minimize] = field(default_factory=deque)
    under_way: dict[str, Minimize] = field(default_factory=dict)
    died: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    working: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    unstable: Counter[str] = field(default_factory=Counter)
    examples: Counter[int] = field(default_factory=Counter)
    asked: set[SetAside] = field(default_factory=set)
    put_back: set[SetAside] = field(default_factory=set)
    telling: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    ready: bool = False
    settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        self.settling = Settling(self.archive)

    @property
    def causes(self) -> tuple[Cause, ...]:
        return self.settling.causes

    @property
    def roots(self) -> dict[int, int]:
        return self.settling.roots

    def open(self) -> None:
        """Take up what earlier runs in this folder left: unsorted disagreements, findings that could be smaller."""
        self.settling.refresh()
        self._recognise()
        self.learning.open(self.issues, self.causes)
        self.waiting.update(item.bucket for item in self.archive.pending())
        endings = {tried.bundle: tried.ending for tried in self.archive.minimizations()}
        for row in self.archive.findings():
            key = row.signature.bucket.key
            self.telling.update([key] if is_telling(row.signature) else ())
            if not row.repeats:
                self.unstable[key] += 1
                continue
            if row.cause is not None:
                self.examples[self.roots[row.cause]] += 1
            unknown = row.cause is None or self._untried(row, endings)
            if row.known or is_slow(row.signature) or not (unknown or endings.get(row.bundle) in AGAIN):
                continue
            finding = self.archive.read(row.bundle)
            if finding is not None:
                self._work_on(finding, row.bundle, unknown)

    def _recognise(self) -> None:
        """Match known issues against what earlier runs stored: an entry may have been written since. A cause is a known
        issue as soon as one of its findings is."""
        for row in self.archive.findings() if self.issues.entries else ():
            finding = None if row.known else self.archive.read(row.bundle)
            if finding is None:
                continue
            known = self.issues.explains(finding.signature, _dissenters(finding))
            if not known:
                continue
            self.archive.replace_finding(self.archive.bundles / row.bundle, replace(finding, known=known))
            if row.cause is not None:
                root = self.roots[row.cause]
                if not self.archive.causes.get(root).known:
                    self.archive.causes.set_known(root, known, self.issues.link(known))
        self.settling.refresh()

    def greeted(self, engines: Mapping[str, str]) -> None:
        """The engines are known, with their releases: what earlier runs taught of these steers from the beginning."""
        if not self.ready:
            self.learning.greeted(engines, self.causes)
        self.ready = True

    def _untried(self, row: StoredFinding, endings: Mapping[str, Ending]) -> bool:
        """Whether a finding has the cause that it has only because nobody tried to minimize it."""
        cause = next(cause for cause in self.causes if cause.id == row.cause)
        return self.minimize_seconds > 0 and is_bare(cause) and not row.minimized and row.bundle not in endings

    def _work_on(
        self, finding: Finding, bundle: str, unknown: bool, number: int = BEFORE, start: Case | None = None
    ) -> None:
        """Find out a finding's cause, or if that is not ``unknown`` make it smaller some time."""
        task = Minimize(finding, bundle, self.minimize_seconds, start)
        if self.minimize_seconds <= 0:
            if unknown:
                self._settle(bundle, finding, ())
        elif unknown:
            self.working[finding.signature.bucket.key] += 1
            self.unknown.add(bundle)
            self.numbers[bundle] = number
            self.tasks.append(task)
        else:
            self.smaller.append(task)

    # What goes out.

    def knowledge(self) -> Knowledge:
        """What a slot has to know for an order that it gets now."""
        sure = [cause for cause in self.causes if not self._asks_for_more(cause)]
        wanted = frozenset(cause.id for cause in self.causes if self.examples[self.roots[cause.id]] < self.limit)
        full = frozenset(cause.id for cause in self.causes) - wanted if self.minimize_seconds > 0 else frozenset()
        return Knowledge(
            (*sure, *self._generalized(sure)),
            frozenset(key for key, count in self.working.items() if count > 0),
            wanted,
            frozenset(key for key, count in self.unstable.items() if count >= self.limit),
            self.learning.lessons,
            {cause.id: self.examples[self.roots[cause.id]] for cause in self.causes},
            full,
        )

    def _generalized(self, causes: Sequence[Cause]) -> Iterator[Cause]:
        """What causes with several parts are about, beyond each part."""
        parts: dict[int, list[Cause]] = {}
        for cause in causes:
            parts.setdefault(self.roots[cause.id], []).append(cause)
        for root, group in parts.items():
            if len(group) > 1:
                yield from generalized(sorted(group, key=lambda cause: cause.id != root))

    def _asks_for_more(self, cause: Cause) -> bool:
        """Whether a cause is no answer yet: next to nothing is essential to it, so all in its bucket would be it. Where
        the bucket says little by itself it has to decide only after as many findings as are stored of a cause have come
        to that."""
        if self.minimize_seconds <= 0 or not says_little(cause) or self.telling & set(cause.faces[:1]):
            return False
        return self.examples[self.roots[cause.id]] < self.limit

    def settled_before(self, number: int) -> bool:
        """Whether the causes of all findings from cases before a number are known, and none of their disagreements
        waits or is being asked again."""
        return not (any(begun < number for begun in self.numbers.values()) or any(self.waiting.values()) or self.asked)

    def begin_epoch(self) -> None:
        """Begin the next epoch of cases."""
        self.learning.begin_epoch(self.causes, self.roots)

    def next_task(self) -> Minimize | None:
        """A finding whose cause is to be found out."""
        return self._hand_out(self.tasks)

    def next_smaller(self) -> Minimize | None:
        """A finding whose cause is known and that may become smaller."""
        return self._hand_out(self.smaller)

    def _hand_out(self, tasks: deque[Minimize]) -> Minimize | None:
        if not tasks:
            return None
        task = tasks.popleft()
        self.under_way[task.bundle] = task
        return task

    def minimizer_died(self, bundle: str) -> None:
        """Whoever minimized a finding has died: it is tried once more, and is one that cannot be minimized then."""
        task = self.under_way.pop(bundle)
        if bundle not in self.died:
            self.died.add(bundle)
            (self.tasks if bundle in self.unknown else self.smaller).append(task)
            return
        tried = Minimization(bundle, *2 * (task.finding.best.size,), 0.0, 0, Ending.FAILED)
        self.minimized(Minimized(task.finding, bundle, tried))

    def next_waiting(self, most: int) -> tuple[SetAside, ...]:
        """Disagreements of one bucket to be asked again: nobody works on it any more."""
        for key, count in self.waiting.items():
            if count > 0 and self.working[key] <= 0:
                items = tuple(self.archive.take_up(key, most))
                self.waiting[key] = count - len(items) if items else 0
                if items:
                    self.asked.update(map(_plain, items))
                    return items
        return ()

    def stored(self, items: Iterable[SetAside]) -> dict[str, int | None]:
        """The findings that there are of cases that are asked again: their bundles, and the cause of each."""
        return {name: cause for item in items for name, cause in self.archive.stored(item).items()}

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
            self.examples[self.roots[report.cause]] += 1
            return path, finding, False
        if not finding.repeats:
            self.unstable[key] += 1
        elif finding.known or self.minimize_seconds <= 0 or is_slow(finding.signature):
            self._settle(path.name, finding, (), self.learning.number_of(report.aside))
        else:
            self._work_on(finding, path.name, True, self.learning.number_of(report.aside), report.start)
        return path, finding, True

    def minimized(self, report: Minimized) -> tuple[Path, Finding] | None:
        """Store what a finding has become, and give it its cause; None if it is as it was."""
        self.under_way.pop(report.bundle, None)
        unknown = report.bundle in self.unknown
        self.unknown.discard(report.bundle)
        self.working[report.finding.signature.bucket.key] -= unknown
        number = self.numbers.pop(report.bundle, BEFORE)
        if report.work is None:
            return None
        self.archive.record_minimization(report.work)
        interrupted = report.work.ending is Ending.INTERRUPTED
        if report.essentials is None and not interrupted:
            if unknown:
                self._settle(report.bundle, report.finding, ())
            return None
        finding = self._with_known(report.finding)
        path = self.archive.replace_finding(self.archive.bundles / report.bundle, finding)
        if report.essentials is None:
            return path, finding  # its cause is for a later run to find out
        self._settle(report.bundle, finding, report.essentials, number, report.faces, report.hidden)
        return path, finding

    def batch(self, report: Batch, passed: tuple[int, ...] = ()) -> None:
        """Cases were run, and other numbers ``passed`` over."""
        if report.numbers:
            self.learning.ran(report.stats, report.numbers)
            numbers = (*report.numbers, *passed)
            self.archive.record_batch(numbers, report.stats, report.sightings, report.set_aside)
            self.waiting.update(item.bucket for item in report.set_aside)
            self.learning.saw(report.sightings)
            self._count_known(report.sightings)

    def reconsidered(self, report: Reconsidered) -> None:
        """What waits once more is not settled: it stays as it is."""
        again = [item for item in report.items if _plain(item) in self.put_back or _plain(item) in report.set_aside]
        settled = [item for item in report.items if item not in again]
        self.learning.saw(report.sightings)
        self.asked.difference_update(map(_plain, report.items))
        self.put_back.difference_update(map(_plain, again))
        self.archive.record_batch((), Stats(), report.sightings, settled=settled)
        self.archive.give_back(again)
        self.waiting.update(item.bucket for item in again)

    def give_back(self, items: tuple[SetAside, ...], lost: bool) -> None:
        """Whoever had these has died. One that was alone when that happened twice is given up (``lost``)."""
        self.asked.difference_update(map(_plain, items))
        if lost:
            self.archive.record_batch((), Stats(), settled=items)
        else:
            self.archive.give_back(items)
            self.waiting.update(item.bucket for item in items)

    def _set_aside(self, item: SetAside) -> None:
        """Let a disagreement wait. One that is just being asked again is told of at the end of that."""
        if _plain(item) in self.asked:
            self.put_back.add(_plain(item))
        else:
            self.archive.record_batch((), Stats(), set_aside=(item,))
            self.waiting[item.bucket] += 1

    # Causes.

    def _settle(
        self, bundle: str, finding: Finding, words: tuple[str, ...], number: int = BEFORE, faces: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Give a stored finding its cause (``Settling``), which steers from then on."""
        tables = self.archive.causes
        again = cause_of(finding, Essentials.of_words(words), faces, hidden)
        telling = is_telling(finding.signature)
        self.telling.update([finding.signature.bucket.key] if telling else ())
        settled = self.settling.settle(bundle, again, telling)
        id, had = settled.cause, settled.had
        self.learning.settled(id, number, settled.taught)
        if id != had:
            self.examples[tables.root(id)] += 1
        if had is not None and tables.root(had) != tables.root(id):
            self.examples[tables.root(had)] -= 1
            self._left(had, id)
        self.settling.refresh()

    def _left(self, had: int, now: int) -> None:
        """Its last minimized finding has left a cause: what it was about was wrong. What else it was given to is looked
        at on its own."""
        others = self.archive.findings(had)
        if any(row.minimized for row in others) or self.archive.causes.spoken_of(had):
            return
        for row in others:
            finding = self.archive.read(row.bundle) if row.bundle not in self.unknown else None
            if finding is not None:
                self._work_on(finding, row.bundle, True)
        if not others:
            # As a part of the other one it must not stand for more than that.
            again = self.archive.causes.get(now)
            self.archive.causes.update(had, essentials=again.essentials, name=again.name)
            self.archive.causes.merge(now, had)

    def _with_known(self, finding: Finding) -> Finding:
        return replace(finding, known=self.issues.match(finding.signature, _dissenters(finding)))

    def _count_known(self, sightings: Iterable[Sighting]) -> None:
        """One more sighting of a cause that is a known issue is one of the issue."""
        known = {cause.id: cause.known for cause in self.causes if cause.known}
        for sighting in sightings if known else ():
            if sighting.cause is not None:
                self.issues.seen(known.get(self.roots.get(sighting.cause, sighting.cause), ""))


def _dissenters(finding: Finding) -> list[tuple[str, str]]:
    """Who dissents, with release."""
    versions = {run.engine: run.version for run in finding.runs}
    return [(dissent.engine, versions.get(dissent.engine, "")) for dissent in finding.verdict.dissents]


def _plain(item: SetAside) -> SetAside:
    """Without when it was set aside: what it has in common with itself set aside again."""
    return replace(item, time=0.0, night=0)
