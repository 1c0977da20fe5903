"""Whole cases: imports, the host-call log, final state, call sites, traces, counts, and what is no valid module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import pytest

from oracles.engine import open_engine
from oracles.interpreter import Budget, run_case
from wasm.builder import ModuleBuilder, const
from wasm.case import CallSite, Case
from wasm.embedding import (
    Exhausted,
    HostCall,
    Invocation,
    Phase,
    Rejected,
    Returned,
    Threw,
    Trapped,
    Value,
)
from wasm.encode import encode
from wasm.hostmix import mix
from wasm.isa import OPS, MemArg, Op
from wasm.module import ExternKind, Module
from wasm.semantics.relaxed import MinMax, RelaxedProfile
from wasm.traps import TrapKind
from wasm.valtypes import EXTERNREF, F64, I32, I64, V128, GlobalType, TagType, ref


def case(module: Module, *calls: str | Invocation, **more: Any) -> Case:
    made = tuple(Invocation(call) if isinstance(call, str) else call for call in calls)
    return Case(encode(module), made, **more)


def hosted() -> ModuleBuilder:
    """``mix`` calls env.one and env.two; ``trap`` and ``throw`` call hosts that do so; ``again`` re-enters ``mix``."""
    builder = ModuleBuilder()
    one = builder.import_func("env", "one", [I32, F64], [I64, I32])
    two = builder.import_func("env", "two", [EXTERNREF], [V128, EXTERNREF])
    trap = builder.import_func("trap", "it", [I32])
    throw = builder.import_func("throw", "it", [I64])
    again = builder.import_func("reenter", "mix", [], [I64])
    payload = builder.func_type([I32, I64])
    builder.import_other("throw", "tag", TagType(payload))
    builder.import_other("env", "limit", GlobalType(I64))
    func = builder.func([], [I64], export="mix")
    func.i32(7)
    func.emit("f64.const", 0x3FF << 52)
    func.emit("call", one)
    func.emit("drop")
    func.emit("ref.null", "extern")
    func.emit("call", two)
    func.emit("drop")
    func.emit("i64x2.extract_lane", 1)
    func.emit("i64.xor")
    func.emit("global.get", 0)
    func.emit("i64.add")
    func = builder.func(export="trap")
    func.i32(1)
    func.emit("call", trap)
    func = builder.func(export="throw")
    func.i64(2)
    func.emit("call", throw)
    func = builder.func([], [I64], export="again")
    func.emit("call", again)
    return builder


def test_hosts_mean_what_hostmix_says() -> None:
    found = run_case(case(hosted().finish(), "mix", "trap", "throw", "again"))
    mixed, trapped, threw, again = found.outcomes
    slots = (7).to_bytes(16, "little") + (0x3FF << 52).to_bytes(16, "little")
    first = mix("env", "one", 0, slots) & (1 << 64) - 1
    second = mix("env", "two", 0, bytes(16)) >> 64
    expected = (first ^ second) + (mix("env", "limit", 0, b"") & (1 << 64) - 1) & (1 << 64) - 1
    assert mixed == again == Returned.of([Value("i64", expected)])
    assert trapped == Trapped(frozenset((TrapKind.HOST,)))
    slot = (2).to_bytes(16, "little")
    payload = [
        Value("i32", mix("throw", "it", 0, slot) & 0xFFFFFFFF),
        Value("i64", mix("throw", "it", 1, slot) & (1 << 64) - 1),
    ]
    assert threw == Threw("tag", Returned.of(payload))
    calls = [(call.module, call.name) for call in found.host_calls]
    inner = [("env", "one"), ("env", "two")]
    assert calls == [*inner, ("trap", "it"), ("throw", "it"), ("reenter", "mix"), *inner]
    assert found.host_calls[0] == HostCall("env", "one", Returned.of([Value("i32", 7), Value("f64", 0x3FF << 52)]))


def test_endless_reentry_is_exhaustion() -> None:
    builder = ModuleBuilder()
    back = builder.import_func("reenter", "f")
    builder.func(export="f").emit("call", back)
    found = run_case(case(builder.finish(), "f", "f"))
    assert found.outcomes == (Exhausted("stack"),)
    assert found.phase is Phase.INVOKE


def test_state_is_read_after_a_trap() -> None:
    builder = ModuleBuilder()
    builder.memory(2, 3, export="memory")
    builder.data(b"begin", 65_534)
    builder.table(3, export="table")
    builder.global_(ref("i31"), (*const("i32.const", 5), *const("ref.i31")), export="i31")
    builder.global_(I32, const("i32.const", 1), export="i32")
    func = builder.func(export="f")
    builder.elem([func.index], 1)
    func.i32(9)
    func.emit("global.set", 1)
    func.i32(1)
    func.emit("memory.grow", 0)
    func.emit("unreachable")
    found = run_case(case(builder.finish(), "f"))
    assert found.outcomes == (Trapped(frozenset((TrapKind.UNREACHABLE,))),)
    assert found.globals == (("i31", Value("ref", 0, "i31:5")), ("i32", Value("i32", 9)))
    ((name, pages, blocks),) = [(m.export, m.pages, m.blocks) for m in found.memories]
    assert (name, pages) == ("memory", 3)
    first, second = b"be".rjust(65_536, b"\0"), b"gin".ljust(65_536, b"\0")
    assert blocks == ((0, crc32(first)), (1, crc32(second)))
    ((table, size, elements),) = [(t.export, t.size, t.elements) for t in found.tables]
    assert (table, size, elements) == ("table", 3, ("null", "func:f", "null"))


def sited() -> Module:
    builder = ModuleBuilder()
    func = builder.func([I32], [I32], export="f")
    func.emit("local.get", 0)
    func.open("if")
    func.i32(1)
    func.emit("return")
    func.end()
    func.emit("unreachable")
    func.i32(2)
    return builder.finish()


def test_call_sites_are_passed_when_their_use_was_executed() -> None:
    places = [(0, 2), (0, 5), (0, 6), (0, 2), (-1, 0), (-1, 1), (-1, 7)]
    sites = tuple(CallSite("direct" if func == 0 else "host", func, at, 0, 1, 2) for func, at in places)
    calls = [Invocation("f", (Value("i32", argument),)) for argument in (0, 1)]
    notes = run_case(case(sited(), *calls, sites=sites)).notes
    assert notes is not None
    assert notes.executed_sites == {0, 3, 1, 5}
    notes = run_case(case(sited(), *calls[::-1], sites=sites)).notes
    assert notes is not None
    assert notes.executed_sites == {0, 3, 1, 4}
    notes = run_case(case(sited(), calls[1], sites=sites)).notes
    assert notes is not None
    assert notes.executed_sites == {0, 3, 4}


@dataclass
class Log:
    steps: list[tuple[int, int, str, list[Any]]] = field(default_factory=list)

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        self.steps.append((func, at, op.name, list(stack)))


def test_a_trace_names_every_instruction() -> None:
    log = Log()
    counts: dict[Op, int] = {}
    run_case(case(sited(), Invocation("f", (Value("i32", 4),))), tracer=log, counts=counts)
    assert log.steps == [
        (0, 0, "local.get", []),
        (0, 1, "if", [4]),
        (0, 2, "i32.const", []),
        (0, 3, "return", [1]),
    ]
    assert {op.name: number for op, number in counts.items()} == {"local.get": 1, "if": 1, "i32.const": 1, "return": 1}


def test_counts_see_each_arrival(tiers: Any) -> None:
    builder = ModuleBuilder()
    func = builder.func([], [I32], export="f")
    local = func.local(I32)
    label = func.open("loop")
    func.emit("local.get", local)
    func.i32(1)
    func.emit("i32.add")
    func.emit("local.tee", local)
    func.i32(500)
    func.emit("i32.ne")
    func.br(label, "br_if")
    func.end()
    func.emit("local.get", local)
    counts: dict[Op, int] = {}
    with tiers["second"]():
        run_case(case(builder.finish(), "f"), counts=counts)
    assert counts[OPS["i32.add"]] == 500
    assert counts[OPS["loop"]] == 1


@pytest.mark.parametrize(
    ("content", "phase"),
    [(b"", Phase.DECODE), (b"\0asm\1\0\0\0\x63", Phase.DECODE), (b"\0asm\1\0\0\0\x03\x02\1\0", None)],
)
def test_bytes_that_are_no_module(content: bytes, phase: Phase | None) -> None:
    found = run_case(Case(content, (Invocation("f"),)))
    assert isinstance(found.instantiation, Rejected)
    assert found.outcomes == ()
    assert phase in (found.phase, None)


def test_relaxed_simd_follows_the_profile() -> None:
    builder = ModuleBuilder()
    func = builder.func([V128, V128], [V128], export="f")
    func.emit("local.get", 0)
    func.emit("local.get", 1)
    func.emit("f32x4.relaxed_min")
    quiet = 0x7FC00001
    made = case(builder.finish(), Invocation("f", (Value("v128", quiet), Value("v128", 0x3F800000))))
    default = run_case(made).outcomes[0]
    assert isinstance(default, Returned)
    assert [nan.canonical for nan in default.free_nans] == [False]
    second = run_case(made, profile=RelaxedProfile(min_f32=MinMax.SECOND))
    assert second.outcomes == (Returned.of([Value("v128", 0x3F800000)]),)
    first = run_case(made, profile=RelaxedProfile(min_f32=MinMax.FIRST)).outcomes[0]
    assert first == Returned.of([Value("v128", quiet)])
    assert isinstance(first, Returned)
    assert first.free_nans == ()
    assert second.notes is not None
    assert second.notes.relaxed_used
    plain = run_case(case(sited(), Invocation("f", (Value("i32", 1),)))).notes
    assert plain is not None
    assert not plain.relaxed_used


def test_the_engine_adapter_runs_and_dumps() -> None:
    builder = ModuleBuilder()
    builder.memory(2, export="memory")
    func = builder.func(export="f")
    func.i32(65_536)
    func.i32(0x01020304)
    func.emit("i32.store", MemArg(2, 0))
    made = case(builder.finish(), "f")
    engine = open_engine("interpreter")
    assert engine.run(made) == engine.start(made).result() == run_case(made, budget=Budget())
    (block,) = engine.dump(made, (("memory", 1), ("nowhere", 0))).values()
    assert block == bytes((4, 3, 2, 1)).ljust(65_536, b"\0")
    engine.close()


def test_a_thrown_tag_goes_by_its_name() -> None:
    builder = ModuleBuilder()
    named, unnamed = builder.tag([I32], export="named"), builder.tag([I32])
    for number, tag in enumerate((named, unnamed)):
        func = builder.func(export=f"f{number}")
        func.i32(number)
        func.emit("throw", tag)
    module = builder.finish()
    assert [export.kind for export in module.exports].count(ExternKind.TAG) == 1
    first, second = run_case(case(module, "f0", "f1")).outcomes
    assert first == Threw("named", Returned.of([Value("i32", 0)]))
    assert second == Threw("?", Returned.of([Value("i32", 1)]))
