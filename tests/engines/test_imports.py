"""Imports mean the same in every engine: the interpreter's observation is the yardstick."""

from __future__ import annotations

import pytest

from oracles.engine import Engine, open_engine
from oracles.judge.equality import first_difference
from oracles.remote.imports import plan_imports
from oracles.remote.interface import read_interface
from oracles.remote.protocol import ACTING, SEVERAL
from oracles.remote.sources import SCRIPT_KINDS
from tests.engines.conftest import Wat, run
from wasm.case import Case
from wasm.embedding import Entry, Invocation, Observation, Returned, Threw, Trapped, Unsupported, Value
from wasm.hostmix import global_value, mix, mix_slots, results
from wasm.traps import TrapKind
from wasm.valtypes import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128

NOT_ACTING = {"endive", "chicory", "stitch", "wasmer"}
"""The hosts of the first three do not act; Singlepass is not asked (docs/found/wasmer.md). Of any other engine it is a
failure."""

NUMBERS = """(module
  (import "env" "ints" (func $ints (param i32 i64) (result i64 i32)))
  (import "any" "all" (func $all (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)))
  (import "env" "none" (func $none))
  (import "env" "g" (global $g i32)) (import "env" "h" (global $h f64)) (import "env" "w" (global $w (mut v128)))
  (import "env" "m" (memory 2 5)) (import "env" "t" (table $t 3 9 funcref))
  (export "g" (global $g)) (export "h" (global $h)) (export "w" (global $w)) (export "m" (memory 0))
  (export "t" (table $t))
  (func (export "f") (result i64 i32 v128 f64 f32 i64 i32)
    (call $none)
    (call $ints (i32.const -1) (i64.const 0x123456789abcdef0))
    (call $all (i32.const 1) (i64.const -2) (f32.const nan:0x200001) (f64.const -0) (v128.const i64x2 3 -4))
    (call $none)))"""

REFERENCES = """(module (import "env" "r" (func $r (param externref i32 funcref f32) (result externref funcref i64)))
  (import "env" "s" (func $s (param externref i32 funcref) (result externref funcref i64)))
  (import "env" "e" (global $e externref)) (export "e" (global $e))
  (elem declare func $k) (func $k)
  (func (export "f") (param externref) (result externref funcref i64 externref funcref i64 externref)
    (call $r (local.get 0) (i32.const 3) (ref.null func) (f32.const 1))
    (call $s (ref.null extern) (i32.const 3) (ref.func $k))
    (global.get $e)))"""

REENTER = """(module (import "reenter" "twice" (func $twice (param i32) (result i32)))
  (import "reenter" "wide" (func $wide (param f32 v128) (result v128 f32)))
  (import "reenter" "fails" (func $fails)) (import "reenter" "absent" (func $absent))
  (import "env" "tick" (func $tick))
  (func (export "twice") (param i32) (result i32) (call $tick) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "wide") (param f32 v128) (result v128 f32) (call $tick) (local.get 1) (local.get 0))
  (func (export "fails") unreachable)
  (func (export "a") (result i32) (call $twice (i32.const 21)))
  (func (export "b") (result v128 f32) (call $wide (f32.const nan:0x200001) (v128.const i64x2 7 8)))
  (func (export "c") (call $fails)) (func (export "d") (call $absent)))"""

THROW = """(module (import "throw" "tag" (tag $t (param i64 f32)))
  (import "throw" "it" (func $it (param i32) (result i32)))
  (func (export "caught") (result i64 f32)
    (block $l (result i64 f32) (try_table (catch $t $l) (drop (call $it (i32.const 5)))) unreachable))
  (func (export "free") (result i32) (call $it (i32.const 6))))"""


HOSTLESS = frozenset({"cmd", "wabt", "binaryen", "wasm2c", "wasm3"})
"""What they import becomes a part of the module."""


def seen(engine: Engine, case: Case) -> Observation:
    if engine.id.name in HOSTLESS:
        pytest.skip("a command has no host: tests/engines/test_command.py is about its imports")
    observation = run(engine, case)
    if observation.instantiation == Unsupported(ACTING) and engine.id.name in NOT_ACTING:
        pytest.skip(f"{engine.id}: no {ACTING.removeprefix('a ')}")
    return observation


def reference(case: Case) -> Observation:
    return open_engine("interpreter").run(case)


def same(left: Observation, right: Observation) -> None:
    assert left.instantiation == right.instantiation
    assert left.outcomes == right.outcomes
    assert [(call.module, call.name) for call in left.host_calls] == [(c.module, c.name) for c in right.host_calls]
    # A peer logs of a reference whether it is null.
    pairs = zip(right.host_calls, left.host_calls, strict=True)
    assert [first_difference(one.args, other.args) for one, other in pairs] == [None] * len(right.host_calls)
    assert left.globals == right.globals
    assert left.memories == right.memories
    if "tables" not in left.blind:
        assert left.tables == right.tables


