"""The function whose compilation makes the difference, and the instructions without which it makes none.

Three ways, the first that applies:

- the engine compiles some functions otherwise than others (``split`` of its adapter): as few as possible as the
  finding's setting does it, the rest as a setting in which it is right;
- what instructions give is replaced by what the reference saw (``replaying``), of more and more of them in the order of
  execution, until it is right: there is one at which it turns;
- a finding that shows when the module is compiled needs nothing executed: other functions get an empty body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import At, Followed, Hidden, module_of
from fuzz.explain.probing import MOVES
from fuzz.explain.replaying import is_replayable, replayed
from fuzz.records.explanation import Guilty
from fuzz.trial.ddmin import fewest
from oracles.engine import EngineId, adapter
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import template
from wasm.isa import OPS, Instr
from wasm.module import ExternKind, Func, Global, Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Node
from wasm.text import print_function
from wasm.valtypes import F32, F64, I32, I64, V128, GlobalType, NumType

BY_SETTINGS: Final = "wrong when this one alone is compiled"
"""How what is said of a function begins that was found by settings: other functions are compiled rightly."""


def guilty(asker: Asker, followed: Followed | None) -> Guilty:
    """The function. ``followed`` is None where its run cannot be. Raises ``Hidden`` where no single one can be named,
    and ``OutOfTime``."""
    module = followed.module if followed is not None else module_of(asker.subject.case)
    first = len(module.imported(ExternKind.FUNC))
    functions = [first + number for number in range(len(module.funcs))]
    if not functions:
        raise Hidden("the module defines no function")
    split = _by_settings(asker, functions, first)
    if split is not None:
        return named_function(module, *split)
    if followed is None:
        return _by_stubs(asker, module, functions)
    if len(functions) == 1:
        return named_function(module, functions[0], "the module's only function")
    return _by_replaying(asker, followed)


def named_function(module: Module, index: int, how: str) -> Guilty:
    """A function that is to blame, with its name and text."""
    name = next((one.name for one in module.exports if one.kind is ExternKind.FUNC and one.index == index), "")
    return Guilty(index, name, print_function(module, index), how)


# By settings


def _by_settings(asker: Asker, functions: list[int], first: int) -> tuple[int, str] | None:
    """The function, and how that is known; None where the engine has no such settings, or they tell nothing."""
    id = EngineId.parse(asker.subject.engine)
    split = getattr(adapter(id.name), "split", None)
    if split is None or len(functions) < 2:
        return None

    def shows(chosen: Sequence[int]) -> bool:
        other = split(id, frozenset(index - first for index in chosen), len(functions))
        return other is not None and asker.ask(None, str(other)) is Answer.WRONG

    none = split(id, frozenset(), len(functions))
    if none is None or asker.ask(None, str(none)) is not Answer.RIGHT or not shows(functions):
        return None
    left = fewest(functions, shows)
    if len(left) > 1:
        return _by_pressure(asker, left, len(functions), first)
    rest = split(id, frozenset(range(len(functions))) - {left[0] - first}, len(functions))
    alone = asker.ask(None, str(rest)) is Answer.RIGHT
    words = f"{BY_SETTINGS} as {id} does it, right with none ({none})"
    return left[0], f"{words}{', and right with all others' if alone else ''}"


def _by_pressure(asker: Asker, left: list[int], count: int, first: int) -> tuple[int, str] | None:
    """Of several functions that it takes, the one that is wrong alone if all others use all registers: the others are
    needed to change a register then."""
    id = EngineId.parse(asker.subject.engine)
    split = adapter(id.name).split
    none = str(split(id, frozenset(), count))
    found: list[int] = []
    for index in left if len(left) <= _MOST_PRESSED else ():
        case = asker.subject.case.with_content(encode(_pressed(module_of(asker.subject.case), index - first)))
        alone = str(split(id, frozenset([index - first]), count))
        if asker.ask(case, alone) is Answer.WRONG and asker.ask(case, none) is not Answer.WRONG:
            found.append(index)
    if len(found) != 1:
        return None
    words = f"{BY_SETTINGS} as {id} does it and all others use all registers, not with none ({none})"
    return found[0], f"{words}; as it is, it takes {', '.join(map(str, left))}, and of these it is the only one"


_MOST_PRESSED: Final = 8
_LIVE: Final = 24
"""Values that live at once: more than there are registers."""
_PUSH: Final = template("global.get $index  i32.const $number  i32.xor")
_KEPT: Final = template("global.set $index")


def _pressed(module: Module, but: int) -> Module:
    """The module, with code at the beginning of all functions but one that needs all integer registers."""
    used = len(module.global_types())
    module.globals.append(Global(GlobalType(I32, True), ((OPS["i32.const"], 1),)))
    code: list[Instr] = [instr for number in range(_LIVE) for instr in _PUSH(index=used, number=number)]
    code += [*[OPS["i32.add"].bare] * (_LIVE - 1), *_KEPT(index=used)]
    for number, func in enumerate(module.funcs):
        if number != but:
            module.funcs[number] = Func(func.type_index, func.locals, [*code, *func.body])
    return module


# By replaying


def _by_replaying(asker: Asker, followed: Followed) -> Guilty:
    """The function of the place at which it turns right, if its own values alone make it right too."""
    place = turning(asker, followed)
    function = frozenset(one for one in followed.executed if one[0] == place[0])
    if _shows(asker, followed, function):
        raise Hidden("it takes values of several functions to be replaced by the reference's before it is right")
    where = f"{followed.text(place)} ({place[0]}:{place[1]})"
    times = [number for number, step in enumerate(followed.run.steps) if (step.func, step.at) == place]
    if any(step.func != place[0] for step in followed.run.steps[times[0] : times[-1]]):
        raise Hidden(
            f"it turns right at {where}, which is executed again behind other functions and may make up for them"
        )
    how = (
        f"right when its values alone are replaced by the reference's; of all in order, {where} is where it turns right"
    )
    return named_function(followed.module, place[0], how)


def turning(asker: Asker, followed: Followed) -> At:
    """The place at which it turns right when more and more values are replaced by the reference's, in the order of
    execution: with all before it replaced it still shows. Raises ``Hidden`` where it shows with all replaced."""
    places = [place for place in followed.executed if is_replayable(followed, place)]
    if not places or _shows(asker, followed, frozenset(places)):
        raise Hidden("it shows though all values are replaced by the reference's: calls, branches or stores are wrong")
    low, high = 0, len(places)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _shows(asker, followed, frozenset(places[:middle])) else (low, middle)
    return places[low]


def before(followed: Followed, place: At) -> frozenset[At]:
    """The places that are executed before one."""
    places = list(followed.executed)
    return frozenset(places[: places.index(place)])


def _shows(asker: Asker, followed: Followed, places: frozenset[At]) -> bool:
    """Whether it shows with these places replayed."""
    made = replayed(followed, places, "multi_memory" in asker.features())
    return asker.ask(made.case if made is not None else followed.case) is Answer.WRONG


# By stubs


def _by_stubs(asker: Asker, module: Module, functions: list[int]) -> Guilty:
    """For what shows without running anything."""
    if not asker.subject.compiling:
        raise Hidden("its run cannot be followed")
    first = functions[0]

    def shows(left: Sequence[int]) -> bool:
        changed = decode(asker.subject.case.content)
        for index in functions:
            if index not in left:
                func = changed.funcs[index - first]
                changed.funcs[index - first] = Func(func.type_index, [], [OPS["unreachable"].bare, OPS["end"].bare])
        return asker.ask(asker.subject.case.with_content(encode(changed))) is Answer.WRONG

    if shows(()):
        raise Hidden("it shows without any function's body")
    left = fewest(functions, shows)
    if len(left) > 1:
        raise Hidden(f"it needs {len(left)} functions: {', '.join(map(str, left))}")
    return named_function(module, left[0], "it shows when all others have an empty body, and not when it has one too")


def needed_when_compiled(asker: Asker, function: int) -> tuple[At, ...]:
    """For what shows without running anything: the fewest places of a function whose instructions must stay. In place
    of the others their operands go to globals, and values come from globals, of which a compiler knows nothing.
    Conditional branches are only left out where no other instructions make a difference."""
    return _needed_when_compiled(asker, function, False) or _needed_when_compiled(asker, function, True)


def _needed_when_compiled(asker: Asker, function: int, branches: bool) -> tuple[At, ...]:
    case = asker.subject.case
    graphs = ModuleGraphs(module_of(case))
    first = graphs.first
    nodes = graphs.graph(function - first).nodes
    reached = graphs.graph(function - first).reachable()
    places = [(function, at) for at in reached if _replaceable(nodes[at], branches)]

    def shows(left: Sequence[At]) -> bool:
        changed = module_of(case)
        func = changed.funcs[function - first]
        globals_ = len(changed.global_types())
        changed.globals += [Global(GlobalType(type_, True), ((OPS[f"{type_}.const"], 0),)) for type_ in _NUMBERS]
        at_of = {type_: globals_ + k for k, type_ in enumerate(_NUMBERS)}
        replaced = {at for _, at in places} - {at for _, at in left}
        body: list[Instr] = []
        for at, instr in enumerate(func.body):
            if at not in replaced:
                body.append(instr)
                continue
            taken = nodes[at].ins[nodes[at].passed :]
            types = [slot.type for slot in reversed(taken)]
            body += [(OPS["global.set"], at_of[type_]) if type_ in at_of else OPS["drop"].bare for type_ in types]
            given = nodes[at].outs[nodes[at].passed :]
            body += [(OPS["global.get"], at_of[slot.type]) for slot in given if slot.type in at_of]
        changed.funcs[function - first] = Func(func.type_index, func.locals, body)
        return asker.ask(case.with_content(encode(changed))) is Answer.WRONG

    if not places or not shows(places) or shows(()):
        return ()
    return tuple(fewest(places, shows))


_NUMBERS: Final = (I32, I64, F32, F64, V128)


def _replaceable(node: Node, branches: bool) -> bool:
    """Whether globals can take an instruction's place."""
    plain = (not node.control or (branches and node.op.name == "br_if")) and all(
        isinstance(slot.type, NumType) for slot in node.outs
    )
    return plain and bool(node.ins) and node.op.name != "drop" and node.op.name not in MOVES
