"""Causes: what findings share. One frequent bug must not hide a rare one beside it, nor fill the night with itself.

A disagreement is first known by its bucket (``Signature.bucket``), which says little: all wrong values of one engine
are one bucket. So each further one is asked, cheapest first, whether it can be one of the causes that are known:

1. Does it execute the cause's essential instructions, and reach its sizes?
2. Does one of the engine settings show it that show the cause?
3. With the essential instructions of all causes that are left neutralized, is it right?

Any no: something unknown is in it, and what was asked last is minimized (the neutralized module, where the known cause
cannot show any more). Three times yes: one more sighting of the cause.

When it is minimized it is asked again whether it is the same as a known one (``same_cause``), by its own essentials:
the questions before were about a large module, in which much is incidental.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from fuzz.records.finding import Finding, Signature
from fuzz.triage.essentials import Essentials, sizes_of
from fuzz.triage.neutral import executed_rows, neutralized
from fuzz.triage.neutral_code import Form
from wasm.case import Case

RUNS_NOTHING: Final = frozenset({"decode", "compile"})
"""Phases in which an engine does not run anything yet: an instruction need not be executed to show a bug."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause. ``faces`` are the buckets under which it was seen, ``showing`` and ``silent`` the engine ids that show
    its minimized case and those that are right on it."""

    id: str
    faces: tuple[Signature, ...]
    essentials: Essentials
    showing: frozenset[str]
    silent: frozenset[str] = frozenset()

    @property
    def family(self) -> str:
        return self.faces[0].family

    @property
    def phase(self) -> str:
        return self.faces[0].phase

    @property
    def name(self) -> str:
        """A few words: ``cranelift: wrong value, i32.rotl`` or ``cranelift: crash, results >= 254``."""
        essentials = self.essentials
        about = [*sorted(essentials.rows)[:3], *(f"{name} >= {least}" for name, least in essentials.shape)]
        kinds = " and ".join(dict.fromkeys(_KINDS.get(face.kind, face.kind) for face in self.faces))
        return f"{self.family}: {kinds}" + (f", {' '.join(about)}" if about else "")

    def with_face(self, face: Signature) -> Cause:
        """The same cause seen under one more bucket."""
        return self if face in self.faces else replace(self, faces=(*self.faces, face))

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "faces": [face.to_json() for face in self.faces],
            "essentials": self.essentials.to_json(),
            "showing": sorted(self.showing),
            "silent": sorted(self.silent),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Cause:
        return Cause(
            data["id"],
            tuple(map(Signature.from_json, data["faces"])),
            Essentials.from_json(data["essentials"]),
            frozenset(data["showing"]),
            frozenset(data["silent"]),
        )


_KINDS: Final = {
    "value": "wrong value", "trap": "wrong trap", "state": "wrong memory", "exception": "wrong exception",
    "host_calls": "wrong host calls", "memory": "out of memory", "exhaust": "wrong exhaustion",
}  # fmt: skip


def cause_of(found: Finding, essentials: Essentials, id: str) -> Cause:
    """The cause that a minimized finding shows."""
    showing = frozenset(dissent.engine for dissent in found.verdict.dissents)
    return Cause(id, (found.signature.bucket,), essentials, showing, frozenset(found.verdict.agreeing))


def same_cause(one: Cause, other: Cause) -> bool:
    """Whether two minimized findings have one cause.

    They have if the same instructions and sizes are essential to both, in one family of engines, and some setting shows
    both. Whether it shows as a crash here and as a wrong value there does not matter where something is known to be
    essential; where nothing is, the bucket decides.
    """
    if one.family != other.family or not one.showing & other.showing:
        return False
    mine, theirs = one.essentials, other.essentials
    if not (mine.specific or mine.shape) and not (theirs.specific or theirs.shape):
        return bool(set(one.faces) & set(other.faces)) and mine.fixed == theirs.fixed
    return _same_rows(mine.specific, theirs.specific) and _same_shape(mine, theirs)


def _same_rows(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """A pattern of several rows is the same pattern where one row more was needed to make its operands: no value may
    stand between the rows of some patterns. A single row and a pattern with it are two causes."""
    fewer, more = sorted((mine, theirs), key=len)
    return mine == theirs or (len(fewer) > 1 and fewer < more)


def _same_shape(one: Essentials, other: Essentials) -> bool:
    """Sizes need not be the same to the unit: what else a call has takes part in many limits."""
    mine, theirs = dict(one.shape), dict(other.shape)
    return mine.keys() == theirs.keys() and all(abs(mine[name] - theirs[name]) * 4 <= mine[name] for name in mine)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A disagreement that is one more of known causes: nothing in it is wrong without them."""

    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A disagreement with something new in it. ``case`` is the one to minimize; ``without`` are the causes that were
    taken out of it."""

    case: Case
    without: tuple[Cause, ...] = ()


Answer: TypeAlias = Sighting | Unknown


def classify(
    case: Case, bucket: Signature, dissenters: Iterable[str], causes: Sequence[Cause], wrong: Callable[[Case], bool]
) -> Answer:
    """Ask whether a disagreement is one more of known causes.

    ``wrong`` runs a case and says whether it shows the same bucket. It is called three times at most for one candidate,
    and twice more for each further one.
    """
    showing = frozenset(dissenters)
    candidates = [cause for cause in causes if bucket in cause.faces and cause.showing & showing]
    if not candidates:
        return Unknown(case)
    rows, sizes = executed_rows(case, static=bucket.phase in RUNS_NOTHING), sizes_of(case)
    candidates = [cause for cause in candidates if cause.essentials.reached_by(rows, sizes)]
    if not candidates:
        return Unknown(case)
    left = _still_wrong(case, bucket, candidates, wrong)
    if left is not None:
        return Unknown(left, tuple(candidates))
    # Alone first: the one without which nothing is wrong is the one that was seen.
    alone = [cause for cause in candidates[:-1] if _still_wrong(case, bucket, [cause], wrong) is None]
    return Sighting((alone[0],) if alone else tuple(candidates))


def _still_wrong(case: Case, bucket: Signature, causes: Sequence[Cause], wrong: Callable[[Case], bool]) -> Case | None:
    """The case without these causes, if it still shows the bucket; None if it does not, or nothing could be taken out.

    A cause whose essential instructions cannot be neutralized cannot be told from another with the same ones.
    """
    names = frozenset().union(*(cause.essentials.specific for cause in causes))
    for form in Form:
        changed = neutralized(case, names, form, dead=bucket.phase in RUNS_NOTHING)
        if changed is not None and wrong(changed):
            return changed
    return None
