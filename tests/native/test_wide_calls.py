"""Calls with 1,000 results: one machine instruction each, allocated both ways, run, and equal to the reference."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from compiler.emit import CompiledFunction
from compiler.machine import MachineFunc, OperandKind
from compiler.pipeline import OPTS, REGALLOCS, Settings, compile_function
from oracles.compiled.trampolines import compile_trampoline, signature_of
from oracles.engine import Engine, Limits, open_engine
from oracles.judge.compare import judge
from oracles.judge.verdict import Agree
from oracles.judge.vote import Voter
from wasm.case import Case
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.embedding import Entry, Invocation, Observation, Returned, Trapped, Value
from wasm.module import ExternKind
from wasm.validate import validate

wasmtime = pytest.importorskip("wasmtime", reason="wasmtime reads the modules' text: pip install wasmtime")
iced_x86 = pytest.importorskip("iced_x86", reason="iced-x86 finds the calls in the code: pip install iced-x86")
pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")

WIDTH = 1000
TYPES = ("i32", "i64", "f32", "f64", "v128", "externref")
MAKERS = (
    "(i32.add (local.get 0) (i32.const {}))",
    "(i64.xor (local.get 1) (i64.const {}))",
    "(f32.reinterpret_i32 (i32.sub (local.get 0) (i32.const {})))",
    "(f64.reinterpret_i64 (i64.add (local.get 1) (i64.const {})))",
    "(i32x4.replace_lane 2 (local.get 4) (i32.const {}))",
    "(local.get 5)",
)
"""A result of each type from parameters 0 to 5, of the same types, and its position."""

CALLS = {
    "direct": "call $make",
    "indirect": "call_indirect $table (type $wide)",
    "ref": "call_ref $wide",
    "import": "call $mix",
}
CALLEE = {"indirect": "(i32.const 1)", "ref": "(ref.func $make)"}
KINDS = (*(f"{form}{call}" for form in ("", "tail ", "try ") for call in CALLS), "kept direct")


def function(kind: str) -> str:
    """A function that makes one call and returns its results: as they come, or in reverse order out of locals; by a
    tail call; under a handler, which traps if the call throws."""
    form, _, name = kind.rpartition(" ")
    params = " ".join(TYPES)
    arguments = " ".join(f"local.get {i}" for i in range(len(TYPES))) + " " + CALLEE.get(name, "")
    types = [TYPES[i % len(TYPES)] for i in range(WIDTH)]
    results = f"(result {' '.join(types)})"
    head, body = "", f"{arguments} {CALLS[name]}"
    if form == "kept":
        results = f"(result {' '.join(reversed(types))})"
        head = f"(local {' '.join(types)})"
        first = len(TYPES)
        body += " " + " ".join(f"local.set {first + i}" for i in reversed(range(WIDTH)))
        body += " " + " ".join(f"local.get {first + i}" for i in reversed(range(WIDTH)))
    elif form == "tail":
        body = f"{arguments} return_{CALLS[name]}"
    elif form == "try":
        body = f"block $handler try_table {results} (catch $thrown $handler) {body} end return end unreachable"
    return f'(func (export "{kind}") (param {params}) {results} {head} {body})'


@lru_cache(maxsize=1)
def binary() -> bytes:
    types = " ".join(TYPES[i % len(TYPES)] for i in range(WIDTH))
    made = " ".join(MAKERS[i % len(TYPES)].format(i) for i in range(WIDTH))
    functions = "\n".join(map(function, KINDS))
    signature = f"(param {' '.join(TYPES)}) (result {types})"
    text = f"""(module
      (type $wide (func {signature}))
      (import "env" "mix" (func $mix (type $wide)))
      (tag $thrown)
      (table $table 2 funcref) (elem (table $table) (i32.const 0) func $mix $make)
      (func $make (export "make") {signature}
        (if (i32.eqz (local.get 0)) (then (throw $thrown)))
        {made})
      {functions})"""
    return bytes(wasmtime.wat2wasm(text))


def arguments(number: int) -> tuple[Value, ...]:
    bits = 0x9E3779B97F4A7C15F39CC0605CEDC835
    return (
        Value("i32", number), Value("i64", bits >> 64), Value("f32", 0x40490FDB), Value("f64", 0x400921FB54442D18),
        Value("v128", bits), Value("ref", 0, "extern:7"),
    )  # fmt: skip


def calls_in(machine: MachineFunc) -> list[Any]:
    insts = [inst for block in machine.blocks for inst in block.insts]
    return [inst for inst in insts if inst.name in ("call", "tail_call", "helper")]


def call_count(code: CompiledFunction) -> int:
    """The x86 call instructions in a function's code."""
    calls = (iced_x86.FlowControl.CALL, iced_x86.FlowControl.INDIRECT_CALL)
    return sum(inst.flow_control in calls for inst in iced_x86.Decoder(64, code.code))


