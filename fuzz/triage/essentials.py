"""What a minimized case is about: the instructions and sizes without which it is no finding any more.

A reducer leaves what it cannot take away, and that is more than what is guilty: something has to make operands, use the
result, be called. So each instruction that is left is neutralized (``fuzz.triage.neutral``) and the question asked once
more. Of

    (func (export "f") (param i32 i32) (result i64)
      (i64.extend_i32_u (i32.rotl (local.get 0) (i32.ctz (local.get 1)))))

with a wrong ``i32.rotl``, ``i32.ctz`` and ``i64.extend_i32_u`` are incidental: with their values written in, the
answer is as wrong as before.

What makes operands may hide from that: a load that is folded into its user, a value that is a constant once it is
written in. So instructions are tried by themselves on the operands that they get first (``fuzz.triage.isolated``): one
that is wrong alone is all that the case is about.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from fuzz.records.target_yield import measure
from fuzz.triage.besides import besides
from fuzz.triage.isolated import HIGH, Alone, alone, only_if_high, only_if_wrapping, wrong_use
from fuzz.triage.kept_alive import forgotten, is_early
from fuzz.triage.neutral import neutralizable, neutralized, present_rows, row_of, trapping, ways_of
from fuzz.triage.neutral_code import Form
from fuzz.triage.places import NOWHERE, Elsewhere
from fuzz.triage.signature import is_plumbing
from fuzz.triage.tail_calls import TAIL_CALLS, untailed
from fuzz.triage.tail_kinds import the_only_kind
from fuzz.triage.wide_calls import LEAST, SMALL, About, Vectors, is_about, least_of, vectors_in
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.isa import OPS
from wasm.module import Module
from wasm.rewrite.kept import ITEMS
from wasm.valtypes import V128, FuncType

WIDE: Final = 16
"""A size that the reducer left above this is part of what a finding is about."""

_ALONE: Final = "!alone"
_CONSTANT: Final = "a constant operand"
_CALLS: Final = "!calls"
_BECAUSE: Final = "because: "
_LOST: Final = "lost: "
_BESIDES: Final = "besides the first "
_TAIL: Final = "by one kind: "
_NOW: Final = {"select_t": "select", "(select_t)": "(select)", "~select_t": "~select",
               _LOST + "select_t": _LOST + "select"}  # fmt: skip
"""What releases before this one wrote."""
_FLAGS: Final = {
    "tails": "tail calls", "vectors": "a vector among the results", "payload": "values thrown",
    "wraps": "a count that wraps", "early": "collected too early", "placed": "where values lie",
    "untrapped": "a trap that does not come", "high": "an i32 with its top bit set",
    "left": "types of earlier modules",
}  # fmt: skip
"""Fields that are yes or no, with their words."""
_HANDLER: Final = "try_table"
_THROWS: Final = frozenset({"throw", "throw_ref"})
GLOBALS: Final = frozenset({"global.get", "global.set"})
"""They move values, as others do that say nothing, but from one function to the next."""
_SIZES: Final = ("results", "params", "locals", "block values", "nesting", "labels")


@dataclass(frozen=True, slots=True)
class Essentials:
    """``specific``: rows that were tried and cannot be missed. ``fixed``: rows that cannot be neutralized (calls,
    control, stores, references), so that nothing is known of them but that the reducer could not remove them.
    ``incidental``: rows without which it still shows. ``shape``: the sizes above ``WIDE``, each the least to show it.
    ``rough``: the reduction did not come to its end, so that less may be needed. ``alone``: the one specific row is
    wrong by itself; ``constant``: only where an operand is a constant. ``calls``: the shape is that of calls, and all
    that it is about; rows are only where it was seen. ``reasons``: what is wrong with an allocation of registers, which
    says all there is to say; rows are chance. ``perhaps``: sizes of calls without which it goes away, but without
    others too, so that this alone says nothing, or that could not be asked about. ``tails``: it is about tail calls,
    whatever else is left. ``vectors``: some result of the calls has to be a vector; ``payload``: something thrown has
    to carry values; ``wraps``: a shift counts further than its value is wide. ``early``: an object is taken for garbage
    while it is used, whatever else is left; ``lost``: the rows whose results were forgotten then, ``ITEMS`` for what is
    there at the start. ``besides``: it is about a memory, or a table, that is not the first one, as the word says.
    ``untrapped``: a specific row should trap at the end. ``high``: it needs an unsigned i32 with its top bit set, where
    that is widened or is an address. ``placed``: it comes and goes with where values lie, so that
    rows are only where it was seen. ``left``: it needs modules before it in the same process that have types and no
    more, so that rows are only where these were met. ``tail``: the row of the one kind of tail call that it is about,
    "" for all.
    """

    specific: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    incidental: frozenset[str] = frozenset()
    shape: tuple[tuple[str, int], ...] = ()
    rough: bool = False
    alone: bool = False
    constant: bool = False
    calls: bool = False
    reasons: frozenset[str] = frozenset()
    perhaps: tuple[tuple[str, int], ...] = ()
    tails: bool = False
    vectors: bool = False
    payload: bool = False
    wraps: bool = False
    early: bool = False
    lost: frozenset[str] = frozenset()
    besides: str = ""
    placed: bool = False
    untrapped: bool = False
    high: bool = False
    left: bool = False
    tail: str = ""

    @property
    def rows(self) -> frozenset[str]:
        """The rows that a case must execute to be able to show it: the specific ones, or else all that are left."""
        if self.early:
            return self.lost - {ITEMS}
        anywhere = self.calls or self.tails or self.placed or self.left
        return frozenset() if anywhere else self.specific or self.fixed

    @property
    def tail_calls(self) -> frozenset[str]:
        """The rows without which there is no tail call that it may be about."""
        return frozenset({self.tail}) if self.tail else TAIL_CALLS

    @property
    def by_places(self) -> bool:
        """Whether where values lie is all that is known of it: then not only the rows are chance, but also what it
        shows as, and with which settings."""
        known = self.alone or self.calls or self.tails or self.early or self.reasons or self.besides
        return self.placed and not known

    @property
    def handled(self) -> bool:
        """Whether it is about what is behind a handler that something was thrown to. A reducer takes handlers away
        where they are not needed."""
        return _HANDLER in self.fixed and not self.fixed.isdisjoint(_THROWS)

    def reached_by(self, rows: frozenset[str], sizes: dict[str, int]) -> bool:
        """Whether a case that executes these rows and has these sizes (``measure``) can show it."""
        if not (self.specific or self.calls) and any(
            sizes.get(side, 0) < least for side, least in least_of(dict(self.perhaps)).items()
        ):
            return False  # it goes away without such calls
        if self.by_places:
            return not self.handled or (_HANDLER in rows and not rows.isdisjoint(_THROWS))
        shape = least_of(dict(self.shape)).items() if self.calls else self.shape
        # A kind of tail call that it was not seen with yet is looked at once: it may have a way of its own.
        if self.tails and rows.isdisjoint(TAIL_CALLS & self.fixed or TAIL_CALLS):
            return False
        return self.rows <= rows and all(sizes.get(name, 0) >= least for name, least in shape)

    def words(self) -> tuple[str, ...]:
        """As a cause keeps them: ``i32.rotl``, ``results >= 254``, ``(call)`` for fixed and ``~i32.ctz`` for incidental
        ones, ``!alone``, ``a constant operand``, ``!calls``, ``?`` for rough, ``because: ...``, ``lost: ...``,
        ``besides the first memory``, ``by one kind: ...``, ``?results >= 5`` for perhaps, ``_FLAGS``. ``of_words``
        reads them back."""
        shape = (f"{name} >= {least}" for name, least in self.shape)
        rough = ("?",) if self.rough else ()
        alone = (_CONSTANT if self.constant else _ALONE,) if self.alone else (_CALLS,) if self.calls else ()
        rest = (*(f"({name})" for name in sorted(self.fixed)), *(f"~{name}" for name in sorted(self.incidental)))
        reasons = (_BECAUSE + reason for reason in sorted(self.reasons))
        perhaps = (f"?{name} >= {least}" for name, least in self.perhaps)
        more = (*(word for name, word in _FLAGS.items() if getattr(self, name)),
                *(_LOST + name for name in sorted(self.lost)),
                *([_BESIDES + self.besides] if self.besides else []),
                *([_TAIL + self.tail] if self.tail else []))  # fmt: skip
        return (*reasons, *sorted(self.specific), *alone, *more, *shape, *rest, *perhaps, *rough)

    @staticmethod
    @lru_cache(maxsize=1024)
    def of_words(words: tuple[str, ...]) -> Essentials:
        """Raises ``ValueError`` for what ``words`` does not write."""
        specific, fixed, incidental, reasons, lost = set(), set(), set(), set(), set()
        shape: list[tuple[str, int]] = []
        perhaps: list[tuple[str, int]] = []
        other = tail = ""
        for word in words:
            word = _NOW.get(word, word)
            name, at_least, size = word.partition(" >= ")
            if word in ("?", _ALONE, _CONSTANT, _CALLS, *_FLAGS.values()):
                continue
            if word.startswith(_BECAUSE):
                reasons.add(word.removeprefix(_BECAUSE))
            elif word.startswith(_LOST):
                lost.add(word.removeprefix(_LOST))
            elif word.startswith(_BESIDES):
                other = word.removeprefix(_BESIDES)
            elif word.startswith(_TAIL):
                tail = word.removeprefix(_TAIL)
            elif at_least:
                (perhaps if name.startswith("?") else shape).append((name.lstrip("?"), int(size)))
            elif word.startswith("("):
                fixed.add(word[1:-1])
            elif word.startswith("~"):
                incidental.add(word[1:])
            else:
                specific.add(word)
        return Essentials(
            frozenset(specific), frozenset(fixed), frozenset(incidental), tuple(shape), "?" in words,
            _ALONE in words or _CONSTANT in words, _CONSTANT in words, _CALLS in words, frozenset(reasons),
            tuple(perhaps), lost=frozenset(lost), besides=other, tail=tail,
            **{name: word in words for name, word in _FLAGS.items()},
        )  # fmt: skip


def essentials(
    case: Case, still_shows: Callable[[Case], bool], *, dead: bool = False, seconds: float = math.inf,
    wrong: Callable[[Case], bool] | None = None, somehow: Callable[[Case], bool] | None = None, small: bool = True,
    elsewhere: Elsewhere = NOWHERE,
) -> Essentials:  # fmt: skip
    """Ask of each row of a minimized case whether it can be missed. ``still_shows`` is the reducer's predicate, and
    ``wrong`` says of any other case whether the engine is as wrong on it, in whatever way; ``somehow`` takes a wrong
    answer for a death besides, which a call may leave behind.

    ``dead``: it shows without running anything (a crash of a compiler). ``small``: the reducer came to its end. At most
    two questions a row, and two more for those that cannot be missed; few where one row is wrong alone, which no size
    is part of, or where it is about wide calls. After ``seconds`` of wall time nothing more is asked: rows that were
    not reached count as ``fixed``, since nothing is known of them. What is right ``elsewhere`` can miss what it is
    still wrong without anywhere.
    """
    if case.kind is CaseKind.MACHINE:
        return Essentials()
    try:
        module = decode(case.content)
    except WasmError:
        return Essentials()
    shape = shape_of(measure(module))
    rows = frozenset(name for name in present_rows(module) if not is_plumbing(name) or name in GLOBALS)
    if case.kind is not CaseKind.WASM:
        return Essentials(fixed=rows, shape=shape)
    deadline = time.monotonic() + seconds
    still_shows = _in_time(still_shows, deadline)
    wrong = None if wrong is None else _in_time(wrong, deadline)
    somehow = wrong if somehow is None else _in_time(somehow, deadline)
    elsewhere = Elsewhere(_in_time(elsewhere.right, deadline), _in_time(elsewhere.wrong, deadline))
    try:
        use = wrong_use(case, wrong) if wrong is not None else None
        name = row_of(use[0]) if use is not None else ""
        if use is not None and wrong is not None and _goes_away(without(case, name, dead), still_shows):
            wraps, high = only_if_wrapping(case, use, wrong), only_if_high(case, use, wrong)
            return Essentials(frozenset({name}), incidental=rows - {name}, alone=True, wraps=wraps, high=high)
        placed = elsewhere.right(case)
        if placed:
            still_shows = _anywhere(still_shows, elsewhere)
        about = _about_calls(
            case, module, Essentials(fixed=rows, shape=shape, placed=placed), still_shows, small, somehow
        )
        if about.calls or about.tails:
            return about
        if is_early(case, still_shows):
            lost = forgotten(case, still_shows, deadline)
            return Essentials(fixed=rows, early=True, lost=lost or frozenset(), rough=lost is None)
    except _Late:
        return Essentials(fixed=rows, rough=True)
    about = _about_rows(case, about, still_shows, dead)
    with suppress(_Late):
        about = replace(about, besides=besides(case, still_shows) if small else "")
        about = about if wrong is None else _with_constants(case, about, wrong)
    return replace(about, payload=not about.alone and _HANDLER in rows and _throws_values(module))


def left_by(before: Sequence[Case]) -> bool:
    """Whether the modules before a case have types and no more: then it is these that it needs, as a process keeps
    them. A reducer takes away what else there was."""
    try:
        modules = [decode(content) for case in before for content in case.contents]
    except WasmError:
        return False
    bare = (replace(module, types=[], customs=[]) for module in modules)
    return bool(modules) and all(one == Module() for one in bare)


class _Late(Exception):
    """The time for questions is over."""


def _in_time(question: Callable[[Case], bool], deadline: float) -> Callable[[Case], bool]:
    """The question, which raises ``_Late`` after the deadline: to see that something hangs takes seconds each time."""

    def asked(case: Case) -> bool:
        if time.monotonic() > deadline:
            raise _Late
        return question(case)

    return asked


def _about_rows(case: Case, about: Essentials, still_shows: Callable[[Case], bool], dead: bool) -> Essentials:
    """What a case is ``about`` with each of its rows sorted by whether it can be missed."""
    specific: set[str] = set()
    fixed: set[str] = set()
    incidental: set[str] = set()
    for name in sorted(about.fixed):
        changed = without(case, name, dead) if any(map(neutralizable, ways_of(name))) else []
        try:
            shows = any(still_shows(one) for one in changed)
        except _Late:
            changed = []
        (incidental if changed and shows else specific if changed else fixed).add(name)
    trap = trapping(case)
    row = trap.row if trap is not None else ""
    if not specific and (row in incidental or (row in fixed and OPS[row].access is not None)):
        # A value that never came cannot be written in, so that this one alone is not taken out by neutralizing it.
        for others in (fixed, incidental):
            others.discard(row)
        specific.add(row)
    untrapped = row in specific
    high = untrapped and trap is not None and HIGH <= trap.address < 2 * HIGH
    return replace(about, specific=frozenset(specific), fixed=frozenset(fixed), incidental=frozenset(incidental),
                   untrapped=untrapped, high=high)  # fmt: skip


def _anywhere(still_shows: Callable[[Case], bool], elsewhere: Elsewhere) -> Callable[[Case], bool]:
    return lambda case: still_shows(case) or elsewhere.wrong(case)


def _about_calls(
    case: Case, module: Module, about: Essentials, still_shows: Callable[[Case], bool], small: bool,
    wrong: Callable[[Case], bool] | None,
) -> Essentials:  # fmt: skip
    """What a case is ``about`` if it is about tail calls or wide ones. Else the same without sizes that are not needed,
    and with those that may be."""
    plain = untailed(case)
    if plain is not None and not still_shows(plain):
        # Little else of what a compiler makes changes by that, so it is believed of a case that nobody made small, too.
        tail = "" if about.placed else the_only_kind(case, still_shows)
        return Essentials(fixed=about.fixed, tails=True, placed=about.placed, tail=tail)
    shape, perhaps = about.shape, list(about.perhaps)
    for side, size in measure(module).items():
        if size < LEAST.get(side, size + 1):
            continue
        found = is_about(case, {side: LEAST[side]}, still_shows, small=small)
        if found is About.YES:
            vectors = side == "results" and _needs_vectors(case, module, size, wrong, small)
            return Essentials(
                fixed=about.fixed, shape=((side, size),), calls=True, vectors=vectors, placed=about.placed
            )
        if found in (About.PERHAPS, About.UNASKED):
            # What the host is called with, or gives, cannot go through globals.
            perhaps.append((side, size))
        if found is not About.UNASKED:
            shape = tuple(one for one in shape if one[0] != side)
    vectors = any(side == "results" and _needs_vectors(case, module, size, wrong, small) for side, size in perhaps)
    return replace(about, shape=shape, perhaps=tuple(perhaps), vectors=vectors)


def _throws_values(module: Module) -> bool:
    types = [sub.composite for sub in module.flat_types()]
    tags = [types[tag.type_index] for tag in module.tag_types()]
    return any(isinstance(type_, FuncType) and type_.params for type_ in tags)


def _needs_vectors(case: Case, module: Module, size: int, wrong: Callable[[Case], bool] | None, small: bool) -> bool:
    """Whether the calls with most results have one that is a vector, and have to. A wrong call leaves anything behind,
    so the calls are asked about by themselves. Where that tells nothing, the reducer does, which makes numbers of
    vectors if it can; but of many results it is their number that is wrong then: a vector takes as much room as two
    others, or none of their registers."""
    types = {type_.results for type_ in module.func_types() if len(type_.results) == size and V128 in type_.results}
    told = {Vectors.UNASKED if wrong is None else vectors_in(case, results, wrong) for results in types}
    return Vectors.NEEDED in told or (told == {Vectors.UNASKED} and small and size <= SMALL)


def _with_constants(case: Case, about: Essentials, wrong: Callable[[Case], bool]) -> Essentials:
    """About one row only, if one is wrong by itself where an operand is a constant."""
    for name in sorted(about.specific):
        way = alone(case, name, wrong)
        if way is not Alone.NO:
            rest = about.incidental | (about.specific - {name})
            constant = way is Alone.WITH_CONSTANT
            return Essentials(frozenset({name}), incidental=rest, alone=True, constant=constant)
    return about


def _goes_away(changed: list[Case], still_shows: Callable[[Case], bool]) -> bool:
    return bool(changed) and not any(still_shows(one) for one in changed)


def without(case: Case, name: str, dead: bool) -> list[Case]:
    """The case without a row, in each form that there is."""
    both = (neutralized(case, (name,), form, dead=dead) for form in Form)
    return [one for one in both if one is not None]


def shape_of(sizes: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """The sizes of ``measure`` that are out of the ordinary."""
    return tuple((name, sizes[name]) for name in _SIZES if sizes.get(name, 0) > WIDE)


def sizes_of(case: Case) -> dict[str, int]:
    """``measure`` of a case; nothing for what is no module."""
    if case.kind is CaseKind.MACHINE:
        return {}
    try:
        return measure(decode(case.content))
    except WasmError:
        return {}
