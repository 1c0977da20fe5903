"""What a run learns from its cases for further ones: what to make them without, and how many each target gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fuzz.archive.archive import Archive
from fuzz.archive.epochs import causes_met, first_night, record_epoch, record_words, words
from fuzz.campaign.allotment import Gains, words_of
from fuzz.campaign.epochs import Epochs
from fuzz.campaign.steering import BEFORE, Lesson, lesson_of, lessons_of_issues
from fuzz.records.epoch import Parts
from fuzz.records.history import Cause, SetAside, Sighting
from fuzz.records.stats import Stats
from fuzz.triage.causes import release_of
from fuzz.triage.known import KnownIssues


@dataclass(slots=True)
class Learning:
    """Lessons (where the run ``steers``) and gains of targets (where it ``allots``). A run that does not ``go_on``
    learning rests on what was known before it and on nothing else: ``before`` is what it then allots."""

    archive: Archive
    epochs: Epochs
    steers: bool = True
    allots: bool = False
    goes_on: bool = True
    by_issues: list[Lesson] = field(default_factory=list)
    by_causes: dict[int, Lesson] = field(default_factory=dict)
    gains: Gains = field(init=False)
    before: Parts | None = None
    old: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.gains = Gains(self.epochs.series)

    def open(self, issues: KnownIssues, causes: Iterable[Cause]) -> None:
        """Take up what known issues and earlier runs of the series taught."""
        if self.steers:
            self.by_issues += lessons_of_issues(issues)
        if not self.allots:
            return
        series = self.epochs.series
        begun = first_night(self.archive, series)
        self.old = frozenset(cause.id for cause in causes if cause.night < begun)
        self.gains.words.update(words(self.archive, series))
        for cause, target, index in causes_met(self.archive, series):
            self.gains.showed(cause, series.number(target, index))

    def greeted(self, engines: Mapping[str, str], causes: Iterable[Cause]) -> None:
        """The engines are known, with their releases: what earlier runs taught of these steers from the beginning. A
        release of which nothing is known starts afresh."""
        releases = {release_of(engine, release) for engine, release in engines.items()}
        for cause in causes if self.steers else ():
            if releases & set(cause.wrong_in):
                self._teach(cause.id, BEFORE)

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """What cases are made without, known issues first."""
        return (*self.by_issues, *self.by_causes.values())

    def number_of(self, item: SetAside) -> int:
        """The number of a case; ``BEFORE`` if it is of another series than this run."""
        mine = self.epochs.series
        theirs = item.series
        return item.number if (theirs.targets, theirs.seed) == (mine.targets, mine.seed) else BEFORE

    def settled(self, cause: int, number: int, taught: bool) -> None:
        """A finding of case ``number`` has this cause, which ``taught`` something or has a lesson already. What an
        earlier run left teaches as if case 0 had: cases may be under way."""
        if number > BEFORE:
            self.gains.showed(cause, number)
        if self.goes_on and self.steers and (taught or cause in self.by_causes):
            self._teach(cause, self.epochs.case(max(0, number)))

    def _teach(self, cause: int, place: int) -> None:
        """A cause steers by the first case that shows it, in whatever order cases are run."""
        lesson = lesson_of(self.archive.causes.get(cause), place, self.epochs.length)
        if lesson is not None:
            known = self.by_causes.get(cause)
            self.by_causes[cause] = replace(lesson, number=min(place, known.number if known else place))

    def ran(self, stats: Stats, numbers: tuple[int, ...]) -> None:
        """Cases of one epoch were run."""
        if self.allots and numbers:
            epoch = self.epochs.index(min(numbers))
            new = self.gains.executed(words_of(stats), epoch)
            if new:
                record_words(self.archive, self.epochs.series, new, epoch)

    def saw(self, sightings: Iterable[Sighting]) -> None:
        """A sighting with a lower number than that of the case that taught of its cause is what one slot alone would
        have met first."""
        series = self.epochs.series
        for seen in sightings:
            if seen.cause is None or seen.seed != series.seed or seen.target not in series.targets:
                continue
            number = series.number(seen.target, seen.index)
            self.gains.showed(seen.cause, number)
            lesson = self.by_causes.get(seen.cause)
            if lesson is not None:
                place = self.epochs.case(number)
                self.by_causes[seen.cause] = replace(lesson, number=min(place, lesson.number))

    def begin_epoch(self, causes: Iterable[Cause], roots: Mapping[int, int]) -> None:
        """Begin the next epoch, and keep on record what part of its turns each target takes in it."""
        parts: Parts = ()
        if self.allots:
            counted = {one.id for one in causes if not one.known} - self.old
            fresh = {id: root for id, root in roots.items() if root in counted}
            if self.before is None or self.goes_on:
                self.before = self.gains.allotted(self.epochs, fresh, self.goes_on)
            parts = self.before
        epoch = self.epochs.begin(parts)
        if epoch.parts or self.allots:
            record_epoch(self.archive, self.epochs.series, epoch)
