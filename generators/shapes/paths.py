"""Statements that make the shapes of ``flow``: what is called, thrown and branched with, and what lies below it.

block $other (result i32)
  block $one (result i32)
    i32.const 7  local.get 0
    br_table $one $one $one $other $other $other $one
  end
end
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.draw.signatures import draw_types
from generators.draw.values import constant
from generators.module.function import Function
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_clean
from generators.shapes.places import Write
from wasm.builder import FuncBuilder, Label
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import OPS
from wasm.valtypes import F32, F64, FUNCREF, I32, I64, V128, FuncType, NumType

_MANY: Final = (11, 12, 13, 16, 17, 20, 33)
_FLOATS: Final = (7, 9, 11, 13)
_SCALARS: Final = (I32, I64, F64, F32)

_SCALED: Final = {
    I32: template("local.get $at  i64.extend_i32_u"), I64: template("local.get $at"),
    F32: template("local.get $at  i32.reinterpret_f32  i64.extend_i32_u"),
    F64: template("local.get $at  i64.reinterpret_f64"),
    V128: template("local.get $at  i64x2.extract_lane 0  local.get $at  i64x2.extract_lane 1  i64.add"),
}  # fmt: skip
_MIXED: Final = code("i64.const 31  i64.mul  i64.add")
_THROW: Final = template("throw $tag")
_CALL: Final = template("call $func")
_RETURN_CALL: Final = template("return_call $func")
_UNREACHABLE: Final = code("unreachable")
_NOT: Final = code("i32.eqz")
_WRONG: Final = code("i64.const -1")
_CAST: Final = template("i32.const $at  table.get $table  ref.cast $type  call_ref $type")
_CAST_TAIL: Final = template("i32.const $at  table.get $table  ref.cast $type  return_call_ref $type")
_INDIRECT: Final = template("i32.const $at  return_call_indirect $table (type $type)")
_PRODUCTS: Final = tuple(code(f"i64.mul_wide_{sign}") for sign in "us")


def _drawn(program: Program, source: ChoiceSource, count: int) -> tuple[NumType, ...]:
    """So many types of numbers, as far as a signature may have them."""
    return tuple(source.pick(_SCALARS) for _ in range(min(count, program.config.max_params)))


def _cut(program: Program, types: tuple[NumType, ...]) -> tuple[NumType, ...]:
    """The last of these types, as many as a signature may have on either side."""
    return types[-min(program.config.max_params, program.config.max_results) :]


def weighed(f: FuncBuilder) -> None:
    """All parameters in one i64, each by its place."""
    f.i64(17)
    for at, type_ in enumerate(f.type.params):
        assert isinstance(type_, NumType)
        f.body += _SCALED[type_](at=at)
        f.body += _MIXED


def runs(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A table of branches with rows of equal labels, and one or two values; below them there may be more."""
    del program
    types: tuple[NumType, ...] = (I32,) if source.one_in(2) else (I64, I32)
    depth = source.between(2, 4)
    fn += ((OPS["i64.const"], source.bits(16)),)
    labels = [fn.f.open("block", (), types) for _ in range(depth)]
    if source.one_in(2):
        emit_clean(fn, source, I64, 0)
        if source.one_in(2):
            fn += [constant(source, type_) for type_ in types]
            emit_clean(fn, source, I32, 1)
            fn.br(labels[0], "br_if")
            for type_ in reversed(types):
                fn += fn.fold(type_)
    for type_ in types:
        emit_clean(fn, source, type_, 1)
    emit_clean(fn, source, I32, 1)
    fn += ((OPS["i32.const"], 31), OPS["i32.and"].bare)
    targets: list[Label] = []
    for _ in range(source.between(2, 6)):
        targets += [source.pick(labels)] * source.between(1, 9)
    fn.br_table(targets, labels[0])
    for label in reversed(labels):
        fn.f.end()
        for type_ in reversed(types):
            fn += fn.fold(type_)
        if label is not labels[0]:
            fn += [constant(source, type_) for type_ in types]
    fn += fn.fold(I64)


