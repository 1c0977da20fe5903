"""Lowering rules: memory, globals, tables, references, helpers."""

from __future__ import annotations

from typing import Final

from compiler.abi import RSI
from compiler.ir import Inst, ValueId
from compiler.layout import (
    ARGS,
    MEMORY_BASE,
    MEMORY_PAGES,
    MEMORY_SIZE,
    TABLE_BASE,
    TABLE_SIZE,
)
from compiler.lower import Lowering, lowers
from compiler.machine import ANY, VReg, define, fixed, use
from compiler.x64.build import Address, build, pseudo
from compiler.x64.rules.scalars import trap_if, zero_extended
from wasm.isa import Access, Op
from wasm.traps import TrapKind
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

_LOADS: Final[dict[NumType, str]] = {I32: "mov32_load", I64: "mov64_load", F32: "movss_load", F64: "movsd_load"}
_STORES: Final[dict[NumType, str]] = {I32: "mov32_store", I64: "mov64_store", F32: "movss_store", F64: "movsd_store"}
_LOADS[V128] = "movdqu_load"
_STORES[V128] = "movdqu_store"


def load(c: Lowering, type_: NumType, address: Address, out: VReg | None = None) -> VReg:
    """A whole value from memory that is known to be there."""
    return build(c, _LOADS[type_], address, out=c.new(type_) if out is None else out)


def store(c: Lowering, type_: NumType, address: Address, value: VReg) -> None:
    build(c, _STORES[type_], address, value)


def _pointer(c: Lowering, offset: int) -> VReg:
    """A pointer out of the context."""
    return load(c, I64, Address(c.context_vreg, offset))


def _block(c: Lowering, what: str, index: int) -> VReg:
    """The address of a memory's or table's block: the same all the time, so loaded once where code is optimized."""
    if c.settings.opt == "none":
        return _pointer(c, _offset(c, what, index))
    return c.hoist(what, index)


def _base(c: Lowering, what: str, index: int, block: VReg) -> VReg:
    """Where the contents begin: they are reserved up to what they may grow to and never move."""
    if c.settings.opt == "none":
        return load(c, I64, Address(block, _BASES[what]))
    return c.hoist(f"{what} base", index)


_BASES: Final = {"memory": MEMORY_BASE, "table": TABLE_BASE}


def _offset(c: Lowering, what: str, index: int) -> int:
    return c.layout.memory(index) if what == "memory" else c.layout.table(index)


def load_hoisted(c: Lowering) -> None:
    """At the function's entry: the pointers that its instructions asked for. A base needs its block loaded first."""
    for what in _BASES:
        for (kind, index), vreg in c.hoisted.items():
            if kind == what:
                load(c, I64, Address(c.context_vreg, _offset(c, what, index)), vreg)
        for (kind, index), vreg in c.hoisted.items():
            if kind == f"{what} base":
                load(c, I64, Address(c.hoisted[(what, index)], _BASES[what]), vreg)


def _checked(c: Lowering, address: ValueId, offset: int, size: int, memory: int) -> Address:
    """The address of ``size`` bytes in a memory, after the bounds check (spec 4.6.12)."""
    start = zero_extended(c, address)
    block = _block(c, "memory", memory)
    index64 = c.context.memories[memory].index64
    if index64 or offset + size >= 1 << 31:
        # The sum may leave 64 bits (memory64) or a displacement: add in full, and a carry is out of bounds as well.
        if c.type_of(start) is I32:
            # The addition writes over a copy of its operand, and that copy must be 64 bits wide.
            start = build(c, "mov32", start, out=c.new(I64))
        start = build(c, "add64", start, c.make_constant(I64, offset))
        trap_if(c, "b", TrapKind.MEMORY_OOB)
        end = build(c, "add64_i8", start, imm=size)
        trap_if(c, "b", TrapKind.MEMORY_OOB)
        offset = 0
    else:
        end = build(c, "lea64", Address(start, offset + size))
    build(c, "cmp64_load", end, Address(block, MEMORY_SIZE))
    trap_if(c, "a", TrapKind.MEMORY_OOB)
    return Address(_base(c, "memory", memory, block), offset, start, 1)


@lowers("load")
def _load(c: Lowering, inst: Inst) -> None:
    op, memarg = inst.imm
    access = _access(op)
    place = _checked(c, inst.args[0], memarg.offset, access.bytes, memarg.memory)
    result = inst.results[0]
    type_ = c.type_of(result)
    if access.shape == "zero":
        build(c, "movss_load" if access.bytes == 4 else "movsd_load", place, out=result)
    elif access.shape:
        wide = {"8": "bw", "16": "wd", "32": "dq"}[access.shape]
        build(c, f"pmov{'s' if access.signed else 'z'}x{wide}_load", place, out=result)
    elif access.bytes * 8 == type_.bits:
        load(c, type_, place, result)
    elif access.bytes == 4:
        build(c, "movsxd64_load" if access.signed else "mov32_load", place, out=result)
    else:
        build(c, f"mov{'s' if access.signed else 'z'}x{8 * access.bytes}_{type_.bits}_load", place, out=result)


