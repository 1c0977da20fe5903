"""Memory, table and atomic instructions as functions of their operands (spec 4.6.6 to 4.6.9, threads proposal)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from oracles.interpreter.memory import Memory
from oracles.interpreter.operators import BINDERS, Binder, Bound, binder
from oracles.interpreter.store import Instance
from oracles.stops import Exhaustion
from wasm.isa import OPS, Access, Op
from wasm.semantics.lanes import JOIN, SPLIT, SPLIT_SIGNED
from wasm.traps import Trap, TrapKind
from wasm.valtypes import NumType

UNPACK: Final = {size: Struct(code).unpack_from for size, code in ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))}
PACK: Final = {size: Struct(code).pack_into for size, code in ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))}
_UNPACK_SIGNED: Final = {size: Struct(code).unpack_from for size, code in ((1, "<b"), (2, "<h"), (4, "<i"), (8, "<q"))}


def _scalar_load(op: Op, access: Access, memory: Memory, offset: int) -> Callable[[int], int]:
    assert op.results is not None
    type_ = op.results[0]
    assert isinstance(type_, NumType)
    size, full = access.bytes, (1 << type_.bits) - 1
    slow = memory.load if type_.name.startswith("i") else memory.load_open
    if not access.signed:
        unpack = UNPACK[size]

        def load(address: int) -> int:
            at = address + offset
            value: int = unpack(memory.dense, at)[0] if at <= memory.limit else slow(at, size)
            return value

        return load
    signed, half = _UNPACK_SIGNED[size], 1 << 8 * size - 1

    def load_signed(address: int) -> int:
        at = address + offset
        if at <= memory.limit:
            value: int = signed(memory.dense, at)[0]
            return value & full
        return (slow(at, size) ^ half) - half & full

    return load_signed


def _scalar_store(op: Op, access: Access, memory: Memory, offset: int) -> Callable[[int, int], None]:
    assert op.params is not None
    type_ = op.params[1]
    assert isinstance(type_, NumType)
    size, pack, full = access.bytes, PACK[access.bytes], (1 << 8 * access.bytes) - 1
    narrow = size * 8 < type_.bits

    def store(address: int, value: int) -> None:
        if narrow:
            value &= full
        at = address + offset
        if at <= memory.limit and value <= full:
            pack(memory.dense, at, value)
        else:
            memory.store(at, value, size)

    return store


def _vector_load(access: Access, memory: Memory, offset: int) -> Callable[[int], int]:
    size, shape = access.bytes, access.shape

    def load(address: int) -> int:
        return memory.load_open(address + offset, size)

    if shape in ("", "zero"):
        # The value's mask has to move from above its own width to above the vector's.
        own = (1 << 8 * size) - 1
        return lambda address: (value := load(address)) & own | value >> 8 * size << 128
    if shape == "splat":
        copies = ((1 << 128) - 1) // ((1 << 8 * size) - 1)
        own = (1 << 8 * size) - 1
        return lambda address: ((value := load(address)) & own) * copies | (value >> 8 * size) * copies << 128
    width = int(shape)
    split = (SPLIT_SIGNED if access.signed else SPLIT)[width]
    join, wide = JOIN[2 * width], (1 << 2 * width) - 1
    lanes = 8 * size // width

    def extend(address: int) -> int:
        return join([lane & wide for lane in split(memory.load(address + offset, size))[:lanes]])

    return extend


def _lane_load(access: Access, memory: Memory, offset: int, lane: int) -> Callable[[int, int], int]:
    size = access.bytes
    shift, own = lane * 8 * size, (1 << 8 * size) - 1

    def load(address: int, vector: int) -> int:
        value = memory.load_open(address + offset, size)
        vector &= ~(own << shift | own << shift + 128)
        return vector | (value & own) << shift | value >> 8 * size << shift + 128

    return load


def _lane_store(access: Access, memory: Memory, offset: int, lane: int) -> Callable[[int, int], None]:
    size = access.bytes
    shift, own = lane * 8 * size, (1 << 8 * size) - 1

    def store(address: int, vector: int) -> None:
        value = vector >> shift & own | (vector >> shift + 128 & own) << 8 * size
        memory.store(address + offset, value, size)

    return store


def _plain_access(op: Op, access: Access) -> Binder:
    params, results = len(op.params or ()), len(op.results or ())

    def bind(imm: Any, instance: Instance) -> Bound:
        lane = 0
        if access.shape == "lane":
            imm, lane = imm
        memory, offset = instance.memories[imm.memory], imm.offset
        function: Callable[..., Any]
        if access.shape == "lane":
            make = _lane_load if access.kind == "load" else _lane_store
            function = make(access, memory, offset, lane)
        elif op.name == "v128.store":
            function = lambda address, value: memory.store(address + offset, value, 16)  # noqa: E731
        elif op.name.startswith("v128."):
            function = _vector_load(access, memory, offset)
        elif access.kind == "load":
            function = _scalar_load(op, access, memory, offset)
        else:
            function = _scalar_store(op, access, memory, offset)
        return function, params, results

    return bind


# Atomics, with one thread. An access may be out of bounds, not aligned, and wait for a memory that is not shared, all
# at once: no text says which is looked at first, so all reasons that hold are named.

_RMW: Final[dict[str, Callable[[int, int], int]]] = {
    "add": operator.add,
    "sub": operator.sub,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "xchg": lambda _, value: value,
}


def _aligned(memory: Memory, at: int, size: int) -> int:
    if at % size or at + size > memory.size:
        raise Trap(*_reasons(memory, at, size))
    return at


def _reasons(memory: Memory, at: int, size: int) -> list[TrapKind]:
    unaligned = [TrapKind.UNALIGNED_ATOMIC] if at % size else []
    return unaligned + ([TrapKind.MEMORY_OOB] if at + size > memory.size else [])


def _atomic_function(op: Op, access: Access, memory: Memory, offset: int) -> Callable[..., Any]:
    size, full = access.bytes, (1 << 8 * access.bytes) - 1

    def load(address: int) -> int:
        return memory.load(_aligned(memory, address + offset, size), size)

    def store(address: int, value: int) -> None:
        memory.store(_aligned(memory, address + offset, size), value & full, size)

    def compare_exchange(address: int, expected: int, replacement: int) -> int:
        old = load(address)
        if old == expected & full:
            store(address, replacement)
        return old

    def notify(address: int, _count: int) -> int:
        _aligned(memory, address + offset, size)
        return 0  # nobody else can be waiting

    def wait(address: int, expected: int, timeout: int) -> int:
        if not memory.type.shared:
            raise Trap(TrapKind.EXPECTED_SHARED_MEMORY, *_reasons(memory, address + offset, size))
        at = _aligned(memory, address + offset, size)
        if memory.load(at, size) != expected:
            return 1
        if timeout >> 63:
            raise Exhaustion("fuel")  # nobody will ever wake it
        return 2

    match access.kind:
        case "load":
            return load
        case "store":
            return store
        case "cmpxchg":
            return compare_exchange
        case "notify":
            return notify
        case "wait":
            return wait
    combine = _RMW[op.name.rpartition(".")[2].removesuffix("_u")]

    def modify(address: int, value: int) -> int:
        old = load(address)
        store(address, combine(old, value))
        return old

    return modify


def _atomic_access(op: Op, access: Access) -> Binder:
    params, results = len(op.params or ()), len(op.results or ())

    def bind(imm: Any, instance: Instance) -> Bound:
        return _atomic_function(op, access, instance.memories[imm.memory], imm.offset), params, results

    return bind


def _register() -> None:
    for op in OPS.values():
        if op.access is not None:
            BINDERS[op] = (_atomic_access if op.prefix == 0xFE else _plain_access)(op, op.access)


_register()


@binder("atomic.fence")
def _fence(_imm: Any, _instance: Instance) -> Bound:
    return lambda: None, 0, 0


@binder("memory.size")
def _memory_size(imm: int, instance: Instance) -> Bound:
    memory = instance.memories[imm]
    return lambda: memory.pages, 0, 1


@binder("memory.grow")
def _memory_grow(imm: int, instance: Instance) -> Bound:
    memory = instance.memories[imm]
    full = (1 << memory.type.index_type.bits) - 1
    return lambda delta: memory.grow(delta) & full, 1, 1


@binder("memory.fill")
def _memory_fill(imm: int, instance: Instance) -> Bound:
    return instance.memories[imm].fill, 3, 0


@binder("memory.copy")
def _memory_copy(imm: tuple[int, int], instance: Instance) -> Bound:
    target, source = instance.memories[imm[0]], instance.memories[imm[1]]
    return lambda at, start, length: target.copy(at, source, start, length), 3, 0


@binder("memory.init")
def _memory_init(imm: tuple[int, int], instance: Instance) -> Bound:
    data, memory = imm[0], instance.memories[imm[1]]

    def init(at: int, start: int, length: int) -> None:
        memory.init(at, instance.datas[data], start, length)

    return init, 3, 0


@binder("data.drop")
def _data_drop(imm: int, instance: Instance) -> Bound:
    return lambda: instance.datas.__setitem__(imm, b""), 0, 0


@binder("table.get")
def _table_get(imm: int, instance: Instance) -> Bound:
    return instance.tables[imm].get, 1, 1


@binder("table.set")
def _table_set(imm: int, instance: Instance) -> Bound:
    return instance.tables[imm].set, 2, 0


@binder("table.size")
def _table_size(imm: int, instance: Instance) -> Bound:
    table = instance.tables[imm]
    return lambda: table.size, 0, 1


@binder("table.grow")
def _table_grow(imm: int, instance: Instance) -> Bound:
    table = instance.tables[imm]
    full = (1 << table.type.index_type.bits) - 1
    return lambda value, delta: table.grow(delta, value) & full, 2, 1


@binder("table.fill")
def _table_fill(imm: int, instance: Instance) -> Bound:
    return instance.tables[imm].fill, 3, 0


@binder("table.copy")
def _table_copy(imm: tuple[int, int], instance: Instance) -> Bound:
    target, source = instance.tables[imm[0]], instance.tables[imm[1]]
    return lambda at, start, length: target.copy(at, source, start, length), 3, 0


@binder("table.init")
def _table_init(imm: tuple[int, int], instance: Instance) -> Bound:
    elem, table = imm[0], instance.tables[imm[1]]
    return lambda at, start, length: table.init(at, instance.elems[elem], start, length), 3, 0


@binder("elem.drop")
def _elem_drop(imm: int, instance: Instance) -> Bound:
    return lambda: instance.elems.__setitem__(imm, []), 0, 0


__all__ = ["PACK", "UNPACK"]
