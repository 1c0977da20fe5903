"""More live values of every class than any register file has, across calls of all kinds, loops and fixed registers.

Up to 140 integers, 140 floats and vectors and 20 references at once: computed, permuted in loops, held on the stack,
merged behind branches and br_tables, kept over divisions, shifts by variables, wide products, bulk instructions and
exceptions (``generators/control/pressure.py`` has the steps). They are folded, stored, returned, or passed on by a tail
call.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, spread, weighted
from generators.config import Config, draw_size
from generators.control.live_values import LiveValues
from generators.control.pressure import STEPS
from generators.control.surroundings import Surroundings, call_itself, draw_imports, draw_surroundings
from generators.draw.signatures import draw_types
from generators.module.function import Function
from generators.program.calls import Callee
from generators.program.parts import Part
from generators.program.program import REFERENCES, VECTORS, Program
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
COST: Final = 24.0
BASE: Final = True

_FEW: Final = (0, 1, 2, 3, 4, 6, 8, 10)
_REGISTERS: Final = (11, 12, 13, 14, 15, 16, 17, 18, 20, 24, 28, 29, 30, 31, 32, 33, 34)
_LIVE: Final = spread(sorted([*_FEW, *_REGISTERS * 2, *(17, 18, 20, 24, 33, 36, 40) * 2, 48, 60, 64, 65, 80]), 256)
_MANY: Final = spread([*_LIVE[::4], 100, 140], 4096)
"""Live values of one class: all below a register file, each size around the known ones, and some far past them."""

_REFS: Final = weighted((0, 170), (1, 20), (3, 20), (8, 26), (20, 20))
_ROOM: Final = (8, *(round(60 * (700 / 60) ** (i / 63)) for i in range(1, 64)))
_FUNCTIONS: Final = weighted((1, 220), (2, 36))
_ENDS: Final = weighted(("use", 150), ("return", 40), ("tail", 40), ("self", 26))
_ORDERS: Final = ("one by one", "reversed", "in turn")
"""How the classes of live values follow each other."""
_TAILS: Final = ("tail", "tail_indirect", "tail_ref")
_INTS: Final = weighted((I32, 128), (I64, 128))
_FLOATS: Final = weighted((F64, 140), (F32, 116))


def generate(source: ChoiceSource, config: Config) -> Case:
    """One or two functions with many live values, and what they call."""
    ints = draw_size(source, _MANY, config.max_locals // 2)
    # Baseline compilers lack most of what came after multi-value: many cases go without.
    plain = source.chance(5, 16)
    if plain:
        config = config.without(Feature.EXCEPTIONS, Feature.TAIL_CALL)
    if plain or source.chance(4, 16):
        config = config.without(*REFERENCES)
    if source.chance(6, 16):
        config = config.without(*VECTORS)
    if not source.chance(1, 4):
        config = config.without(Feature.WIDE_ARITHMETIC)
    program = Program.open(source, config)
    around = draw_surroundings(program, source.fork("around"), draw_imports(program, source))
    for i in range(source.weighted(_FUNCTIONS)):
        _function(program, around, source.fork(f"f{i}"), f"f{i}", ints if not i else source.pick(_LIVE))
    return program.close()


def _live_types(program: Program, source: ChoiceSource, ints: int, floats: int, references: int) -> list[ValType]:
    """Types of the live values: each class of up to two types, one class after the other or in turn."""
    config = program.config
    wholes = source.weighted(_INTS), source.weighted(_INTS)
    reals: list[NumType] = [source.weighted(_FLOATS), source.weighted(_FLOATS)]
    if config.allows(Feature.SIMD):
        reals = [V128 if source.one_in(4) else type_ for type_ in reals]
    pool = program.shell.references()
    classes: list[list[ValType]] = [[wholes[i & 1] for i in range(ints)], [reals[i & 1] for i in range(floats)]]
    if pool:
        start = source.below(len(pool))
        classes.append([pool[(start + i) % len(pool)] for i in range(references)])
    order = source.pick(_ORDERS)
    if order == "in turn":
        longest = max(map(len, classes))
        return [types[i] for i in range(longest) for types in classes if i < len(types)]
    if order == "reversed":
        classes.reverse()
    return [type_ for types in classes for type_ in types]


def _function(program: Program, around: Surroundings, source: ChoiceSource, name: str, ints: int) -> None:
    """An exported function: the values, steps that fit the room, and their end."""
    config = program.config
    floats, references = source.pick(_LIVE), source.weighted(_REFS)
    types = _live_types(program, source, ints, floats, references) or [I32]
    end = source.weighted(_ENDS)
    if end == "tail" and (not config.allows(Feature.TAIL_CALL) or len(types) > config.max_params):
        end = "use"
    numbers = [i for i, type_ in enumerate(types) if isinstance(type_, NumType)]
    returned = numbers[: config.max_results - 1] if end == "return" else []
    params: tuple[ValType, ...] = (I32, *draw_types(source, config, min(source.below(5), config.max_params - 1)))
    sink = _sink(program, source.fork("sink"), types) if end == "tail" else None
    fn = program.function(source, params, [*(types[i] for i in returned), I64], name)
    live = LiveValues.fresh(program, around, fn, source, types)
    _steps(live, fn.here + source.pick(_ROOM))
    if end == "self":
        call_itself(fn, source)
    program.shell.labels.add(end)
    if sink is None:
        if end != "return":
            live.finish()
        program.close_function(fn, source, [live.locals[i] for i in returned])
        return
    fn.publish()
    fn.get(*live.locals)
    kinds = [kind for kind in _TAILS if kind in program.calls.kinds()]
    program.calls.call(fn, source, source.pick(kinds), sink)


def _steps(live: LiveValues, room: int) -> None:
    """Steps until there are more than ``room`` instructions."""
    while True:
        live.source.weighted(STEPS)(live, 2)
        if live.fn.here > room:
            return


def _sink(program: Program, source: ChoiceSource, types: list[ValType]) -> Callee:
    """A function of all live values, for a tail call."""
    return program.calls.leaf(source, FuncType(tuple(types), (I64,)))


# What other targets draw

_WITH_CALLS: Final = 150
"""From so many instructions on there are functions to call."""
_PART_STEPS: Final = 6


def _part(program: Program, fn: Function, source: ChoiceSource, size: int) -> None:
    """As many live values as the size allows, a few steps, and their end."""
    with fn.scope():
        most = max(4, min(80, size // 24))
        around = draw_surroundings(program, source) if size > _WITH_CALLS else Surroundings()
        ints = source.between(1, most)
        floats = source.below(most)
        types = _live_types(program, source, ints, floats, source.below(4))
        live = LiveValues.fresh(program, around, fn, source, types)
        # Who emits this may do so in a branch, or in a loop: then its calls are not passed in every call.
        live.sure = False
        end = fn.here + size // 2
        for _ in range(_PART_STEPS):
            source.weighted(STEPS)(live, 1)
            if fn.here > end:
                break
        live.finish()


PARTS: Final[tuple[Part, ...]] = (Part("pressure", NEEDS, _part),)
