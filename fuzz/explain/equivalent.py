"""Instructions in whose place others do the same in this run, and the one of them that the finding needs.

    call_indirect (type 0)        ->   drop  call 3
    return_call_ref 1             ->   drop  call 3  return
    local.get 0  br_if 1          ->   local.get 0  drop

Which function is called and which way a branch goes, the reference says: only what is the same at every execution is
replaced, and a module in which the reference does anything else is not asked. Named is an instruction if the finding
shows with all others replaced, and does not with this one alone replaced.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import At, Followed, Hidden
from fuzz.explain.probing import Probed
from fuzz.explain.tracing import expected
from fuzz.records.explanation import Operation
from fuzz.trial.ddmin import fewest
from wasm.case import Case
from wasm.decode import decode
from wasm.isa import OPS, Instr
from wasm.module import Func

CALLS: Final = frozenset({"call_indirect", "call_ref", "return_call", "return_call_indirect", "return_call_ref"})
BRANCHES: Final = frozenset({"if", "br_if", "br_table"})
_HANDLERS: Final = frozenset({"try_table", "try"})
_DROP: Final = OPS["drop"].bare
_MOST: Final = 400
"""Instructions at most that are tried."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands in an instruction's place, and the positions behind it that go with it. ``words`` say so."""

    instrs: tuple[Instr, ...]
    words: str
    gone: tuple[range, ...] = ()


def equivalents(followed: Followed) -> dict[At, Edit]:
    """What can be replaced of what is executed, in the order of execution."""
    ways: dict[At, set[int | None]] = {}
    steps = followed.run.steps
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        name = followed.op((step.func, step.at)).name
        if name in CALLS:
            callee = after.func if after is not None and after.at == 0 else None
            ways.setdefault((step.func, step.at), set()).add(callee)
        elif name in BRANCHES:
            value = step.operands[-1]
            way = None if value is None or value >> 32 else _way(followed, (step.func, step.at), value)
            ways.setdefault((step.func, step.at), set()).add(way)
    found: dict[At, Edit] = {}
    for place, seen in ways.items():
        way = next(iter(seen))
        if len(seen) == 1 and way is not None:
            is_call = followed.op(place).name in CALLS
            made = _call(followed, place, way) if is_call else _branch(followed, place, way)
            if made.instrs != (followed.instr(place),):
                found[place] = made
    return found


def _way(followed: Followed, place: At, value: int) -> int:
    """Which way a branch goes by its operand: a number of one of its labels, or whether it is taken."""
    op, imm = followed.instr(place)
    return min(value, len(imm[0])) if op.name == "br_table" else int(value != 0)


def _call(followed: Followed, place: At, callee: int) -> Edit:
    """A direct call of the function, which is no tail call but where handlers around it would catch more then."""
    name = followed.op(place).name
    before = () if name == "return_call" else (_DROP,)
    if name.startswith("return_"):
        if _is_tried(followed, place):
            return Edit((*before, (OPS["return_call"], callee)), f"return_call {callee}")
        return Edit((*before, (OPS["call"], callee), OPS["return"].bare), f"call {callee} and return")
    return Edit((*before, (OPS["call"], callee)), f"call {callee}")


def _is_tried(followed: Followed, place: At) -> bool:
    """Whether handlers of its function are around a place."""
    graph = followed.graphs.graph(place[0] - followed.first)
    openers = [frame for frame in graph.frames if frame.opener >= 0 and graph.nodes[frame.opener].op.name in _HANDLERS]
    return any(frame.opener < place[1] < frame.end for frame in openers)


def _branch(followed: Followed, place: At, way: int) -> Edit:
    """A branch that is always taken, or never."""
    op, imm = followed.instr(place)
    if op.name == "br_table":
        label = [*imm[0], imm[1]][way]
        return Edit((_DROP, (OPS["br"], label)), f"br {label}")
    if op.name == "br_if":
        return Edit((_DROP, (OPS["br"], imm)), f"br {imm}") if way else Edit((_DROP,), "drop")
    frame = followed.node(place).opens
    assert frame is not None
    at, middle = place[1], frame.arms[0] if frame.arms else frame.end
    taken = (range(middle, frame.end),) if way else (range(at + 1, middle + bool(frame.arms)),)
    return Edit((_DROP, (OPS["block"], imm)), f"its {'first' if way else 'second'} arm alone", taken)


class Needed:
    """Looks for the one instruction that a finding needs, of those that can be replaced."""

    def __init__(self, asker: Asker, followed: Followed) -> None:
        self.asker, self.followed = asker, followed
        self.edits = equivalents(followed)

    def one_of(self, suspects: Collection[At], what: str) -> Operation:
        """The one of some places. Raises ``Hidden`` where it is not a single one of them, and ``OutOfTime``."""
        places = [place for place in self.edits if place in suspects][:_MOST]
        if not places or self._asked(places) is not Answer.RIGHT:
            raise Hidden(f"{what}; no call or branch that can be replaced makes it right")
        left = fewest(places, lambda kept: self._asked([one for one in places if one not in kept]) is Answer.WRONG)
        place = left[0]
        if len(left) > 1 or self._asked([place]) is not Answer.RIGHT:
            names = ", ".join(f"{self.followed.text(one)} ({one[0]}:{one[1]})" for one in left[:4])
            raise Hidden(f"{what}; it may be one of {names}, of which no single one makes it right")
        return self._named(place, len(places) - 1, what)

    def _named(self, place: At, others: int, what: str) -> Operation:
        steps = [step for step in self.followed.run.steps if (step.func, step.at) == place]
        words = self.edits[place].words
        how = f"{what}; right with {words} in its place"
        if others:
            how += f", and wrong with it as it is and {others} other calls or branches replaced like this"
        operands = self.followed.operands(steps[0]) if len(steps) == 1 else ()
        sides = self.asker.subject.sides(f"the same as {words}")
        text = self.followed.text(place)
        return Operation(*place, text, operands, *sides, len(steps), how)

    def _asked(self, places: Collection[At]) -> Answer:
        """What becomes of it with these places replaced."""
        case = self.replaced(places)
        before = self.followed.run.observation
        after = expected(case, Probed(self.followed.module, "", 0), {}).observation
        if (before.instantiation, before.outcomes) != (after.instantiation, after.outcomes):
            return Answer.CANNOT
        return self.asker.ask(case)

    def replaced(self, places: Collection[At]) -> Case:
        """The case with these places replaced."""
        module = decode(self.followed.case.content)
        for number, func in enumerate(module.funcs):
            index = self.followed.first + number
            here = {at: self.edits[index, at] for one, at in places if one == index}
            gone = {at for edit in here.values() for piece in edit.gone for at in piece}
            body: list[Instr] = []
            for at, instr in enumerate(func.body):
                if at not in gone:
                    body += here[at].instrs if at in here else (instr,)
            module.funcs[number] = Func(func.type_index, func.locals, body)
        return self.followed.with_module(module)


def thrown(followed: Followed) -> bool:
    """Whether the run throws anything."""
    return any("throw" in followed.op(place).name for place in followed.executed)
