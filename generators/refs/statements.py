"""Statements on references of any type: values, null or not, globals, tables, ``select``, and the host's view.

A statement writes into one function and leaves nothing on the stack:

    global.get 4        ;; through_global
    local.tee 9
    call $digest ...    ;; folds what the reference leads to into the running hash
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.choices import shares
from generators.draw.signatures import draw_types
from generators.program.program import Program
from generators.refs.expressions import RefCode
from generators.refs.space import ELEMENTS, RefGlobal, RefTable
from wasm.fragment import code, template
from wasm.valtypes import EXTERNREF, I32, RefType, ref

Statement = Callable[[Program, RefCode], None]

_SURE: Final = template("local.get $local  ref.as_non_null")
_IS_NULL: Final = code("ref.is_null")
_LEAVE_ON_NULL: Final = code("br_on_null 0")
_LEAVE_ON_OTHER: Final = code("br_on_non_null 0")
_WAS_NULL: Final = template("i32.const $mark")
_GET_GLOBAL: Final = template("global.get $index")
_SET_GLOBAL: Final = template("global.set $index")
_AT: Final = template("i32.const $index")
_WRAPPED: Final = template("i32.const $size  i32.rem_u")
_TABLE_GET: Final = template("table.get $table")
_TABLE_SET: Final = template("table.set $table")
_TABLE_GROW: Final = template("i32.const $by  table.grow $table")
_TABLE_SIZE: Final = template("table.size $table")
_TABLE_FILL: Final = template("i32.const $count  table.fill $table")
_TABLE_COPY: Final = template("i32.const $to  i32.const $start  i32.const $count  table.copy $table $other")
_TABLE_INIT: Final = template("i32.const $to  i32.const $start  i32.const $count  table.init $table $segment")
_SELECT: Final = template("select_t imm=$types")
_TO_HOST: Final = template("local.get $local  extern.convert_any")
_BACK_AND_SAME: Final = template("local.get $outside  any.convert_extern  ref.cast_null eq  local.get $inside  ref.eq")

_MOST_TABLES: Final = 4
_QUESTIONS: Final = ("is_null", "br_on_null", "br_on_non_null", "as_non_null", "below")
"""How null is asked for; ``below``: a branch with values below the reference."""
_OF_NONE: Final = 3
"""So many of these can be asked of a type that has no value but null."""
_TABLE_STEPS: Final = shares(("set", 2), ("grow", 1), ("fill", 1), ("copy", 1), ("init", 1))
_GROWTH: Final = 4


def value(program: Program, refs: RefCode) -> None:
    """A value that is folded at once, or held in a local."""
    del program
    type_ = refs.space.draw(refs.source)
    refs.push(type_, 1 + refs.source.below(3))
    if refs.source.one_in(2):
        refs.look(type_)
    refs.fold(type_, 1 + refs.source.below(2))


def nullness(program: Program, refs: RefCode) -> None:
    """A reference that may be null, asked in each of the four ways, or below other values."""
    del program
    type_ = refs.space.draw(refs.source)
    how = refs.source.below(len(_QUESTIONS)) if refs.space.typed else 0
    if not refs.space.inhabited(type_.heap):
        how = min(how, _OF_NONE - 1)
    fn = refs.fn
    sure = ref(type_.heap, False)
    match _QUESTIONS[how]:
        case "is_null":
            refs.push(type_, 2)
            fn += _IS_NULL
            fn += fn.fold(I32)
        case "br_on_null":
            with fn.block() as done:
                with fn.block():
                    refs.push(ref(type_.heap), 2)
                    fn += _LEAVE_ON_NULL
                    refs.fold(sure)
                    fn.br(done)
                fn += _WAS_NULL(mark=0x51)
                refs.fold(I32)
        case "br_on_non_null":
            with fn.block() as done:
                with fn.block(results=(sure,)):
                    refs.push(ref(type_.heap), 2)
                    fn += _LEAVE_ON_OTHER
                    fn += _WAS_NULL(mark=0x52)
                    refs.fold(I32)
                    fn.br(done)
                refs.fold(sure)
        case "as_non_null":
            refs.fresh(type_.heap, 2)
            fn += _SURE(local=refs.keep(ref(type_.heap)))
            refs.look(sure)
            refs.fold(sure)
        case _:
            _null_below(refs, type_)


def _null_below(refs: RefCode, type_: RefType) -> None:
    """Values below the reference: the branch on null drops it or takes it along."""
    source, config, fn = refs.source, refs.space.config, refs.fn
    types = draw_types(source, config, 1 + source.below(min(6, config.max_params - 1)))
    sure = ref(type_.heap, False)
    if source.one_in(2):
        with fn.block(results=types):
            refs.push_values(types)
            refs.push(ref(type_.heap), 1)
            fn += _LEAVE_ON_NULL
            refs.fold(sure)
        refs.fold_values(types)
        return
    with fn.block(results=(*types, sure)):
        refs.push_values(types)
        refs.push(ref(type_.heap), 1)
        fn += _LEAVE_ON_OTHER
        refs.fresh(type_.heap, 1)
    refs.fold_values((*types, sure), 1)


def through_global(program: Program, refs: RefCode) -> None:
    """A global is written and read."""
    del program
    source, fn = refs.source, refs.fn
    held = _some_global(refs)
    if held.mutable:
        refs.push(held.type, 2)
        fn += _SET_GLOBAL(index=held.index)
    fn += _GET_GLOBAL(index=held.index)
    if source.one_in(2):
        refs.look(held.type)
    refs.fold(held.type, 1 + source.below(2))


def _some_global(refs: RefCode) -> RefGlobal:
    """A variable global one time in three, if there is any, else a new one."""
    space, source = refs.space, refs.source
    variables = [held for held in space.globals if held.mutable]
    if variables and source.one_in(3):
        return source.pick(variables)
    # Globals of the module's own types come about as operands; those above them only here.
    type_ = ref(space.draw_above(source)) if space.gc and source.chance(3, 4) else space.draw(source)
    return space.global_(source, type_ if space.initial(type_) else ref(type_.heap))


def through_table(program: Program, refs: RefCode) -> None:
    """One instruction on a table of references, and a look at one of its elements."""
    del program
    source, fn = refs.source, refs.fn
    table = _some_table(refs)
    _table_step(refs, table)
    push_index(refs, table.size)
    fn += _TABLE_GET(table=table.index)
    if source.one_in(2):
        refs.look(table.type)
    refs.fold(table.type, 1 + source.below(2))


def _some_table(refs: RefCode) -> RefTable:
    """A table, two times in three one that there is."""
    space, source = refs.space, refs.source
    if space.tables and (source.chance(2, 3) or len(space.tables) >= _MOST_TABLES):
        return source.pick(space.tables)
    type_ = space.draw(source)
    return space.table(source, type_ if space.initial(type_) else ref(type_.heap))


def _table_step(refs: RefCode, table: RefTable) -> None:
    """One instruction that changes the table, within its bounds."""
    space, source, fn = refs.space, refs.source, refs.fn
    type_, index, size = table.type, table.index, table.size
    match source.pick(_TABLE_STEPS):
        case "set":
            push_index(refs, size)
            refs.push(type_, 1)
            fn += _TABLE_SET(table=index)
        case "grow":
            refs.push(type_, 1)
            fn += _TABLE_GROW(by=source.below(_GROWTH), table=index)
            fn += fn.fold(I32)
            fn += _TABLE_SIZE(table=index)
            fn += fn.fold(I32)
        case "fill":
            start = source.below(size)
            fn += _AT(index=start)
            refs.push(type_, 1)
            fn += _TABLE_FILL(count=source.between(0, size - start), table=index)
        case "copy" if space.bulk:
            other = source.pick([other for other in space.tables if space.matches(other.type, type_)])
            count = source.below(min(size, other.size) + 1)
            to, start = source.between(0, size - count), source.between(0, other.size - count)
            fn += _TABLE_COPY(to=to, start=start, count=count, table=index, other=other.index)
        case _ if space.bulk:
            segment = space.elem(type_)
            count = source.below(min(size, ELEMENTS) + 1)
            to, start = source.between(0, size - count), source.between(0, ELEMENTS - count)
            fn += _TABLE_INIT(to=to, start=start, count=count, table=index, segment=segment)


def push_index(refs: RefCode, size: int) -> None:
    """An index below a size, often one that is known at run time only."""
    if refs.source.one_in(2):
        refs.fn += _AT(index=refs.source.below(size))
    else:
        refs.number(I32, 1)
        refs.fn += _WRAPPED(size=size)


def selected(program: Program, refs: RefCode) -> None:
    """One of two references of any type by ``select``, the condition known or not."""
    del program
    type_ = refs.space.draw(refs.source)
    refs.push(type_, 2)
    refs.push(type_, 1)
    refs.condition()
    refs.fn += _SELECT(types=(type_,))
    refs.fold(type_, 1 + refs.source.below(2))


def converted(program: Program, refs: RefCode) -> None:
    """Between the host's view of a value and the module's own, there and back again; the value is the same."""
    if not refs.space.gc:
        value(program, refs)
        return
    fn = refs.fn
    may_be_null = refs.source.one_in(2)
    heap = refs.space.draw_internal(refs.source)
    refs.push(ref("eq" if heap == "any" else heap, may_be_null or not refs.space.inhabited(heap)), 1)
    inside = refs.keep(ref("eq"))
    fn += _TO_HOST(local=inside)
    outside = refs.keep(EXTERNREF)
    fn += _BACK_AND_SAME(outside=outside, inside=inside)
    fn += fn.fold(I32)
    fn.get(outside)
    refs.fold(EXTERNREF)
