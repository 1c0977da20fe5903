"""Causes: what findings share. One frequent bug must not hide a rare one beside it, nor fill the night with itself.

A disagreement is first known by its bucket (``Signature.bucket``), which says little: all wrong values of one engine
are one bucket. So each further one is asked, cheapest first, whether it can be one of the causes that are known:

1. Does it execute the cause's essential instructions, and reach its sizes?
2. Does one of the engine settings show it that show the cause?
3. With the essential instructions of all causes that are left neutralized, and the calls made narrow that are too wide
   for one of them, is it right?

Any no: something unknown is in it, and what was asked last is minimized (the neutralized module, where the known cause
cannot show any more). Three times yes: one more sighting of the cause.

When it is minimized it is asked again whether it is the same as a known one (``fuzz.triage.kin``), by its own
essentials: the questions before were about a large module, in which much is incidental.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from zlib import crc32

from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Cause
from fuzz.triage.essentials import GLOBALS, Essentials, sizes_of
from fuzz.triage.kept_alive import kept_alive
from fuzz.triage.kin import any_width
from fuzz.triage.neutral import executed_rows, neutralized, present_rows
from fuzz.triage.neutral_code import Form
from fuzz.triage.places import NOWHERE, Elsewhere
from fuzz.triage.signature import ANSWERED, RUNS_NOTHING, is_telling
from fuzz.triage.tail_calls import TAIL_CALLS, untailed
from fuzz.triage.wide_calls import is_firm, least_of, narrowed, needs_vectors
from oracles.engine import EngineId
from wasm.case import Case
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.rewrite.kept import ITEMS

_ONE_IN: Final = 4
"""Of so many suspects that are like a cause that cannot be neutralized, and of one more for each that was looked at and
came to the same, one is looked at all the same: a loud mistake of that kind is to cost less and less."""
_KINDS: Final = {
    "value": "wrong value", "trap": "wrong trap", "state": "wrong memory", "exception": "wrong exception",
    "host_calls": "wrong host calls", "memory": "out of memory", "exhaust": "wrong exhaustion",
}  # fmt: skip


def cause_of(found: Finding, about: Essentials, faces: Sequence[str] = (), hidden: Sequence[str] = ()) -> Cause:
    """The cause that a finding shows, by its essentials, by what else it shows as, and by engines beside those of the
    finding that are right (``hidden``, ids); not recorded yet, so without an id."""
    dissenting = {dissent.engine for dissent in found.verdict.dissents}
    releases = {run.engine: release_of(run.engine, run.version) for run in found.runs}
    bucket = found.signature.bucket
    about = _as_found(about, found.case)
    return Cause(
        id=0,
        name=name_of(bucket, about),
        kind=bucket.kind,
        phase=bucket.phase,
        family=bucket.family,
        essentials=about.words(),
        faces=(bucket.key, *faces),
        shown_by=tuple(sorted(map(setting_of, dissenting))),
        hidden_by=tuple(sorted(map(setting_of, {*found.verdict.agreeing, *hidden} - dissenting))),
        wrong_in=tuple(sorted({releases[name] for name in dissenting if name in releases})),
        known=found.known,
    )


def _as_found(about: Essentials, case: Case) -> Essentials:
    """Without the fixed rows that the case does not have at any width: a reducer puts such in, to have a value."""
    had = {any_width(row) for content in case.contents for row in _rows_in(content)}
    fixed = frozenset(row for row in about.fixed if any_width(row) in had)
    return replace(about, fixed=fixed) if had else about


def _rows_in(content: bytes) -> frozenset[str]:
    try:
        return present_rows(decode(content))
    except WasmError:
        return frozenset()


def name_of(bucket: Signature, about: Essentials) -> str:
    """A few words: ``cranelift: wrong value, i32.rotl`` or ``cranelift: crash, results >= 254``."""
    rows = sorted(about.rows)
    words = [*(["types of earlier modules"] if about.left else []),
             *([about.tail or "tail calls"] if about.tails else []),
             *(["collected too early"] if about.early else []),
             *(["what is there at the start"] if ITEMS in about.lost else []),
             *(["by where values lie"] if about.by_places else []),
             *(["behind a handler"] if about.by_places and about.handled else []),
             *rows[:3], *(["..."] if len(rows) > 3 else []), *(["with a constant"] if about.constant else []),
             *([f"of a {about.besides} besides the first"] if about.besides else []),
             *(f"{name} >= {least}" for name, least in about.shape)]  # fmt: skip
    if not words:
        said = " ".join(bucket.message.split()[:10])
        words = [*([f'"{said}"'] if said else []), *([f"at {bucket.place}"] if bucket.place else [])]
    return f"{bucket.family}: {_KINDS.get(bucket.kind, bucket.kind)}" + (f", {' '.join(words)}" if words else "")


def renamed(cause: Cause, essentials: tuple[str, ...]) -> str:
    """The name of a cause that is about something else now, as far as it has one that says what it is about."""
    bucket = Signature(cause.family, cause.phase, cause.kind)
    was, now = (Essentials.of_words(words) for words in (cause.essentials, essentials))
    return name_of(bucket, now) if cause.name == name_of(bucket, was) else cause.name


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
    were so each time; none has to, where the bucket is ``telling``. What was minimized to the end says it all, where
    what was known was not.
    """
    mine, theirs = Essentials.of_words(known.essentials), Essentials.of_words(again.essentials)
    common = Essentials(
        mine.specific & theirs.specific, mine.fixed & theirs.fixed, mine.incidental | theirs.incidental,
        mine.shape if mine.shape and theirs.shape else (), mine.rough and theirs.rough,
        mine.alone and theirs.alone, mine.constant and theirs.constant, mine.calls and theirs.calls,
        tails=mine.tails and theirs.tails, wraps=mine.wraps and theirs.wraps, early=mine.early and theirs.early,
        lost=mine.lost & theirs.lost, besides=mine.besides if mine.besides == theirs.besides else "",
        placed=mine.placed and theirs.placed, untrapped=mine.untrapped and theirs.untrapped,
        high=mine.high and theirs.high, left=mine.left and theirs.left,
    )  # fmt: skip
    shown = {*known.shown_by, *again.shown_by}
    wrong = {*known.wrong_in, *again.wrong_in}
    essentials = known.essentials
    needs_less = common.calls and sum(dict(theirs.shape).values()) < sum(dict(mine.shape).values())
    says_something = theirs.specific or theirs.shape or theirs.reasons or theirs.tails or theirs.early
    if needs_less or (mine.rough and not theirs.rough and says_something):
        essentials = again.essentials
    elif mine.tails and theirs.tails and not (kinds := theirs.fixed & TAIL_CALLS) <= mine.fixed:
        essentials = replace(mine, fixed=mine.fixed | kinds, tail="").words()
    elif not theirs.reasons <= mine.reasons:
        essentials = replace(mine, reasons=mine.reasons | theirs.reasons).words()
    elif common.specific != mine.specific and (common.specific or telling or common.by_places):
        essentials = common.words()
    elif telling and not mine.specific and common.fixed != mine.fixed:
        # What the reducer could not remove here was not there the other time: it is not needed.
        essentials = common.words()
    learned = {
        "essentials": essentials,
        "faces": tuple(dict.fromkeys((*known.faces, *again.faces))),
        "shown_by": tuple(sorted(shown)),
        "hidden_by": tuple(sorted({*known.hidden_by, *again.hidden_by} - shown)),
        "wrong_in": tuple(sorted(wrong)),
        "right_in": tuple(sorted({*known.right_in, *again.right_in} - wrong)),
    }
    return {name: values for name, values in learned.items() if values != getattr(known, name)}


