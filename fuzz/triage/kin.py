"""Whether two minimized findings have one cause, by what is essential to each.

``same_cause`` is sure enough to make one row of them. ``akin`` is about causes that differ in what they are about but
hang together all the same, so that one is recorded as part of the other (and a person can take it out again):

    i32.rotl | i64.rotl                         one rule of a compiler for several widths
    f32.eq | f32.ne                             or for an instruction and its negation
    table.get | return_call_indirect            or for all that looks up an entry of a table
    i32.reinterpret_f32 | i64.add               what carries on a global that was read around the same call
    i16x8.mul extend_high | i16x8.extmul_high   or for an instruction and what it fuses
    f32.load f32.ceil | f32.load f32.floor      one load that is folded into whatever uses it
    i32.add, i64.le_u with a constant           one form that machines have for a constant operand
    i32.rem_s | i32.trunc_f32_u                 traps that do not come, as what is not used is taken away
    i32.load | v128.load64_lane                 accesses that should trap
    i32.load | f32.convert_i32_u                what takes an unsigned i32 as a signed one
    memory.atomic.wait32 | memory.atomic.notify accesses that should not trap
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from fuzz.records.history import Cause
from fuzz.triage.essentials import Essentials
from fuzz.triage.signature import ANSWERED, RUNS_NOTHING
from fuzz.triage.wide_calls import SMALL, least_of
from oracles.engine import EngineId
from wasm.isa import OPS
from wasm.rewrite.spaces import Space

PATTERN: Final = 2
"""A crash of a compiler that is about certain instructions needs so many at most to meet."""


def same_cause(one: Cause, other: Cause, telling: bool = False) -> bool:
    """Whether two minimized findings have one cause.

    They have if the same instructions and sizes are essential to both, in one family of engines, and some setting shows
    both. Two wrong allocations have one cause if they are wrong for one reason. Whether it shows as a crash here and as
    a wrong value there does not matter where something is known to be essential; where nothing is, the bucket decides.
    It decides more where it is ``telling`` (``is_telling``): refusals
    with one reason are one cause, and so are crashes with one message if what is essential differs in types only, or if
    it is more than a few instructions: then it is about how many values there are, or where they lie. Which settings
    show such a crash is a matter of chance. Of what is known to come and go with where values lie, and of which nothing
    else is known, everything else is.
    """
    if one.family != other.family:
        return False
    mine, theirs = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    if mine.reasons and theirs.reasons:
        # What asks for more than so many operands or values is another mistake, unless nobody knows whether it does.
        return not mine.reasons.isdisjoint(theirs.reasons) and (mine.rough or theirs.rough or _same_shape(mine, theirs))
    if mine.left or theirs.left:
        return mine.left and theirs.left
    if mine.early and theirs.early:
        return bool(set(one.shown_by) & set(other.shown_by)) and _same_lost(mine, theirs)
    if telling and set(one.faces) & set(other.faces) and not (mine.shape and theirs.shape):
        fewer, more = sorted((_stems(mine.specific), _stems(theirs.specific)), key=len)
        return one.kind != "crash" or fewer <= more or len(more) > PATTERN
    if not _may_show_alike(one, other):
        return False
    if mine.by_places and theirs.by_places:
        # A handler that the reducer left is needed, and what is behind it has a frame of its own to find again.
        alike = mine.handled == theirs.handled or mine.rough or theirs.rough
        return alike and not telling and RUNS_NOTHING.isdisjoint({one.phase, other.phase})
    if (mine.by_places and theirs.alone) or (mine.alone and theirs.by_places):
        return False
    if mine.tails or theirs.tails:
        # What is about one kind alone has been seen with that one.
        seen = mine.tail in ("", *theirs.fixed) and theirs.tail in ("", *mine.fixed)
        return mine.tails and theirs.tails and seen
    if mine.early != theirs.early or _other_index(mine, theirs):
        return False
    if mine.besides == theirs.besides != "" and _accesses(mine) and _accesses(theirs):
        return True
    if mine.calls and theirs.calls:
        return _same_shape(mine, theirs) and _same_vectors(mine, theirs)
    if not (mine.specific or mine.shape) and not (theirs.specific or theirs.shape):
        return bool(set(one.faces) & set(other.faces)) and mine.fixed == theirs.fixed
    return mine.constant == theirs.constant and _same_rows(mine, theirs) and _same_shape(mine, theirs)


def _may_show_alike(one: Cause, other: Cause) -> bool:
    """Whether some setting shows both, or could: of what comes and goes with where values lie it is chance which do."""
    both = set(one.shown_by) & set(other.shown_by)
    return bool(both) or any(Essentials.of_words(cause.essentials).placed for cause in (one, other))


def _other_index(mine: Essentials, theirs: Essentials) -> bool:
    """Whether one is about what is not the first of its kind and the other is not, as far as both were asked."""
    return mine.besides != theirs.besides and not (mine.rough or theirs.rough)


def _accesses(about: Essentials) -> bool:
    """Whether it is about nothing but reading or writing a place of a memory, or of a table: all that does so finds its
    memory or table alike."""
    if about.besides == Space.MEMORY.value:
        # Stores are written by other stores, which are as wrong; a load may be folded into what carries its bits on.
        rest = {name for name in about.specific if ".reinterpret_" not in name}
        return rest <= _ACCESSES and not _ACCESSES.isdisjoint(about.specific | about.incidental)
    return not about.specific and any(any_width(name) == _ENTRY for name in about.fixed)


def _same_lost(mine: Essentials, theirs: Essentials) -> bool:
    """Whether one and the same was forgotten, or nobody knows what. ``_default`` and the like say what an object begins
    with."""
    one, other = ({name.removesuffix("_default").removesuffix("_fixed") for name in about.lost}
                  for about in (mine, theirs))  # fmt: skip
    return one == other or not one or not other


def _same_vectors(mine: Essentials, theirs: Essentials) -> bool:
    """Whether both need a vector among the results of wide calls, or neither does, as far as that is known: of what was
    not minimized to its end it is known only that one is needed. Of many results it is their number that is wrong."""
    many = all(min((size for _, size in (*about.shape, *about.perhaps)), default=0) > SMALL for about in (mine, theirs))
    return many or mine.vectors == theirs.vectors or (theirs if mine.vectors else mine).rough


_OF_TYPES: Final = re.compile(r"(?<![a-z])[ifv](?:8|16|32|64|128)(?:x\d+)?|_[su]\b|_t\b|[._]")


def _stems(rows: frozenset[str]) -> frozenset[str]:
    """What rows do, whatever they do it on: ``extendlow`` of ``i64x2.extend_low_i32x4_u``."""
    return frozenset(_OF_TYPES.sub("", name) for name in rows)


def _same_rows(mine: Essentials, theirs: Essentials) -> bool:
    """A pattern of several rows is the same pattern where one row more was needed to make its operands: no value may
    stand between the rows of some patterns. A single row and a pattern with it are two causes, unless nobody knows
    whether all of the pattern is needed."""
    one, other = sorted((mine, theirs), key=lambda about: len(about.specific))
    fewer, more = one.specific, other.specific
    return fewer == more or (len(fewer) > (0 if other.rough else 1) and fewer < more)


def _same_shape(one: Essentials, other: Essentials) -> bool:
    """Sizes need not be the same to the unit: what else a call has takes part in many limits. What is rough may need
    less."""
    mine, theirs = dict(one.shape), dict(other.shape)
    if mine.keys() != theirs.keys():
        return False
    return all(
        abs(mine[name] - theirs[name]) * 4 <= mine[name] or max(mine[name], theirs[name]) <= SMALL
        or (one.rough and mine[name] > theirs[name]) or (other.rough and theirs[name] > mine[name])
        for name in mine
    )  # fmt: skip


def akin(one: Cause, other: Cause) -> bool:
    """Whether two causes of one family and phase that some setting shows hang together: they differ in the width
    of what they are about, ask one question in two ways, or are about one load and whatever uses it. What was not
    minimized to the end tells nothing, unless it is a single instruction, or goes away without wide calls.
    """
    mine, theirs = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    if mine.left or theirs.left:
        return False
    if perhaps_wide(one, other) or _behind_a_handler(one, other) or _perhaps_places(one, other):
        return True
    if one.family == other.family and _may_show_alike(one, other) and _by_address(mine, theirs):
        return RUNS_NOTHING.isdisjoint({one.phase, other.phase})
    answered = {one.kind, other.kind} <= ANSWERED
    # A wrong answer is met wherever somebody looks at it: in a result, or in what is left in memory at the end.
    if one.family != other.family or (one.phase != other.phase and not answered):
        return False
    if one.kind != other.kind:
        kinds = {one.kind, other.kind}
        # A value that is wrong is wrong wherever it is looked at, in a result or in memory.
        looked_at = kinds == {"value", "state"} and len(mine.specific) == len(theirs.specific) == 1
        if not looked_at and not (mine.alone and theirs.alone and kinds <= ANSWERED):
            return False
    if any(about.shape or not about.rows or (about.rough and len(about.rows) > 1) for about in (mine, theirs)):
        return False
    if _other_index(mine, theirs):
        return False
    if not _may_show_alike(one, other):
        return False
    if not {one.kind, other.kind} <= ANSWERED and not set(one.faces) & set(other.faces):
        return False
    if _through_globals(mine, theirs) or (_without_trap(one) and _without_trap(other) and _hidden_alike(one, other)):
        return True
    if _bounded_too_soon(one, other):
        return True
    first, second = _of_any_width(mine.rows), _of_any_width(theirs.rows)
    if not (mine.specific and theirs.specific):
        # Calls and references cannot be neutralized: what is left of them is not known to be needed.
        return _ENTRY in first & second and (one.kind == "trap" or first == second)
    if mine.constant or theirs.constant:
        return mine.constant and theirs.constant and (first == second or first | second <= _IMMEDIATE)
    if mine.wraps and theirs.wraps:
        return _vectors(mine.rows) == _vectors(theirs.rows)
    return first == second or _around_a_load(first, second)


def _vectors(rows: Iterable[str]) -> set[bool]:
    """Whether rows are about vectors: no machine takes the count of those modulo the lanes' width."""
    return {"x" in name.partition(".")[0] for name in rows}


