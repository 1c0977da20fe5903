"""Statements on tables that never trap: calls through them, elements moved, growth, filling, copying, initialising.

Every index is inside by construction: below the size at the start, cut to it, or computed from ``table.size``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST
from generators.module.function import BARE, GET, I32_CONST, SET, Function
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import use
from generators.scalar.expressions import emit_clean
from generators.state.held_refs import fold_reference, push_reference
from generators.state.tables import Family, Table, Tables, fits
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import I32, I64, RefType, ref

NEEDS: Final = frozenset({Feature.REFERENCE_TYPES})
NEEDS_BULK: Final = frozenset({Feature.REFERENCE_TYPES, Feature.BULK_MEMORY})

Step = Callable[[Program, Function, ChoiceSource], None]

_GROWTH: Final = weighted((0, 40), (1, 60), (2, 40), (7, 20), (-1, 30), (1 << 31, 12), (0xFFFF, 12), (1 << 32, 12))


def push_index(fn: Function, source: ChoiceSource, table: Table, count: int = 1) -> None:
    """An index with ``count`` elements from it on inside the table; constant, computed, or counted from the end."""
    body, t = fn.f.body, table.index_type
    last = table.size - count
    kind = source.below(4 if fn.shell.config.allows(Feature.REFERENCE_TYPES) else 3)
    if kind < 2 or last <= 0:
        at = (0, last, source.below(last + 1))[source.below(3)]
        body.append((CONST[t], at))
    elif kind == 2:
        emit_clean(fn, source, t, 2)
        mask = (1 << (last + 1).bit_length() - 1) - 1
        if source.below(2):
            body += ((CONST[t], mask), BARE[f"{t}.and"])
        else:
            body += ((CONST[t], last + 1), BARE[f"{t}.rem_u"])
    else:
        body += ((OPS["table.size"], table.index), (CONST[t], count + source.below(last + 1)), BARE[f"{t}.sub"])


def push_element(program: Program, fn: Function, source: ChoiceSource, table: Table) -> None:
    """Something that may be put into the table: made, or taken out of a table like it."""
    tables, body = program.shell.kit(Tables), fn.f.body
    others = [other for other in tables.all if fits(other, table)]
    if others and source.below(3) == 2:
        other = source.pick(others)
        push_index(fn, source, other)
        body.append((OPS["table.get"], other.index))
    elif table.families:
        expr = tables.element(source, table)
        program.shell.declared.update(imm for op, imm in expr if op is OPS["ref.func"])
        body += expr
    else:
        push_reference(fn, source, table.type.ref)


# Calls


def call(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Call an element, through the table or by the reference out of it; a null, or a function of another type, is not
    called where it may stand there."""
    tables = program.shell.kit(Tables)
    found = [table for table in tables.all if table.families]
    table = source.pick(found) if found and source.below(8) < 7 else tables.add(source, held=False)
    family = source.pick(table.families)
    if table.full:
        _plain(program, fn, source, table, family)
    elif len(table.families) > 1 or (fn.shell.config.allows(Feature.GC) and source.below(3) == 2):
        _tested(program, fn, source, table, family)
    elif isinstance(table.type.ref.heap, int) and source.below(2):
        _not_null(fn, source, table, family)
    else:
        _guarded(fn, source, table, family)


def _results(fn: Function, source: ChoiceSource, family: Family) -> None:
    mode = source.pick(("fold", "store", "keep", "fold", "drop"))
    use(fn, source, mode, family.type.results, lambda: None)


