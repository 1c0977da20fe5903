"""The table's own differential test: what our validator says of each instruction, Wasmtime's and wasm-tools' say too.

Every reader in the project shares the table, so a wrong row would agree with itself; foreign validators would not.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import wasmtime

from wasm.builder import ModuleBuilder, const
from wasm.canonical import Types
from wasm.context import ModuleContext, Signature
from wasm.encode import encode
from wasm.errors import Invalid
from wasm.features import ALL, Feature
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.module import Elem, Module, SegmentMode
from wasm.signatures import RULES, signature
from wasm.validate import validate
from wasm.validate_flow import FLOW
from wasm.valtypes import (
    EXNREF,
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I8,
    I32,
    I64,
    V128,
    ArrayType,
    FieldType,
    FuncType,
    RefType,
    StructType,
    SubType,
    ValType,
    ref,
)

MODERN = [row for row in ROWS if row.feature is not Feature.LEGACY_EXCEPTIONS]
LEGACY = [row for row in ROWS if row.feature is Feature.LEGACY_EXCEPTIONS]


def test_every_row_has_one_typing_rule() -> None:
    for row in ROWS:
        ways = (row.params is not None, row in RULES, row in FLOW)
        assert sum(ways) == 1, (row, ways)


def surroundings() -> ModuleBuilder:
    """A module with a few items of every kind, different enough for a mix-up of two indices to show."""
    b = ModuleBuilder()
    b.rec_group((SubType(FuncType()),))
    b.rec_group((SubType(FuncType((I32, F64), (I64, I32))),))
    b.rec_group((SubType(StructType((FieldType(I32, True), FieldType(I8, True), FieldType(F64))), final=False),))
    b.rec_group(
        (SubType(StructType((FieldType(I32, True), FieldType(I8, True), FieldType(F64), FieldType(ref(0)))), (2,)),)
    )
    b.rec_group((SubType(ArrayType(FieldType(I64, True))),))
    b.rec_group((SubType(ArrayType(FieldType(I8, True))),))
    b.rec_group((SubType(ArrayType(FieldType(FUNCREF, True))),))
    b.rec_group((SubType(FuncType((I64,))),))
    b.rec_group((SubType(StructType((FieldType(ref(2, False)),))),))
    b.memory(1, 2)
    b.memory(1, 2, index64=True)
    b.table(3)
    b.table(3, 5, EXTERNREF, index64=True)
    b.table(1, 1, ref(1))
    b.global_(I32, const("i32.const", 1))
    b.global_(F64, const("f64.const", 0), mutable=False)
    b.global_(ref(2), const("ref.null", 2))
    b.tag((I64,))
    b.tag((I32, F64))
    b.elem([0, 1])
    b.module.elems.append(Elem(EXTERNREF, (const("ref.null", "extern"),), SegmentMode.PASSIVE))
    b.data(b"abc")
    for type_index, body in ((0, []), (1, [("i64.const", 0), ("i32.const", 0)]), (7, [])):
        flat = Types(b.module.types).func(type_index)
        assert flat is not None
        added = b.func(flat.params, flat.results, type_index=type_index)
        for name, imm in body:
            added.emit(name, imm)
    return b


@cache
def context() -> ModuleContext:
    return ModuleContext.of(surroundings().finish())


CHOICES: dict[Imm, tuple[Any, ...]] = {
    **dict.fromkeys((Imm.FUNC, Imm.TABLE), (0, 1, 2, 3)),
    **dict.fromkeys((Imm.MEMORY, Imm.TAG, Imm.ELEM), (0, 1, 2)),
    **dict.fromkeys((Imm.FIELD, Imm.GLOBAL, Imm.COUNT), (0, 1, 2, 3, 4)),
    Imm.TYPE: tuple(range(14)),
    Imm.DATA: (0, 1),
    Imm.LANE: (0, 1, 2, 3, 4, 7, 8, 15, 16),
    Imm.LANES: ((0,) * 16, (31,) * 16, (0,) * 15 + (32,)),
    Imm.MEMARG: tuple(MemArg(align, offset, memory) for memory in (0, 1, 2)
                      for align, offset in ((0, 0), (1, 9), (2, 0), (3, 0), (4, 0), (5, 0), (0, 2**32))),
    Imm.I32: (7,),
    Imm.I64: (7,),
    Imm.F32: (0x7FC00000,),
    Imm.F64: (1,),
    Imm.V128: (1 << 100,),
    Imm.HEAP: ("func", "extern", "any", "eq", "i31", "struct", "array", "none", "nofunc", "noextern", "exn", "noexn",
               0, 1, 2, 3, 4, 20),
    Imm.TYPES: ((I32,), (FUNCREF,), (ref(2, False),), (ref(40),), ()),
    Imm.ORDERING: (0,),
}  # fmt: skip


def with_immediates(row: Op) -> list[Instr]:
    """The row with every value of each immediate in turn, the others at their first."""
    if not row.imms:
        return [row.bare]
    pools = [CHOICES[kind] for kind in row.imms]
    firsts = [pool[0] for pool in pools]
    tuples = [(*firsts[:i], value, *firsts[i + 1 :]) for i, pool in enumerate(pools) for value in pool]
    if row.imms == (Imm.TYPE, Imm.FIELD):
        tuples += [(t, f) for t in (2, 3, 8) for f in range(5)]
    elif len(row.imms) == 2 and Imm.TYPE in row.imms:
        tuples += [(t, i) for t in (4, 5, 6) for i in pools[1]]
    elif len(row.imms) == 2:
        tuples += [(pools[0][1], value) for value in pools[1]]
    return [(row, values[0] if len(values) == 1 else values) for values in dict.fromkeys(tuples)]


def in_a_function(
    instr: Instr, takes: tuple[ValType, ...], given: tuple[ValType, ...], gives: tuple[ValType, ...]
) -> Module:
    """A module with a function that pushes ``takes`` from its parameters ``given`` around one instruction."""
    b = surroundings()
    f = b.func(given, gives)
    for i in range(len(takes)):
        f.emit("local.get", i)
    f.body.append(instr)
    return b.finish()


def variants(
    takes: tuple[ValType, ...], gives: tuple[ValType, ...]
) -> Iterator[tuple[tuple[ValType, ...], tuple[ValType, ...]]]:
    """The right operands and results, then each operand wrong in turn, one missing, a result missing or wrong."""
    yield takes, gives
    for i, type_ in enumerate(takes[:4]):
        for other in (F32 if type_ is not F32 else I32, I64 if type_ is I32 else I32):
            yield (*takes[:i], other, *takes[i + 1 :]), gives
    if takes:
        yield takes[1:], gives
    if gives:
        yield takes, gives[1:]
        yield takes, (*gives[:-1], F32 if gives[-1] is not F32 else I32)
        if isinstance(gives[-1], RefType) and not gives[-1].nullable:
            yield takes, (*gives[:-1], ref(gives[-1].heap))
        if isinstance(gives[-1], RefType) and gives[-1].nullable:
            yield takes, (*gives[:-1], ref(gives[-1].heap, False))


@pytest.fixture(scope="module")
def foreign() -> wasmtime.Engine:
    config = wasmtime.Config()
    for name in (
        "custom_page_sizes", "exceptions", "function_references", "gc", "memory64", "multi_memory", "relaxed_simd",
        "tail_call", "threads", "wide_arithmetic",
    ):  # fmt: skip
        setattr(config, f"wasm_{name}", True)
    return wasmtime.Engine(config)


def ours(module: Module) -> str | None:
    try:
        validate(module, ALL)
    except Invalid as error:
        return error.message
    return None


def theirs(engine: wasmtime.Engine, module: Module) -> str | None:
    try:
        wasmtime.Module.validate(engine, encode(module))
    except wasmtime.WasmtimeError as error:
        return str(error)
    return None


def assert_same_verdict(engine: wasmtime.Engine, module: Module, what: object) -> bool:
    mine, other = ours(module), theirs(engine, module)
    assert (mine is None) == (other is None), (what, mine, other)
    return mine is None


@pytest.mark.parametrize("prefix", [0, 0xFB, 0xFC, 0xFD, 0xFE])
def test_each_row_with_right_and_wrong_operands(foreign: wasmtime.Engine, prefix: int) -> None:
    """In one step of seven for vector rows, whose types are few; of the others every one is tried."""
    rows = [row for row in MODERN if row.prefix == prefix and row not in FLOW]
    for row in rows:
        valid = 0
        for instr in with_immediates(row):
            try:
                type_: Signature | None = signature(*instr, context())
            except Invalid:
                type_ = (), ()
            assert type_ is not None
            for given, gives in variants(*type_):
                valid += assert_same_verdict(foreign, in_a_function(instr, given, given, gives), (instr, given, gives))
                if prefix == 0xFD and given != type_[0] and not row.imms:
                    break
        assert valid, f"{row} was never valid"


OPERANDS = (
    I32, I64, F32, F64, V128, FUNCREF, EXTERNREF, EXNREF, ref("any"), ref("eq", False), ref("i31"), ref("array"),
    ref("struct", False), ref("none"), ref("nofunc", False), ref(0), ref(1, False), ref(2), ref(3, False), ref(4),
    ref("exn", False),
)  # fmt: skip
CARRIED = ((), (), (I64,), (I32, F64), (I64, ref("exn", False)), (EXNREF,))
"""What tags carry, so that blocks for catch clauses to branch to are not too rare."""
FLOW_NAMES = (
    "br", "br_if", "br_table", "return", "select", "drop", "unreachable", "throw", "throw_ref", "ref.is_null",
    "ref.as_non_null", "br_on_null", "br_on_non_null", "br_on_cast", "br_on_cast_fail", "local.get", "local.set",
    "local.tee", "any.convert_extern", "extern.convert_any", "return_call", "return_call_ref", "return_call_indirect",
)  # fmt: skip


class RandomBody:
    """Bodies that are about half valid: instructions whose operands mostly fit what a stack of types says is there."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.builder = surroundings()
        self.params = tuple(self.rng.choices(OPERANDS, k=4))
        self.func = self.builder.func(self.params, self.types(2))
        self.func.locals = [(1, t) for t in self.types(3)]
        self.stack: list[ValType] = []
        self.blocks: list[tuple[str, list[ValType], tuple[ValType, ...]]] = []

    def types(self, most: int) -> tuple[ValType, ...]:
        if self.rng.random() < 0.4:
            return self.rng.choice(CARRIED)
        return tuple(self.rng.choices(OPERANDS, k=self.rng.randrange(most + 1)))

    def emit(self, name: str, imm: Any = None) -> None:
        self.func.emit(name, imm)

    def value(self, type_: ValType) -> None:
        """Push something of a type, from a local, a constant or nowhere."""
        if type_ in self.params and self.rng.random() < 0.7:
            self.emit("local.get", self.params.index(type_))
        elif isinstance(type_, RefType):
            self.emit("ref.null", type_.heap)
            if not type_.nullable and self.rng.random() < 0.9:
                self.emit("ref.as_non_null")
        else:
            self.emit(f"{type_.name}.const", 0)

    def values(self, types: tuple[ValType, ...]) -> None:
        for type_ in types:
            if self.rng.random() < 0.98:
                self.value(type_)

    def step(self) -> None:
        pick = self.rng.randrange(12)
        if pick < 4:
            self.open()
        elif pick < 6 and self.blocks:
            self.close()
        elif pick < 10:
            self.flow()
        else:
            self.plain()

    def open(self) -> None:
        kind = self.rng.choice(("block", "loop", "if", "try_table"))
        params, results = self.types(2), self.types(2)
        self.values(params)
        if kind == "if":
            self.value(I32)
        type_ = self.func.block_type(params, results)
        if kind == "try_table":
            kinds = self.rng.choices(("catch", "catch_ref", "catch_all", "catch_all_ref"), k=self.rng.randrange(3))
            catches = tuple(
                Catch(k, None if "all" in k else self.rng.randrange(2), self.depth()) for k in kinds
            )  # fmt: skip
            self.emit(kind, (type_, catches))
        else:
            self.emit(kind, type_)
        self.blocks.append((kind, list(params), results))

    def depth(self) -> int:
        return self.rng.randrange(len(self.blocks) + 1)

    def label_types(self, depth: int) -> tuple[ValType, ...]:
        if depth >= len(self.blocks):
            return self.func.type.results
        kind, params, results = self.blocks[-1 - depth]
        return tuple(params) if kind == "loop" else results

    def close(self) -> None:
        kind, params, results = self.blocks.pop()
        if self.rng.random() < 0.6:
            for _ in range(len(params)):
                self.emit("drop")
            self.values(results)
        if kind == "if" and self.rng.random() < 0.7:
            self.emit("else")
            for _ in range(len(params)):
                self.emit("drop")
            self.values(results)
        self.emit("end")
        for _ in results:
            self.emit("drop")

    def flow(self) -> None:
        rng, depth = self.rng, self.depth()
        labels = self.label_types(depth)
        name = rng.choice(FLOW_NAMES)
        some = rng.choice(OPERANDS)
        if name in ("br", "br_if", "br_table"):
            self.values(labels)
            if name != "br":
                self.value(I32)
            self.emit(
                name, depth if name != "br_table" else (tuple(rng.choices((depth, self.depth()), (5, 1), k=3)), depth)
            )
            if name == "br_if":
                self.drop(len(labels))
        elif name == "br_on_null":
            self.values((*labels, some))
            self.emit(name, depth)
            self.drop(len(labels) + 1)
        elif name == "br_on_non_null":
            self.values(labels)
            self.emit(name, depth)
            self.drop(len(labels) - 1)
        elif name.startswith("br_on_cast"):
            source, target = (ref(rng.choice(CHOICES[Imm.HEAP][2:10]), rng.random() < 0.5) for _ in range(2))
            self.values((*labels[:-1], source))
            self.emit(name, (depth, source, target))
            self.drop(len(labels))
        elif name.startswith("local."):
            index = rng.randrange(8)
            if name != "local.get":
                self.value((*self.params, *(t for _, t in self.func.locals), I32, I32, I32, I32)[index])
            self.emit(name, index)
            if name != "local.set":
                self.emit("drop")
        elif name == "select":
            self.values((some, some if rng.random() < 0.9 else I32, I32))
            self.emit(name)
            self.emit("drop")
        elif name == "throw":
            self.values(((I64,), (I32, F64))[tag := rng.randrange(2)])
            self.emit(name, tag)
        elif name.startswith("return"):
            self.values(self.func.type.results if name == "return" else (I64,))
            if name == "return_call_ref":
                self.value(ref(7))
            elif name == "return_call_indirect":
                self.value(I32)
            self.emit(
                name, {"return": None, "return_call": 2, "return_call_ref": 7, "return_call_indirect": (7, 0)}[name]
            )
        else:
            fitting = {"throw_ref": EXNREF, "any.convert_extern": EXTERNREF, "extern.convert_any": ref("any")}
            if name != "unreachable":
                self.value(fitting.get(name, some))
            self.emit(name)
            if name not in ("drop", "unreachable", "throw_ref"):
                self.emit("drop")

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.emit("drop")

    def plain(self) -> None:
        row = self.rng.choice([r for r in MODERN if r not in FLOW])
        instr = self.rng.choice(with_immediates(row))
        try:
            type_ = signature(*instr, context())
        except Invalid:
            return
        assert type_ is not None
        self.values(type_[0])
        self.func.body.append(instr)
        self.drop(len(type_[1]))

    def module(self) -> Module:
        for _ in range(self.rng.randrange(1, 7)):
            self.step()
        while self.blocks:
            self.close()
        if self.rng.random() < 0.9:
            self.values(self.func.type.results)
        return self.builder.finish()