def tail_call_that_throws(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function whose frame is replaced by one with many arguments, which throws to here."""
    builder = program.shell.builder
    params = _drawn(program, source, source.pick(_MANY))
    tag = builder.tag((I64,))
    thrower = builder.func(params, ())
    weighed(thrower)
    thrower.body += _THROW(tag=tag)
    middle = builder.func((), ())
    middle.body += [constant(source, type_) for type_ in params]
    middle.body += _RETURN_CALL(func=thrower.index)
    emit_clean(fn, source, I64, 0)
    with fn.block("block", (), (I64,)) as caught:
        with fn.try_table((("catch", tag, caught),)):
            fn += _CALL(func=middle.index)
        fn += _WRONG
    fn += fn.fold(I64)
    fn += fn.fold(I64)


def trap_under_catch_all(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function of its own: what traps is no exception, and no handler sees it (spec 4.6.9)."""
    del fn
    shell, builder = program.shell, program.shell.builder
    name = f"trap{len(shell.last)}"
    inner = builder.func((), ())
    inner.body += source.pick((_UNREACHABLE, code("i32.const 1  i32.const 0  i32.div_u  drop"),
                               code("f64.const inf  i32.trunc_f64_s  drop")))  # fmt: skip
    f = builder.func((), (I64,), export=name)
    with f.block() as caught:
        with f.try_table((("catch_all", None, caught),)):
            if source.one_in(2):
                f.body += _CALL(func=inner.index)
            else:
                f.body += inner.body
        f.i64(1)
        f.emit("return")
    f.i64(2)
    shell.labels.add("traps")
    shell.last.append(Invocation(name))


def through_a_cast(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function out of a table of any functions, cast to its type and called, or called in the last place."""
    builder = program.shell.builder
    type_ = FuncType((I64,), (I64,))
    index = builder.func_type(type_.params, type_.results)
    functions = []
    for _ in range(2):
        f = builder.func(type_.params, type_.results)
        weighed(f)
        f.body += ((OPS["i64.const"], source.bits(16)), OPS["i64.xor"].bare)
        functions.append(f.index)
    table = builder.table(2, 2, FUNCREF)
    builder.elem(functions, 0, table)
    last = program.config.allows(Feature.TAIL_CALL) and source.one_in(2)
    emit_clean(fn, source, I64, 1)
    if last:
        f = builder.func(type_.params, type_.results)
        f.emit("local.get", 0)
        f.body += _CAST_TAIL(at=source.below(2), table=table, type=index)
        fn += _CALL(func=f.index)
    else:
        fn += _CAST(at=source.below(2), table=table, type=index)
    fn += fn.fold(I64)


def vector_behind_floats(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Parameters on the stack that need a gap before them: an odd number of floats, then a vector, then more."""
    builder = program.shell.builder
    some = source.pick((F32, F64))
    more = tuple(source.pick((F64, I64, V128, F32)) for _ in range(source.below(4)))
    params = _cut(program, ((some,) * source.pick(_FLOATS)) + (V128, *more))
    f = builder.func(params, (I64,))
    weighed(f)
    push_values(fn, source, params, clean=True)
    fn += _CALL(func=f.index)
    fn += fn.fold(I64)


def tail_call_of_locals(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A tail call through a table: of many locals, from many parameters to none, or from none to many."""
    builder = program.shell.builder
    types = _drawn(program, source, source.between(8, 20))
    count = len(types)
    way = source.pick(("locals", "fewer"))
    callee = builder.func(types if way == "locals" else (), (I64,))
    weighed(callee)
    table = builder.table(1, 1, FUNCREF)
    builder.elem((callee.index,), 0, table)
    caller = builder.func(() if way == "locals" else types, (I64,))
    if way == "locals":
        locals_ = [caller.local(type_) for type_ in types]
        for at in sorted(range(count), key=lambda at: (at * 7 + count) % 11):
            caller.body += [constant(source, types[at]), (OPS["local.set"], locals_[at])]
        caller.body += [(OPS["local.get"], local) for local in locals_]
    else:
        push_values(fn, source, types, clean=True)
    caller.body += _INDIRECT(at=0, table=table, type=callee.type_index)
    fn += _CALL(func=caller.index)
    fn += fn.fold(I64)


def behind_a_loop(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function whose parameters are read behind a loop for the first time."""
    f = program.shell.builder.func(_drawn(program, source, source.between(8, 20)), (I64,))
    count = f.local(I32)
    f.body += [(OPS["i32.const"], source.between(1, 5)), (OPS["local.set"], count)]
    with f.block("loop"):
        f.body += template("local.get $n  i32.const 1  i32.sub  local.tee $n  br_if 0")(n=count)
    weighed(f)
    push_values(fn, source, f.type.params, clean=True)
    fn += _CALL(func=f.index)
    fn += fn.fold(I64)


def product_under_pressure(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A product of 128 bits while six sums and more are live, which are read behind it."""
    del program
    count = source.between(6, 14)
    first = fn.local(I64, count)
    sums = range(first, first + count)
    for local in sums:
        emit_clean(fn, source, I64, 1)
        fn.set(local)
    for _ in range(2):
        emit_clean(fn, source, I64, 1)
    fn += source.pick(_PRODUCTS)
    fn.get(*sums)
    for _ in range(len(sums) + 2):
        fn += fn.fold(I64)


def pile_of_globals(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Many globals on the stack at once, then used from the last one on."""
    shell = program.shell
    types = [source.pick((I32, I64, F64)) for _ in range(source.between(2, 5))]
    globals_ = [(type_, shell.global_(type_, source.bits(16))) for type_ in types]
    pile = [source.pick(globals_) for _ in range(source.between(12, 40))]
    for _, index in pile:
        fn += ((OPS["global.get"], index),)
    for type_, _ in reversed(pile):
        fn += fn.fold(type_)


def thrown_vector(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An exception with vectors between numbers, caught here or in a caller."""
    builder = program.shell.builder
    drawn = draw_types(source, program.config.without(Feature.REFERENCE_TYPES), source.between(1, 5))
    params = _cut(program, tuple(type_ for type_ in (*drawn, V128, I32) if isinstance(type_, NumType)))
    tag = builder.tag(params)
    f = builder.func((), ())
    f.body += [constant(source, type_) for type_ in params]
    f.body += _THROW(tag=tag)
    with fn.block("block", (), params) as caught:
        with fn.try_table((("catch", tag, caught),)):
            if source.one_in(2):
                fn += _CALL(func=f.index)
            else:
                push_values(fn, source, params, clean=True)
                fn += _THROW(tag=tag)
        fn += _UNREACHABLE
    for type_ in reversed(params):
        fn += fn.fold(type_)


def negations(program: Program, fn: Function, source: ChoiceSource) -> None:
    """i32.eqz over and over."""
    del program
    emit_clean(fn, source, I32, 2)
    for _ in range(source.between(5, 40)):
        fn += _NOT
    fn += fn.fold(I32)


def left_below(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function that returns with values left below its own, and has code behind that."""
    f = program.shell.builder.func((I64,), (I64, I32))
    f.body += [constant(source, source.pick(_SCALARS)) for _ in range(source.between(1, 6))]
    f.body += [(OPS["local.get"], 0), (OPS["i32.const"], source.bits(8)), OPS["return"].bare]
    f.body += code("i32.const 0  i32.const 1  i32.and  unreachable")
    emit_clean(fn, source, I64, 1)
    fn += _CALL(func=f.index)
    fn += fn.fold(I32)
    fn += fn.fold(I64)


_CALLS_BY_TAIL: Final = frozenset({Feature.TAIL_CALL, Feature.REFERENCE_TYPES})
_TYPED: Final = frozenset({Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES, Feature.GC})
WRITES: Final[tuple[tuple[str, Write, frozenset[Feature]], ...]] = (
    ("negations", negations, frozenset()),
    ("runs", runs, frozenset({Feature.MULTI_VALUE})),
    ("left below", left_below, frozenset({Feature.MULTI_VALUE})),
    ("behind a loop", behind_a_loop, frozenset()),
    ("pile of globals", pile_of_globals, frozenset()),
    ("tail call of locals", tail_call_of_locals, _CALLS_BY_TAIL),
    ("through a cast", through_a_cast, _TYPED),
    ("vector behind floats", vector_behind_floats, frozenset({Feature.SIMD})),
    ("product under pressure", product_under_pressure, frozenset({Feature.WIDE_ARITHMETIC})),
    ("trap under catch all", trap_under_catch_all, frozenset({Feature.EXCEPTIONS})),
    ("thrown vector", thrown_vector, frozenset({Feature.EXCEPTIONS, Feature.SIMD})),
    ("tail call that throws", tail_call_that_throws, frozenset({Feature.EXCEPTIONS, Feature.TAIL_CALL})),
)
