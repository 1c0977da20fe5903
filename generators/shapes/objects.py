"""Statements that make the shapes of ``references``: joins of a type with its supertype, arrays seen between writes.

local.get $small  i32.const 1
if (param (ref i31)) (result eqref)      ;; without else: a (ref i31) is an eqref
  drop  ref.null eq
end
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import Function
from generators.program.program import Program
from generators.refs.digests import write_functions
from generators.refs.expressions import RefCode
from generators.scalar.expressions import emit_clean
from generators.shapes.places import Write
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.module import Data, Elem
from wasm.valtypes import (
    ANYREF,
    EXNREF,
    EXTERNREF,
    I8,
    I16,
    I32,
    I64,
    ArrayType,
    FieldType,
    NumType,
    PackedType,
    RefType,
    StructType,
    ref,
)

_DROP: Final = code("drop")
_IS_NULL: Final = code("ref.is_null")
_LENGTH: Final = 8
_NEW: Final = template("i32.const $count  array.new_default $type  local.set $a")
_SET: Final = template("local.get $a  i32.const $at  local.get $value  array.set $type")
_COPY: Final = template(
    "local.get $a  i32.const $at  local.get $b  i32.const $origin  i32.const $count  array.copy $type $type"
)
_DIRTY: Final = template("i64.const 7  i64.and  i64.const $dirty  i64.or  i32.wrap_i64")
_FROM_DATA: Final = template("i32.const 0  i32.const $count  array.new_data $type $segment")
_FROM_ELEM: Final = template("i32.const 0  i32.const $count  array.new_elem $type $segment")
_FIRST: Final = template("i32.const 0  array.get $type")
_SAME: Final = code("ref.eq")
_LEN: Final = code("array.len")
_TO_HOST: Final = code("extern.convert_any")
_BACK: Final = code("any.convert_extern  ref.cast_null i31  i31.get_s")


def _pair(refs: RefCode) -> tuple[RefType, RefType]:
    """A type and a supertype of it."""
    source = refs.source
    below = [one for one in refs.space.lattice.types.values() if one.parent is not None]
    if below and source.one_in(2):
        one = source.pick(below)
        assert one.parent is not None
        return ref(one.index, False), ref(one.parent, source.one_in(2))
    if source.one_in(2):
        return ref("i31", False), source.pick((ref("i31"), ref("eq"), ANYREF, ref("eq", False)))
    heap = refs.space.draw(source).heap
    if not refs.space.inhabited(heap):
        heap = "i31"
    return ref(heap, False), ref(heap)


def if_without_else(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An if of one arm whose parameters are subtypes of its results: skipped, it hands them on (spec 3.4.4)."""
    del program
    refs = RefCode(fn, source)
    below, above = _pair(refs)
    beside = source.one_in(2)
    refs.push(below, 1)
    if beside:
        emit_clean(fn, source, I64, 1)
    more = (I64,) if beside else ()
    refs.condition()
    mark = refs.mark()
    with fn.block("if", (below, *more), (above, *more)):
        if beside:
            fn += fn.fold(I64)
        if source.one_in(2):
            fn += _DROP
            refs.push(above, 1)
        if beside:
            emit_clean(fn, source, I64, 1)
    refs.leave(mark)
    if beside:
        fn += fn.fold(I64)
    refs.fold(above, 1)


