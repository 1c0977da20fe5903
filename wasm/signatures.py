"""Instruction types that depend on the module: the rules for the rows whose own type is None (spec 3.4).

Three kinds of row share the table out: a row with a plain type, a row with a rule here, and a row whose type depends on
the operand stack, the labels or the locals, which ``wasm.validate_flow`` handles.
"""

from __future__ import annotations

from typing import Any, Final

from wasm.context import ModuleContext, Rule, Signature, check_data, item, rule_adder
from wasm.errors import Invalid
from wasm.isa import OPS, Imm, Op
from wasm.signatures_gc import GC_RULES
from wasm.valtypes import (
    I32,
    I64,
    GlobalType,
    HeapType,
    MemType,
    NumType,
    RefType,
    TableType,
    ValType,
    ref,
)

RULES: Final[dict[Op, Rule]] = {**GC_RULES}
"""The rules by row."""

_rule = rule_adder(RULES)


def signature(op: Op, imm: Any, context: ModuleContext) -> Signature | None:
    """What ``op`` takes and gives in this module; None where that depends on stack, labels or locals.

    Checks the immediates as well, and raises ``Invalid`` for those that break a rule.
    """
    rule = RULES.get(op)
    if rule is not None:
        return rule(context, imm)
    if op.params is None:
        return None
    return plain_signature(op, imm, context)


def plain_signature(op: Op, imm: Any, context: ModuleContext) -> Signature:
    """``signature`` of a row with a plain type: checks the immediates and puts the address type in."""
    address: ValType = I32
    if CHECKED.intersection(op.imms):
        for kind, value in zip(op.imms, imm if len(op.imms) > 1 else (imm,), strict=True):
            if kind is Imm.MEMARG:
                address = _check_memarg(op, value, context)
            elif kind is Imm.MEMORY:
                address = _memory(context, value)
            elif kind is Imm.DATA:
                check_data(context, value)
            elif kind is Imm.ELEM:
                item(context.elems, value, "elem segment")
            elif kind is Imm.LANE or kind is Imm.LANES:
                _check_lanes(op, value)
    return PLAIN[address][op]


CHECKED: Final = frozenset((Imm.MEMARG, Imm.MEMORY, Imm.DATA, Imm.ELEM, Imm.LANE, Imm.LANES))


def _resolve(address: ValType) -> dict[Op, Signature]:
    def side(types: tuple[ValType | str, ...]) -> tuple[ValType, ...]:
        return tuple(address if isinstance(t, str) else t for t in types)  # ADDR is the only word there

    return {
        row: (side(row.params), side(row.results))
        for row in OPS.values()
        if row.params is not None and row.results is not None
    }


PLAIN: Final[dict[ValType, dict[Op, Signature]]] = {I32: _resolve(I32), I64: _resolve(I64)}
"""The rows with a plain type, by the address type of the memory that they name."""


def _memory(context: ModuleContext, index: int) -> NumType:
    memory: MemType = item(context.memories, index, "memory")
    return memory.index_type


def _check_memarg(op: Op, imm: Any, context: ModuleContext) -> NumType:
    align, offset, index = imm
    address = _memory(context, index)
    assert op.access is not None
    natural = op.access.bytes.bit_length() - 1
    if op.prefix == 0xFE:
        if align != natural:
            raise Invalid(f"atomic alignment must be natural: {op.mnemonic} needs {1 << natural} bytes")
    elif align > natural:
        raise Invalid(f"alignment must not be larger than natural: {op.mnemonic} has at most {1 << natural} bytes")
    if offset >> address.bits:
        raise Invalid("offset out of range")
    return address


def _check_lanes(op: Op, value: Any) -> None:
    if isinstance(value, tuple):
        if len(value) != 16 or max(value) >= 32:
            raise Invalid("invalid lane index")
        return
    if op.access is not None:
        lanes = 16 // op.access.bytes
    else:
        lanes = int(op.name.partition("x")[2].partition(".")[0])
    if value >= lanes:
        raise Invalid(f"invalid lane index {value}")


# Calls (spec 3.4.2). Tail calls also look at the caller's results, hence are no business of this file.


@_rule("call")
def _call(context: ModuleContext, func: int) -> Signature:
    callee = context.func_type(func)
    return callee.params, callee.results


