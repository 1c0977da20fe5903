"""Globals of every type, imported and own, up to hundreds: read and written across calls, loops, handlers and traps.

Constant ones with extended constant expressions; several imports of one global, which a write through either changes;
getters and setters for the host; hosts that call back and change what their caller has read.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, Weighted, shares, weighted
from generators.config import Config
from generators.program.arguments import Exported
from generators.program.calls import Callee
from generators.program.parts import Part
from generators.program.program import Program
from generators.state.global_statements import (
    NEEDS_REFERENCES,
    NEEDS_TAGS,
    Writers,
    across,
    branch,
    handler,
    loop,
    many,
    permute,
    references,
    update,
)
from generators.state.globals import Globals, read_all
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.features import Feature
from wasm.fragment import template
from wasm.valtypes import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, GlobalType, NumType, ValType

NEEDS: Final[frozenset[Feature]] = frozenset()
BASE: Final = True
WEIGHT: Final = 0.5
COST: Final = 28.0

PARTS: Final = (
    Part("global_update", frozenset(), update),
    Part("global_permute", frozenset(), permute),
    Part("global_across", frozenset(), across),
    Part("global_loop", frozenset(), loop),
    Part("global_branch", frozenset(), branch),
    Part("global_many", frozenset(), many),
    Part("global_handler", NEEDS_TAGS, handler),
    Part("global_reference", NEEDS_REFERENCES, references),
)

_WEIGHTS: Final = {
    "global_update": 60, "global_permute": 30, "global_across": 44, "global_loop": 30, "global_branch": 30,
    "global_many": 26, "global_handler": 14, "global_reference": 22,
}  # fmt: skip
_COUNTS: Final = weighted((1, 20), (2, 30), (4, 60), (7, 60), (12, 40), (20, 22), (60, 14), (150, 6), (300, 4))
_STATEMENTS: Final = weighted((1, 20), (2, 40), (4, 60), (6, 60), (9, 40), (13, 16))
_PARAMS: Final = weighted((I32, 34), (I64, 28), (F64, 22), (F32, 16))
_IMPORTED: Final[Weighted[ValType]] = weighted(
    (I32, 30), (I64, 26), (F64, 16), (F32, 12), (V128, 8), (EXTERNREF, 6), (FUNCREF, 4)
)
_ROOM: Final = tuple(round(8 * (80 / 8) ** (i / 63)) for i in range(64))
"""Sizes of the expressions of a statement: 8 to 80 nodes, log-uniform."""
_IMPORTS: Final = weighted((0, 40), (1, 20), (2, 20), (4, 12), (8, 8))
_WITHOUT: Final[tuple[tuple[Feature, ...], ...]] = shares(
    ((), 3),
    ((Feature.GC,), 2),
    ((Feature.GC, Feature.FUNCTION_REFERENCES), 1),
    ((Feature.GC, Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES, Feature.EXCEPTIONS), 2),
)
"""Features that a module must do without."""
_PATTERN_FROM: Final = 8
"""From so many globals on, their types repeat a pattern of a few."""
_TRAPS: Final = 200
"""One statement in so many is followed by a trap for some values of the hash."""

_SET_TO: Final = template("local.get $param  global.set $index")
_LOW_HALF: Final = template("local.get $acc  i32.wrap_i64")


def generate(source: ChoiceSource, config: Config) -> Case:
    """Imports and own globals, then one or two functions of statements, and functions for the host to reach them."""
    if source.chance(9, 16):
        config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    config = config.without(*source.pick(_WITHOUT))
    if not config.allows(Feature.REFERENCE_TYPES):
        config = config.without(Feature.GC, Feature.FUNCTION_REFERENCES)
    drawn = source.fork("imports")
    hosted: list[Callee] = []
    program = Program.open(source, config, lambda builder: _imports(builder, drawn, config, hosted))
    globs = program.shell.kit(Globals)
    program.shell.kit(Writers).all += [(callee, True) for callee in hosted]
    made = source.fork("globals")
    pattern = [globs.draw_type(made) for _ in range(made.between(1, 6))]
    for i in range(source.weighted(_COUNTS)):
        type_ = pattern[i % len(pattern)] if i >= _PATTERN_FROM else globs.draw_type(made)
        globs.add(made, type_, not made.one_in(4))
    for i in range(source.between(1, 2)):
        _function(program, source.fork(i), f"f{i}")
    if hosted:
        _function(program, source.fork("poke"), "poke", (I32,), I32)
    if source.one_in(2):
        _accessors(program, source.fork("host"))
    return program.close()


def _imports(builder: ModuleBuilder, source: ChoiceSource, config: Config, hosted: list[Callee]) -> None:
    """Up to eight globals, some of them twice, and in some modules a host function that calls ``poke`` back."""
    for i in range(source.weighted(_IMPORTS)):
        type_: ValType = source.weighted(_IMPORTED)
        if type_ is V128 and not config.allows(Feature.SIMD):
            type_ = F64
        if type_ in (EXTERNREF, FUNCREF) and not config.allows(Feature.REFERENCE_TYPES):
            type_ = I32
        mutable = not source.one_in(2)
        for _ in range(1 + source.one_in(4)):
            builder.import_other("env", f"g{i}", GlobalType(type_, mutable))
    if source.one_in(5):
        index = builder.import_func("reenter", "poke", (I32,), (I32,))
        type_index = builder.func_type((I32,), (I32,))
        hosted.append(Callee(index, type_index, builder.module.flat_types()[type_index].composite))  # type: ignore[arg-type]


def _function(
    program: Program, source: ChoiceSource, name: str, params: tuple[ValType, ...] | None = None, result: NumType = I64
) -> None:
    """Some statements; a part of what they computed is returned."""
    if params is None:
        params = tuple(source.weighted(_PARAMS) for _ in range(source.below(5)))
    fn = program.function(source, params, (result,), name, source.between(1, 3))
    features = program.config.features
    parts = [part for part in PARTS if part.needs <= features]
    if name == "poke":
        # What the host calls back must not call the host again.
        parts = [part for part in parts if part.name not in ("global_across", "global_loop")]
    table = weighted(*((part, _WEIGHTS[part.name]) for part in parts))
    for _ in range(source.weighted(_STATEMENTS) if name != "poke" else source.between(1, 3)):
        source.weighted(table).emit(program, fn, source, source.pick(_ROOM))
        if source.one_in(_TRAPS):
            program.trap(fn, source)
    if result is I32:
        fn.publish()
        fn += _LOW_HALF(fn.acc)
    else:
        program.close_function(fn, source)


def _accessors(program: Program, source: ChoiceSource) -> None:
    """Exports that do nothing but return globals, one or several, or set one to their argument."""
    globs = program.shell.kit(Globals)
    builder = program.shell.builder
    if globs.all and source.chance(3, 4):
        count = source.between(1, 24) if program.config.allows(Feature.MULTI_VALUE) else 1
        step = source.between(1, 5)
        shown = [globs.all[i * step % len(globs.all)] for i in range(min(count, program.config.max_results))]
        f = builder.func((), tuple(glob.type for glob in shown), export="get")
        f.body += read_all(shown)
        # Before all other calls, or after them.
        program.exports.insert(source.below(2) * len(program.exports), Exported("get", f.type))
    settable = [
        glob for glob in globs.all if glob.mutable and (isinstance(glob.type, NumType) or glob.type is EXTERNREF)
    ]
    if settable and source.chance(3, 4):
        chosen = [source.pick(settable) for _ in range(source.between(1, min(6, program.config.max_params)))]
        f = builder.func(tuple(glob.type for glob in chosen), (), export="set")
        for i, glob in enumerate(chosen):
            f.body += _SET_TO(param=i, index=glob.index)
        program.exports.insert(0, Exported("set", f.type, source.between(1, 2)))