@pytest.mark.parametrize("batch", range(4))
def test_random_bodies_get_the_same_verdict(foreign: wasmtime.Engine, batch: int) -> None:
    """The full run is ``range(100)`` above; it found what it could before this went in."""
    valid = sum(
        assert_same_verdict(foreign, RandomBody(seed).module(), seed)
        for seed in range(batch * 1000, batch * 1000 + 1000)
    )
    assert 200 < valid < 800, "bodies should be of both kinds"


LEGACY_BODIES: list[list[tuple[str, Any]]] = [
    [("try", None), ("end", None)],
    [("try", None), ("catch_all", None), ("end", None)],
    [("try", None), ("catch", 0), ("drop", None), ("end", None)],
    [("try", None), ("catch", 0), ("end", None)],
    [("try", None), ("catch", 9), ("end", None)],
    [("try", None), ("catch_all", None), ("catch", 0), ("drop", None), ("end", None)],
    [("try", None), ("catch_all", None), ("catch_all", None), ("end", None)],
    [("try", None), ("catch", 1), ("drop", None), ("drop", None), ("catch", 0), ("drop", None), ("end", None)],
    [("try", None), ("catch_all", None), ("rethrow", 0), ("end", None)],
    [("try", None), ("rethrow", 0), ("end", None)],
    [("try", None), ("catch_all", None), ("block", None), ("rethrow", 1), ("end", None), ("end", None)],
    [("try", None), ("catch_all", None), ("block", None), ("rethrow", 0), ("end", None), ("end", None)],
    [("try", None), ("catch_all", None), ("rethrow", 7), ("end", None)],
    [("try", None), ("delegate", 0)],
    [("try", None), ("delegate", 1)],
    [("try", None), ("try", None), ("delegate", 1), ("end", None)],
    [("try", None), ("catch_all", None), ("delegate", 0)],
    [("try", I32), ("i32.const", 0), ("delegate", 0), ("drop", None)],
    [("try", I32), ("delegate", 0), ("drop", None)],
    [("try", I64), ("i64.const", 0), ("catch", 0), ("end", None), ("drop", None)],
    [("try", I64), ("i64.const", 0), ("catch", 1), ("end", None), ("drop", None)],
    [("try", I64), ("i64.const", 0), ("catch_all", None), ("end", None), ("drop", None)],
    [("try", I64), ("i64.const", 0), ("catch_all", None), ("i64.const", 0), ("br", 0), ("end", None), ("drop", None)],
    [("i32.const", 0), ("try", 10), ("drop", None), ("catch_all", None), ("drop", None), ("end", None)],
]


def test_legacy_exceptions_get_the_verdict_of_wasm_tools(wasm_tools: str) -> None:
    verdicts = set()
    for body in LEGACY_BODIES:
        b = surroundings()
        f = b.func()
        f.body += [(OPS[name], imm) for name, imm in body]
        module = b.finish()
        mine = ours(module)
        done = subprocess.run(
            [wasm_tools, "validate", "--features", "all", "-"], input=encode(module), capture_output=True
        )
        assert (mine is None) == (done.returncode == 0), (body, mine, done.stderr.decode())
        verdicts |= {(name, mine is None) for name, _ in body}
    assert {(row.name, right) for row in LEGACY for right in (True, False)} <= verdicts