@_rule("call_indirect")
def _call_indirect(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    type_index, index = imm
    address = context.callable_table(index).index_type
    callee = context.func_type_at(type_index)
    return (*callee.params, address), callee.results


@_rule("call_ref")
def _call_ref(context: ModuleContext, type_index: int) -> Signature:
    callee = context.func_type_at(type_index)
    return (*callee.params, ref(type_index)), callee.results


@_rule("select_t")
def _select(context: ModuleContext, types: tuple[ValType, ...]) -> Signature:
    if len(types) != 1:
        raise Invalid("invalid result arity")
    (type_,) = types
    context.check_type(type_)
    return (type_, type_, I32), types


@_rule("global.get")
def _global_get(context: ModuleContext, index: int) -> Signature:
    return (), (item(context.globals, index, "global").type,)


@_rule("global.set")
def _global_set(context: ModuleContext, index: int) -> Signature:
    type_: GlobalType = item(context.globals, index, "global")
    if not type_.mutable:
        raise Invalid(f"global {index} is immutable")
    return (type_.type,), ()


# Tables (spec 3.4.5).


@_rule("table.get")
def _table_get(context: ModuleContext, index: int) -> Signature:
    table: TableType = item(context.tables, index, "table")
    return (table.index_type,), (table.ref,)


@_rule("table.set")
def _table_set(context: ModuleContext, index: int) -> Signature:
    table: TableType = item(context.tables, index, "table")
    return (table.index_type, table.ref), ()


@_rule("table.size")
def _table_size(context: ModuleContext, index: int) -> Signature:
    return (), (item(context.tables, index, "table").index_type,)


@_rule("table.grow")
def _table_grow(context: ModuleContext, index: int) -> Signature:
    table: TableType = item(context.tables, index, "table")
    return (table.ref, table.index_type), (table.index_type,)


@_rule("table.fill")
def _table_fill(context: ModuleContext, index: int) -> Signature:
    table: TableType = item(context.tables, index, "table")
    return (table.index_type, table.ref, table.index_type), ()


@_rule("table.init")
def _table_init(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    elem, index = imm
    table: TableType = item(context.tables, index, "table")
    segment: RefType = item(context.elems, elem, "elem segment")
    if not context.types.is_subtype(segment, table.ref):
        raise Invalid("type mismatch: the element segment does not fit the table")
    return (table.index_type, I32, I32), ()


@_rule("table.copy")
def _table_copy(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    to: TableType = item(context.tables, imm[0], "table")
    source: TableType = item(context.tables, imm[1], "table")
    if not context.types.is_subtype(source.ref, to.ref):
        raise Invalid("type mismatch: the tables hold different types")
    return (to.index_type, source.index_type, _shorter(to.index_type, source.index_type)), ()


@_rule("memory.copy")
def _memory_copy(context: ModuleContext, imm: tuple[int, int]) -> Signature:
    to, source = _memory(context, imm[0]), _memory(context, imm[1])
    return (to, source, _shorter(to, source)), ()


def _shorter(a: NumType, b: NumType) -> NumType:
    """The type of a length that both address types can hold."""
    return a if a is b else I32


# References (spec 3.4.6 and 3.4.7).


@_rule("ref.null")
def _ref_null(context: ModuleContext, heap: HeapType) -> Signature:
    context.check_heap(heap)
    return (), (ref(heap),)


@_rule("ref.func")
def _ref_func(context: ModuleContext, func: int) -> Signature:
    type_index: int = item(context.funcs, func, "function")
    if func not in context.refs:
        raise Invalid(f"undeclared function reference {func}")
    return (), (ref(type_index, False),)


def _cast(context: ModuleContext, heap: HeapType) -> tuple[ValType, ...]:
    context.check_heap(heap)
    return (ref(context.types.top(heap)),)


@_rule("ref.test", "ref.test_null")
def _ref_test(context: ModuleContext, heap: HeapType) -> Signature:
    return _cast(context, heap), (I32,)


@_rule("ref.cast")
def _ref_cast(context: ModuleContext, heap: HeapType) -> Signature:
    return _cast(context, heap), (ref(heap, False),)


@_rule("ref.cast_null")
def _ref_cast_null(context: ModuleContext, heap: HeapType) -> Signature:
    return _cast(context, heap), (ref(heap),)
