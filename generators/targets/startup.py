"""Start functions, segments of every form and place, element and offset expressions, imports of every kind.

Some instantiations trap: a segment that does not fit by a byte, or a start function that traps or throws after it told
the host what it saw (labels ``segment_traps``, ``start_traps``, ``start_throws``).

    (data (memory 0) (offset global.get 0  i32.const 17  i32.sub) "...")
    (start $start)
    (func $start  ...  local.get $acc  call $log  i32.const 12  throw $tag)
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import Config
from generators.draw.values import CONST
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.arguments import Exported
from generators.program.calls import Callee
from generators.program.hosts import Host
from generators.program.parts import Emit
from generators.program.program import Program
from generators.state.global_statements import Thrown, Writers, across, branch, references, update
from generators.state.globals import Globals
from generators.state.segments import Areas, init, look, offset_expression
from generators.state.table_statements import STEPS, Step, call, copy
from generators.state.table_statements import init as table_init
from generators.state.tables import Table, Tables
from wasm.builder import ModuleBuilder, const
from wasm.case import Case
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.module import Elem, Expr, ExternKind, SegmentMode
from wasm.valtypes import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    NumType,
    RefType,
    TableType,
    TagType,
    ValType,
    ref,
)

NEEDS: Final[frozenset[Feature]] = frozenset({Feature.BULK_MEMORY})
BASE: Final = True
WEIGHT: Final = 0.5
COST: Final = 23.0

_ROOM: Final = 12
"""The size of expressions in statements on globals."""


def _on_globals(statement: Emit) -> Step:
    """A statement on globals as one that draws no size."""
    return lambda program, fn, source: statement(program, fn, source, _ROOM)


_UPDATE, _BRANCH = _on_globals(update), _on_globals(branch)
_STEPS: Final = weighted(
    *((step, weight) for step, _, weight in STEPS.values()), (look, 90), (init, 90), (_UPDATE, 40),
    (_on_globals(across), 20), (_BRANCH, 16), (_on_globals(references), 16),
)  # fmt: skip
_PLAIN_STEPS: Final = weighted(
    (call, 50), (copy, 30), (table_init, 30), (look, 90), (init, 90), (_UPDATE, 40), (_BRANCH, 16),
)  # fmt: skip
"""Without reference types there is but one table."""

_GLOBALS: Final[tuple[ValType, ...]] = (I32, I64, I32, I64, F64, F32, EXTERNREF, FUNCREF)
_SEGMENTS: Final = weighted((0, 20), (1, 50), (2, 60), (4, 60), (8, 40), (20, 16), (60, 4))
_ENDS: Final = weighted(("returns", 92), ("traps", 5), ("throws", 3))
_STARTS: Final = shares(("none", 1), ("host", 1), ("own", 6))
_WITHOUT: Final[tuple[tuple[Feature, ...], ...]] = shares(
    ((), 3),
    ((Feature.GC,), 3),
    ((Feature.GC, Feature.FUNCTION_REFERENCES), 1),
    ((Feature.GC, Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES, Feature.EXCEPTIONS), 1),
)
"""Features that a module must do without."""
_HOSTED: Final[tuple[tuple[str, str, tuple[NumType, ...], tuple[NumType, ...]], ...]] = (
    ("env", "begin", (), ()), ("env", "log", (I64,), ()), ("env", "mix", (I32,), (I32,)),
    ("collect", "now", (), ()), ("grow", "memory0", (), (I32,)), ("write", "memory0", (I64,), ()),
)  # fmt: skip
"""Functions of the host: modules, names, parameters, results. The last three act on what there is (``wasm.hostmix``):
in half of the modules no memory is exported, and the start function runs before hosts get any."""
_ACTS: Final = ("collect.now", "grow.memory0", "write.memory0")

_LOG: Final = template("local.get $acc  call $log")
_THROW: Final = template("i32.const $value  throw $tag")
_UNREACHABLE: Final = code("unreachable")
_INIT_PAST_THE_END: Final = template("i32.const 0  i32.const $count  memory.init $memory $segment")


class _Acting:
    """The kit of the host's functions that act."""

    def __init__(self, _shell: Shell) -> None:
        self.all: list[Host] = []


