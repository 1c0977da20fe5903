"""What an archive remembers, as plain values: series, nights, sightings, stored findings, causes, minimizations.

A *night* is one run into a folder. A *sighting* is one engine's disagreement on one case, recorded whether a finding is
stored or not. A *cause* is what findings and sightings have in common (``fuzz.triage`` decides which); it is one row
with its faces listed. Times are seconds since 1970, as ``time.time`` gives them; 0 where nobody noted them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fuzz.records.finding import Signature
from fuzz.records.strip import State
from oracles.judge.verdict import Dissent
from wasm.case import Case


@dataclass(frozen=True, slots=True)
class Series:
    """What determines a run's cases: case ``n`` belongs to target ``targets[n % len(targets)]``.

    A target may stand in ``targets`` several times (``generators.schedule``): its cases have the indices 0, 1, 2, ...
    all the same.
    """

    targets: tuple[str, ...]
    seed: int
    version: str

    def to_json(self) -> dict[str, Any]:
        return {"targets": list(self.targets), "seed": self.seed, "version": self.version}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Series:
        return Series(tuple(data["targets"]), data["seed"], data["version"])

    def case(self, number: int) -> tuple[str, int]:
        """Target and index of case ``number``."""
        round_, turn = divmod(number, len(self.targets))
        target = self.targets[turn]
        return target, round_ * self.targets.count(target) + self.targets[:turn].count(target)

    def number(self, target: str, index: int) -> int:
        """The number of a case; the inverse of ``case``."""
        turns = [turn for turn, name in enumerate(self.targets) if name == target]
        round_, which = divmod(index, len(turns))
        return round_ * len(self.targets) + turns[which]

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, each once."""
        return tuple(dict.fromkeys(self.targets))


@dataclass(frozen=True, slots=True)
class Night:
    """One run into a folder.

    ``started`` is 0 for what an older release did, which noted no times. ``ended`` is 0 for a run that was killed or is
    still under way; ``exit_code`` is then None. ``cases`` were run by the reference in this night.
    """

    id: int
    series: Series
    started: float
    ended: float
    harness: str
    platform: str
    exit_code: int | None
    interrupted: bool
    cases: int


@dataclass(frozen=True, slots=True)
class EngineNight:
    """An engine's part in a night: its canonical id and release, or the ``trouble`` why it could not be used."""

    night: int
    engine: str
    release: str
    trouble: str


@dataclass(frozen=True, slots=True)
class HarnessError:
    """A failure of the harness itself: ``line`` for a reader, ``text`` whole."""

    night: int
    time: float
    line: str
    text: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """One engine's disagreement on one case.

    ``bucket`` is the key of the signature's bucket, ``cause`` a cause's id or None while nobody has said. ``cpu`` has
    the CPU's flags, sorted, with spaces between. ``time``, ``cpu`` and ``night`` are filled in by the archive.
    """

    target: str
    seed: int
    index: int
    version: str
    bucket: str
    engine: str
    release: str
    cause: int | None = None
    time: float = 0.0
    cpu: str = ""
    night: int = 0


def sightings_of(
    case: Case, bucket: str, dissents: Iterable[Dissent], release: Callable[[str], str], cause: int | None = None
) -> list[Sighting]:
    """One case's disagreements under one bucket, an engine each; ``release`` tells an engine's."""
    made = case.provenance
    who = [(dissent.engine, release(dissent.engine)) for dissent in dissents]
    return [Sighting(made.target, made.seed, made.index, made.version, bucket, *pair, cause) for pair in who]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A disagreement that waits: while its bucket was worked on nobody could say whether it has the same cause.

    ``number`` is the case's in ``series``, from which it can be made again. ``time`` and ``night`` are filled in by the
    archive.
    """

    series: Series
    number: int
    bucket: str
    time: float = 0.0
    night: int = 0

    @property
    def case(self) -> tuple[str, int, int]:
        """Target, seed and index."""
        target, index = self.series.case(self.number)
        return target, self.series.seed, index


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding's row: what there is to know of a bundle without reading it.

    ``bundle`` is the folder's name below ``findings/``. ``target``, ``seed`` and ``index`` say which case it was found
    with. ``size`` is the bytes of the case to look at, ``original_size`` of the case as found. ``known`` is the id of a
    known issue. ``trouble`` says why the bundle cannot be read, or that it is gone; "" for one that is there.
    """

    id: int
    bundle: str
    signature: Signature
    target: str
    seed: int
    index: int
    cause: int | None
    night: int
    time: float
    known: str
    repeats: int
    tries: int
    minimized: bool
    size: int
    original_size: int
    trouble: str = ""

    @property
    def stable(self) -> bool:
        return self.repeats == self.tries


class Ending(enum.StrEnum):
    """How a minimization ended: nothing gets any smaller, or something else came first."""

    FIXPOINT = "fixpoint"
    BUDGET = "budget"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Minimization:
    """One attempt to make a finding smaller: bytes ``before`` and ``after``, wall ``seconds``, questions asked.

    ``time`` and ``night`` are filled in by the archive.
    """

    bundle: str
    before: int
    after: int
    seconds: float
    runs: int
    ending: Ending
    time: float = 0.0
    night: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """What findings and sightings share.

    ``essentials`` are the instructions (or shapes) without which it goes away. ``faces`` are keys of signatures under
    which it shows. ``shown_by`` are settings of engines that show it, ``hidden_by`` those that do not; ``wrong_in`` are
    releases that show it, ``right_in`` those that do not. ``known`` and ``link`` name a known issue. A cause with
    ``merged_into`` is part of another one. ``night`` is the one in which it was told apart first.
    """

    id: int
    name: str
    kind: str
    phase: str
    family: str
    essentials: tuple[str, ...] = ()
    faces: tuple[str, ...] = ()
    shown_by: tuple[str, ...] = ()
    hidden_by: tuple[str, ...] = ()
    wrong_in: tuple[str, ...] = ()
    right_in: tuple[str, ...] = ()
    known: str = ""
    link: str = ""
    merged_into: int | None = None
    night: int = 0


@dataclass(frozen=True, slots=True)
class Retest:
    """A cause's smallest stored case, run again at the beginning of a night by one engine.

    ``state`` is ``bad`` if it shows what was found (or is wrong in another way: ``shows`` tells), ``good`` if it did
    what the reference does, ``cannot`` if it could not be asked; ``why`` is a line.
    """

    cause: int
    bundle: str
    engine: str
    release: str
    state: State
    shows: bool
    why: str


@dataclass(frozen=True, slots=True)
class SeenOn:
    """On how many cases an engine at a release showed something, and when first and last."""

    engine: str
    release: str
    cases: int
    first: float
    last: float
