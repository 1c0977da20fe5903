"""The first operation whose operands are right and whose result is wrong: a probed module's log on the engine beside
that of the reference (``probing``, ``tracing``).

Probes may hide what they look for: a probed module counts only if it is still wrong in the same way. Where all places
at once hide it, as many are probed as do not. What was found is probed once more alone, operands and result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import At, Followed, Hidden, Logged, Way
from fuzz.explain.parting import Lost, OneOf, Parted, part
from fuzz.explain.probing import MOVES, STRIDE, Form, Probed, probed
from fuzz.explain.replaying import is_replayable
from fuzz.explain.stopping import last_operation
from fuzz.explain.tracing import Expected, blocks_of, expected, read_globals, read_log, repeated
from fuzz.records.explanation import Operation
from wasm.case import Case
from wasm.decode import decode
from wasm.isa import Op

_MOST_ASKED: Final = 80
"""Questions at most about which places can be probed together."""
_VERBS: Final = {Form.INLINE: "probed", Form.CALLED: "probed by calls", Form.GLOBALS: "kept in globals"}
_PAGE: Final = 1 << 16
_MOST_PAGES: Final = 1024


class NoLog(Exception):
    """The engine ended with the case, and its memory with it."""


class Finder:
    """Looks for the first wrong operation of an asker's finding."""

    def __init__(self, asker: Asker, followed: Followed, turn: Callable[[], At | None] | None = None) -> None:
        """``turn`` finds out where it turns right when values are replaced in order; None where that is not known."""
        self.asker, self.followed, self.turn = asker, followed, turn
        self.asked = self.hidden = 0

    def operation(self) -> Operation:
        """Raises ``Hidden`` where none is found, and ``OutOfTime``."""
        said: list[str] = []
        possible: tuple[Operation, ...] = ()
        crashes = _Crashes()
        for way in self._ways():
            try:
                logged = self.logged(way)
            except NoLog:
                return last_operation(self.asker, self.followed)
            if logged is None:
                continue
            parted = part(self.followed, logged)
            if isinstance(parted, Lost):
                return self._spoilt(parted)
            if isinstance(parted, str):
                said.append(f"{way.words}: {parted}")
                continue
            several = parted.operations if isinstance(parted, OneOf) else (parted.operation,)
            if several[0].actual[0].startswith("crashed"):
                crashes.add(several)
                found = crashes.agreed() or self._turning(crashes.left)
            elif isinstance(parted, OneOf):
                found = self._turning(several) if parted.turns else None
                possible = possible or several
                said.append(f"{way.words}: {parted.words}")
            else:
                found = self._confirmed(parted)
            if found is not None:
                return found
        if crashes.ways:
            return crashes.only()
        if said:
            raise Hidden(said[0], possible)
        raise Hidden(f"probes hide it: {self.hidden} probed modules were tried, and none is wrong in the same way")

    def _ways(self) -> Iterator[Way]:
        """From all places to as many as can be."""
        functions = frozenset(func for func, _ in self.followed.executed)

        def executed(func: int, _at: int, _op: Op) -> bool:
            return func in functions

        def computed(func: int, _at: int, op: Op) -> bool:
            return func in functions and op.name not in MOVES

        yield Way("every value probed", executed, all_values=True)
        yield Way("every computed value probed", computed)
        yield Way("every value kept in globals", executed, Form.GLOBALS, all_values=True)
        yield Way("every computed value kept in globals", computed, Form.GLOBALS)
        yield Way("every value probed by calls", executed, Form.CALLED, all_values=True)
        for form in (Form.INLINE, Form.GLOBALS):
            possible = self._together(form)
            if possible:
                yield self._some(possible, form)

    def _some(self, places: Sequence[At], form: Form) -> Way:
        chosen = frozenset(places)
        words = f"{len(chosen)} of {len(self._places())} places {_VERBS[form]}"
        return Way(words, lambda func, at, _op: (func, at) in chosen, form)

    def _places(self) -> list[At]:
        """All places, those that compute first."""
        functions = dict.fromkeys(func for func, _ in self.followed.executed)
        places = [*self.followed.executed, *((func, -1) for func in functions)]
        return sorted(places, key=lambda place: place[1] < 0 or self.followed.op(place).name in MOVES)

    def _together(self, form: Form) -> list[At]:
        """As many places as can be probed without hiding it, half by half."""
        kept: list[At] = []
        self.asked = 0

        def add(places: list[At]) -> None:
            nonlocal kept
            if not places or self.asked > _MOST_ASKED:
                return
            self.asked += 1
            if self.shows(self._some([*kept, *places], form)):
                kept += places
            elif len(places) > 1:
                half = len(places) // 2
                add(places[:half])
                add(places[half:])

        places = self._places()
        half = max(1, len(places) // 2)
        add(places[:half])
        add(places[half:])
        return kept

    def shows(self, way: Way) -> bool:
        """Whether a module probed this way is wrong in the same way."""
        _, case, _ = self._prepared(way)
        if case is None:
            return False
        answer = self.asker.ask(case)
        self.hidden += answer is not Answer.WRONG
        return answer is Answer.WRONG

    def logged(self, way: Way) -> Logged | None:
        """The logs of a module probed this way; None if it is not wrong in the same way any more."""
        made, case, wanted = self._prepared(way)
        if made is None or case is None or wanted is None:
            return None
        answer, trial = self.asker.look(case)
        if answer is not Answer.WRONG or trial is None:
            self.hidden += 1
            return None
        seen = next(one for one in trial.observations if one.engine == self.asker.name())
        if way.form is Form.GLOBALS:
            if not seen.globals:
                raise NoLog
            return Logged(way, made, wanted, read_globals(seen, made, wanted), seen)
        if not seen.memories:
            raise NoLog
        got = read_log(self.asker.dump(case, blocks_of(seen, made.export)), made)
        return Logged(way, made, wanted, got, seen)

    def _prepared(self, way: Way) -> tuple[Probed, Case, Expected] | tuple[None, None, None]:
        """The probed module as a case, with room for a log twice as long as the reference's. Globals hold one value
        each: what is computed more than once is not probed then."""
        pages = 16
        again: frozenset[At] = frozenset()
        while True:
            made = self._probed(_without(way, again), pages)
            if made is None:
                return None, None, None
            case = self.followed.with_module(made.module)
            wanted = expected(case, made, self.followed.takes, self.asker.profile())
            if way.form is Form.GLOBALS:
                more = {(made.places[number].func, made.places[number].at) for number in repeated(wanted)}
                if not more:
                    return made, case, wanted
                again |= more
                continue
            needed = (len(wanted.entries) + 64) * 2 * STRIDE
            if needed <= pages * _PAGE or not wanted.whole or pages >= _MOST_PAGES:
                return made, case, wanted
            pages = min(_MOST_PAGES, needed // _PAGE + 1)

    def _probed(self, way: Way, pages: int) -> Probed | None:
        module = decode(self.followed.case.content)
        several = "multi_memory" in self.asker.features()
        made = probed(module, way.wanted, pages=pages, form=way.form, operands=way.operands, multi_memory=several)
        return made if made is not None and made.places else None

    def _turning(self, several: Sequence[Operation]) -> Operation | None:
        """That of several operations at which it turns right."""
        turn = self.turn() if self.turn is not None else None
        for one in several if len(several) > 1 else ():
            if (one.function, one.position) == turn:
                others = f"one of {len(several)}, and replaced by the reference's in order, it turns right here"
                return replace(one, how=f"{one.how}, at {others}")
        return None

    def _spoilt(self, lost: Lost) -> Operation:
        """What spoilt a value: the only instruction in the meantime, or the one of these at which it turns right. A
        constant may be made wrongly itself."""
        taken = (lost.taken.function, lost.taken.position)
        name = self.followed.op(taken).name
        if name.endswith(".const"):
            suspects = [place for place in lost.between if self._may_spoil(place, taken)]
            if not suspects:
                return lost.taken
        else:
            suspects = list(lost.between)
        if len(suspects) > 1:
            turn = self.turn() if self.turn is not None else None
            suspects = [turn] if turn in suspects else suspects
        if len(suspects) == 1:
            return lost.spoilt_at(suspects[0], self.followed)
        if not lost.between and name == "local.get":
            return lost.taken
        names = ", ".join(f"{self.followed.text(one)} ({one[0]}:{one[1]})" for one in suspects[:4])
        spoilers = f", spoilt by one of {len(suspects)} instructions: {names}" if suspects else ""
        raise Hidden(f"{lost.taken.how}{spoilers}")

    def _may_spoil(self, place: At, constant: At) -> bool:
        """Whether an instruction may be what makes a constant wrong: not if it shows with its values replaced by the
        reference's, as all before where it turns right are."""
        turn = self.turn() if self.turn is not None else None
        if turn is None or place == turn or not is_replayable(self.followed, place):
            return True
        order = list(self.followed.executed)
        return order.index(place) > order.index(turn) or order.index(turn) < order.index(constant)

    def _confirmed(self, parted: Parted) -> Operation:
        """The same by a module in which this instruction alone is probed, if that shows it."""
        operation = parted.operation
        if not parted.value:
            return operation
        here = (operation.function, operation.position)
        for form, operands, words in (
            (Form.INLINE, True, "operands and result"), (Form.GLOBALS, True, "operands and result"),
            (Form.INLINE, False, "result"),
        ):  # fmt: skip
            way = Way(f"its {words} {_VERBS[form]} alone", lambda func, at, _op: (func, at) == here, form, operands)
            try:
                logged = self.logged(way)
            except NoLog:
                continue
            if logged is None or logged.first is None:
                continue
            again = part(self.followed, logged)
            if isinstance(again, Parted) and again.value:
                return replace(operation, how=f"{operation.how}; again with {way.words}")
            if isinstance(again, Lost) and operands:
                return self._spoilt(again)
        return replace(operation, how=f"{operation.how}; probed alone it does not show")


class _Crashes:
    """Where an engine crashed by each way of probing. What has spoilt its memory may have been executed long before, so
    one way alone is not believed if another way contradicts it."""

    def __init__(self) -> None:
        self.ways = 0
        self.all: dict[At, Operation] = {}
        self.left: tuple[Operation, ...] = ()
        """The operations that are possible by every way."""

    def add(self, several: Sequence[Operation]) -> None:
        places = {(one.function, one.position) for one in several}
        before = self.left if self.ways else several
        self.left = tuple(one for one in before if (one.function, one.position) in places)
        self.all = {**{(one.function, one.position): one for one in several}, **self.all}
        self.ways += 1

    def agreed(self) -> Operation | None:
        """The only one that two ways or more leave."""
        return self.left[0] if len(self.left) == 1 and self.ways > 1 else None

    def only(self) -> Operation:
        """The only one that is left. Raises ``Hidden``."""
        if len(self.left) == 1:
            return self.left[0]
        names = ", ".join(f"{one.text} ({one.function}:{one.position})" for one in self.all.values())
        suspects = self.left or tuple(self.all.values())
        raise Hidden(f"the engine crashes, and where is not sure: {names}", suspects, True)


def _without(way: Way, places: frozenset[At]) -> Way:
    """The way without some places."""
    if not places:
        return way
    return replace(way, wanted=lambda func, at, op: (func, at) not in places and way.wanted(func, at, op))


def find_operation(asker: Asker) -> Operation:
    """The first wrong operation. Raises ``Hidden`` and ``OutOfTime``."""
    return Finder(asker, Followed(asker.subject)).operation()
