"""What the functions of targets about values and moves call: small functions, chains of them, imports, a thrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.throwers import DIGITS, Ends, Thrower, leaf
from generators.control.try_tables import Tags
from generators.draw.signatures import draw_types
from generators.module.function import Function
from generators.program.calls import COUNT_LEFT, STEP_DOWN, TAILS, WIND_UP, Callee, import_callee
from generators.program.program import Program
from wasm.features import Feature
from wasm.fragment import template
from wasm.valtypes import I32, FuncType, ValType

_PARAMS: Final = weighted((0, 30), (1, 60), (2, 60), (4, 44), (6, 26), (9, 16), (14, 10), (20, 5), (26, 5))
_RESULTS: Final = weighted((0, 20), (1, 124), (2, 50), (3, 26), (6, 14), (10, 10), (18, 6), (26, 6))
_COUNT: Final = weighted((1, 150), (2, 90), (3, 16))

_CALL: Final = template("call $func")

Reachable = tuple[tuple[Callee, bool], ...]
"""Functions, each with whether it is imported."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a function can call: others, and one that throws at times, whose tag is the last one of ``tags``."""

    callees: Reachable = ()
    thrower: Thrower | None = None
    tags: Tags | None = None


def small_type(source: ChoiceSource, program: Program, references: Sequence[ValType] = ()) -> FuncType:
    """A signature of a size that real programs have, at times one that is past all registers."""
    config = program.config
    params = draw_types(source, config, min(source.weighted(_PARAMS), config.max_params), references)
    results = draw_types(source, config, min(source.weighted(_RESULTS), config.max_results), references)
    return FuncType(params, results)


def draw_imports(program: Program, source: ChoiceSource) -> Reachable:
    """Up to one host function; before any function is defined."""
    if not source.chance(6, 16):
        return ()
    type_ = small_type(source, program)
    return ((import_callee(program.shell, "env", "host0", type_), True),)


def draw_callees(program: Program, source: ChoiceSource) -> Reachable:
    """One to three functions, some behind one more call of any kind."""
    made: list[tuple[Callee, bool]] = []
    kinds = program.calls.kinds()
    references = program.shell.references()
    for i in range(source.weighted(_COUNT)):
        callee = program.calls.leaf(source.fork(f"leaf{i}"), small_type(source, program, references))
        if source.chance(5, 16):
            kind = source.pick(kinds)
            callee = program.calls.link(source.fork(f"link{i}"), callee, kind, kind in TAILS and source.chance(1, 2))
        made.append((callee, False))
    return tuple(made)


def draw_thrower(program: Program, source: ChoiceSource) -> tuple[Thrower | None, Tags | None]:
    """A function that throws for half of its modes, and its tag, the last of the module so far."""
    shell = program.shell
    if not (source.chance(11, 16) and shell.config.allows(Feature.EXCEPTIONS)):
        return None, None
    references = shell.references()
    type_ = small_type(source, program, references)
    room = max(0, shell.config.max_params - 1)
    type_ = replace(type_, params=(I32, *type_.params)[: room + 1])
    payload = small_type(source, program, references).results
    tag = shell.builder.tag(payload)
    tags = Tags([*[()] * tag, payload], references=False, typed=False)
    ends: Ends = tuple(tag if digit & 1 else None for digit in range(DIGITS))
    return leaf(program.calls, source.fork("thrower"), tags, type_, ends), tags


def draw_surroundings(program: Program, source: ChoiceSource, imports: Reachable = ()) -> Surroundings:
    """Everything that a module's functions call; ``imports`` were made before."""
    callees = (*imports, *draw_callees(program, source))
    return Surroundings(callees, *draw_thrower(program, source))


def call_itself(fn: Function, source: ChoiceSource) -> None:
    """The function calls itself a few times, with everything live across; the innermost call winds the count up."""
    depth = source.between(1, 4)
    count = fn.shell.global_(I32, depth)
    type_ = fn.f.type
    fn += COUNT_LEFT(count=count)
    with fn.block("if"):
        fn += STEP_DOWN(count=count)
        fn.get(*range(len(type_.params)))
        fn += _CALL(func=fn.f.index)
        for result in reversed(type_.results):
            fn.take(result)
        fn.else_()
        fn += WIND_UP(depth=depth, count=count)
