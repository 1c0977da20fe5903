"""Functions of one instruction on a table, which the host calls with what is just inside and just outside of it.

    (func (export "e0") (param i32) (result i64)
      local.get 0  table.get 1  ...     ;; with the arguments 6, 7 and 0xFFFFFFFF for a table of 7
      ...)

Calls of what is null, out of range or of another type; get, set, fill, copy, init and growth around the end. Most trap:
the label is ``traps``. Nothing may have changed where one did (spec 4.6.7), which later calls and the table's end show.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.values import CONST
from generators.module.function import Function
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.state.held_refs import fold_reference
from generators.state.table_statements import push_element
from generators.state.tables import Family, Segment, Table, Tables
from wasm.embedding import Entry, Invocation, Value
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import Instr
from wasm.valtypes import EXTERNREF, I32, I64, V128, NumType

_KINDS: Final = weighted(("call", 90), ("get", 20), ("set", 20), ("bulk", 70), ("drop", 30))
_LENGTHS: Final = (0, 1, 2, 3, 5)
_CALLS: Final = shares(("indirect", 1), ("tail", 1), ("reference", 2))
_BULK: Final = ("copy to", "copy from", "init", "fill")
"""``copy to``: the argument is where a copy goes; ``copy from``: where it comes from."""
_INSIDE: Final = 4
"""Calls of elements that are there."""

_ARGUMENT: Final = code("local.get 0")
_THERE_AND_BACK: Final = {t: template(f"{t}.const $by  {t}.add  {t}.const $by  {t}.sub") for t in (I32, I64)}
_GET: Final = template("table.get $table")
_SET: Final = template("table.set $table")
_SIZE: Final = template("table.size $table")
_IS_NULL: Final = code("ref.is_null")
_CALL_INDIRECT: Final = template("call_indirect $table (type $type)")
_TAIL_CALL_INDIRECT: Final = template("return_call_indirect $table (type $type)")
_CALL_REF: Final = template("call_ref $type")
_CASTS: Final = (template("ref.cast_null $type"), template("ref.cast $type"))
_INIT: Final = template("i32.const $start  i32.const $count  table.init $table $segment")
_FILL: Final = {t: template(f"{t}.const $count  table.fill $table") for t in (I32, I64)}
_COPY: Final = {t: template(f"{t}.const $count  table.copy $table $table") for t in (I32, I64)}
_INIT_AND_DROP: Final = template(
    """
    local.get 0  local.get 1  table.init $table $segment
    local.get 2  if  elem.drop $segment  end
    i64.const $segment
    """
)
"""Parameters: the first element, how many, and whether to drop the segment after it."""


def add_ends(program: Program, source: ChoiceSource, name: str) -> list[Invocation]:
    """One such function and its calls."""
    tables = program.shell.kit(Tables)
    kind = source.weighted(_KINDS)
    plain = not program.config.allows(Feature.REFERENCE_TYPES)
    bulk = program.config.allows(Feature.BULK_MEMORY)
    if (kind in ("get", "set") and plain) or (kind in ("bulk", "drop") and not bulk):
        kind = "call" if plain else "get"
    if kind == "call":
        callable_ = [table for table in tables.all if table.families]
        return _call(program, source, name, source.pick(callable_) if callable_ else tables.add(source, held=False))
    table = tables.pick(source)
    if kind == "drop":
        return _drop(program, source, name, table)
    f = program.shell.builder.func((table.index_type,), (I64,), export=name)
    fn = Function.of(program.shell, f, source)
    length = 1
    if kind == "get":
        _index(fn, source, table)
        _fold_element(fn, table)
    elif kind == "set":
        _index(fn, source, table)
        push_element(program, fn, source, table)
        fn += _SET(table.index)
    else:
        length = _bulk(program, fn, source, table)
    if not plain:
        fn += _SIZE(table.index)
        fn += fn.fold(table.index_type)
    fn.get(fn.acc)
    return _calls(program, source, name, table, length)


def _fold_element(fn: Function, table: Table) -> None:
    """Get the element whose index is on the stack and fold it; of a family's functions, whether it is null."""
    fn += _GET(table.index)
    if table.families or table.type.ref is EXTERNREF:
        fn += _IS_NULL
        fn += fn.fold(I32)
    else:
        fold_reference(fn, table.type.ref)


def _index(fn: Function, source: ChoiceSource, table: Table) -> None:
    """The argument; sometimes with a constant that makes it wrap around, or counted from a larger one."""
    computed = source.one_in(4)
    fn += _ARGUMENT
    if computed:
        fn += _THERE_AND_BACK[table.index_type](1 + source.below(4))


def _calls(program: Program, source: ChoiceSource, name: str, table: Table, length: int) -> list[Invocation]:
    """Indices around the end for ``length`` elements, and those that would be inside if they were cut off."""
    t = table.index_type
    ones = (1 << t.bits) - 1
    last = table.size - length
    near = [last, last + 1, 0, last - 1, table.size, table.size + 1]
    far = [ones, ones - length + 1, 1 << t.bits - 1, (1 << 32) + source.below(2), 0xFFFFFFFF]
    indices = near[: source.between(1, 4)]
    indices += [source.pick((*near, *far)) for _ in range(source.between(1, 4))]
    program.shell.labels.add("traps")
    return [Invocation(name, (Value(t.name, at & ones),), _entry(source)) for at in indices]