def perhaps_wide(one: Cause, other: Cause) -> bool:
    """Whether one is known to be about wide calls, and the other may be about such calls as well: they are of the host,
    so that it could not be asked, or it was not minimized to the end, and goes away without them. That it does so
    without other calls too keeps it from being a cause of its own about such calls; where there is one, it is far more
    often that one than another mistake that needs just such calls and is as easily disturbed."""
    first, second = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    known, unsure = (first, second) if first.calls else (second, first)
    if one.family != other.family or not _may_show_alike(one, other):
        return False
    sizes = dict(unsure.perhaps)
    if not _same_vectors(known, unsure) or (unsure.by_places and unsure.handled):
        return False  # what is behind a handler needs its frame, whatever calls there are
    return known.calls and any(sizes.get(side, 0) >= size for side, size in least_of(dict(known.shape)).items())


def _perhaps_places(one: Cause, other: Cause) -> bool:
    """Whether one is known to come and go with where values lie, and the other was not minimized to its end and says
    nothing: what is wrong in places is met by anything, and is what takes a reducer its time. What a later run finds
    out about it takes it from there."""
    first, second = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    known, unsure = (first, second) if first.by_places else (second, first)
    silent = RUNS_NOTHING.isdisjoint({one.phase, other.phase}) and {one.kind, other.kind} <= _SILENT
    return one.family == other.family and silent and known.by_places and not known.rough and _vague(unsure)


