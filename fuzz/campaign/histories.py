"""At the end of a run: which releases show each new cause, as far as the time for that goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from fuzz.archive.archive import Archive
from fuzz.bisect.history import Bisected, Nobody, Options, bisect
from fuzz.bisect.keeping import keep
from fuzz.bisect.question import about
from fuzz.campaign.afterwards import for_each_new
from fuzz.campaign.messages import Plan
from fuzz.records.finding import Finding
from fuzz.records.strip_text import words
from fuzz.records.summary import Observer, Stored, Summary
from fuzz.trial.limits import limits_for
from oracles.engine import EngineId, Releases, releases_for
from wasm.case import CaseKind


@dataclass(slots=True)
class _Notes(Nobody):
    """Hands on what a search has to say about itself, without each release."""

    observer: Observer

    def note(self, text: str) -> None:
        self.observer.note(text)


def bisect_new(plan: Plan, archive: Archive, summary: Summary, seconds: float, observer: Observer) -> None:
    """Search the releases of the engine that dissents first in the smallest finding of each new cause.

    What was found is kept in the bundle and the cause, and told.
    """
    deadline = time.monotonic() + seconds
    for_each_new(summary, deadline, "releases", observer, lambda new: _bisect(plan, archive, new, deadline, observer))


def _bisect(plan: Plan, archive: Archive, stored: Stored, deadline: float, observer: Observer) -> Iterator[str]:
    found = archive.read(stored.path.name)
    if found is None:
        return
    if found.case.kind is CaseKind.MACHINE or (subject := _subject(found)) is None:
        yield "none of the engines that dissent has any"
        return
    engine, release, releases = subject
    yield f"asking {releases.name}, for {deadline - time.monotonic():.0f} s at most"
    question = about(found, found.best, limits_for(found.best.size), engine=engine)
    options = Options(offline=plan.offline, deadline=deadline)
    result = bisect(EngineId.read(engine), releases, question, options, [release], _Notes(observer), plan.opener)
    yield from _told(result)
    yield from keep(stored.path, found, result, archive)


def _subject(found: Finding) -> tuple[str, str, Releases] | None:
    """The first dissenting engine that has releases: its id, the release that was seen, and all of them."""
    versions = {run.engine: run.version for run in found.runs}
    for dissent in found.verdict.dissents:
        id = EngineId.read(dissent.engine)
        releases = releases_for(id)
        if releases is not None:
            return dissent.engine, versions.get(dissent.engine, ""), releases
    return None


def _told(result: Bisected) -> list[str]:
    end = [] if result.complete else ["the time was over before the search was"]
    return [f"{result.strip.engine}: {line}" for line in [*words(result.strip), *end]]