@pytest.mark.parametrize("regalloc", REGALLOCS)
@pytest.mark.parametrize("opt", OPTS)
def test_one_instruction(regalloc: str, opt: str) -> None:
    """Every kind of call is one instruction of the lowered function and of the code, and defines all its results."""
    module = decode(binary())
    validate(module)
    context = ModuleContext.of(module)
    exports = {item.name: item.index for item in module.exports if item.kind is ExternKind.FUNC}
    for kind in KINDS:
        seen: dict[str, Any] = {}
        compile_function(module, context, exports[kind], Settings(regalloc, opt), seen.__setitem__)
        (call,) = calls_in(seen["machine"])
        definitions = [operand for operand in call.operands if operand.kind is OperandKind.DEF]
        if kind.startswith("tail "):
            assert (call.name, len(definitions), call_count(seen["asm"])) == ("tail_call", 0, 0), kind
        else:
            assert (call.name, len(definitions), call_count(seen["asm"])) == ("call", WIDTH, 1), kind
            assert call.is_terminator == kind.startswith("try ")


@pytest.mark.parametrize("kind", ["enter", "leave"])
@pytest.mark.parametrize("regalloc", REGALLOCS)
def test_one_instruction_between_host_and_code(kind: str, regalloc: str) -> None:
    """What takes a call in from the host, and what takes one out to it, calls once, whatever the signature."""
    type_ = decode(binary()).func_types()[0]
    seen: dict[str, Any] = {}
    compile_trampoline(kind, signature_of(type_), Settings(regalloc), seen.__setitem__)
    (call,) = calls_in(seen["machine"])
    assert call.name == {"enter": "call", "leave": "helper"}[kind]
    assert sum(operand.kind is OperandKind.DEF for operand in call.operands) == WIDTH
    assert call_count(seen["asm"]) == 1


@pytest.fixture(scope="module", params=[f"compiler:regalloc={r}+opt={o}" for r in REGALLOCS for o in OPTS])
def compiled(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = open_engine(request.param, Limits(cpu_seconds=60.0))
    yield engine
    engine.close()


@lru_cache(maxsize=1)
def observed() -> tuple[Case, Observation]:
    """Every function from the host directly and out of a second module, without and with an exception; the reference's
    answers."""
    calls = [Invocation(name, arguments(n), entry) for n in (5, 0) for entry in Entry for name in ("make", *KINDS)]
    case = Case(binary(), tuple(calls))
    return case, open_engine("interpreter").run(case)


def test_runs_and_agrees(compiled: Engine) -> None:
    """From the host and to it, through the import; with an exception on the way."""
    case, reference = observed()
    found = compiled.run(case)
    assert judge(case, [found], reference, {found.engine: Voter("compiler")}) == Agree()
    assert found.outcomes == reference.outcomes
    assert found.host_calls == reference.host_calls
    half = len(found.outcomes) // 2
    assert all(isinstance(outcome, Returned) and len(outcome.types) == WIDTH for outcome in found.outcomes[:half])
    ends = zip(case.invocations[half:], found.outcomes[half:], strict=True)
    trapped = {call.export for call, outcome in ends if isinstance(outcome, Trapped)}
    assert trapped == {"try direct", "try indirect", "try ref"}