def _vague(about: Essentials) -> bool:
    """Whether a case was not minimized to its end, and what is left of it says nothing: among so many rows anything is
    by chance."""
    said = about.alone or about.calls or about.tails or about.early or about.reasons or about.besides
    return about.rough and not said and not 0 < len(about.specific) <= PATTERN and len(about.fixed) > _FEW


_FEW: Final = 12
_SILENT: Final = ANSWERED | {"crash"}


def leaves_anything(one: Cause, other: Cause) -> bool:
    """Whether two causes hang together by something that leaves anything behind, so that there may be many that do:
    wide calls, or a handler, as long as none of them is surely about the values that are thrown."""
    abouts = (Essentials.of_words(one.essentials), Essentials.of_words(other.essentials))
    sure = any(about.payload and not about.rough for about in abouts)
    return perhaps_wide(one, other) or (not sure and _behind_a_handler(one, other))


def _behind_a_handler(one: Cause, other: Cause) -> bool:
    """Whether both are about what is behind a handler that was come to, and either both about values thrown or neither,
    as far as that is known: values that the reducer had no time to take away, or that only moved others, may not be
    needed. What a wrong landing leaves behind is anything, so that what it is seen by says nothing."""
    first, second = Essentials.of_words(one.essentials), Essentials.of_words(other.essentials)
    if one.family != other.family or not _may_show_alike(one, other):
        return False
    with_values = first if first.payload else second
    if first.payload != second.payload and not (with_values.rough or with_values.by_places):
        return False
    if _vague(first) or _vague(second):
        return False
    silent = all(not (cause.kind == "crash" and cause.phase == "compile") for cause in (one, other))
    return silent and all(
        about.handled and not (about.alone or about.calls or about.tails or about.reasons) for about in (first, second)
    )


