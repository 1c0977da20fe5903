"""The search over an engine's releases."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from fuzz.bisect.asking import ask
from fuzz.bisect.outcomes import Outcomes
from fuzz.bisect.plan import next_to_ask
from fuzz.bisect.question import Answer, Question
from fuzz.bisect.shelf import DISK, PARALLEL, Shelf
from fuzz.records.strip import State, Strip, Tried
from fuzz.trial.bench import OpenEngine
from oracles.clients import quietly
from oracles.engine import EngineId, EngineUnavailable, Releases, UsageError, open_engine
from oracles.provision import cache_root
from oracles.versions import version_key

NOT_AT_HAND: Final = "not at hand, and --offline is set"

AskEach: TypeAlias = Callable[[Sequence[str]], Iterator[tuple[str, Answer]]]
"""Asks releases by name, in any order."""


class Watcher(Protocol):
    """Whoever is told how a search goes."""

    def fetching(self, what: str) -> None: ...

    def asked(self, engine: str, release: str, answer: Answer) -> None: ...

    def note(self, text: str) -> None: ...


class Nobody:
    """A watcher that looks away."""

    def fetching(self, what: str) -> None: ...

    def asked(self, engine: str, release: str, answer: Answer) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How to search. ``first`` and ``last`` bound the releases ("" for no bound; ``31`` and ``31.0`` are allowed).

    ``every`` asks each release. ``disk`` is in bytes; ``deadline`` is by ``time.monotonic``. Without ``remembered``
    nothing is read of what earlier runs were told.
    """

    first: str = ""
    last: str = ""
    every: bool = False
    offline: bool = False
    parallel: int = PARALLEL
    disk: int = DISK
    remembered: bool = True
    deadline: float | None = None


@dataclass(slots=True)
class Bisected:
    """What came of a search. ``runs`` releases were asked now, ``known`` had been asked by earlier runs; ``fetched``
    were brought here and ``removed`` taken away again. ``showing`` are the releases that show what was asked for, and
    not only something else. ``complete`` says that the search came to its end.
    """

    strip: Strip
    showing: frozenset[str] = frozenset()
    runs: int = 0
    known: int = 0
    fetched: int = 0
    removed: int = 0
    seconds: float = 0.0
    complete: bool = True
    tries: int = 1


@dataclass(slots=True)
class Search:
    """A search under way over ``names``, oldest first. ``answers`` has what is known, by name."""

    names: Sequence[str]
    answers: dict[str, Answer] = field(default_factory=dict)
    runs: int = 0
    complete: bool = True

    def run(self, ask_each: AskEach, begin: Iterable[str], every: bool, deadline: float | None) -> None:
        """Ask until nothing is left to ask, or the time is over."""
        places = {name: place for place, name in enumerate(self.names)}
        suspected = [places[name] for name in begin if name in places]
        while wave := self._next(places, suspected, every):
            for name, answer in ask_each([self.names[place] for place in wave]):
                self.answers[name] = answer
                self.runs += 1
                if deadline is not None and time.monotonic() > deadline:
                    self.complete = not self._next(places, suspected, every)
                    return

    def _next(self, places: Mapping[str, int], suspected: Sequence[int], every: bool) -> Sequence[int]:
        known = {places[name]: answer.state for name, answer in self.answers.items() if name in places}
        if every:
            return [place for place in reversed(range(len(self.names))) if place not in known]
        return next_to_ask(len(self.names), known, suspected)

    def tried(self) -> tuple[Tried, ...]:
        """Those that were asked, oldest first."""
        return tuple(
            Tried(name, self.answers[name].state, self.answers[name].why) for name in self.names if name in self.answers
        )


def bisect(
    engine: EngineId, releases: Releases, question: Question, options: Options,
    begin: Sequence[str] = (), watcher: Watcher | None = None, opener: OpenEngine = open_engine,
) -> Bisected:  # fmt: skip
    """Search the releases of an engine (its id without one) for those that are bad, beginning with ``begin``.

    Raises ``EngineUnavailable`` where nobody says which releases there are, ``UsageError`` where none is within bounds.
    """
    start, told = time.monotonic(), watcher or Nobody()
    setting = str(engine.released())
    with ExitStack() as stack:
        outcomes = Outcomes(cache_root())
        stack.callback(outcomes.close)
        shelf = stack.enter_context(
            Shelf(releases, options.parallel, options.disk, lambda release: told.fetching(f"{releases.name} {release}"))
        )
        at_hand = releases.at_hand()
        every = _offered(releases, at_hand, outcomes, options.offline, told)
        names = [name for name in within(every, options) if not options.offline or name in at_hand]
        known = outcomes.known(setting, question.key) if options.remembered else {}
        known = {name: answer for name, answer in known.items() if name in every}
        search = Search(names, dict(known))

        def ask_each(wanted: Sequence[str]) -> Iterator[tuple[str, Answer]]:
            for release, reason in shelf.each(wanted):
                answer = (
                    Answer(State.CANNOT, reason, lasting=False) if reason else ask(engine, release, question, opener)
                )
                outcomes.keep(setting, question.key, release, answer)
                told.asked(setting, release, answer)
                yield release, answer

        search.run(ask_each, begin, options.every, options.deadline)
        for note in outcomes.notes:
            told.note(note)
    full = Search(every, {name: Answer(State.CANNOT, NOT_AT_HAND) for name in every} if options.offline else {})
    full.answers |= search.answers
    remembered = len(known)
    strip = Strip(setting, question.case_hash, tuple(every), full.tried())
    showing = frozenset(name for name, answer in search.answers.items() if answer.shows)
    seconds = time.monotonic() - start
    return Bisected(
        strip, showing, search.runs, remembered, shelf.fetched, shelf.removed, seconds, search.complete, question.tries
    )


def _offered(
    releases: Releases, at_hand: Sequence[str], outcomes: Outcomes, offline: bool, told: Watcher
) -> list[str]:  # fmt: skip
    """All releases, oldest first: those that the registry has, or offline was last heard to have, and those here."""
    if offline:
        names = outcomes.offered(releases.name)
    else:
        told.fetching(f"the list of {releases.name} releases")
        with quietly():
            names = tuple(releases.offered())
        outcomes.keep_offered(releases.name, names)
    if not names and not at_hand:
        raise EngineUnavailable(f"no release of {releases.name} is at hand and nobody says which there are")
    return sorted({*names, *at_hand}, key=version_key)


def within(names: Sequence[str], options: Options) -> list[str]:
    """The releases within the bounds. Raises ``UsageError`` where there is none, or a bound is no release."""
    for bound in filter(None, (options.first, options.last)):
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", bound):
            raise UsageError(f"{bound!r} is no release to search from or to: write 31 or 31.0.0")
    kept = [name for name in names if _fits(name, options)]
    if not kept:
        bounds = f"from {options.first or 'the first'} to {options.last or 'the last'}"
        raise UsageError(f"no release {bounds}: there are {len(names)}, from {names[0]} to {names[-1]}")
    return kept


def _fits(name: str, options: Options) -> bool:
    key, first, last = version_key(name), version_key(options.first), version_key(options.last)
    return (not options.first or key >= first) and (not options.last or key[: len(last)] <= last)
