"""Limits are outcomes, the same in both tiers; nothing is sized by Python's stack, and memory costs what is touched."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import pytest

from oracles.interpreter import Budget, Store, instantiate
from oracles.interpreter.budget import Meter
from oracles.interpreter.memory import Memory
from oracles.interpreter.table import Table
from wasm.builder import ModuleBuilder, const
from wasm.canonical import Types
from wasm.embedding import Exhausted, OutOfMemory, Returned, Trapped
from wasm.isa import MemArg
from wasm.module import Data, Module
from wasm.traps import Trap, TrapKind
from wasm.valtypes import FUNCREF, I32, I64, V128, ArrayType, FieldType, Limits, MemType, TableType, ref

WORD = MemArg(0, 0)


def counting(loop: bool) -> Module:
    """``f(n)``: counts down from n, in a loop or by recursion, and gives 7."""
    builder = ModuleBuilder()
    func = builder.func([I32], [I32], export="f")
    if loop:
        label = func.open("loop")
        func.emit("local.get", 0)
        func.i32(1)
        func.emit("i32.sub")
        func.emit("local.tee", 0)
        func.br(label, "br_if")
        func.end()
        func.i32(7)
    else:
        func.emit("local.get", 0)
        func.open("if", results=[I32])
        func.emit("local.get", 0)
        func.i32(1)
        func.emit("i32.sub")
        func.emit("call", func.index)
        func.else_()
        func.i32(7)
        func.end()
    return builder.finish()


@pytest.mark.usefixtures("each_tier")
class TestSteps:
    def test_a_loop_costs_its_length_at_every_arrival(self, make: Any) -> None:
        call = make(counting(True))
        assert isinstance(call("f", "i32:1000"), Returned)
        # i32.const and end once; loop, five instructions and its end 1,000 times.
        assert call.store.meter.steps == 2 + 7 * 1000

    def test_an_entry_costs_the_body(self, make: Any) -> None:
        call = make(counting(False))
        assert isinstance(call("f", "i32:100"), Returned)
        assert call.store.meter.steps == 101 * 10
        assert call.store.meter.deepest == 101

    @pytest.mark.parametrize("loop", [True, False])
    def test_the_last_step(self, make: Any, loop: bool) -> None:
        needed = 2 + 7 * 300 if loop else 301 * 10
        assert isinstance(make(counting(loop), Budget(steps=needed))("f", "i32:300"), Returned)
        assert make(counting(loop), Budget(steps=needed - 1))("f", "i32:300") == Exhausted("fuel")

    def test_bulk_work_is_paid(self, make: Any) -> None:
        builder = ModuleBuilder()
        builder.memory(1 << 15)
        func = builder.func(export="f")
        func.i32(0)
        func.i32(0)
        func.i32(1 << 31)
        func.emit("memory.fill", 0)
        assert make(builder.finish(), Budget(steps=1_000_000))("f") == Exhausted("fuel")

    @pytest.mark.parametrize("limit", [1, 10, 200, 20_000])
    def test_depth(self, make: Any, limit: int) -> None:
        call = make(counting(False), Budget(depth=limit))
        assert isinstance(call("f", f"i32:{limit - 1}"), Returned)
        assert call("f", f"i32:{limit}") == Exhausted("stack")
        assert isinstance(call("f", "i32:0"), Returned)

    def test_wide_frames_count_more(self, make: Any) -> None:
        builder = ModuleBuilder()
        func = builder.func([I64] * 640, export="f")
        for i in range(640):
            func.emit("local.get", i)
        func.emit("call", func.index)
        call = make(builder.finish(), Budget(depth=1000))
        assert call("f", *["i64:0"] * 640) == Exhausted("stack")
        assert call.store.meter.steps == 47 * 642  # 47 frames of weight 21: parameters, and room for arguments

    def test_what_a_function_makes_counts_too(self, make: Any) -> None:
        """An allocator may give every value a slot: 130 calls with 254 vectors are half a megabyte of frame."""
        builder = ModuleBuilder()
        many = builder.func((), [V128] * 254)
        for _ in range(254):
            many.emit("v128.const", 0)
        caller = builder.func((), (), export="f")
        for _ in range(130):
            caller.emit("call", many.index)
            for _ in range(254):
                caller.emit("drop")
        call = make(builder.finish())
        assert isinstance(call("f"), Returned)
        assert call.store.meter.deepest == (1 + 130 * 254 // 64) + (1 + 254 // 64)


@pytest.mark.usefixtures("each_tier")
def test_very_deep_recursion_leaves_python_alone(make: Any) -> None:
    before = sys.getrecursionlimit()
    call = make(counting(False), Budget(depth=60_000))
    assert isinstance(call("f", "i32:59999"), Returned)
    assert call("f", "i32:60000") == Exhausted("stack")
    assert sys.getrecursionlimit() == before


@pytest.mark.usefixtures("each_tier")
@pytest.mark.parametrize("kind", ["block", "loop", "if"])
def test_deep_nesting(make: Any, kind: str) -> None:
    """50,000 blocks, each with a branch out of all of them that is not taken, and one that is taken at the bottom."""
    count = 50_000
    builder = ModuleBuilder()
    func = builder.func([], [I32], export="f")
    outer = func.open("block", results=[I32])
    for _ in range(count):
        if kind == "if":
            func.i32(1)
        func.open(kind)
    func.i32(3)
    func.br(outer)
    for _ in range(count):
        func.end()
    func.emit("unreachable")
    func.end()
    outcome = make(builder.finish())("f")
    assert isinstance(outcome, Returned)
    assert outcome.values[0].bits == 3


@pytest.mark.usefixtures("each_tier")
def test_a_deep_expression(make: Any) -> None:
    """20,000 operands on the stack, added up at the end."""
    builder = ModuleBuilder()
    func = builder.func([I32], [I32], export="f")
    for _ in range(9_000):
        func.emit("local.get", 0)
    for _ in range(8_999):
        func.emit("i32.add")
    outcome = make(builder.finish())("f", "i32:3")
    assert isinstance(outcome, Returned)
    assert outcome.values[0].bits == 27_000


def test_a_big_memory_costs_what_is_touched(make: Any) -> None:
    builder = ModuleBuilder()
    builder.memory(65_536, export="memory")
    func = builder.func([], [I64], export="f")
    for at in (0, 1 << 20, (1 << 32) - 8):
        func.i32(at)
        func.i64(at + 5)
        func.emit("i64.store", WORD)
    func.i32(-8)
    func.emit("i64.load", WORD)
    func.i32(1 << 30)
    func.emit("i64.load", WORD)
    func.emit("i64.add")
    tracemalloc.start()
    call = make(builder.finish())
    outcome = call("f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(outcome, Returned)
    assert outcome.values[0].bits == (1 << 32) - 3
    assert peak < 4 << 20
    memory = call.instance.memories[0]
    assert [index for index, _ in memory.nonzero_blocks()] == [0, 16, 65_535]


def test_bounds_are_logical() -> None:
    memory = Memory(MemType(Limits(20, 40)), Meter(Budget()))
    end = 20 << 16
    memory.store(end - 4, 0x01020304, 4)
    assert memory.load(end - 4, 4) == 0x01020304
    assert memory.load(end - 1, 1) == 1
    for at in (end - 3, end, 1 << 40, 1 << 70):
        with pytest.raises(Trap) as trap:
            memory.load(at, 4)
        assert trap.value.kind is TrapKind.MEMORY_OOB
    assert memory.grow(20) == 20
    assert memory.grow(1) == -1
    assert memory.load(end - 3, 4) == 0x010203


def test_accesses_across_the_dense_part() -> None:
    memory = Memory(MemType(Limits(32)), Meter(Budget()))
    edge = len(memory.dense)
    assert edge < memory.size
    memory.store(edge - 3, 0x1122334455667788, 8)
    assert memory.load(edge - 3, 8) == 0x1122334455667788
    memory.copy(edge + 65_530, memory, edge - 3, 8)
    assert memory.load(edge + 65_530, 8) == 0x1122334455667788
    memory.copy(edge - 2, memory, edge - 3, 8)
    assert memory.load(edge - 3, 8) == 0x2233445566778888
    memory.fill(edge - 3, 0, 65_545)
    assert memory.nonzero_blocks() == ()


@pytest.mark.parametrize("index64", [False, True])
def test_growth_has_limits(make: Any, index64: bool) -> None:
    builder = ModuleBuilder()
    builder.memory(1, index64=index64)
    type_ = I64 if index64 else I32
    func = builder.func([type_], [type_], export="grow")
    func.emit("local.get", 0)
    func.emit("memory.grow", 0)
    call = make(builder.finish(), Budget(pages=100))
    name, refused = str(type_), (1 << type_.bits) - 1
    assert call("grow", f"{name}:99").values[0].bits == 1
    assert call("grow", f"{name}:1").values[0].bits == refused
    assert call("grow", f"{name}:{refused}").values[0].bits == refused
    assert call("grow", f"{name}:0").values[0].bits == 100


def test_out_of_memory_is_an_outcome(make: Any) -> None:
    builder = ModuleBuilder()
    builder.memory(200)
    assert isinstance(instantiate(builder.finish(), {}, Store(Budget(pages=100))), OutOfMemory)

    builder = ModuleBuilder()
    array = builder.type(ArrayType(FieldType(I64, True)))
    func = builder.func([I32], export="f")
    func.emit("local.get", 0)
    func.emit("array.new_default", array)
    func.emit("drop")
    call = make(builder.finish(), Budget(cells=1000))
    assert isinstance(call("f", "i32:100"), Returned)
    assert isinstance(call("f", "i32:0xffffffff"), OutOfMemory)

    builder = ModuleBuilder()
    builder.memory(1000)
    func = builder.func(export="f")
    func.i32(0)
    func.i32(1)
    func.i32(1000 << 16)
    func.emit("memory.fill", 0)
    assert isinstance(make(builder.finish(), Budget(touched=100))("f"), OutOfMemory)


def test_a_big_table_costs_what_is_set() -> None:
    tracemalloc.start()
    table = Table(TableType(FUNCREF, Limits(10_000_000)), Types([]), None, Meter(Budget()))
    assert table.grow(5, "new") == 10_000_000
    table.set(9_999_999, "set")
    table.copy(10_000_001, table, 9_999_998, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [table.get(i) for i in range(9_999_998, 10_000_005)] == [None, "set", "new", None, "set", "new", "new"]
    assert peak < 2 << 20
    with pytest.raises(Trap):
        table.get(10_000_005)
    with pytest.raises(Trap):
        table.fill(10_000_000, None, 6)


@pytest.mark.usefixtures("each_tier")
@pytest.mark.parametrize(
    ("name", "at", "kinds"),
    [
        ("i64.atomic.load", 3, {TrapKind.UNALIGNED_ATOMIC}),
        ("i64.atomic.load", 65_536, {TrapKind.MEMORY_OOB}),
        ("i64.atomic.load", 65_531, {TrapKind.UNALIGNED_ATOMIC, TrapKind.MEMORY_OOB}),
        ("memory.atomic.wait32", 0, {TrapKind.EXPECTED_SHARED_MEMORY}),
        ("memory.atomic.wait32", 65_533, {
            TrapKind.EXPECTED_SHARED_MEMORY, TrapKind.UNALIGNED_ATOMIC, TrapKind.MEMORY_OOB}),
    ],
)  # fmt: skip
def test_all_reasons_of_a_trap_are_named(make: Any, name: str, at: int, kinds: set[TrapKind]) -> None:
    """No text says which of them is looked at first, and engines differ."""
    builder = ModuleBuilder()
    builder.memory(1)
    func = builder.func([I32], [], export="f")
    func.emit("local.get", 0)
    if name == "memory.atomic.wait32":
        func.emit("i32.const", 0)
        func.emit("i64.const", 0)
    func.emit(name, MemArg(2 if "32" in name else 3, 0))
    func.emit("drop")
    outcome = make(builder.finish())("f", f"i32:{at}")
    assert isinstance(outcome, Trapped)
    assert outcome.kinds == kinds


def test_a_new_array_is_too_large_or_its_segment_too_short(make: Any) -> None:
    builder = ModuleBuilder()
    array = builder.type(ArrayType(FieldType(I32)))
    builder.module.datas.append(Data(b"abcd"))
    func = builder.func([I32], [], export="f")
    func.emit("i32.const", 0)
    func.emit("local.get", 0)
    func.emit("array.new_data", (array, 0))
    func.emit("drop")
    call = make(builder.finish())
    assert call("f", "i32:2").kinds == {TrapKind.MEMORY_OOB}
    assert call("f", "i32:0xffffffff").kinds == {TrapKind.MEMORY_OOB, TrapKind.ALLOCATION_TOO_LARGE}


@pytest.mark.usefixtures("each_tier")
def test_unaligned_ends_of_memory_trap(make: Any) -> None:
    builder = ModuleBuilder()
    builder.memory(1)
    func = builder.func([I32], [I32], export="f")
    func.emit("local.get", 0)
    func.emit("i32.load16_s", MemArg(0, 65_530))
    call = make(builder.finish())
    assert isinstance(call("f", "i32:4"), Returned)
    for at in (5, 6, 0xFFFFFFFF):
        assert call("f", f"i32:{at}") == Trapped(frozenset((TrapKind.MEMORY_OOB,)))


def test_no_such_export_is_rejected(make: Any) -> None:
    call = make(counting(True))
    assert type(call("g")).__name__ == "Rejected"
    assert type(call("f")).__name__ == "Rejected"
    assert type(call("f", "f32:0")).__name__ == "Rejected"


def test_initialisers_may_build_objects(make: Any) -> None:
    builder = ModuleBuilder()
    array = builder.type(ArrayType(FieldType(I32)))
    init = (*const("i32.const", 5), *const("i32.const", 3), *const("array.new", array))
    builder.global_(ref(array), init, export="g")
    call = make(builder.finish())
    assert call.instance.globals[0].value.items == [5, 5, 5]