def is_bare(cause: Cause) -> bool:
    """Whether nothing is known to be essential to a cause."""
    about = Essentials.of_words(cause.essentials)
    said = about.reasons or about.tails or about.early or about.besides or about.placed or about.left
    return not (about.rows or about.shape or said)


def says_little(cause: Cause) -> bool:
    """Whether what is known to be essential to a cause is met in most cases: nothing, or that values go through
    globals, which cannot be taken out to see whether that is it, or where they lie."""
    about = Essentials.of_words(cause.essentials)
    if about.by_places:
        return True
    said = about.specific or about.shape or about.calls or about.tails or about.reasons or about.early or about.left
    return is_bare(cause) or (about.rows <= GLOBALS and not said and not about.besides)


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
    """A disagreement as it was met: the case, its bucket, and who dissents, as (engine id, release). ``elsewhere`` asks
    one of them with values in other places, ``afresh`` in workers that have run nothing before, whether the case is
    right. ``examples``: how many findings have each cause, by id; ``full`` are the causes with as many as are stored.
    """

    case: Case
    bucket: Signature
    dissenters: tuple[tuple[str, str], ...]
    elsewhere: Elsewhere = NOWHERE
    examples: Mapping[int, int] = field(default_factory=dict)
    full: frozenset[int] = frozenset()
    afresh: Callable[[Case], bool] = lambda _: False

    def may_be(self, cause: Cause) -> bool:
        """Whether bucket, settings and releases allow it to be this cause. On another release it is not known to be
        wrong, so what is seen there is found anew (and then united with what is known). A cause that nothing is known
        to be essential to would be everything that looks like one of its faces, so only the first one counts, or one
        that says much by itself."""
        if not all(release_of(engine, release) in cause.wrong_in for engine, release in self.dissenters):
            return False
        about = Essentials.of_words(cause.essentials)
        if about.left:
            return cause.family == self.bucket.family
        if about.by_places:
            mute = self.bucket.kind in ANSWERED or (self.bucket.kind == "crash" and not is_telling(self.bucket))
            return cause.family == self.bucket.family and self.bucket.phase not in RUNS_NOTHING and mute
        faces = cause.faces if is_telling(self.bucket) or not is_bare(cause) else cause.faces[:1]
        return self.bucket.key in faces and any(setting_of(engine) in cause.shown_by for engine, _ in self.dissenters)


