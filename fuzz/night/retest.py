"""Old causes first: the smallest case of each is run again on the night's engines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fuzz.archive.archive import Archive
from fuzz.bisect.question import Answer, about, read
from fuzz.campaign.deadline import TimeIsOver, until
from fuzz.records.finding import Finding
from fuzz.records.history import Cause, Retest, StoredFinding
from fuzz.records.strip import State
from fuzz.triage.causes import release_of, setting_of
from fuzz.trial.bench import Bench, OpenEngine
from fuzz.trial.limits import limits_for
from oracles.engine import open_engine


@dataclass(frozen=True, slots=True)
class Retested:
    """A cause and what each engine did with its smallest case. ``gone`` if nobody shows it any more, and one that did
    (by its settings) does what the reference does."""

    cause: Cause
    answers: tuple[Retest, ...]

    @property
    def showing(self) -> tuple[Retest, ...]:
        return tuple(one for one in self.answers if one.shows)

    @property
    def right(self) -> tuple[Retest, ...]:
        """The answers that are as the reference's, of settings that showed it once."""
        shown = set(self.cause.shown_by)
        return tuple(one for one in self.answers if one.state is State.GOOD and setting_of(one.engine) in shown)

    @property
    def gone(self) -> bool:
        return bool(self.right) and not self.showing

    def __str__(self) -> str:
        name = f"cause {self.cause.id}, {self.cause.name}"
        if self.showing:
            return f"{name}: still in {_listed(self.showing)}"
        if self.gone:
            return f"{name}: gone from {_listed(self.right)}"
        why = next((one.why for one in self.answers if one.state is not State.GOOD), "no engine of tonight showed it")
        return f"{name}: cannot be told: {why}"


def _listed(answers: Sequence[Retest]) -> str:
    return ", ".join(f"{one.engine} ({one.release})" for one in answers)


def retest(
    archive: Archive, engines: Sequence[str], deadline: float, *, offline: bool = False,
    opener: OpenEngine = open_engine, tell: Callable[[Retested], None] = lambda _: None,
) -> tuple[list[Retested], int]:  # fmt: skip
    """Try every cause that has a stored case, those first that were not tried for longest, and record what came of it.

    Ends at ``deadline`` (by ``time.monotonic``) whatever the engines do; gives also how many causes were not reached.
    """
    waiting = _waiting(archive)
    done: list[Retested] = []
    archive.record_retests(())
    bench: Bench | None = None
    try:
        with until(deadline):
            while waiting and time.monotonic() < deadline:
                cause, row = waiting[0]
                found = archive.read(row.bundle)
                if found is not None:
                    bench = bench or Bench(engines, limits_for(max(row.size for _, row in waiting)), offline, opener)
                    one = Retested(cause, _asked(cause, row.bundle, found, bench))
                    done.append(one)
                    tell(one)
                waiting.pop(0)
    except TimeIsOver:
        pass
    finally:
        if bench is not None:
            bench.close()
    archive.record_retests([answer for one in done for answer in one.answers])
    for one in done:
        _teach(archive, one)
    return done, len(waiting)


def _waiting(archive: Archive) -> list[tuple[Cause, StoredFinding]]:
    """Each cause with its smallest stored case that repeats."""
    before = archive.last_retests()
    best: dict[int, StoredFinding] = {}
    for row in sorted(archive.findings(), key=lambda row: (not row.stable, row.size, row.bundle)):
        if row.cause is not None:
            best.setdefault(archive.causes.root(row.cause), row)
    causes = [cause for cause in archive.causes.all() if cause.id in best]
    return [(cause, best[cause.id]) for cause in sorted(causes, key=lambda one: (before.get(one.id, 0), one.id))]


def _asked(cause: Cause, bundle: str, found: Finding, bench: Bench) -> tuple[Retest, ...]:
    """Each engine's answer."""
    answers: dict[str, Answer] = {}
    question = about(found, found.best, bench.limits)
    for _ in range(question.tries):
        trial = bench.run_after(question.before, found.best)
        for engine in bench.engines:
            answer = read(trial, engine, question)
            if engine not in answers or not answers[engine].shows:
                answers[engine] = answer
    told = [
        Retest(cause.id, bundle, engine, bench.release(engine), answer.state, answer.shows, answer.why)
        for engine, answer in answers.items()
    ]
    broken = [Retest(cause.id, bundle, id, "", State.CANNOT, False, why) for id, why in bench.broken.items()]
    return (*told, *(one for one in broken if one.engine not in answers))


def _teach(archive: Archive, one: Retested) -> None:
    """A cause is wrong in the releases that show it now, and right in those that do not: that steers the night."""
    wrong = {release_of(answer.engine, answer.release) for answer in one.showing} | set(one.cause.wrong_in)
    right = {release_of(answer.engine, answer.release) for answer in one.right} | set(one.cause.right_in)
    shown = {setting_of(answer.engine) for answer in one.showing} | set(one.cause.shown_by)
    hidden = set(one.cause.hidden_by) - shown
    changes = {"wrong_in": wrong, "right_in": right - wrong, "shown_by": shown, "hidden_by": hidden}
    archive.causes.update(one.cause.id, **{name: sorted(values) for name, values in changes.items()})