def _through_globals(mine: Essentials, theirs: Essentials) -> bool:
    """Whether both are about a global around the same calls, and at most one instruction that is right by itself: that
    one only carries a value on."""
    if mine.alone or theirs.alone or max(len(mine.specific), len(theirs.specific)) > 1:
        return False
    around = [{word for word in _of_any_width(about.fixed) if word == _ENTRY or word.startswith("call")}
              for about in (mine, theirs)]  # fmt: skip
    return "global.get" in mine.fixed & theirs.fixed and around[0] == around[1] != set()


def _without_trap(cause: Cause) -> bool:
    """Whether a trap does not come that one instruction should bring, but not wherever that stands: it was taken away
    for something that has to do with its result, not with what it computes."""
    about = Essentials.of_words(cause.essentials)
    return about.untrapped and not about.alone and len(about.specific) == 1 and about.specific <= _TRAPPING


def _without_bound(about: Essentials) -> bool:
    """Whether it is about an access of memory that should trap, and nothing else: what is read or written instead shows
    as anything, a crash among it, and all accesses find their address alike."""
    return about.untrapped and not about.alone and len(about.specific) == 1 and about.specific <= _ACCESSES


def _by_address(mine: Essentials, theirs: Essentials) -> bool:
    """Whether both are accesses that should trap, or both need an unsigned i32 with its top bit set: an address is one,
    and is widened as the operands of other instructions are."""
    return (_without_bound(mine) and _without_bound(theirs)) or (mine.high and theirs.high)


def _bounded_too_soon(one: Cause, other: Cause) -> bool:
    """Whether both are about one access of memory that traps where it should not, in one and the same way: whatever
    accesses memory has its bounds looked at alike."""
    abouts = [Essentials.of_words(cause.essentials) for cause in (one, other)]
    return {one.kind, other.kind} == {"trap"} and bool(set(one.faces) & set(other.faces)) and all(
        not about.untrapped and len(about.specific or about.fixed) == 1 and (about.specific or about.fixed) <= _ACCESSES
        for about in abouts
    )  # fmt: skip


def _hidden_alike(one: Cause, other: Cause) -> bool:
    """Whether both go away with a setting of the engine itself, as they do where less is optimized: others are right
    in any case."""
    names = {EngineId.read(setting).name for cause in (one, other) for setting in cause.shown_by}
    both = set(one.hidden_by) & set(other.hidden_by)
    return any(EngineId.read(setting).name in names for setting in both)


_IMMEDIATE: Final = frozenset({"i.add", "i.sub", "i.and", "i.or", "i.xor", "i.eq", "i.order_s", "i.order_u"})
"""What machines have in one form, with a constant in the instruction."""
_ENTRY: Final = "entry of a table"
_FUSED: Final = re.compile(r"(iv\.)extmul_((?:low|high)_iv)")


_WIDTHS: Final = (
    (re.compile(r"\b([if])(?:8x16|16x8|32x4|64x2)"), r"\1v"),
    (re.compile(r"\b([if])(?:32|64)"), r"\1"),
    (re.compile(r"_([if])(?:8x16|16x8|32x4|64x2)"), r"_\1v"),
    (re.compile(r"\.relaxed_"), "."),
    (re.compile(r"(?<=\.atomic\.)(load|store|rmw)(?:8|16|32)?(\.\w+?)?(?:_u)?$"), r"\1\2"),
    (re.compile(r"\.trunc_sat_"), ".trunc_"),
    (re.compile(r"(?<=\.)(?:q15mulr_sat_s|q15mulr_s)$"), "q15mulr"),
    (re.compile(r"(?<=\.)ne$"), "eq"),
    (re.compile(r"(?<=\.)(?:lt|gt|le|ge)(?=$|_)"), "order"),
    (re.compile(r"(?<=\.ext)(end_low|end_high|mul_low|mul_high)_iv_[su]$"), r"\1_iv"),
    (re.compile(r"^return_call"), "call"),
    (re.compile(r"^(?:table\.get|table\.set|call_indirect)$"), _ENTRY),
    (re.compile(r"^(?:table|memory|array)\.(?:copy|fill|init|init_data|init_elem)$"), "bulk"),
)
"""Words for what one rule of a compiler, or one routine of its runtime, serves as a rule."""