def widened_block(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A block, a loop or both arms of an if that take a value as one of a supertype."""
    del program
    refs = RefCode(fn, source)
    below, above = _pair(refs)
    how = source.pick(("block", "loop", "if"))
    refs.push(below, 1)
    if how == "if":
        refs.condition()
    mark = refs.mark()
    with fn.block(how, (above,), (above,)):
        refs.look(above)
        if how == "if":
            fn.else_()
            if source.one_in(2):
                fn += _DROP
                refs.push(below, 0)
    refs.leave(mark)
    refs.fold(above, 1)


def _array(program: Program, source: ChoiceSource) -> tuple[int, NumType, str]:
    """A new type of arrays of numbers: its index, the type of a value, and what follows ``array.get``."""
    kinds: tuple[tuple[NumType | PackedType, NumType, str], ...] = (
        (I8, I32, "_u"), (I16, I32, "_s"), (I32, I32, ""), (I64, I64, "")
    )  # fmt: skip
    storage, value, how = source.pick(kinds)
    return program.shell.builder.type(ArrayType(FieldType(storage, True))), value, how


def array_between(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Two arrays of one type: written, filled or copied over by constants, and read where they were written."""
    type_, value_type, how = _array(program, source)
    first, second = fn.local(ref(type_)), fn.local(ref(type_))
    value = fn.local(value_type)
    for local in (first, second):
        fn += _NEW(count=_LENGTH, type=type_, a=local)
    at = source.below(_LENGTH)
    for _ in range(source.between(1, 4)):
        emit_clean(fn, source, value_type, 1)
        fn.set(value)
        fn += _SET(a=first, at=at, value=value, type=type_)
        step = source.pick(("fill", "copy", "other", "neither"))
        start = source.between(0, at)
        if step == "fill":
            constant = f"{value_type}.const"
            fill = template(f"local.get $a  i32.const $at  {constant} $value  i32.const $count  array.fill $type")
            fn += fill(a=first, at=start, value=source.bits(8), count=at - start + 1, type=type_)
        elif step == "copy":
            b = source.pick((first, second))
            fn += _COPY(
                a=first, at=start, b=b, origin=source.below(_LENGTH - (at - start)), count=at - start + 1, type=type_
            )
        elif step == "other":
            fn += _SET(a=second, at=at, value=value, type=type_)
            fn += _SET(a=second, at=(at + 1) % _LENGTH, value=value, type=type_)
        get = template(f"local.get $a  i32.const $at  array.get{how} $type")
        for local in (first, second):
            fn += get(a=local, at=at, type=type_)
            fn += fn.fold(value_type)


def wrapped_index(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An index that is the low half of a number whose high half is full of bits."""
    type_, value_type, how = _array(program, source)
    array = fn.local(ref(type_))
    fn += _NEW(count=_LENGTH, type=type_, a=array)
    fn.get(array)
    emit_clean(fn, source, I64, 1)
    fn += _DIRTY(dirty=source.bits(32) << 32)
    fn += template(f"array.get{how} $type")(type=type_)
    fn += fn.fold(value_type)


def tested_null(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A test of a constant null, for a type with null and without."""
    del program
    heap = source.pick(("any", "eq", "i31", "struct", "array"))
    how = "_null" if source.one_in(2) else ""
    fn += code(f"ref.null {source.pick(('none', heap))}  ref.test{how} {heap}")
    fn += fn.fold(I32)


def small_overwritten(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An array of small integers copied over by one of objects, and the other way round."""
    builder = program.shell.builder
    box = builder.type(StructType((FieldType(I32, False),)))
    type_ = builder.type(ArrayType(FieldType(ANYREF, True)))
    small, boxes = fn.local(ref(type_)), fn.local(ref(type_))
    new = template("ref.i31  i32.const $count  array.new $type  local.set $a")
    emit_clean(fn, source, I32, 1)
    fn += new(count=_LENGTH, type=type_, a=small)
    boxed = template("struct.new $box  i32.const $count  array.new $type  local.set $a")
    emit_clean(fn, source, I32, 1)
    fn += boxed(box=box, count=_LENGTH, type=type_, a=boxes)
    to, origin = (small, boxes) if source.one_in(2) else (boxes, small)
    count = source.between(1, _LENGTH)
    fn += _COPY(a=to, at=_LENGTH - count, b=origin, origin=0, count=count, type=type_)
    test = template("local.get $a  i32.const $at  array.get $type  ref.test i31")
    for at in (0, _LENGTH - count, _LENGTH - 1):
        fn += test(a=to, at=at, type=type_)
        fn += fn.fold(I32)


def from_segments(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Arrays out of segments, held while the host collects: two of one segment have the same objects in them."""
    builder, module = program.shell.builder, program.shell.builder.module
    refs = RefCode(fn, source)
    if source.one_in(2):
        type_ = builder.type(ArrayType(FieldType(I8, True)))
        empty = source.one_in(3)
        module.datas.append(Data(b"" if empty else source.bytes(_LENGTH)))
        fn += _FROM_DATA(count=0 if empty else source.between(1, _LENGTH), type=type_, segment=len(module.datas) - 1)
        refs.collectors.pause(fn, source, 1)
        fn += _LEN
        fn += fn.fold(I32)
        return
    box = builder.type(StructType((FieldType(I32, True),)))
    type_ = builder.type(ArrayType(FieldType(ref("eq"), True)))
    gone = source.one_in(3)
    objects = tuple(
        (*const("i32.const", source.bits(8)), *const("struct.new", box)) for _ in range(1 + source.below(3))
    )
    module.elems.append(Elem(ref("eq"), () if gone else objects))
    segment = len(module.elems) - 1
    if gone:
        fn += _FROM_ELEM(count=0, type=type_, segment=segment)
        refs.collectors.pause(fn, source, 1)
        fn += _LEN
        fn += fn.fold(I32)
        return
    for _ in range(2):
        fn += _FROM_ELEM(count=len(objects), type=type_, segment=segment)
        refs.collectors.pause(fn, source, 1)
        fn += _FIRST(type=type_)
    fn += _SAME
    fn += fn.fold(I32)


def small_outside(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A small integer as externref: here, or in a segment that a table is made from."""
    builder = program.shell.builder
    if source.one_in(2):
        emit_clean(fn, source, I32, 1)
        fn += code("ref.i31")
        fn += _TO_HOST
    else:
        outside = (*const("i32.const", source.bits(30)), *const("ref.i31"), *const("extern.convert_any"))
        table = builder.table(2, 2, EXTERNREF)
        builder.module.elems.append(Elem(EXTERNREF, (outside,)))
        segment = len(builder.module.elems) - 1
        fn += template(
            "i32.const 0  i32.const 0  i32.const 1  table.init $table $segment  i32.const 0  table.get $table"
        )(table=table, segment=segment)
    fn += _BACK
    fn += fn.fold(I32)


def table_of_nothing(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A table whose elements can be null alone."""
    size = source.between(1, 9)
    table = program.shell.builder.table(size, size, ref(source.pick(("none", "nofunc", "noextern"))))
    fn += template("i32.const $at  table.get $table")(at=source.below(size), table=table)
    fn += _IS_NULL
    fn += fn.fold(I32)


def constant_null(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function of its own that traps: an array instruction on a null that is known."""
    del fn
    shell = program.shell
    name = f"trap{len(shell.last)}"
    type_ = shell.builder.type(ArrayType(FieldType(I32, True)))
    f = shell.builder.func((), (I32,), export=name)
    null, array = template("ref.null $type"), template("i32.const 3  array.new_default $type")
    part = template("i32.const 0  i32.const $count  array.copy $type $type  i32.const 1")
    match source.pick(("get", "len", "to", "from")):
        case "get":
            f.body += (*null(type=type_), *template("i32.const 0  array.get $type")(type=type_))
        case "len":
            f.body += (*null(type=type_), *_LEN)
        case "to":
            f.body += (
                *null(type=type_),
                *code("i32.const 0"),
                *array(type=type_),
                *part(count=source.below(2), type=type_),
            )
        case _:
            f.body += (
                *array(type=type_),
                *code("i32.const 0"),
                *null(type=type_),
                *part(count=source.below(2), type=type_),
            )
    shell.labels.add("traps")
    shell.last.append(Invocation(name))


def exceptions_in_a_segment(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A segment of references to exceptions, out of a global, into a table."""
    builder = program.shell.builder
    held = builder.global_(EXNREF, const("ref.null", "exn"), mutable=False)
    table = builder.table(3, 3, EXNREF)
    builder.module.elems.append(Elem(EXNREF, (const("global.get", held),)))
    fn += template(
        "i32.const $at  i32.const 0  i32.const 1  table.init $table $segment  i32.const $at  table.get $table"
    )(at=source.below(3), table=table, segment=len(builder.module.elems) - 1)
    fn += _IS_NULL
    fn += fn.fold(I32)


def cast_in_a_nest(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A local that is tested in a loop inside of a loop, and has another object of another type afterwards."""
    builder = program.shell.builder
    one = builder.type(StructType((FieldType(I32, True),)))
    other = builder.type(StructType((FieldType(I64, True), FieldType(I32, True))))
    held, outer, inner = fn.local(ANYREF), fn.local(I32), fn.local(I32)
    types = source.pick(((one, other), (other, one)))
    fn += template("struct.new_default $type  local.set $held")(type=types[0], held=held)
    fn += template("i32.const $n  local.set $outer")(n=source.between(2, 4), outer=outer)
    with fn.repeat(outer):
        fn += template("i32.const $n  local.set $inner")(n=source.between(1, 3), inner=inner)
        with fn.repeat(inner):
            fn += template("local.get $held  ref.test $type")(held=held, type=types[0])
            fn += fn.fold(I32)
        fn += template("struct.new_default $type  local.set $held")(type=types[source.below(2)], held=held)


def _finished(write: Write) -> Write:
    """With the digests that its references need."""

    def emit(program: Program, fn: Function, source: ChoiceSource) -> None:
        write(program, fn, source)
        RefCode(fn, source).leave(0)
        write_functions(program.shell)

    return emit


_NEEDS: Final = frozenset(
    {Feature.MULTI_VALUE, Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.BULK_MEMORY, Feature.GC}
)
_OBJECTS: Final = tuple(
    (name, _finished(write), _NEEDS)
    for name, write in (
        ("if without else", if_without_else),
        ("widened block", widened_block),
        ("array between", array_between),
        ("wrapped index", wrapped_index),
        ("tested null", tested_null),
        ("small overwritten", small_overwritten),
        ("from segments", from_segments),
        ("small outside", small_outside),
        ("table of nothing", table_of_nothing),
        ("cast in a nest", cast_in_a_nest),
        ("constant null", constant_null),
    )
)
WRITES: Final[tuple[tuple[str, Write, frozenset[Feature]], ...]] = (
    *_OBJECTS,
    ("exceptions in a segment", exceptions_in_a_segment, _NEEDS | {Feature.EXCEPTIONS}),
)
