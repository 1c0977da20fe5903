"""At the end of a run: which releases show each new cause, as far as the time for that goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from fuzz.archive.archive import Archive
from fuzz.bisect.history import Bisected, Nobody, Options, bisect
from fuzz.bisect.keeping import keep
from fuzz.bisect.question import about
from fuzz.campaign.deadline import TimeIsOver
from fuzz.campaign.messages import Plan
from fuzz.records.finding import Finding
from fuzz.records.strip_text import words
from fuzz.records.summary import Observer, Stored, Summary
from fuzz.trial.limits import limits_for
from oracles.engine import EngineId, Releases, releases_of
from wasm.case import CaseKind
from wasm.errors import UserError


@dataclass(slots=True)
class _Notes(Nobody):
    """Hands on what a search has to say about itself, without each release."""

    observer: Observer

    def note(self, text: str) -> None:
        self.observer.note(text)


def bisect_new(plan: Plan, archive: Archive, summary: Summary, seconds: float, observer: Observer) -> None:
    """Search the releases of the engine that dissents first in the smallest finding of each new cause.

    What was found is kept in the bundle and the cause, and told; so is what was not reached. Whatever goes wrong is
    told too, and ends nothing.
    """
    deadline = time.monotonic() + seconds
    groups = [group for group in summary.by_cause() if group[0].fresh and not group[0].known]
    groups.sort(key=lambda group: not group[0].cause)  # what nobody could minimize yet comes last
    for number, group in enumerate(groups):
        if time.monotonic() >= deadline:
            left = ", ".join(_name(others[0]) for others in groups[number:])
            observer.note(f"the time for releases is over; not reached: {left}")
            return
        try:
            _bisect(plan, archive, group[0], deadline, observer)
        except TimeIsOver:
            observer.note(f"the time for releases is over; not finished: {_name(group[0])}")
            return
        except KeyboardInterrupt:
            summary.interrupted = True
            return
        except UserError as error:
            observer.note(f"releases of {_name(group[0])}: {error}")
        except Exception as error:  # the run is over and recorded: nothing here may take that back
            observer.note(f"releases of {_name(group[0])}: failed: {type(error).__name__}: {error}")


def _bisect(plan: Plan, archive: Archive, stored: Stored, deadline: float, observer: Observer) -> None:
    found = archive.read(stored.path.name)
    if found is None:
        return
    if found.case.kind is CaseKind.MACHINE or (subject := _subject(found)) is None:
        observer.note(f"releases of {_name(stored)}: none of the engines that dissent has any")
        return
    engine, release, releases = subject
    observer.note(
        f"releases of {_name(stored)}: asking {releases.name}, for {deadline - time.monotonic():.0f} s at most"
    )
    question = about(found, found.best, limits_for(len(found.best.content)), engine=engine)
    options = Options(offline=plan.offline, deadline=deadline)
    result = bisect(EngineId.read(engine), releases, question, options, [release], _Notes(observer), plan.opener)
    for line in [*_told(result), *keep(stored.path, found, result, archive)]:
        observer.note(f"releases of {_name(stored)}: {line}")


def _subject(found: Finding) -> tuple[str, str, Releases] | None:
    """The first dissenting engine that has releases: its id, the release that was seen, and all of them."""
    versions = {run.engine: run.version for run in found.runs}
    for dissent in found.verdict.dissents:
        id = EngineId.read(dissent.engine)
        releases = releases_of(id.name)
        if releases is not None:
            return str(replace(id, path="")), versions.get(dissent.engine, ""), releases
    return None


def _told(result: Bisected) -> list[str]:
    end = [] if result.complete else ["the time was over before the search was"]
    return [f"{result.strip.engine}: {line}" for line in [*words(result.strip), *end]]


def _name(stored: Stored) -> str:
    return f"cause {stored.cause}" if stored.cause else stored.path.name