def _of_any_width(rows: frozenset[str]) -> frozenset[str]:
    """Rows without how wide they are; one that fuses others, as compilers know it, is these others."""
    made: set[str] = set()
    for row in rows:
        name = any_width(row)
        fused = _FUSED.fullmatch(name)
        made |= {f"{fused[1]}extend_{fused[2]}", "iv.mul"} if fused else {name}
    return frozenset(made)


@cache
def any_width(name: str) -> str:
    """A row's name without how wide its values or lanes are: ``i.rotl``, ``fv.pmin``. Which kind of number stays. What
    asks a question and what asks its negation are one, and so are the relaxed form of an instruction and the strict
    one, and a conversion that traps and the one that saturates."""
    for pattern, word in _WIDTHS:
        name = pattern.sub(word, name)
    return name


def _around_a_load(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether both are one load with what uses it, and perhaps what looks at that."""
    return 2 <= len(first) <= 3 and 2 <= len(second) <= 3 and any(name in _LOADS for name in first & second)


_TRAPPING: Final = frozenset(name for name, op in OPS.items() if op.traps)
_ACCESSES: Final = frozenset(name for name, op in OPS.items() if op.access is not None)
_LOAD_ROWS: Final = frozenset(name for name, op in OPS.items() if op.access is not None and op.access.kind == "load")
_LOADS: Final = _of_any_width(_LOAD_ROWS)
_ATOMIC: Final = frozenset(name for name in _ACCESSES if ".atomic." in name)
_SEVERAL: Final = 3


def generalized(parts: Sequence[Cause]) -> Iterator[Cause]:
    """What the parts of one cause have taught together, to ask further disagreements by: a load that more than one of
    them is about, with whatever uses it, is all that the next user has to be asked for, and where several accesses trap
    in one wrong way, any other one may. The first part is the cause itself, whose sightings these would be."""
    about = [(part, Essentials.of_words(part.essentials)) for part in parts]
    yield from _other_accesses(about)
    users: dict[str, list[tuple[Cause, str]]] = {}
    for part, one in about:
        for row in _LOAD_ROWS & one.specific if len(one.specific) > 1 and not one.shape else ():
            users.setdefault(any_width(row), []).append((part, row))
    for _, mine in sorted(users.items()):
        if len(mine) > 1:
            yield replace(
                parts[0], essentials=Essentials(frozenset({mine[0][1]})).words(),
                faces=_all(part.faces for part, _ in mine), shown_by=_all(part.shown_by for part, _ in mine),
                wrong_in=_all(part.wrong_in for part, _ in mine),
            )  # fmt: skip


def _other_accesses(parts: Sequence[tuple[Cause, Essentials]]) -> Iterator[Cause]:
    """Each access that is not among ``_SEVERAL`` others that trap wrongly with one face, and is atomic if all are."""
    single = [(part, one) for part, one in parts if part.kind == "trap" and len(one.specific) == 1 and not one.shape]
    mine = [(part, min(one.specific)) for part, one in single if one.specific <= _ACCESSES]
    rows = {row for _, row in mine}
    face = frozenset.intersection(*(frozenset(part.faces) for part, _ in mine)) if mine else frozenset()
    if len(rows) < _SEVERAL or not face:
        return
    alike = _ATOMIC if rows <= _ATOMIC else _ACCESSES
    common = replace(
        parts[0][0], faces=tuple(sorted(face)), shown_by=_all(part.shown_by for part, _ in mine),
        wrong_in=_all(part.wrong_in for part, _ in mine),
    )  # fmt: skip
    for row in sorted(alike - rows):
        yield replace(common, essentials=Essentials(frozenset({row})).words())


def _all(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Every word of some groups once."""
    return tuple(dict.fromkeys(word for group in groups for word in group))
