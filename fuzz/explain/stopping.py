"""Where a run ends, of an engine that dies of it and leaves no log: the case is made to stop earlier and earlier.

    i32.const 3  i32.div_u   ->   i32.const 3  global.get $on  if  unreachable  end  i32.div_u

With the trap in front of an instruction the engine either dies all the same, then it does so before that, or it traps
as the reference does. So by bisection there are two instructions of the run, one behind the other, between which it
dies.
"""

from __future__ import annotations

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import At, Followed, Hidden
from fuzz.records.explanation import Operation
from wasm.decode import decode
from wasm.fragment import template
from wasm.isa import Instr
from wasm.module import Func, Global
from wasm.valtypes import I32, GlobalType

_TRAP = template("global.get $on  if  unreachable  end")
_ONE = template("i32.const $value")(1)


def last_operation(asker: Asker, followed: Followed) -> Operation:
    """The instruction at which the engine dies. Raises ``Hidden`` and ``OutOfTime``."""
    places = list(followed.executed)
    low, high = 0, len(places)  # before the first one it does not die, before the one behind the last it does
    if _ends(asker, followed, places[0]) is not Answer.RIGHT:
        raise Hidden("the engine ends with it, and does before the first instruction or in another way")
    while high - low > 1:
        middle = (low + high) // 2
        answer = _ends(asker, followed, places[middle])
        if answer is Answer.CANNOT:
            raise Hidden("the engine ends with it, and otherwise if it is stopped before")
        low, high = (low, middle) if answer is Answer.WRONG else (middle, high)
    place = places[low]
    steps = followed.run.steps
    start = next(k for k, step in enumerate(steps) if (step.func, step.at) == place)
    behind = places[high] if high < len(places) else None
    stop = next((k for k, step in enumerate(steps) if (step.func, step.at) == behind), len(steps))
    if stop - start > 1:
        raise Hidden(f"the engine ends in a loop, at {followed.text(place)} ({place[0]}:{place[1]}) or an earlier one")
    how = "the engine does not end if it is stopped before this instruction, and does if it is stopped behind it"
    return Operation(
        *place, followed.text(place), followed.operands(steps[start]), *asker.subject.sides("no end here"), 1, how
    )


def _ends(asker: Asker, followed: Followed, place: At) -> Answer:
    """Whether the engine dies though there is a trap before a place."""
    module = decode(followed.case.content)
    on = len(module.global_types())
    module.globals.append(Global(GlobalType(I32, True), _ONE))
    func, at = place
    before = module.funcs[func - followed.first]
    body: list[Instr] = [*before.body[:at], *_TRAP(on=on), *before.body[at:]]
    module.funcs[func - followed.first] = Func(before.type_index, before.locals, body)
    return asker.ask(followed.with_module(module))
