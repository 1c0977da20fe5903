"""What the parent and its slots say to each other: orders down, reports up. Plain values, which a pipe can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from fuzz.campaign.narrowing import LeftOut
from fuzz.campaign.steering import Lesson
from fuzz.records.finding import Finding
from fuzz.records.history import Cause, Minimization, Series, SetAside, Sighting
from fuzz.records.stats import Stats
from fuzz.trial.bench import OpenEngine
from oracles.engine import Limits, open_engine
from wasm.case import Case


@dataclass(frozen=True, slots=True)
class Plan:
    """What all slots of a run have in common. ``feedback`` is the folder of ``fuzz.campaign.feedback``, if it is on;
    ``seeds`` a folder of cases for ``mutate`` and ``mixed`` to start from where it is not (``fuzz.corpus``).

    Each case is followed by so many neutral ``mutants`` of it (docs/mutants.md). With ``by_mutants`` the reference says
    nothing about a case: only what an engine answers otherwise for a mutant shows that something is wrong. With
    ``slow`` what takes too long to compile is a finding, too (docs/slow.md). With ``narrow`` cases are made without
    what engines lack (``fuzz.campaign.narrowing``). With ``sparing`` N over 1, the reference runs one in N cases,
    and of the others those on which engines do not agree by themselves (``oracles.judge.unanimity``).
    ``opener`` opens engines; it is replaced in tests only.
    """

    engines: tuple[str, ...]
    series: Series
    limits: Limits = field(default_factory=Limits)
    offline: bool = False
    feedback: Path | None = None
    seeds: Path | None = None
    mutants: int = 0
    by_mutants: bool = False
    slow: bool = False
    narrow: bool = True
    sparing: int = 1
    opener: OpenEngine = open_engine


# Orders.


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of causes while an order is carried out.

    ``lessons`` say what cases are made without. In the ``working`` buckets (keys) somebody is just finding out about a
    cause: what cannot be told apart there by what is known so far is set aside. Of the ``wanted`` causes (ids) further
    examples are to be stored; ``examples`` says how many each has, ``full`` which have all: of what is like those some
    are minimized all the same (none where nothing is minimized, for nothing could come of it). In the ``doubtful``
    buckets most of what was seen did not show again: it is looked at once before much is made of it.
    """

    causes: tuple[Cause, ...] = ()
    working: frozenset[str] = frozenset()
    wanted: frozenset[int] = frozenset()
    doubtful: frozenset[str] = frozenset()
    lessons: tuple[Lesson, ...] = ()
    examples: Mapping[int, int] = field(default_factory=dict)
    full: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class RunCases:
    """Run these cases until ``deadline`` (by ``time.monotonic``). ``place`` is where they stand among all cases of the
    run (``Epochs.case``), by which they are steered."""

    numbers: tuple[int, ...]
    knowledge: Knowledge
    deadline: float | None
    place: int = 0


@dataclass(frozen=True, slots=True)
class Reconsider:
    """Run these cases again: each was set aside for the disagreement in its bucket. ``stored`` are the findings that
    there are of them already, or of their parts: the names of their bundles, and the cause of each."""

    items: tuple[SetAside, ...]
    knowledge: Knowledge
    stored: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Minimize:
    """Make a finding smaller, from ``start`` on where that shows it too (its known causes are taken out of it)."""

    finding: Finding
    bundle: str
    seconds: float
    start: Case | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """End what is under way, with what there is of it. The one order that comes to a slot that is not idle."""


Order: TypeAlias = RunCases | Reconsider | Minimize | Stop

# Reports.


@dataclass(frozen=True, slots=True)
class Hello:
    """The engines that work: (id, release), those that do not: (id, reason), and what a reader must know of them.
    ``narrowed`` says what cases are made without for them, a line each; ``left_out`` are targets that none can run."""

    engines: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A finding: of a known ``cause`` (id), as one more example, or with something new in it, to be minimized from
    ``start`` on. ``aside`` is what to set aside if somebody else has begun to work on its bucket meanwhile."""

    finding: Finding
    aside: SetAside
    cause: int | None = None
    start: Case | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """These cases were run; each disagreement on them is a sighting for each engine, or was set aside."""

    numbers: tuple[int, ...]
    stats: Stats
    sightings: tuple[Sighting, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """These cases were run again; what is in ``set_aside`` has to wait once more."""

    items: tuple[SetAside, ...]
    sightings: tuple[Sighting, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class Minimized:
    """What came of an order to minimize: the finding, what it is about (``Essentials.words``; None if nobody could
    tell), and ``work`` for the archive; None if the engines that dissent are not here, so that nothing was tried.
    ``faces`` are keys of other buckets under which the same shows on the minimized case; ``hidden`` are engines beside
    those of the run that are known to be right on it."""

    finding: Finding
    bundle: str
    work: Minimization | None
    essentials: tuple[str, ...] | None = None
    faces: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """An engine that cannot be used any more."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The harness itself failed: an exception's text, and the case's number if one was under way."""

    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Ready for the next order."""


Report: TypeAlias = Hello | Found | Batch | Reconsidered | Minimized | Broken | Failed | Idle
