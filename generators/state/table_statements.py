"""Statements on tables that never trap: calls through them, elements moved, growth, filling, copying, initialising.

    local.get $at  table.get 0  ref.is_null     ;; call, where null may stand
    if  ...  else
      ...                                       ;; the arguments
      local.get $at  call_indirect 0 (type 3)
    end

Every index is inside by construction: below the size at the start, cut to it, or computed from ``table.size``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.values import CONST
from generators.module.function import Function
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import use
from generators.scalar.expressions import emit_clean
from generators.state.held_refs import declared, fold_null, fold_reference, push_reference
from generators.state.tables import CALL_ELEMENT, Family, Table, Tables, fits
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.module import SegmentMode
from wasm.valtypes import I32, I64, RefType, ref

NEEDS: Final = frozenset({Feature.REFERENCE_TYPES})
NEEDS_BULK: Final = frozenset({Feature.REFERENCE_TYPES, Feature.BULK_MEMORY})

Step = Callable[[Program, Function, ChoiceSource], None]

_TO_THE_END: Final = 0xFFFF
_GROWTH: Final = weighted(
    (0, 40), (1, 60), (2, 40), (7, 20), (-1, 30), (1 << 31, 12), (_TO_THE_END, 12), (1 << 32, 12)
)  # fmt: skip
"""By how much a table is asked to grow; ``_TO_THE_END``: to its maximum or by one more."""
_PLACES: Final = shares(("constant", 2), ("computed", 1), ("from the end", 1))
_USES: Final = ("fold", "store", "keep", "fold", "drop")
_PLAIN_CALLS: Final = shares(("indirect", 3), ("reference", 1), ("forward", 1))
_LOOKS: Final = 3
"""Less than so many looks at elements after one was set."""
_FILLED: Final = (1, 0, 2, 3, 8, 40, 300)
_COPIED: Final = (1, 0, 2, 3, 5, 9, 40, 300)
_INITIALISED: Final = (1, 2, 3, 0, 12)
_NEAR: Final = 2
"""A copy within a table goes at most so many places up or down, so that the ranges overlap."""

_SIZE: Final = template("table.size $table")
_FROM_END: Final = {t: template(f"table.size $table  {t}.const $back  {t}.sub") for t in (I32, I64)}
_MASKED: Final = {t: template(f"{t}.const $mask  {t}.and") for t in (I32, I64)}
_REMAINDER: Final = {t: template(f"{t}.const $size  {t}.rem_u") for t in (I32, I64)}
_NUMBER: Final = {t: template(f"{t}.const $number") for t in (I32, I64)}
_TABLE_GET: Final = template("table.get $table")
_TABLE_SET: Final = template("table.set $table")
_SWAP: Final = template(
    """
    local.get $first  table.get $table  local.set $held
    local.get $first  local.get $second  table.get $table  table.set $table
    local.get $second  local.get $held  table.set $table
    """
)
_GROW: Final = {t: template(f"{t}.const $by  table.grow $table") for t in (I32, I64)}
_FILL: Final = {t: template(f"{t}.const $count  table.fill $table") for t in (I32, I64)}
_COPY: Final = {t: template(f"{t}.const $count  table.copy $table $origin") for t in (I32, I64)}
_INIT: Final = template("i32.const $start  i32.const $count  table.init $table $segment")
_DROP_SEGMENT: Final = template("elem.drop $segment")
_CALL: Final = template("call $func")
_CALL_INDIRECT: Final = template("call_indirect $table (type $type)")
_CALL_REF: Final = template("table.get $table  call_ref $type")
_CALL_HELD: Final = template("local.get $held  call_ref $type")
_CAST_AND_CALL: Final = template("local.get $held  ref.cast $type  call_ref $type")
_TAIL_CALL_INDIRECT: Final = template("return_call_indirect $table (type $type)")
_TAIL_CALL_REF: Final = template("table.get $table  return_call_ref $type")
_IS_NULL: Final = code("ref.is_null")
_HELD_IS_NULL: Final = template("local.get $held  ref.is_null")
_ELEMENT_IS_NULL: Final = template("local.set $at  local.get $at  table.get $table  ref.is_null")
_LEAVE_ON_NULL: Final = template("table.get $table  br_on_null 0")
_LEAVE_IF_THERE: Final = template("table.get $table  br_on_non_null 0  br 1")
_HOLD: Final = template("local.set $at  local.get $at  table.get $table  local.set $held")
_HELD_IS: Final = template("local.get $held  ref.test $type")
_IS: Final = template("ref.test $type")


def push_index(fn: Function, source: ChoiceSource, table: Table, count: int = 1) -> None:
    """An index with ``count`` elements from it on inside the table; constant, computed, or counted from the end."""
    t = table.index_type
    last = table.size - count
    # Without reference types there is no table.size: the last place stays out.
    places = _PLACES if fn.shell.config.allows(Feature.REFERENCE_TYPES) else _PLACES[:-1]
    place = source.pick(places)
    if place == "constant" or last <= 0:
        fn += _NUMBER[t]((0, last, source.below(last + 1))[source.below(3)])
    elif place == "computed":
        emit_clean(fn, source, t, 2)
        if source.one_in(2):
            fn += _MASKED[t]((1 << (last + 1).bit_length() - 1) - 1)
        else:
            fn += _REMAINDER[t](last + 1)
    else:
        fn += _FROM_END[t](table=table.index, back=count + source.below(last + 1))


def push_element(program: Program, fn: Function, source: ChoiceSource, table: Table) -> None:
    """Something that may be put into the table: made, or taken out of a table like it."""
    tables = program.shell.kit(Tables)
    others = [other for other in tables.all if fits(other, table)]
    if others and source.one_in(3):
        other = source.pick(others)
        push_index(fn, source, other)
        fn += _TABLE_GET(other.index)
    elif table.families:
        fn += declared(program.shell, tables.element(source, table))
    else:
        push_reference(fn, source, table.type.ref)


# Calls


def call(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Call an element, through the table or by the reference out of it; a null, or a function of another type, is not
    called where it may stand there."""
    tables = program.shell.kit(Tables)
    callable_ = [table for table in tables.all if table.families]
    table = source.pick(callable_) if callable_ and not source.one_in(8) else tables.add(source, held=False)
    family = source.pick(table.families)
    if table.full:
        _plain(program, fn, source, table, family)
    elif len(table.families) > 1 or (fn.shell.config.allows(Feature.GC) and source.one_in(3)):
        _tested(program, fn, source, table, family)
    elif isinstance(table.type.ref.heap, int) and source.one_in(2):
        _not_null(fn, source, table, family)
    else:
        _guarded(fn, source, table, family)


