"""Tables: calls through them, every instruction on them at their ends, 32 and 64 bits, typed and not, shared imports.

Elements are functions of one type or several, of declared subtypes, and references of every kind. Statements stay
inside; functions that the host calls with indices around the ends trap (label ``traps``). What tables hold is seen at
the end: exported, or folded by calling what is in them.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, Weighted, shares, weighted
from generators.config import Config
from generators.program.parts import Emit, Part
from generators.program.program import Program
from generators.state.table_ends import add_ends
from generators.state.table_statements import PLAIN_STEPS, STEPS, Step, call
from generators.state.tables import Tables
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.valtypes import EXTERNREF, F32, F64, FUNCREF, I32, I64, Limits, TableType

NEEDS: Final[frozenset[Feature]] = frozenset()
BASE: Final = True
WEIGHT: Final = 3.0
COST: Final = 40.0


def _part(step: Step) -> Emit:
    return lambda program, fn, source, _: step(program, fn, source)


PARTS: Final = tuple(Part(name, needs, _part(step)) for name, (step, needs, _) in STEPS.items())

_STATEMENTS: Final = weighted((1, 20), (2, 40), (4, 60), (6, 60), (9, 40), (13, 16))
_PARAMS: Final = weighted((I32, 40), (I64, 28), (F64, 18), (F32, 14))
_IMPORTS: Final = weighted((0, 70), (1, 20), (2, 10))
_WITHOUT: Final[tuple[tuple[Feature, ...], ...]] = shares(
    ((), 4),
    ((Feature.GC,), 2),
    ((Feature.GC, Feature.FUNCTION_REFERENCES), 1),
    ((Feature.GC, Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES), 1),
)
"""Features that a module must do without."""
_MOST_ENDS: Final = 4


def generate(source: ChoiceSource, config: Config) -> Case:
    """One to four tables, one or two functions of statements, and up to four that reach past the ends."""
    if source.chance(9, 16):
        config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    config = config.without(*source.pick(_WITHOUT))
    if not config.allows(Feature.REFERENCE_TYPES):
        config = config.without(Feature.GC, Feature.FUNCTION_REFERENCES)
    drawn = source.fork("imports")
    program = Program.open(source, config, lambda builder: _imports(builder, drawn, config))
    tables = program.shell.kit(Tables)
    made = source.fork("tables")
    for i in range(source.between(1, 4)):
        tables.add(made, held=i > 0)
    ends: list[Invocation] = []
    early = source.one_in(4)
    program.shell.closers.insert(0, lambda: _place(program, ends, early))
    for i in range(source.between(1, 2)):
        _function(program, source.fork(i), f"f{i}")
    for i in range(source.between(0, _MOST_ENDS)):
        ends += add_ends(program, source.fork(f"end{i}"), f"e{i}")
    return program.close()


def _place(program: Program, ends: list[Invocation], early: bool) -> None:
    """After the other calls; or before them, so that these see what is left after traps."""
    shell = program.shell
    if early:
        shell.first += ends
    else:
        shell.invocations += ends


def _imports(builder: ModuleBuilder, source: ChoiceSource, config: Config) -> None:
    """Up to two tables of nulls, one of them twice: what is put into one is in the other."""
    if not config.allows(Feature.REFERENCE_TYPES):
        return
    for i in range(source.weighted(_IMPORTS)):
        limits = Limits(source.between(1, 20), source.between(20, 60))
        index64 = config.allows(Feature.MEMORY64) and source.one_in(6)
        type_ = TableType(source.pick((FUNCREF, EXTERNREF)), limits, index64)
        for _ in range(1 + source.one_in(3)):
            builder.import_other("env", f"t{i}", type_)


def _function(program: Program, source: ChoiceSource, name: str) -> None:
    """Some statements on any of the tables."""
    params = tuple(source.weighted(_PARAMS) for _ in range(source.below(5)))
    fn = program.function(source, params, (I64,), name, source.between(1, 3))
    features = program.config.features
    steps: Weighted[Step] = PLAIN_STEPS
    if Feature.REFERENCE_TYPES in features:
        steps = weighted(*((step, weight) for step, needs, weight in STEPS.values() if needs <= features))
    elif Feature.BULK_MEMORY not in features:
        steps = (call,) * 256
    for _ in range(source.weighted(_STATEMENTS)):
        source.weighted(steps)(program, fn, source)
    program.close_function(fn, source)
