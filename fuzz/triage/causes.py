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

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Cause
from fuzz.triage.essentials import Essentials, sizes_of
from fuzz.triage.neutral import executed_rows, neutralized
from fuzz.triage.neutral_code import Form
from oracles.engine import EngineId
from wasm.case import Case

RUNS_NOTHING: Final = frozenset({"decode", "compile"})
"""Phases in which an engine does not run anything yet: an instruction need not be executed to show a bug."""


_KINDS: Final = {
    "value": "wrong value", "trap": "wrong trap", "state": "wrong memory", "exception": "wrong exception",
    "host_calls": "wrong host calls", "memory": "out of memory", "exhaust": "wrong exhaustion",
}  # fmt: skip


def cause_of(found: Finding, about: Essentials) -> Cause:
    """The cause that a finding shows, by its essentials; not recorded yet, so without an id."""
    dissenting = {dissent.engine for dissent in found.verdict.dissents}
    releases = {run.engine: release_of(run.engine, run.version) for run in found.runs}
    bucket = found.signature.bucket
    return Cause(
        id=0,
        name=name_of(bucket, about),
        kind=bucket.kind,
        phase=bucket.phase,
        family=bucket.family,
        essentials=about.words(),
        faces=(bucket.key,),
        shown_by=tuple(sorted(map(setting_of, dissenting))),
        hidden_by=tuple(sorted(map(setting_of, set(found.verdict.agreeing) - dissenting))),
        wrong_in=tuple(sorted({releases[name] for name in dissenting if name in releases})),
        known=found.known,
    )


def name_of(bucket: Signature, about: Essentials) -> str:
    """A few words: ``cranelift: wrong value, i32.rotl`` or ``cranelift: crash, results >= 254``."""
    rows = sorted(about.rows)
    words = [*rows[:3], *(["..."] if len(rows) > 3 else []), *(f"{name} >= {least}" for name, least in about.shape)]
    if not words:
        said = " ".join(bucket.message.split()[:10])
        words = [*([f'"{said}"'] if said else []), *([f"at {bucket.place}"] if bucket.place else [])]
    return f"{bucket.family}: {_KINDS.get(bucket.kind, bucket.kind)}" + (f", {' '.join(words)}" if words else "")


def setting_of(engine: str) -> str:
    """An engine's id without its release or path: ``wasmtime:opt=speed``."""
    id = EngineId.read(engine)
    return str(replace(id, version="", path=""))


def release_of(engine: str, version: str) -> str:
    """An engine's name at a release: ``wasmtime@31.0.0``."""
    return f"{EngineId.read(engine).name}@{version}"


def united(known: Cause, again: Cause, telling: bool = False) -> dict[str, tuple[str, ...]]:
    """What a known cause has learned from being found again: the fields that change, for ``CauseTables.update``.

    A setting that shows it once shows it, however often it does not. Of instructions only those stay essential that
    were so each time; none has to, where the bucket is ``telling``.
    """
    mine, theirs = Essentials.of_words(known.essentials), Essentials.of_words(again.essentials)
    common = Essentials(
        mine.specific & theirs.specific, mine.fixed & theirs.fixed, mine.incidental | theirs.incidental,
        mine.shape if mine.shape and theirs.shape else (), mine.rough and theirs.rough,
    )  # fmt: skip
    shown = {*known.shown_by, *again.shown_by}
    learned = {
        "essentials": common.words()
        if common.specific != mine.specific and (common.specific or telling)
        else known.essentials,
        "faces": tuple(dict.fromkeys((*known.faces, *again.faces))),
        "shown_by": tuple(sorted(shown)),
        "hidden_by": tuple(sorted({*known.hidden_by, *again.hidden_by} - shown)),
        "wrong_in": tuple(sorted({*known.wrong_in, *again.wrong_in})),
    }
    return {name: values for name, values in learned.items() if values != getattr(known, name)}