def _entry(source: ChoiceSource) -> Entry:
    """By the host, or by a function of a second module."""
    return Entry.WRAPPER if source.one_in(2) else Entry.HOST


def _call(program: Program, source: ChoiceSource, name: str, table: Table) -> list[Invocation]:
    """Call an element by the type of any family of the module: in place, as a tail call, or by reference."""
    config = program.config
    own = table.families[0]
    family = _family(program, source, table)
    how = source.pick(_CALLS)
    # The tail call's results are the export's, and a host in JavaScript takes numbers, but no vectors.
    numbers = all(isinstance(type_, NumType) and type_ is not V128 for type_ in family.type.results)
    tail = how == "tail" and config.allows(Feature.TAIL_CALL) and numbers
    f = program.shell.builder.func((table.index_type,), family.type.results if tail else (I64,), export=name)
    fn = Function.of(program.shell, f, source)
    push_values(fn, source, family.type.params, clean=True)
    type_index = family.type_index
    if source.one_in(3):
        type_index = source.pick(family.callees).type_index
    _index(fn, source, table)
    typed = isinstance(table.type.ref.heap, int) and type_index == own.type_index
    if how == "reference" and (typed or config.allows(Feature.GC)):
        fn += _GET(table.index)
        if not typed:
            fn += source.pick(_CASTS)(type_index)
        fn += _CALL_REF(type_index)
    else:
        fn += (_TAIL_CALL_INDIRECT if tail else _CALL_INDIRECT)(table=table.index, type=type_index)
    if not tail:
        for type_ in reversed(family.type.results):
            fn.take(type_)
        fn.close_vectors()
        fn.get(fn.acc)
    calls = _calls(program, source, name, table, 1)
    # What stands inside may be of another type, or nothing.
    inside = [Value(table.index_type.name, source.below(table.size)) for _ in range(_INSIDE)] if table.size else []
    return [*calls, *(Invocation(name, (index,), Entry.HOST) for index in inside)]


def _family(program: Program, source: ChoiceSource, table: Table) -> Family:
    """A family to call by: the table's own, or any, of which there are mostly two."""
    tables = program.shell.kit(Tables)
    if len(tables.families) == 1 and source.one_in(2):
        tables.family(source)
    if source.chance(3, 4) and table.type.ref.heap == "func":
        return source.pick(tables.families)
    return table.families[0]


def _bulk(program: Program, fn: Function, source: ChoiceSource, table: Table) -> int:
    """Fill, copy (either side at the argument) or init; gives how many elements it takes."""
    t = table.index_type
    length = min(source.pick(_LENGTHS), table.size)
    kind = source.pick(_BULK if program.config.allows(Feature.REFERENCE_TYPES) else _BULK[:-1])
    if kind == "init":
        segment = program.shell.kit(Tables).segment(source, table)
        length = min(length, segment.length)
        _index(fn, source, table)
        # Some read past the segment's end instead.
        start = segment.length - length + source.one_in(4)
        fn += _INIT(start=start, count=length, table=table.index, segment=segment.index)
    elif kind == "fill":
        _index(fn, source, table)
        push_element(program, fn, source, table)
        fn += _FILL[t](count=length, table=table.index)
    else:
        place: tuple[Instr] = ((CONST[t], source.below(table.size - length + 1)),)
        if kind == "copy from":
            fn += place
        _index(fn, source, table)
        if kind == "copy to":
            fn += place
        fn += _COPY[t](count=length, table=table.index)
    return length


def _own_segment(program: Program, source: ChoiceSource, table: Table) -> Segment:
    """A passive segment that no statement takes from: it will be dropped."""
    tables = program.shell.kit(Tables)
    others = list(tables.segments)
    tables.segments.clear()
    segment = tables.segment(source, table)
    tables.segments[:] = others
    return segment


def _drop(program: Program, source: ChoiceSource, name: str, table: Table) -> list[Invocation]:
    """Take from a segment of its own, drop it, and try again; the arguments say how many elements from where."""
    segment = _own_segment(program, source, table)
    f = program.shell.builder.func((I32, I32, I32), (I64,), export=name)
    f.body.append((CONST[table.index_type], source.below(table.size)))
    f.body += _INIT_AND_DROP(table=table.index, segment=segment.index)
    length = segment.length
    before = [(0, 1, 0), (length, 0, 0), (length, 1, 0), (length - 1, 1, 0), (0, 0, 1)]
    after = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    program.shell.labels.add("traps")
    start = source.below(4)
    return [
        Invocation(name, tuple(Value("i32", number) for number in arguments), _entry(source))
        for arguments in (before + after)[start:]
    ]
