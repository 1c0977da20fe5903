"""The history of one case over an engine's releases: a *strip*, which is drawn as one line.

    releases   31.0.0  32.0.0  33.0.0  34.0.0  40.0.0  41.0.0
    state      good    bad     bad     cannot  bad     good        first bad 32.0.0, first fixed 41.0.0

A release is *good* where it does what the reference does, *bad* where it shows the finding, and *cannot* where it could
not be asked: not installable, a feature missing, unusable here. Nothing is said of a release that was not run.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fuzz.records.typed import need_type


class State(enum.StrEnum):
    """What one release did with the case."""

    GOOD = "good"
    BAD = "bad"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Tried:
    """One release that was asked. ``why`` says in a line what it did or why it could not be asked."""

    release: str
    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of releases, oldest first, in which every one that could be asked is bad.

    ``last_good`` and ``first_fixed`` are the good ones next to it, "" where there is none among those that were asked.
    ``exact`` says that no release on offer lies between the ends and what is beside them without having been asked.
    """

    last_good: str
    first_bad: str
    last_bad: str
    first_fixed: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """What an engine's releases did with one case.

    ``engine`` is the id without release (``wasmtime:opt=none``), ``case`` the SHA-256 of what was run (hexadecimal),
    ``offered`` all releases that there were, oldest first, ``tried`` those that were asked, in the same order.
    """

    engine: str
    case: str
    offered: tuple[str, ...]
    tried: tuple[Tried, ...]

    def ranges(self) -> tuple[Range, ...]:
        """The stretches of bad releases, oldest first; several where a bug came, went and came again."""
        return tuple(self._ranges())

    def _ranges(self) -> Iterator[Range]:
        asked = [one for one in self.tried if one.state is not State.CANNOT]
        begin = 0
        while begin < len(asked):
            if asked[begin].state is State.GOOD:
                begin += 1
                continue
            end = begin
            while end + 1 < len(asked) and asked[end + 1].state is State.BAD:
                end += 1
            last_good = asked[begin - 1].release if begin else ""
            first_fixed = asked[end + 1].release if end + 1 < len(asked) else ""
            first_bad, last_bad = asked[begin].release, asked[end].release
            exact = self._all_asked(last_good, first_bad) and self._all_asked(last_bad, first_fixed)
            yield Range(last_good, first_bad, last_bad, first_fixed, exact)
            begin = end + 1

    def _all_asked(self, older: str, newer: str) -> bool:
        """Whether each release on offer between two (to the end of the list, for "") was asked."""
        first = self.offered.index(older) + 1 if older else 0
        last = self.offered.index(newer) if newer else len(self.offered)
        asked = {one.release for one in self.tried}
        return all(release in asked for release in self.offered[first:last])

    def to_json(self) -> dict[str, Any]:
        tried = [{"release": one.release, "state": one.state.value, "why": one.why} for one in self.tried]
        return {"engine": self.engine, "case": self.case, "offered": list(self.offered), "tried": tried}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Strip:
        """Read ``to_json``'s form. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        tried = tuple(Tried(one["release"], State(one["state"]), one["why"]) for one in data["tried"])
        strip = Strip(data["engine"], data["case"], tuple(data["offered"]), tried)
        need_type(strip, Strip, "strip")
        if not {one.release for one in tried} <= set(strip.offered):
            raise ValueError("a release was tried that is not on offer")
        return strip