def _results(fn: Function, source: ChoiceSource, family: Family) -> None:
    use(fn, source, source.pick(_USES), family.type.results)


def _plain(program: Program, fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """A table without nulls: nothing stands between the call and its index."""
    how = source.pick(_PLAIN_CALLS)
    push_values(fn, source, family.type.params)
    if how == "forward" and program.config.allows(Feature.TAIL_CALL):
        fn += _CALL(_forwarder(program, source, table, family))
    else:
        push_index(fn, source, table)
        by_reference = how == "reference" and isinstance(table.type.ref.heap, int)
        fn += (_CALL_REF if by_reference else _CALL_INDIRECT)(table=table.index, type=family.type_index)
    _results(fn, source, family)


def _forwarder(program: Program, source: ChoiceSource, table: Table, family: Family) -> int:
    """A function that hands its parameters on to an element by a tail call."""
    f = program.shell.builder.func(family.type.params, family.type.results)
    fn = Function.of(program.shell, f, source)
    fn.get(*range(len(family.type.params)))
    push_index(fn, source, table)
    by_reference = isinstance(table.type.ref.heap, int) and source.one_in(2)
    fn += (_TAIL_CALL_REF if by_reference else _TAIL_CALL_INDIRECT)(table=table.index, type=family.type_index)
    return f.index


def _guarded(fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Look for null, then call through the table."""
    at = fn.local(table.index_type)
    push_index(fn, source, table)
    fn += _ELEMENT_IS_NULL(at=at, table=table.index)
    with fn.block("if"):
        fold_null(fn)
        fn.else_()
        push_values(fn, source, family.type.params)
        fn += CALL_ELEMENT(at=at, table=table.index, type=family.type_index)
        _results(fn, source, family)


def _not_null(fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Branch if it is null, either way round; then a call of what is known to be none."""
    type_ = ref(family.type_index, False)
    held = fn.local(type_)
    with fn.block():
        if source.one_in(2):
            push_index(fn, source, table)
            fn += _LEAVE_ON_NULL(table.index)
        else:
            with fn.block(results=(type_,)):
                push_index(fn, source, table)
                fn += _LEAVE_IF_THERE(table.index)
        fn.set(held)
        push_values(fn, source, family.type.params)
        fn += _CALL_HELD(held=held, type=family.type_index)
        _results(fn, source, family)


def _tested(program: Program, fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Find out the type of what is there; without casts, whether it is null is all that can be known."""
    if not program.config.allows(Feature.GC):
        push_index(fn, source, table)
        fn += _TABLE_GET(table.index)
        fn += _IS_NULL
        fn += fn.fold(I32)
        return
    at, held = fn.local(table.index_type), fn.local(ref(table.type.ref.heap))
    push_index(fn, source, table)
    fn += _HOLD(at=at, held=held, table=table.index)
    fn += _HELD_IS(held=held, type=family.type_index)
    with fn.block("if"):
        push_values(fn, source, family.type.params)
        if source.one_in(2):
            fn += CALL_ELEMENT(at=at, table=table.index, type=family.type_index)
        else:
            fn += _CAST_AND_CALL(held=held, type=family.type_index)
        _results(fn, source, family)
        fn.else_()
        fn += _HELD_IS_NULL(held)
        fn += fn.fold(I32)


# Elements


def move(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Set an element; often read it, or one beside it, before and after."""
    table = program.shell.kit(Tables).pick(source)
    push_index(fn, source, table)
    push_element(program, fn, source, table)
    fn += _TABLE_SET(table.index)
    for _ in range(source.below(_LOOKS)):
        push_index(fn, source, table)
        fn += _TABLE_GET(table.index)
        _fold(program, fn, table, table.type.ref)


def _fold(program: Program, fn: Function, table: Table, type_: RefType) -> None:
    """Fold an element on the stack without calling it: functions of a family have parameters of their own."""
    if not table.families:
        fold_reference(fn, type_)
        return
    if program.config.allows(Feature.GC):
        fn += _IS(table.families[-1].callees[-1].type_index)
    else:
        fn += _IS_NULL
    fn += fn.fold(I32)


def swap(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Two elements of one table change places; they may be the same one."""
    table = program.shell.kit(Tables).pick(source)
    first, second = fn.local(table.index_type), fn.local(table.index_type)
    for at in (first, second):
        push_index(fn, source, table)
        fn.set(at)
    fn += _SWAP(first=first, second=second, held=fn.temp(table.type.ref), table=table.index)


def grow(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Grow by nothing, a little, up to the maximum, or by more than can be; the answer and the size are folded."""
    table = program.shell.kit(Tables).pick(source)
    t = table.index_type
    push_element(program, fn, source, table)
    by = source.weighted(_GROWTH)
    if by == _TO_THE_END:
        by = (table.type.limits.maximum or table.size) - table.size + source.below(2)
    fn += _GROW[t](by=by & (1 << t.bits) - 1, table=table.index)
    fn += fn.fold(t)
    fn += _SIZE(table.index)
    fn += fn.fold(t)


def fill(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Fill a run, or nothing at all, perhaps right at the end."""
    table = program.shell.kit(Tables).pick(source)
    count = min(table.size, source.pick(_FILLED))
    if not count and source.one_in(2):
        fn += _SIZE(table.index)
    else:
        push_index(fn, source, table, count)
    push_element(program, fn, source, table)
    fn += _FILL[table.index_type](count=count, table=table.index)


def copy(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Copy within a table, with overlap as often as not, or from another one."""
    tables = program.shell.kit(Tables)
    table = tables.pick(source)
    others = [other for other in tables.all if fits(other, table)]
    origin = source.pick(others) if source.one_in(2) else table
    count = min(table.size, origin.size, source.pick(_COPIED))
    if not count and source.one_in(2):
        fn += ((CONST[table.index_type], table.size), (CONST[origin.index_type], origin.size))
    elif origin is table and source.one_in(2):
        at = source.below(table.size - count + 1)
        near = max(0, min(table.size - count, at + source.below(2 * _NEAR + 1) - _NEAR))
        fn += ((CONST[table.index_type], at), (CONST[origin.index_type], near))
    else:
        push_index(fn, source, table, count)
        push_index(fn, source, origin, count)
    # The count has the smaller of the two index types.
    shorter = I64 if table.type.index64 and origin.type.index64 else I32
    fn += _COPY[shorter](count=count, table=table.index, origin=origin.index)


def init(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Elements out of a passive segment; or nothing, out of one that has been dropped."""
    tables = program.shell.kit(Tables)
    table = tables.pick(source)
    if source.one_in(4):
        active = _active_segments(program)
        if active and table.type.ref is ref("func"):
            _init_with_nothing(program, fn, source, table, source.pick(active))
            return
    segment = tables.segment(source, table)
    count = min(segment.length, table.size, source.pick(_INITIALISED))
    push_index(fn, source, table, count)
    start = source.below(segment.length - count + 1)
    fn += _INIT(start=start, count=count, table=table.index, segment=segment.index)


def _active_segments(program: Program) -> list[int]:
    """The segments that were dropped at instantiation (spec 4.7.2): only nothing can come out of them."""
    return [i for i, elem in enumerate(program.shell.builder.module.elems) if elem.mode is SegmentMode.ACTIVE]


def _init_with_nothing(program: Program, fn: Function, source: ChoiceSource, table: Table, segment: int) -> None:
    """No elements out of a segment into a table of functions, if they are functions."""
    families = program.shell.kit(Tables).families
    if program.shell.builder.module.elems[segment].type.heap not in ("func", *(f.type_index for f in families)):
        return
    fn += _NUMBER[table.index_type](source.below(table.size + 1))
    fn += _INIT(start=0, count=0, table=table.index, segment=segment)
    if source.one_in(2):
        fn += _DROP_SEGMENT(segment)


STEPS: Final[dict[str, tuple[Step, frozenset[Feature], int]]] = {
    "table_call": (call, NEEDS, 70),
    "table_move": (move, NEEDS, 40),
    "table_swap": (swap, NEEDS, 16),
    "table_grow": (grow, NEEDS, 30),
    "table_fill": (fill, NEEDS, 24),
    "table_copy": (copy, NEEDS_BULK, 36),
    "table_init": (init, NEEDS_BULK, 30),
}
"""Each statement by name, with its needs and its weight."""

PLAIN_STEPS: Final = weighted((call, 60), (copy, 40), (init, 40))
"""What there is without reference types."""