def generate(source: ChoiceSource, config: Config) -> Case:
    """Imports, memories and tables with their segments, a start function, and functions that look at what it left."""
    if source.chance(9, 16):
        config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    config = config.without(*source.pick(_WITHOUT))
    if not config.allows(Feature.REFERENCE_TYPES):
        config = config.without(Feature.GC, Feature.FUNCTION_REFERENCES)
    drawn = source.fork("imports")
    hosted: list[tuple[str, Callee]] = []
    program = Program.open(source, config, lambda builder: _imports(builder, drawn, config, hosted))
    shell = program.shell
    areas, tables, globs = shell.kit(Areas), shell.kit(Tables), shell.kit(Globals)
    made = source.fork("items")
    _memories(areas, made, config)
    shell.kit(_Acting).all += [Host(callee.func, callee.type) for name, callee in hosted if name in _ACTS]
    shell.kit(Writers).all += [(callee, True) for name, callee in hosted if name == "env.mix"]
    for i in range(made.below(4)):
        tables.add(made, held=i > 0)
    for _ in range(made.below(5)):
        globs.add(made, globs.draw_type(made), not made.one_in(4))
    for _ in range(made.weighted(_SEGMENTS)):
        if tables.all and made.one_in(3):
            _elements(program, made, made.pick(tables.all))
        else:
            areas.active(made, made.pick(areas.all))
    _start(program, source.fork("start"), dict(hosted))
    for i in range(source.between(1, 2)):
        _function(program, source.fork(i), f"f{i}")
    if source.one_in(20):
        _misfit(program, source.fork("misfit"))
    return program.close()


def _imports(builder: ModuleBuilder, source: ChoiceSource, config: Config, hosted: list[tuple[str, Callee]]) -> None:
    """Of each kind none, one or two; in a third of the modules none at all."""
    if not source.chance(2, 3):
        return
    references = config.allows(Feature.REFERENCE_TYPES)
    for i in range(source.below(5)):
        type_ = GlobalType(source.pick(_GLOBALS if references else _GLOBALS[:-2]), source.one_in(3))
        builder.import_other("env", f"g{i}", type_)
    for module, name, params, results in _HOSTED:
        if source.chance(3, 4) if module == "env" else source.chance(3, 8):
            index = builder.import_func(module, name, params, results)
            type_index = builder.func_type(params, results)
            hosted.append((f"{module}.{name}", Callee(index, type_index, FuncType(params, results))))
    if source.one_in(2):
        pages = source.between(1, 2)
        builder.import_other("env", "memory", MemType(Limits(pages, pages + source.below(2))))
        if config.allows(Feature.MULTI_MEMORY) and source.one_in(3):
            # The same one again, or another.
            other = Limits(pages, pages + source.below(2))
            builder.import_other("env", source.pick(("memory", "memory2")), MemType(other))
    for i in range(source.below(3) if references else 0):
        limits = Limits(source.between(1, 12), source.between(12, 40))
        builder.import_other("env", f"t{i}", TableType(source.pick((FUNCREF, EXTERNREF)), limits))
    if config.allows(Feature.EXCEPTIONS) and source.one_in(2):
        builder.import_other("env", "tag", TagType(builder.func_type((I32,))))


def _memories(areas: Areas, source: ChoiceSource, config: Config) -> None:
    """Memory 0 has 32-bit addresses and serves the shell too; others only where there may be several."""
    shell = areas.shell
    if not areas.all:
        pages = source.between(1, 2)
        areas.add(pages, pages + source.below(2), False)
    if config.allows(Feature.MULTI_MEMORY):
        for _ in range(max(0, source.below(4) - 1)):
            index64 = config.allows(Feature.MEMORY64) and source.one_in(2)
            areas.add(1, 1 + source.below(2), index64)
    shell.pages, shell.uses_memory = areas.all[0].type.limits.minimum, True


def _elements(program: Program, source: ChoiceSource, table: Table) -> None:
    """An active segment that fits, up to the last element in some cases; or a declarative one."""
    shell = program.shell
    length = min(table.size, source.pick((1, 0, 2, 3, 8)))
    init_ = tuple(_element(program, source, table) for _ in range(length))
    elems = shell.builder.module.elems
    if source.one_in(8) and program.config.allows(Feature.REFERENCE_TYPES):
        elems.append(Elem(table.type.ref, init_, SegmentMode.DECLARATIVE))
        return
    at = table.size - length if source.one_in(2) else source.below(table.size - length + 1)
    offset = offset_expression(shell, source, table.index_type, at)
    elems.append(Elem(_type(program, table), init_, SegmentMode.ACTIVE, table.index, offset))


