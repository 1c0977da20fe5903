"""From where two logs part to the operation that is to blame, as far as the logs say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fuzz.explain.followed import At, Followed, Logged, shown
from fuzz.explain.probing import MOVES, Place, Seen
from fuzz.explain.tracing import Step
from fuzz.records.explanation import Operation
from oracles.judge.equality import show
from wasm.embedding import Observation, Outcome, Returned, Threw, Trapped

_WAYS: Final = ("if", "br_if", "br_table", "br_on_", "call_indirect", "call_ref", "return_call", "throw", "select")
"""Instructions that choose where it goes on."""
_EMPTY: Final = MOVES | {"nop", "block", "loop", "drop"}
_KEPT: Final = {
    "array.": ("array.get",),
    "struct.": ("struct.get",),
    "table.": ("table.get", "table.size"),
    "memory.": ("memory.size",),
}
"""What is kept where the log does not look, by how the instructions begin that write it, and those that only read it.
What a load reads may have been written by the last kind; what stores leave in memory is in the log."""

_TRAPPING: Final = frozenset({"unreachable", "throw", "throw_ref"})


@dataclass(frozen=True, slots=True)
class Parted:
    """The operation at which two logs part. ``value``: a value is wrong there, and not only the way that it goes on."""

    operation: Operation
    value: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that was right and is wrong where it is taken: one of ``between``, which were executed in the meantime,
    has spoilt it, or what moves values has. ``words`` say which value, ``taken`` is the operation that takes it."""

    words: str
    between: tuple[At, ...]
    taken: Operation

    def spoilt_at(self, place: At, followed: Followed) -> Operation:
        """The operation that spoils it, if it is known to be at that place."""
        before = [step for step in followed.run.steps if (step.func, step.at) == place]
        operands = followed.operands(before[0]) if len(before) == 1 else ()
        one = self.taken
        wanted, got = (tuple(f"{value} in {self.words}" for value in side) for side in (one.expected, one.actual))
        return Operation(*place, followed.text(place), operands, wanted, got, max(1, len(before)), one.how)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The engine stopped, went another way, or wrote what is read now, at one of several operations. ``words`` say so.
    ``turns``: the one at which it turns right when values are replaced is the one."""

    words: str
    operations: tuple[Operation, ...]
    turns: bool = True


def part(followed: Followed, logged: Logged) -> Parted | Lost | OneOf | str:
    """The operation to blame for the first difference; what is known instead where none can be named."""
    reading, at = _Reading(followed, logged), logged.first
    if at is None:
        return reading.nothing_differs()
    if at < len(logged.wanted.entries) and at < len(logged.got):
        place, bits = logged.got[at]
        if logged.wanted.entries[at].place == place:
            return reading.wrong_value(at, bits)
    return reading.other_way(at)


class _Reading:
    def __init__(self, followed: Followed, logged: Logged) -> None:
        self.followed, self.logged, self.way = followed, logged, logged.way
        self.entries, self.places = logged.wanted.entries, logged.probed.places
        self.steps = logged.wanted.steps

    # Values

    def wrong_value(self, at: int, bits: int) -> Parted | Lost | OneOf | str:
        """The engine has another value at the same place."""
        entry = self.entries[at]
        place = self.places[entry.place]
        wanted, got = (shown(place.type, entry.value),), (shown(place.type, bits),)
        if place.seen is Seen.OPERAND:
            maker = self.followed.node((place.func, place.at)).ins[place.slot].maker
            return self._lost((place.func, maker), place, at, wanted, got)
        if place.seen is Seen.PARAMETER:
            return self._parameter(place, entry.steps, wanted, got)
        here = (place.func, place.at)
        op = self.followed.op(here)
        if place.seen is Seen.RESULT and (op.name == "local.get" or (op.const and op.name in MOVES)):
            return self._lost(here, place, at, wanted, got)
        found = self._operation(here, entry.steps, wanted, got, self._unseen(here))
        writers = self._writers(here, entry.steps)
        if not writers:
            return Parted(found, True)
        # Its value replaced by the right one would make it right whoever is to blame.
        what = f"{found.text} ({here[0]}:{here[1]}) gives {got[0]}, or what it reads was written wrongly"
        several = (found, *(self._operation(one, entry.steps, wanted, got, f": {what}") for one in writers))
        names = ", ".join(f"{one.text} ({one.function}:{one.position})" for one in several[1:5])
        return OneOf(f"{what} by one of {len(writers)} instructions: {names}", several, turns=False)

    def _writers(self, reader: At, steps: int) -> tuple[At, ...]:
        """The instructions executed before that may have written what this one reads, where the log does not look."""
        op = self.followed.op(reader)
        kept = next((begins for begins, reads in _KEPT.items() if op.name.startswith(reads)), "")
        if op.access is not None and op.results:
            kept = "memory."
        if not kept:
            return ()
        before = dict.fromkeys((step.func, step.at) for step in self.steps[: steps - 1])
        return tuple(one for one in before if self._writes(one, kept))

    def _writes(self, place: At, kept: str) -> bool:
        name = self.followed.op(place).name
        return name.startswith(kept) and not name.startswith((*_KEPT[kept], "array.len"))

    def _lost(
        self, maker: At, place: Place, at: int, wanted: tuple[str, ...], got: tuple[str, ...]
    ) -> Lost | str:  # fmt: skip
        """The value that an instruction made, or that is in the local that it reads, is wrong where it is taken."""
        here = (place.func, place.at)
        if maker[1] < 0 or (not self.way.all_values and place.seen is Seen.RESULT):
            return f"{self.followed.text(here)} has {got[0]}, and it is not known from where"
        is_local = self.followed.op(maker).name == "local.get"
        stop = self.entries[at].steps - (place.seen is Seen.RESULT)
        start = self._last_right(maker, stop, is_local)
        between = dict.fromkeys((step.func, step.at) for step in self.steps[start:stop] if step.func == place.func)
        guilty = tuple(one for one in between if self.followed.op(one).name not in _EMPTY)
        words = (
            f"local {self.followed.instr(maker)[1]}"
            if is_local
            else f"the value of {self.followed.op(maker).name} ({maker[0]}:{maker[1]})"
        )
        what = f": {words} was right before and is wrong when {self.followed.text(here)} ({here[0]}:{here[1]}) takes it"
        if maker == here and not is_local:
            what = f": {words} is not what it is there"
        return Lost(words, guilty, self._operation(here, self.entries[at].steps, wanted, got, what))

    def _last_right(self, maker: At, stop: int, is_local: bool) -> int:
        """Behind which step the value was right: where it was made, or the local was set or read, or it began. A
        constant may have been made anywhere in its function."""
        func, _ = maker
        anywhere = self.followed.op(maker).const and not is_local
        for k in range(stop - 1, -1, -1):
            step = self.steps[k]
            if step.func != func:
                continue
            if (step.func, step.at) == maker and not is_local and not anywhere:
                return k + 1
            op, imm = self.followed.instr((func, step.at))
            if is_local and op.name.startswith("local.") and imm == self.followed.instr(maker)[1] and k < stop - 1:
                return k + 1
            if step.at == 0:
                return k
        return 0

    def _unseen(self, place: At) -> str:
        """Words on the operands' makers that were not in the log: they may be wrong instead."""
        unseen = self._unseen_makers(place, set())
        if not unseen:
            return ""
        names = ", ".join(f"{self.followed.text(one)} ({one[0]}:{one[1]})" for one in unseen[:4])
        return f"; it may also be what its operands come from, which could not be seen: {names}"

    def _unseen_makers(self, place: At, known: set[At]) -> list[At]:
        found: list[At] = []
        for slot in self.followed.node(place).ins if not self.way.operands else ():
            maker = (place[0], slot.maker)
            if slot.maker < 0 or maker in known:
                continue
            known.add(maker)
            op = self.followed.op(maker)
            if self.way.wanted(*maker, op):
                continue
            if op.name not in MOVES:
                found.append(maker)
            found += self._unseen_makers(maker, known)
        return found

    def _parameter(self, place: Place, steps: int, wanted: tuple[str, ...], got: tuple[str, ...]) -> Parted:
        """A parameter is wrong at its function's beginning: the call is to blame, which is the step before."""
        what = f": parameter {place.slot} of function {place.func} is wrong at its beginning"
        caller = self.steps[steps - 1] if steps else None
        if caller is not None and "call" in self.followed.op((caller.func, caller.at)).name:
            here = (caller.func, caller.at)
            return Parted(self._operation(here, steps, wanted, got, f"{what}{self._unseen(here)}"), False)
        how = f"{self.way.words}{what}, called by the host"
        return Parted(Operation(place.func, -1, "the function's beginning", wanted, wanted, got, 1, how), False)

    def _operation(
        self, place: At, steps: int, wanted: tuple[str, ...], got: tuple[str, ...], what: str
    ) -> Operation:  # fmt: skip
        """The latest execution of a place within so many steps."""
        before = [step for step in self.steps[:steps] if (step.func, step.at) == place]
        operands = self.followed.operands(before[-1]) if before else ()
        text = self.followed.text(place)
        how = f"{self.way.words}{what}"
        return Operation(*place, text, operands, wanted, got, max(1, len(before)), how)

    # Ways

    def other_way(self, at: int) -> Parted | OneOf | str:
        """The engine went another way than the reference, trapped, or did not: which instruction decided it?"""
        start = self.entries[at - 1].steps if at else 0
        stop = self.entries[at].steps if at < len(self.entries) else len(self.steps)
        between = range(max(0, start - 1), stop)
        wanted, got = self._end(self.logged.wanted.observation), self._end(self.logged.observation)
        stopped = not isinstance(_last(self.logged.observation), Returned)
        if at >= len(self.logged.got) and stopped and wanted != got:
            crashed = not isinstance(_last(self.logged.observation), Trapped | Threw)  # which any instruction may do
            able = [k for k in between if (self._may_end(self.steps[k]) if crashed else self._may_trap(self.steps[k]))]
            if crashed:
                able += self._awaited(at, stop)
            return self._one(able, (wanted,), (got,), "the engine's log ends here")
        if at >= len(self.entries) and not isinstance(_last(self.logged.wanted.observation), Returned):
            return self._one([len(self.steps) - 1], (wanted,), (got,), "the reference stops here, the engine goes on")
        able = [k for k in between if self._op(self.steps[k]).startswith(_WAYS)]
        here = self._entry_text(self.entries[at].place) if at < len(self.entries) else "the end"
        there = self._entry_text(self.logged.got[at][0]) if at < len(self.logged.got) else "the end"
        return self._one(able, (f"goes on to {here}",), (f"goes on to {there}",), "another way is taken here")

    def _awaited(self, at: int, stop: int) -> list[int]:
        """The step of a call whose entry would be next: it came back wrongly, or what lives across it is lost."""
        place = self.places[self.entries[at].place] if at < len(self.entries) else None
        if place is None or place.at < 0 or "call" not in self.followed.op((place.func, place.at)).name:
            return []
        here = (place.func, place.at)
        return [k for k in range(stop - 1, -1, -1) if (self.steps[k].func, self.steps[k].at) == here][:1]

    def _one(
        self, able: Sequence[int], wanted: tuple[str, ...], got: tuple[str, ...], what: str
    ) -> Parted | OneOf | str:  # fmt: skip
        """The operation, if there is only one that it can be. ``able`` are numbers of steps."""
        latest = {(self.steps[k].func, self.steps[k].at): k for k in able}
        made = tuple(
            self._operation(place, k + 1, wanted, got, f": {what}{self._unseen(place)}") for place, k in latest.items()
        )
        if not made:
            return what
        if len(made) == 1 and made[0].text.startswith("throw"):
            return f"{what}: {made[0].text} or what should catch it, or a call in between, is wrong"
        crashed = got[0].startswith("crashed")
        for one, k in zip(made, latest.values(), strict=True) if crashed or len(made) == 1 else ():
            made += self._tail_call(one, k)
        if len(made) == 1:
            return Parted(made[0], False)
        names = ", ".join(f"{one.text} ({one.function}:{one.position})" for one in made[:4])
        return OneOf(f"{what}, at one of {len(made)} instructions: {names}", made)

    def _tail_call(self, found: Operation, step: int) -> tuple[Operation, ...]:
        """Of a return in a function that was entered by a tail call, that call: it hands on where results go."""
        if found.text.split()[0] not in ("end", "return"):
            return ()
        entered = next(
            (k for k in range(step, 0, -1) if (self.steps[k].func, self.steps[k].at) == (found.function, 0)), 0
        )
        before = self.steps[entered - 1] if entered else None
        if before is None or not self._op(before).startswith("return_call"):
            return ()
        what = f": {found.how.partition(': ')[2]}"
        return (self._operation((before.func, before.at), entered, found.expected, found.actual, what),)

    def _op(self, step: Step) -> str:
        return self.followed.op((step.func, step.at)).name

    def _may_end(self, step: Step) -> bool:
        op = self.followed.op((step.func, step.at))
        return op.name not in _EMPTY and op.name not in ("ref.null", "ref.func")

    def _may_trap(self, step: Step) -> bool:
        op = self.followed.op((step.func, step.at))
        return bool(op.traps) or op.access is not None or "call" in op.name or op.name in _TRAPPING

    def _end(self, seen: Observation) -> str:
        return show(_last(seen))[:200]

    def _entry_text(self, number: int) -> str:
        place = self.places[number]
        if place.at < 0:
            return f"the beginning of function {place.func}"
        return f"{self.followed.text((place.func, place.at))} ({place.func}:{place.at})"

    # Nothing

    def nothing_differs(self) -> Parted | OneOf | str:
        """All that was probed is right. Where a call's result is wrong all the same, returning it to the host is."""
        subject = self.followed.subject
        wanted, got = _last(self.logged.wanted.observation), _last(self.logged.observation)
        if wanted != got and not (isinstance(wanted, Returned) and isinstance(got, Returned)):
            return self.other_way(len(self.entries))
        values = isinstance(wanted, Returned)
        if not values or not 0 <= subject.step < len(subject.case.invocations):
            return "no probed value is wrong, and yet the finding shows"
        if not self.way.all_values:
            return "no probed value is wrong; not all were probed"
        ends = self._results(wanted, got)
        what = ": all values are right, and what the call gives its caller is not"
        return self._one([len(self.steps) - 1], *ends, what.removeprefix(": "))

    def _results(self, wanted: Outcome, got: Outcome) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The first result that differs, and whose place it is."""
        assert isinstance(wanted, Returned)
        assert isinstance(got, Returned)
        for number, (one, other) in enumerate(zip(wanted.values, got.values, strict=False)):
            if one != other and not any(nan.index == number for nan in wanted.free_nans):
                return (f"{one} as result {number}",), (f"{other} as result {number}",)
        return (show(wanted)[:200],), (show(got)[:200],)


def _last(seen: Observation) -> Outcome:
    return seen.outcomes[-1] if seen.outcomes else seen.instantiation