def _plain(program: Program, fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """A table without nulls: nothing stands between the call and its index."""
    body, allows = fn.f.body, program.config.allows
    kind = source.below(5)
    if kind == 4 and allows(Feature.TAIL_CALL):
        push_values(fn, source, family.type.params)
        body.append((OPS["call"], _forwarder(program, source, table, family)))
    elif kind == 3 and isinstance(table.type.ref.heap, int):
        push_values(fn, source, family.type.params)
        push_index(fn, source, table)
        body += ((OPS["table.get"], table.index), (OPS["call_ref"], family.type_index))
    else:
        push_values(fn, source, family.type.params)
        push_index(fn, source, table)
        body.append((OPS["call_indirect"], (family.type_index, table.index)))
    _results(fn, source, family)


def _forwarder(program: Program, source: ChoiceSource, table: Table, family: Family) -> int:
    """A function that hands its parameters on to an element by a tail call."""
    f = program.shell.builder.func(family.type.params, family.type.results)
    fn = Function.of(program.shell, f, source)
    f.body += [(GET, i) for i in range(len(family.type.params))]
    push_index(fn, source, table)
    if isinstance(table.type.ref.heap, int) and source.below(2):
        f.body += ((OPS["table.get"], table.index), (OPS["return_call_ref"], family.type_index))
    else:
        f.body.append((OPS["return_call_indirect"], (family.type_index, table.index)))
    return f.index


def _guarded(fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Look for null, then call through the table."""
    body, at = fn.f.body, fn.f.local(table.index_type)
    push_index(fn, source, table)
    body += ((SET, at), (GET, at), (OPS["table.get"], table.index), BARE["ref.is_null"])
    fn.f.open("if")
    body += ((I32_CONST, 0x6E756C6C), *fn.fold(I32))
    fn.f.else_()
    push_values(fn, source, family.type.params)
    body += ((GET, at), (OPS["call_indirect"], (family.type_index, table.index)))
    _results(fn, source, family)
    fn.f.end()


def _not_null(fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Branch if it is null, either way round; then a call of what is known to be none."""
    f, body = fn.f, fn.f.body
    type_ = ref(family.type_index, False)
    held = f.local(type_)
    f.open("block")
    if source.below(2):
        push_index(fn, source, table)
        body += ((OPS["table.get"], table.index), (OPS["br_on_null"], 0))
    else:
        f.open("block", (), (type_,))
        push_index(fn, source, table)
        body += ((OPS["table.get"], table.index), (OPS["br_on_non_null"], 0), (OPS["br"], 1))
        f.end()
    body.append((SET, held))
    push_values(fn, source, family.type.params)
    body += ((GET, held), (OPS["call_ref"], family.type_index))
    _results(fn, source, family)
    f.end()


def _tested(program: Program, fn: Function, source: ChoiceSource, table: Table, family: Family) -> None:
    """Find out the type of what is there; without casts, whether it is null is all that can be known."""
    f, body = fn.f, fn.f.body
    if not program.config.allows(Feature.GC):
        push_index(fn, source, table)
        body += ((OPS["table.get"], table.index), BARE["ref.is_null"], *fn.fold(I32))
        return
    at, held = f.local(table.index_type), f.local(ref(table.type.ref.heap))
    push_index(fn, source, table)
    body += ((SET, at), (GET, at), (OPS["table.get"], table.index), (SET, held), (GET, held))
    body.append((OPS["ref.test"], family.type_index))
    f.open("if")
    push_values(fn, source, family.type.params)
    if source.below(2):
        body += ((GET, at), (OPS["call_indirect"], (family.type_index, table.index)))
    else:
        body += ((GET, held), (OPS["ref.cast"], family.type_index), (OPS["call_ref"], family.type_index))
    _results(fn, source, family)
    f.else_()
    body += ((GET, held), BARE["ref.is_null"], *fn.fold(I32))
    f.end()


# Elements


def move(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Set an element; often read it, or one beside it, before and after."""
    table = program.shell.kit(Tables).pick(source)
    body, type_ = fn.f.body, table.type.ref
    push_index(fn, source, table)
    push_element(program, fn, source, table)
    body.append((OPS["table.set"], table.index))
    for _ in range(source.below(3)):
        push_index(fn, source, table)
        body.append((OPS["table.get"], table.index))
        _fold(program, fn, table, type_)


def _fold(program: Program, fn: Function, table: Table, type_: RefType) -> None:
    """Fold an element on the stack without calling it: functions of a family have parameters of their own."""
    if not table.families:
        fold_reference(fn, type_)
        return
    body = fn.f.body
    if program.config.allows(Feature.GC):
        last = table.families[-1].callees[-1]
        body.append((OPS["ref.test"], last.type_index))
    else:
        body.append(BARE["ref.is_null"])
    body += fn.fold(I32)


def swap(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Two elements of one table change places; they may be the same one."""
    table = program.shell.kit(Tables).pick(source)
    f, t = fn.f, table.index_type
    first, second = f.local(t), f.local(t)
    for at in (first, second):
        push_index(fn, source, table)
        f.body.append((SET, at))
    get, put = (OPS["table.get"], table.index), (OPS["table.set"], table.index)
    held = fn.temp(table.type.ref)
    f.body += ((GET, first), get, (SET, held), (GET, first), (GET, second), get, put, (GET, second), (GET, held), put)


def grow(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Grow by nothing, a little, up to the maximum, or by more than can be; the answer and the size are folded."""
    table = program.shell.kit(Tables).pick(source)
    body, t = fn.f.body, table.index_type
    push_element(program, fn, source, table)
    delta = source.weighted(_GROWTH)
    if delta == 0xFFFF:
        delta = (table.type.limits.maximum or table.size) - table.size + source.below(2)
    body += (
        (CONST[t], delta & (1 << t.bits) - 1 if t is I64 else delta & 0xFFFFFFFF),
        (OPS["table.grow"], table.index),
    )
    body += fn.fold(t)
    body += ((OPS["table.size"], table.index), *fn.fold(t))


def fill(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Fill a run, or nothing at all, perhaps right at the end."""
    table = program.shell.kit(Tables).pick(source)
    body, t = fn.f.body, table.index_type
    count = min(table.size, source.pick((1, 0, 2, 3, 8, 40, 300)))
    if not count and source.below(2):
        body.append((OPS["table.size"], table.index))
    else:
        push_index(fn, source, table, count)
    push_element(program, fn, source, table)
    body += ((CONST[t], count), (OPS["table.fill"], table.index))


def copy(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Copy within a table, with overlap as often as not, or from another one."""
    tables, body = program.shell.kit(Tables), fn.f.body
    table = tables.pick(source)
    others = [other for other in tables.all if fits(other, table)]
    given = source.pick(others) if source.below(2) else table
    count = min(table.size, given.size, source.pick((1, 0, 2, 3, 5, 9, 40, 300)))
    if not count and source.below(2):
        body += ((CONST[table.index_type], table.size), (CONST[given.index_type], given.size))
    elif given is table and source.below(2):
        at = source.below(table.size - count + 1)
        near = max(0, min(table.size - count, at + source.below(5) - 2))
        body += ((CONST[table.index_type], at), (CONST[given.index_type], near))
    else:
        push_index(fn, source, table, count)
        push_index(fn, source, given, count)
    shorter = I64 if table.type.index64 and given.type.index64 else I32
    body += ((CONST[shorter], count), (OPS["table.copy"], (table.index, given.index)))


def init(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Elements out of a passive segment; or nothing, out of one that has been dropped."""
    tables, body = program.shell.kit(Tables), fn.f.body
    table = tables.pick(source)
    if source.below(4) == 3:
        active = [i for i, elem in enumerate(program.shell.builder.module.elems) if elem.mode.value == "active"]
        if active and table.type.ref is ref("func"):
            # It was dropped at instantiation (spec 4.5.4), so only nothing can come out of it.
            which = source.pick(active)
            if program.shell.builder.module.elems[which].type.heap in ("func", *_indices(tables)):
                body += ((CONST[table.index_type], source.below(table.size + 1)), (I32_CONST, 0), (I32_CONST, 0))
                body.append((OPS["table.init"], (which, table.index)))
                if source.below(2):
                    body.append((OPS["elem.drop"], which))
            return
    segment = tables.segment(source, table)
    count = min(segment.length, table.size, source.pick((1, 2, 3, 0, 12)))
    push_index(fn, source, table, count)
    body += ((I32_CONST, source.below(segment.length - count + 1)), (I32_CONST, count))
    body.append((OPS["table.init"], (segment.index, table.index)))


def _indices(tables: Tables) -> list[int]:
    """The type indices of families: functions all."""
    return [family.type_index for family in tables.families]


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
