"""Both tiers give the same results, steps, depth and state: on templates, random control flow, and generated cases."""

from __future__ import annotations

import random
import re
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.registry import make_case
from oracles.interpreter import Budget, Instance, Store, instantiate, invoke, run_case, transpile
from oracles.interpreter.inline import TESTS, VALUES
from oracles.interpreter.machine import HOT_CALLS
from wasm.builder import FuncBuilder, Label, ModuleBuilder, const
from wasm.embedding import Observation, Returned, Value
from wasm.fragment import code
from wasm.isa import OPS, MemArg
from wasm.module import Module
from wasm.validate import validate
from wasm.valtypes import I32

EDGES = [0, 1, 2, 7, 31, 32, 33, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
EDGES64 = [*EDGES, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF]


@pytest.mark.parametrize("name", sorted({**VALUES, **TESTS}))
def test_inlined_expressions_mean_the_rows(name: str) -> None:
    op = OPS[name]
    assert op.pure is not None
    assert not op.traps
    assert op.params is not None
    text = VALUES.get(name) or f"(1 if {TESTS[name]} else 0)"
    function = eval("lambda a, b: " + text.format(a="a", b="b"))
    edges = EDGES if str(op.params[0]) == "i32" else EDGES64
    for a in edges:
        for b in edges:
            operands = (a, b)[: len(op.params)]
            assert function(a, b) == op.pure(*operands), (name, operands)


def test_the_example_in_the_header_is_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of the second tier shows a function and the Python that it becomes; this makes it anew."""
    wasm, python = re.findall(r"(?:^(?:    .*)\n)+", transpile.__doc__ or "", re.MULTILINE)
    builder = ModuleBuilder()
    func = builder.func([I32], [I32], export="f")
    func.local(I32)
    func.body.extend(code(wasm))
    sources: list[str] = []

    def compiling(source: str, name: str, mode: str) -> Any:
        sources.append(source)
        return compile(source, name, mode)

    monkeypatch.setattr(transpile, "compile", compiling, raising=False)
    instance = instantiate(builder.finish(), {}, Store())
    assert isinstance(instance, Instance)
    for _ in range(HOT_CALLS):
        assert invoke(instance, "f", (Value("i32", 0),)) == Returned.of([Value("i32", 0)])
    assert invoke(instance, "f", (Value("i32", 4),)) == Returned.of([Value("i32", 10)])
    assert sources[0] == textwrap.dedent(python)


class Programs:
    """Random functions on i32 locals: nested blocks with parameters and results, branches of every kind, calls."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.builder = ModuleBuilder()
        self.builder.memory(1, 2, export="memory")
        self.counter = self.builder.global_(I32, const("i32.const", 0), export="counter")
        self.funcs: list[FuncBuilder] = []
        self.budget = 120

    def module(self) -> Module:
        for number in range(3):
            params, results = self.random.randrange(3), self.random.randrange(4)
            func = self.builder.func([I32] * params, [I32] * results, export=f"f{number}")
            func.local(I32, 2)
            self.funcs.append(func)
        for func in self.funcs:
            self.budget = 120
            self.body(func, [], len(func.type.results), 0)
        self.builder.table(4)
        self.builder.elem([func.index for func in self.funcs], 0)
        return self.builder.finish()

    def pick(self, *items: Any) -> Any:
        return self.random.choice(items)

    def local(self, func: FuncBuilder) -> int:
        return self.random.randrange(len(func.type.params) + 2)

    def value(self, func: FuncBuilder, depth: int) -> None:
        """Push one i32."""
        self.budget -= 1
        match self.random.randrange(9 if depth < 4 else 2):
            case 0:
                func.i32(self.pick(0, 1, 2, 3, 5, 0x7FFFFFFF, -1, -2, self.random.getrandbits(32)))
            case 1:
                func.emit("local.get", self.local(func))
            case 2 | 3 | 4:
                self.value(func, depth + 1)
                self.value(func, depth + 1)
                names = ["add", "sub", "mul", "and", "xor", "shl", "shr_s", "lt_s", "ge_u", "eq", "div_u", "rotl"]
                func.emit(f"i32.{self.pick(*names)}")
            case 5:
                self.value(func, depth + 1)
                func.emit(self.pick("i32.eqz", "i32.clz", "i32.extend8_s"))
            case 6:
                self.value(func, depth + 1)
                func.emit("local.tee", self.local(func))
            case 7:
                self.value(func, depth + 1)
                func.i32(0xFFF)
                func.emit("i32.and")
                func.emit(self.pick("i32.load", "i32.load8_u", "i32.load16_s"), MemArg(0, self.pick(0, 9)))
            case 8:
                self.value(func, depth + 1)
                self.value(func, depth + 1)
                self.value(func, depth + 1)
                func.emit("select")

    def body(self, func: FuncBuilder, labels: list[tuple[Label, int]], results: int, held: int) -> None:
        """Statements, then ``results`` values; ``held`` values are on the stack below and may be used up."""
        for _ in range(held):
            func.emit("local.set", self.local(func))
        for _ in range(self.random.randrange(1, 4)):
            if self.budget < 0:
                break
            if self.statement(func, labels):
                return
        for _ in range(results):
            self.value(func, 2)

    def statement(self, func: FuncBuilder, labels: list[tuple[Label, int]]) -> bool:
        """One statement; True if nothing after it is reached."""
        self.budget -= 2
        match self.random.randrange(12):
            case 0 | 1:
                self.value(func, 0)
                func.emit("local.set", self.local(func))
            case 2:
                self.value(func, 1)
                func.i32(0xFFF)
                func.emit("i32.and")
                self.value(func, 1)
                func.emit(self.pick("i32.store", "i32.store8"), MemArg(0, 4))
            case 3:
                func.emit("global.get", self.counter)
                self.value(func, 2)
                func.emit("i32.add")
                func.emit("global.set", self.counter)
            case 4 | 5 | 6 | 7:
                self.block(func, labels)
            case 8:
                self.call(func)
            case 9 | 10 if labels:
                return self.branch(func, labels)
            case _:
                self.value(func, 1)
                func.emit("drop")
        return False

    def block(self, func: FuncBuilder, labels: list[tuple[Label, int]]) -> None:
        kind = self.pick("block", "loop", "if")
        params, results = self.random.randrange(3), self.random.randrange(3)
        for _ in range(params):
            self.value(func, 2)
        if kind == "if":
            self.value(func, 1)
        label = func.open(kind, [I32] * params, [I32] * results)
        inside = [*labels, (label, params if kind == "loop" else results)]
        self.body(func, inside, results, params)
        if kind == "if":
            func.else_()
            self.body(func, inside, results, params)
        func.end()
        for _ in range(results):
            func.emit("local.set", self.local(func))

    def call(self, func: FuncBuilder) -> None:
        callee = self.random.choice(self.funcs)
        for _ in callee.type.params:
            self.value(func, 2)
        if self.random.random() < 0.3:
            self.value(func, 3)
            func.i32(3)
            func.emit("i32.and")
            func.emit("call_indirect", (callee.type_index, 0))
        else:
            func.emit("call", callee.index)
        for _ in callee.type.results:
            func.emit("local.set", self.local(func))

    def branch(self, func: FuncBuilder, labels: list[tuple[Label, int]]) -> bool:
        """A branch to a label that is open, or out of the function."""
        everywhere: list[tuple[Label | None, int]] = [*labels, (None, len(func.type.results))]
        target, arity = self.random.choice(everywhere)
        for _ in range(arity):
            self.value(func, 2)
        kind = self.random.randrange(4)
        if kind < 2:
            self.value(func, 1)
            func.br(target, "br_if")
            for _ in range(arity):
                func.emit("local.set", self.local(func))
            return False
        if kind == 2:
            self.value(func, 1)
            same = [label for label, takes in everywhere if takes == arity]
            func.br_table([self.random.choice(same) for _ in range(self.random.randrange(4))], target)
        else:
            func.br(target)
        return True


def _everything(module: Module) -> list[object]:
    """All that two runs must have in common."""
    store = Store(Budget(steps=20_000, depth=60))
    instance = instantiate(module, {}, store)
    found: list[object] = []
    for export, args in (("f0", (3, 0)), ("f1", (0xFFFFFFFF, 5)), ("f2", (1, 2)), ("f0", (0, 0))):
        func = instance.exported_func(export)  # type: ignore[union-attr]
        assert func is not None
        outcome = invoke(instance, export, tuple(Value("i32", a) for a in args[: len(func.params)]))  # type: ignore[arg-type]
        found.append((outcome, store.meter.steps, store.meter.deepest))
    memory = instance.memories[0]  # type: ignore[union-attr]
    found.append((memory.nonzero_blocks(), memory.pages, instance.globals[0].value))  # type: ignore[union-attr]
    return found


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 1 << 40))
def test_random_programs(tiers: Any, seed: int) -> None:
    module = Programs(seed).module()
    validate(module)
    with tiers["first"]():
        expected = _everything(module)
    for tier in ("loops", "second"):
        with tiers[tier]():
            assert _everything(module) == expected


@pytest.mark.parametrize("target", ["returns", "params", "calls"])
def test_generated_cases(target: str, tiers: Any) -> None:
    for index in range(40):
        case = make_case(target, 7, index)
        found: list[tuple[Observation, object]] = []
        for tier in ("first", "second"):
            with tiers[tier]():
                observation = run_case(case)
            found.append((observation, observation.notes))
        assert found[0] == found[1], (target, index)


def test_the_second_tier_is_used(tiers: Any) -> None:
    """Otherwise the tests above compare the first tier with itself."""
    compiled = 0
    for seed in range(30):
        module = Programs(seed).module()
        with tiers["second"]():
            store = Store(Budget(steps=20_000, depth=60))
            instance = instantiate(module, {}, store)
            for export in ("f0", "f1", "f2"):
                func = instance.exported_func(export)  # type: ignore[union-attr]
                assert func is not None
                invoke(instance, export, (Value("i32", 1),) * len(func.params))  # type: ignore[arg-type]
                compiled += func.native is not None
    assert compiled > 80