def _access(op: Op) -> Access:
    assert op.access is not None
    return op.access


@lowers("store")
def _store(c: Lowering, inst: Inst) -> None:
    op, memarg = inst.imm
    access = _access(op)
    value = c.use(inst.args[1])
    place = _checked(c, inst.args[0], memarg.offset, access.bytes, memarg.memory)
    type_ = c.type_of(inst.args[1])
    if access.bytes * 8 == type_.bits:
        store(c, type_, place, value)
    else:
        build(c, f"mov{8 * access.bytes}_store", place, value)


@lowers("memory.size")
def _memory_size(c: Lowering, inst: Inst) -> None:
    block = _pointer(c, c.layout.memory(inst.imm))
    load(c, c.type_of(inst.results[0]), Address(block, MEMORY_PAGES), inst.results[0])


@lowers("table.size")
def _table_size(c: Lowering, inst: Inst) -> None:
    block = _pointer(c, c.layout.table(inst.imm))
    load(c, c.type_of(inst.results[0]), Address(block, TABLE_SIZE), inst.results[0])


@lowers("global.get")
def _global_get(c: Lowering, inst: Inst) -> None:
    cell = _pointer(c, c.layout.global_(inst.imm))
    load(c, c.type_of(inst.results[0]), Address(cell), inst.results[0])


@lowers("global.set")
def _global_set(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[0])
    store(c, c.type_of(inst.args[0]), Address(_pointer(c, c.layout.global_(inst.imm))), value)


def table_element(c: Lowering, table: int, index: ValueId, kind: TrapKind) -> Address:
    """The address of a table's element, after the bounds check."""
    element = zero_extended(c, index)
    block = _block(c, "table", table)
    build(c, "cmp64_load", element, Address(block, TABLE_SIZE))
    trap_if(c, "ae", kind)
    return Address(_base(c, "table", table, block), 0, element, 8)


@lowers("table.get")
def _table_get(c: Lowering, inst: Inst) -> None:
    place = table_element(c, inst.imm, inst.args[0], TrapKind.TABLE_OOB)
    load(c, I64, place, inst.results[0])


@lowers("table.set")
def _table_set(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[1])
    store(c, I64, table_element(c, inst.imm, inst.args[0], TrapKind.TABLE_OOB), value)


@lowers("ref.func")
def _ref_func(c: Lowering, inst: Inst) -> None:
    load(c, I64, Address(c.context_vreg, c.layout.function(inst.imm)), inst.results[0])


@lowers("caught")
def _caught(c: Lowering, inst: Inst) -> None:
    pseudo(c, "caught", (define(inst.results[0]),))


PAYLOAD: Final = 16
"""Where an exception's values begin in its block, 16 bytes each; its tag's identity stands at 0."""


@lowers("payload")
def _payload(c: Lowering, inst: Inst) -> None:
    _, field = inst.imm
    place = Address(c.use(inst.args[0]), PAYLOAD + 16 * field)
    load(c, c.type_of(inst.results[0]), place, inst.results[0])


@lowers("mailbox.get")
def _mailbox_get(c: Lowering, inst: Inst) -> None:
    runtime = _pointer(c, 0)
    load(c, c.type_of(inst.results[0]), Address(runtime, ARGS + 16 * inst.imm), inst.results[0])


@lowers("mailbox.set")
def _mailbox_set(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[0])
    store(c, c.type_of(inst.args[0]), Address(_pointer(c, 0), ARGS + 16 * inst.imm), value)


@lowers("fuel")
def _fuel(c: Lowering, inst: Inst) -> None:
    pseudo(c, "fuel", (), inst.imm)


@lowers("helper")
def _helper(c: Lowering, inst: Inst) -> None:
    """Operands and results travel through the mailbox; the call ends all registers."""
    operands = [use(c.context_vreg, fixed(RSI))]
    operands += [use(c.use(arg), ANY) for arg in inst.args]
    operands += [define(result, ANY) for result in inst.results]
    types = tuple(map(c.type_of, inst.args)), tuple(map(c.type_of, inst.results))
    pseudo(c, "helper", tuple(operands), (inst.imm, *types, None), c.abi.all_regs)