def same_cause(one: Cause, other: Cause, telling: bool = False) -> bool:
    """Whether two minimized findings have one cause.

    They have if the same instructions and sizes are essential to both, in one family of engines, and some setting shows
    both. Whether it shows as a crash here and as a wrong value there does not matter where something is known to be
    essential; where nothing is, the bucket decides. It decides more where it is ``telling`` (``is_telling``): refusals
    with one reason are one cause, and so are crashes with one message if what is essential differs in types only.
    """
    if one.family != other.family or not set(one.shown_by) & set(other.shown_by):
        return False
    mine, theirs = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    if telling and set(one.faces) & set(other.faces) and not (mine.shape and theirs.shape):
        fewer, more = sorted((_stems(mine.specific), _stems(theirs.specific)), key=len)
        return one.kind != "crash" or fewer <= more
    if not (mine.specific or mine.shape) and not (theirs.specific or theirs.shape):
        return bool(set(one.faces) & set(other.faces)) and mine.fixed == theirs.fixed
    return _same_rows(mine, theirs) and _same_shape(mine, theirs)


_OF_TYPES: Final = re.compile(r"(?<![a-z])[ifv](?:8|16|32|64|128)(?:x\d+)?|_[su]\b|_t\b|[._]")


def _stems(rows: frozenset[str]) -> frozenset[str]:
    """What rows do, whatever they do it on: ``extendlow`` of ``i64x2.extend_low_i32x4_u``."""
    return frozenset(_OF_TYPES.sub("", name) for name in rows)


def _same_rows(mine: Essentials, theirs: Essentials) -> bool:
    """A pattern of several rows is the same pattern where one row more was needed to make its operands: no value may
    stand between the rows of some patterns. A single row and a pattern with it are two causes, unless nobody knows
    whether all of the pattern is needed."""
    one, other = sorted((mine, theirs), key=lambda about: len(about.specific))
    fewer, more = _one_select(one.specific), _one_select(other.specific)
    return fewer == more or (len(fewer) > (0 if other.rough else 1) and fewer < more)


def _one_select(rows: frozenset[str]) -> frozenset[str]:
    """Rows with ``select`` for both ways of writing it (spec 3.4.7)."""
    return frozenset("select" if name == "select_t" else name for name in rows)


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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A disagreement as it was met: the case, its bucket, and who dissents, as (engine id, release)."""

    case: Case
    bucket: Signature
    dissenters: tuple[tuple[str, str], ...]

    def may_be(self, cause: Cause) -> bool:
        """Whether bucket, settings and releases allow it to be this cause. On another release it is not known to be
        wrong, so what is seen there is found anew (and then united with what is known)."""
        return (
            self.bucket.key in cause.faces
            and any(setting_of(engine) in cause.shown_by for engine, _ in self.dissenters)
            and all(release_of(engine, release) in cause.wrong_in for engine, release in self.dissenters)
        )


def classify(suspect: Suspect, causes: Sequence[Cause], wrong: Callable[[Case], bool]) -> Answer:
    """Ask whether a disagreement is one more of known causes.

    ``wrong`` runs a case and says whether it shows the same bucket. It is called twice at most, and twice for each
    candidate but one where there are several.
    """
    candidates = [cause for cause in causes if suspect.may_be(cause)]
    if not candidates:
        return Unknown(suspect.case)
    rows = executed_rows(suspect.case, static=suspect.bucket.phase in RUNS_NOTHING)
    sizes = sizes_of(suspect.case)
    candidates = [c for c in candidates if Essentials.of_words(c.essentials).reached_by(rows, sizes)]
    if not candidates:
        return Unknown(suspect.case)
    separable = [cause for cause in candidates if Essentials.of_words(cause.essentials).specific]
    left = _still_wrong(suspect, separable, wrong) if separable else suspect.case
    if left is not None:
        # What cannot be taken out may be what is left.
        opaque = tuple(cause for cause in candidates if cause not in separable)
        return Sighting(opaque) if opaque else Unknown(left, tuple(separable))
    # Alone first: the one without which nothing is wrong is the one that was seen.
    alone = [cause for cause in separable[:-1] if _still_wrong(suspect, [cause], wrong) is None]
    return Sighting((alone[0],) if alone else tuple(separable))


def _still_wrong(suspect: Suspect, causes: Sequence[Cause], wrong: Callable[[Case], bool]) -> Case | None:
    """The case without these causes, if it still shows the bucket; None if it does not, or nothing was taken out."""
    names = frozenset().union(*(Essentials.of_words(cause.essentials).specific for cause in causes))
    for form in Form:
        changed = neutralized(suspect.case, names, form, dead=suspect.bucket.phase in RUNS_NOTHING)
        if changed is not None and wrong(changed):
            return changed
    return None