def classify(suspect: Suspect, causes: Sequence[Cause], wrong: Callable[[Case], bool]) -> Answer:
    """Ask whether a disagreement is one more of known causes.

    ``wrong`` runs a case and says whether it shows the same bucket. It is called twice at most, and twice for each
    candidate where there are several, a few times more about vectors among the results of wide calls;
    ``suspect.elsewhere`` and ``suspect.afresh`` once.
    """
    candidates = [cause for cause in causes if suspect.may_be(cause)]
    by_types = [cause for cause in candidates if Essentials.of_words(cause.essentials).left]
    answer = _classify(suspect, [cause for cause in candidates if cause not in by_types], wrong)
    # A fresh worker costs more than all other questions, so it is the last one.
    asked = isinstance(answer, Unknown) and by_types and not _is_looked_at(suspect, suspect.case, by_types)
    return Sighting(tuple(by_types)) if asked and suspect.afresh(suspect.case) else answer


def _classify(suspect: Suspect, candidates: list[Cause], wrong: Callable[[Case], bool]) -> Answer:
    """``classify`` among causes that need nothing from before."""
    # What a bucket was found with first it says of more surely than what it was seen with once.
    candidates.sort(key=lambda cause: cause.faces[:1] != (suspect.bucket.key,))
    if not candidates:
        return Unknown(suspect.case)
    rows = executed_rows(suspect.case, static=suspect.bucket.phase in RUNS_NOTHING)
    sizes = sizes_of(suspect.case)
    candidates = [c for c in candidates if _stand_for(Essentials.of_words(c.essentials), rows).reached_by(rows, sizes)]
    if not candidates:
        return Unknown(suspect.case)
    separable = [cause for cause in candidates if _can_be_taken_out(Essentials.of_words(cause.essentials))]
    left = _still_wrong(suspect, separable, rows, wrong) if separable else suspect.case
    if left is not None:
        # What cannot be taken out may be what is left.
        opaque = [cause for cause in candidates if cause not in separable]
        placed = [cause for cause in opaque if Essentials.of_words(cause.essentials).by_places]
        if not opaque or _is_looked_at(suspect, left, opaque):
            return Unknown(left, tuple(separable))
        if placed and not suspect.elsewhere.right(left):
            opaque = [cause for cause in opaque if cause not in placed]
        return Sighting(tuple(opaque)) if opaque else Unknown(left, tuple(separable))
    # The one without which alone nothing is wrong is the one that was seen.
    some = separable if len(separable) > 1 else ()
    alone = next((cause for cause in some if _still_wrong(suspect, [cause], rows, wrong) is None), None)
    seen = tuple(separable) if alone is None else (alone,)
    return Unknown(suspect.case) if _is_looked_at(suspect, suspect.case, seen) else Sighting(seen)