@pytest.mark.parametrize("entry", list(Entry))
def test_host_functions_mix_their_arguments(engine: Engine, wat: Wat, entry: Entry) -> None:
    case = wat(NUMBERS, Invocation("f", (), entry))
    observation = seen(engine, case)
    same(observation, reference(case))
    assert [call.name for call in observation.host_calls] == ["none", "ints", "all", "none"]
    got = observation.outcomes[0]
    assert isinstance(got, Returned)
    calls = observation.host_calls
    assert results("env", "ints", calls[1].args, (I64, I32)) == Returned.of(got.values[:2])
    assert results("any", "all", calls[2].args, (V128, F64, F32, I64, I32)) == Returned.of(got.values[2:])
    assert dict(observation.globals)["h"] == global_value("env", "h", F64)


def test_references_count_as_null_or_not(engine: Engine, wat: Wat) -> None:
    case = wat(REFERENCES, Invocation("f", (Value.parse("ref:extern:3"),)), needs=("reference_types",))
    observation = seen(engine, case)
    got, calls = observation.outcomes[0], observation.host_calls
    assert isinstance(got, Returned)
    for call, part in ((calls[0], got.values[:3]), (calls[1], got.values[3:6])):
        assert results("env", call.name, call.args, (EXTERNREF, FUNCREF, I64)) == Returned.of(part)
    assert got.values[6] == global_value("env", "e", EXTERNREF)
    assert [ref == "null" for call in calls for ref in call.args.refs] == [False, True, True, False]


def test_a_host_function_calls_back(engine: Engine, wat: Wat) -> None:
    case = wat(REENTER, *(Invocation(name) for name in "abcd"))
    observation = seen(engine, case)
    same(observation, reference(case))
    assert observation.outcomes[0] == Returned.of([Value("i32", 42)])
    third, fourth = observation.outcomes[2:]
    assert isinstance(third, Trapped)
    assert third.kinds == {TrapKind.UNREACHABLE}
    assert isinstance(fourth, Trapped)
    assert fourth.kinds == {TrapKind.HOST}


def test_a_host_function_throws_the_imported_tag(engine: Engine, wat: Wat) -> None:
    case = wat(
        THROW, Invocation("caught"), Invocation("free", (), Entry.WRAPPER), Invocation("free"), needs=("exceptions",)
    )
    observation = seen(engine, case)
    same(observation, reference(case))
    assert isinstance(observation.outcomes[0], Returned)
    assert isinstance(observation.outcomes[2], Threw)
    assert observation.outcomes[1] == observation.outcomes[2]


def test_what_a_function_throws_passes_through_the_host_that_calls_it(engine: Engine, wat: Wat) -> None:
    text = """(module (import "reenter" "back" (func $back)) (tag $t)
      (func (export "back") (throw $t))
      (func (export "f") (result i32)
        (block (try_table (catch $t 0) (call $back)) (return (i32.const 0))) (i32.const 1)))"""
    case = wat(text, Invocation("f"), needs=("exceptions",))
    observation = seen(engine, case)
    same(observation, reference(case))
    assert observation.outcomes == (Returned.of([Value("i32", 1)]),)


def test_the_log_keeps_a_thousand_calls_in_order(engine: Engine, wat: Wat) -> None:
    text = """(module (import "env" "i" (func $i (param i32))) (import "env" "f" (func $f (param f64)))
      (func (export "f") (local $n i32) (loop
        (call $i (local.get $n)) (call $f (f64.convert_i32_s (local.get $n)))
        (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 600))))))"""
    case = wat(text, Invocation("f"))
    observation = seen(engine, case)
    same(observation, reference(case))
    assert len(observation.host_calls) == 1000
    assert [call.name for call in observation.host_calls[:4]] == ["i", "f", "i", "f"]


def test_an_import_with_the_same_names_and_type_is_the_same_item(engine: Engine, wat: Wat) -> None:
    """GraalWasm has one item for all of one name (docs/found/graalwasm.md)."""
    text = """(module (import "env" "g" (global $a (mut i64))) (import "env" "g" (global $b (mut i64)))
      (import "env" "x" (func $x (result i32))) (import "env" "x" (func $y (result i64)))
      (func (export "f") (result i64 i32 i64)
        (global.set $a (i64.const 9)) (global.get $b) (call $x) (call $y)))"""
    case = wat(text, Invocation("f"))
    observation = seen(engine, case)
    if observation.instantiation == Unsupported(SEVERAL):
        assert engine.id.name == "graalwasm"
        pytest.skip(SEVERAL)
    same(observation, reference(case))
    got = observation.outcomes[0]
    assert isinstance(got, Returned)
    assert got.values[0] == Value("i64", 9)


def test_what_a_script_host_cannot_carry_goes_through_the_peer(wat: Wat) -> None:
    plan = plan_imports(read_interface(wat(NUMBERS).content), SCRIPT_KINDS)
    assert [source.how for source in plan.sources[:3]] == ["host", "funcs", "host"]
    assert plan.store
    assert plan.funcs


def test_mix_is_what_it_always_was() -> None:
    """Recorded cases depend on these numbers."""
    assert mix("env", "f", 0, b"") == 0x7A525CD70CA71E8074A2DC99E89F39BD
    assert mix("env", "f", 1, b"\1" + bytes(15)) == 0xA73C41630616E1BB8A98F27889AB4F7F
    null, some = Returned.of([Value("ref", 0, "null")]), Returned.of([Value("ref", 0, "extern:7")])
    assert mix_slots(null) == bytes(16)
    assert mix_slots(some) == b"\1" + bytes(15)