def _type(program: Program, table: Table) -> RefType:
    """The type of a segment for a table; without reference types only the form that lists functions."""
    return table.type.ref if program.config.allows(Feature.REFERENCE_TYPES) else ref("func", False)


def _element(program: Program, source: ChoiceSource, table: Table) -> Expr:
    """What a table takes, a constant global's value among it."""
    type_ = table.type.ref
    known = program.shell.kit(Globals).constants(type_)
    if known and not table.families and (not table.full or not type_.nullable) and source.one_in(2):
        return const("global.get", source.pick(known).index)
    return program.shell.kit(Tables).element(source, table)


def _misfit(program: Program, source: ChoiceSource) -> None:
    """One segment that does not fit, at any place among the others."""
    shell = program.shell
    shell.labels.add("segment_traps")
    areas, tables = shell.kit(Areas), shell.kit(Tables)
    if tables.all and source.one_in(2):
        table = source.pick(tables.all)
        length = source.below(3)
        init_ = tuple(tables.element(source, table) for _ in range(length))
        most = (1 << table.index_type.bits) - 1
        at = source.pick((table.size - length + 1, table.size + 1, most, table.size + 7))
        offset = ((CONST[table.index_type], at),)
        shell.builder.module.elems.append(Elem(_type(program, table), init_, SegmentMode.ACTIVE, table.index, offset))
    else:
        areas.outside(source, source.pick(areas.all))


def _start(program: Program, source: ChoiceSource, hosted: dict[str, Callee]) -> None:
    """None, the host's, or one of the module's own, which the host calls again in some cases."""
    shell = program.shell
    module = shell.builder.module
    which = source.pick(_STARTS)
    if which == "none":
        return
    if which == "host" and "env.begin" in hosted:
        module.start = hosted["env.begin"].func
        return
    again = source.one_in(4)
    fn = program.function(source, (), ())
    if again:
        shell.builder.export("start", ExternKind.FUNC, fn.f.index)
    module.start = fn.f.index
    for _ in range(source.between(1, 6)):
        _statement(program, fn, source)
    fn.publish()
    log = hosted.get("env.log")
    if log is not None:
        fn += _LOG(acc=fn.acc, log=log.func)
    end = source.weighted(_ENDS)
    if end == "throws" and program.config.allows(Feature.EXCEPTIONS):
        shell.labels.add("start_throws")
        fn += _THROW(value=source.below(1000), tag=shell.kit(Thrown).tag)
    elif end != "returns":
        shell.labels.add("start_traps")
        _past_the_end(program, fn, source)
    elif again:
        program.exports.append(Exported("start", fn.f.type, 1))


def _past_the_end(program: Program, fn: Function, source: ChoiceSource) -> None:
    """The last thing that a start function does: a trap."""
    areas = program.shell.kit(Areas)
    if source.one_in(2):
        segment, length = areas.segment(source)
        area = source.pick(areas.all)
        fn += ((CONST[area.address], area.bytes - length + 1),)
        fn += _INIT_PAST_THE_END(count=length, memory=area.index, segment=segment)
    else:
        fn += _UNREACHABLE


def _statement(program: Program, fn: Function, source: ChoiceSource) -> None:
    """One statement on memories, tables or globals; sometimes the host acts before."""
    acting = program.shell.kit(_Acting).all
    if acting and source.chance(3, 16):
        source.pick(acting).call(fn, source)
    steps = _STEPS if program.config.allows(Feature.REFERENCE_TYPES) else _PLAIN_STEPS
    step: Step = source.weighted(steps)
    step(program, fn, source)


def _function(program: Program, source: ChoiceSource, name: str) -> None:
    """Look at what there is, and go on using segments."""
    params: tuple[NumType | RefType, ...] = (I32, I64)[: source.below(3)]
    fn = program.function(source, params, (I64,), name, source.between(1, 2))
    look(program, fn, source)
    for _ in range(source.below(8)):
        _statement(program, fn, source)
    program.close_function(fn, source)
