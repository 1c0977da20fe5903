"""Functions of one instruction on a table, which the host calls with what is just inside and just outside of it.

Calls of what is null, out of range or of another type; get, set, fill, copy, init and growth around the end. Most trap:
the label is ``traps``. Nothing may have changed where one did (spec 4.6.7), which later calls and the table's end show.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST
from generators.module.function import BARE, GET, Function
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.state.held_refs import fold_reference
from generators.state.table_statements import push_element
from generators.state.tables import Table, Tables
from wasm.builder import FuncBuilder
from wasm.embedding import Entry, Invocation, Value
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import EXTERNREF, I32, I64, V128, NumType

_KINDS: Final = weighted(("call", 90), ("get", 20), ("set", 20), ("bulk", 70), ("drop", 30))
_LENGTHS: Final = (0, 1, 2, 3, 5)


def add_ends(program: Program, source: ChoiceSource, name: str) -> list[Invocation]:
    """One such function and its calls."""
    tables = program.shell.kit(Tables)
    kind = source.weighted(_KINDS)
    plain = not program.config.allows(Feature.REFERENCE_TYPES)
    bulk = program.config.allows(Feature.BULK_MEMORY)
    if (kind in ("get", "set") and plain) or (kind in ("bulk", "drop") and not bulk):
        kind = "call" if plain else "get"
    if kind == "call":
        found = [table for table in tables.all if table.families]
        return _call(program, source, name, source.pick(found) if found else tables.add(source, held=False))
    table = tables.pick(source)
    if kind == "drop":
        return _drop(program, source, name, table)
    f = program.shell.builder.func((table.index_type,), (I64,), export=name)
    fn = Function.of(program.shell, f, source)
    length = 1
    if kind == "get":
        _index(f, source, table)
        f.body.append((OPS["table.get"], table.index))
        if table.families or table.type.ref is EXTERNREF:
            f.body += (BARE["ref.is_null"], *fn.fold(I32))
        else:
            fold_reference(fn, table.type.ref)
    elif kind == "set":
        _index(f, source, table)
        push_element(program, fn, source, table)
        f.body.append((OPS["table.set"], table.index))
    else:
        length = _bulk(program, fn, source, table)
    if not plain:
        f.body += ((OPS["table.size"], table.index), *fn.fold(table.index_type))
    f.body.append((GET, fn.acc))
    return _calls(program, source, name, table, length)


def _index(f: FuncBuilder, source: ChoiceSource, table: Table) -> None:
    """The argument; sometimes with a constant that makes it wrap around, or counted from a larger one."""
    kind, t = source.below(4), table.index_type
    f.body.append((GET, 0))
    if kind == 3:
        by = 1 + source.below(4)
        f.body += ((CONST[t], by), BARE[f"{t}.add"], (CONST[t], by), BARE[f"{t}.sub"])


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
    return [
        Invocation(name, (Value(t.name, at & ones),), Entry.WRAPPER if source.below(2) else Entry.HOST)
        for at in indices
    ]


def _call(program: Program, source: ChoiceSource, name: str, table: Table) -> list[Invocation]:
    """Call an element by the type of any family of the module: in place, as a tail call, or by reference."""
    tables, config = program.shell.kit(Tables), program.config
    own = table.families[0]
    if len(tables.families) == 1 and source.below(2):
        tables.family(source)
    family = source.pick(tables.families) if source.below(4) and table.type.ref.heap == "func" else own
    kind = source.below(4)
    numbers = all(isinstance(type_, NumType) and type_ is not V128 for type_ in family.type.results)
    tail = kind == 1 and config.allows(Feature.TAIL_CALL) and numbers
    results = family.type.results if tail else (I64,)
    f = program.shell.builder.func((table.index_type,), results, export=name)
    fn = Function.of(program.shell, f, source)
    push_values(fn, source, family.type.params, clean=True)
    index_type = family.type_index
    if source.below(3) == 2:
        index_type = source.pick(family.callees).type_index
    _index(f, source, table)
    typed = isinstance(table.type.ref.heap, int) and index_type == own.type_index
    if kind >= 2 and (typed or config.allows(Feature.GC)):
        f.body.append((OPS["table.get"], table.index))
        if not typed:
            f.body.append((OPS["ref.cast" if source.below(2) else "ref.cast_null"], index_type))
        f.body.append((OPS["return_call_ref" if tail else "call_ref"], index_type))
    else:
        f.body.append((OPS["return_call_indirect" if tail else "call_indirect"], (index_type, table.index)))
    if not tail:
        for type_ in reversed(family.type.results):
            fn.take(type_)
        fn.close_vectors()
        f.body.append((GET, fn.acc))
    calls = _calls(program, source, name, table, 1)
    # What stands inside may be of another type, or nothing.
    inside = [Value(table.index_type.name, source.below(table.size)) for _ in range(4)] if table.size else []
    return [*calls, *(Invocation(name, (index,), Entry.HOST) for index in inside)]


def _bulk(program: Program, fn: Function, source: ChoiceSource, table: Table) -> int:
    """Fill, copy (either side at the argument) or init; gives how many elements it takes."""
    tables, body, t = program.shell.kit(Tables), fn.f.body, table.index_type
    length = min(source.pick(_LENGTHS), table.size)
    kind = source.below(4 if program.config.allows(Feature.REFERENCE_TYPES) else 3) + 1
    if kind == 3:
        segment = tables.segment(source, table)
        length = min(length, segment.length)
        _index(fn.f, source, table)
        # Some read past the segment's end instead.
        start = segment.length - length + (source.below(4) == 3)
        body += ((CONST[I32], start), (CONST[I32], length), (OPS["table.init"], (segment.index, table.index)))
    elif kind == 4:
        _index(fn.f, source, table)
        push_element(program, fn, source, table)
        body += ((CONST[t], length), (OPS["table.fill"], table.index))
    else:
        place = source.below(table.size - length + 1)
        if kind == 1:
            _index(fn.f, source, table)
            body.append((CONST[t], place))
        else:
            body.append((CONST[t], place))
            _index(fn.f, source, table)
        body += ((CONST[t], length), (OPS["table.copy"], (table.index, table.index)))
    return length


def _drop(program: Program, source: ChoiceSource, name: str, table: Table) -> list[Invocation]:
    """Take from a segment of its own, drop it, and try again; the arguments say how many elements from where."""
    tables = program.shell.kit(Tables)
    segments = list(tables.segments)
    tables.segments.clear()
    segment = tables.segment(source, table)
    # No statement takes from what will be dropped.
    tables.segments[:] = segments
    f = program.shell.builder.func((I32, I32, I32), (I64,), export=name)
    f.body += ((CONST[table.index_type], source.below(table.size)), (GET, 0), (GET, 1))
    f.body.append((OPS["table.init"], (segment.index, table.index)))
    f.body.append((GET, 2))
    f.open("if")
    f.body.append((OPS["elem.drop"], segment.index))
    f.end()
    f.body.append((CONST[I64], segment.index))
    rows = [(0, 1, 0), (segment.length, 0, 0), (segment.length, 1, 0), (segment.length - 1, 1, 0), (0, 0, 1)]
    rows += [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    program.shell.labels.add("traps")
    first = source.below(4)
    return [
        Invocation(name, tuple(Value("i32", value) for value in row), Entry.WRAPPER if source.below(2) else Entry.HOST)
        for row in rows[first:]
    ]