def _is_looked_at(suspect: Suspect, left: Case, causes: Sequence[Cause]) -> bool:
    """Whether a suspect that is like causes is minimized all the same: what is right with values elsewhere, or where
    calls are narrow, or has the control flow that was left of another one, is like all that is so, but not the same. By
    its content, so that it is the same ones each time. What says much, and what can be neutralized, needs no such look;
    other causes but those by places only once they have their examples, which are asked for as ever."""
    if is_telling(suspect.bucket) and not all(Essentials.of_words(cause.essentials).left for cause in causes):
        return False
    for cause in causes:
        about = Essentials.of_words(cause.essentials)
        if about.specific or about.tails or about.lost or not (about.by_places or cause.id in suspect.full):
            return False
    return crc32(left.content) % (_ONE_IN + max(suspect.examples.get(cause.id, 0) for cause in causes)) == 0


def _can_be_taken_out(about: Essentials) -> bool:
    return not about.by_places and bool(about.specific or about.calls or about.tails or about.lost)


def _stand_for(about: Essentials, rows: frozenset[str]) -> Essentials:
    """The same with the rows of a case in place of those that it was minimized to: the reducer makes i32 of i64, and
    what differs in width is one cause (``fuzz.triage.kin``). A cause stays as it is of which a case has only a part."""
    wanted = set(map(any_width, about.specific))
    there = {row for row in rows if any_width(row) in wanted}
    return replace(about, specific=frozenset(there)) if set(map(any_width, there)) == wanted else about


def _still_wrong(
    suspect: Suspect, causes: Sequence[Cause], rows: frozenset[str], wrong: Callable[[Case], bool]
) -> Case | None:
    """The case without these causes, if it still shows the bucket; None if it does not, or nothing was taken out."""
    about = [_stand_for(Essentials.of_words(one.essentials), rows) for one in causes]
    names = frozenset().union(*(one.specific for one in about))
    sizes: dict[str, int] = {}
    for one in about:
        for side, size in least_of(dict(one.shape)).items() if one.calls else ():
            sizes[side] = min(size, sizes.get(side, size))
    plain = untailed(suspect.case, frozenset().union(*(one.tail_calls for one in about if one.tails)))
    narrow = narrowed(plain or suspect.case, sizes) if sizes else None
    case = narrow or plain or suspect.case
    lost = frozenset().union(*(one.lost for one in about))
    case = (kept_alive(case, lost) if lost else None) or case
    if case is not suspect.case and not names and wrong(case):
        return case
    for form in Form if names else ():
        changed = neutralized(case, names, form, dead=suspect.bucket.phase in RUNS_NOTHING)
        if changed is not None and wrong(changed):
            return changed
    # What comes and goes with the values' places is not known to be about wide calls, unless it says much by itself.
    if narrow is None or is_telling(suspect.bucket):
        return None
    known = is_firm(suspect.case, sizes, wrong)
    if known and "results" in sizes and not any(one.vectors for one in about if one.calls):
        # Vectors have their own ways through wide calls, and those would be taken out with the others for ever.
        known = not needs_vectors(suspect.case, sizes["results"], wrong)
    return None if known else suspect.case
