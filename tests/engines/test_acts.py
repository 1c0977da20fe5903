"""Host functions that do things mean the same in every engine: collecting, growing, writing, calling back."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles.engine import Engine, open_engine
from oracles.remote.imports import plan_imports
from oracles.remote.interface import read_interface
from oracles.remote.sources import SCRIPT_KINDS
from tests.engines.conftest import Wat
from tests.engines.test_imports import reference, same, seen
from wasm.case import Case
from wasm.embedding import Invocation, Observation, Returned, Trapped, Unsupported, Value
from wasm.hostmix import WRITES_BELOW, Act, Behaviour, absorb, acts, behaviour, written_at
from wasm.traps import TrapKind

GROWS = """(module
  (import "grow" "m" (func $m (param i32) (result i32))) (import "grow" "t" (func $t))
  (import "grow" "fixed" (func $fixed)) (import "grow" "absent" (func $absent (result i64)))
  (import "grow" "f" (func $f (result i32)))
  (memory (export "m") 1 3) (table (export "t") 2 4 funcref) (table $x (export "fixed") 2 2 externref)
  (func (export "f") (result i32 i32 i32 i32)
    (drop (call $m (i32.const 7))) (call $t) (call $fixed) (drop (call $absent)) (drop (call $f))
    (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 9))
    (memory.size) (table.size 0) (table.size $x) (call $m (i32.const 8))))"""

WRITES = """(module
  (import "write" "m" (func $m (param i64 i32) (result i64))) (import "write" "i" (func $i))
  (import "write" "l" (func $l (param i32))) (import "write" "const" (func $c)) (import "env" "other" (func $o))
  (memory (export "m") 1) (global (export "i") (mut i32) (i32.const 5)) (global (export "l") (mut i64) (i64.const 6))
  (global (export "const") i32 (i32.const 7))
  (func (export "f") (param i64) (result i64 i32 i64 i32 i64)
    (call $m (local.get 0) (i32.const 3)) (call $i) (call $l (i32.const 2)) (call $c)
    (global.get 0) (global.get 1) (global.get 2)
    (i64.xor (i64.load (i32.const 1016)) (i64.load (i32.const 8)))))"""

OTHERS = """(module
  (import "write" "f" (func $f (param f32))) (import "write" "d" (func $d (param f64) (result f64)))
  (import "write" "v" (func $v)) (import "grow+write" "m" (func $m (param v128)))
  (global (export "f") (mut f32) (f32.const 1)) (global (export "d") (mut f64) (f64.const 2))
  (global (export "v") (mut v128) (v128.const i64x2 1 2)) (memory (export "m") 1 9)
  (func (export "a") (result f64 f32 f64 v128 i32)
    (call $f (f32.const nan:0x200001)) (call $d (f64.const -0)) (call $v) (call $m (v128.const i64x2 3 4))
    (global.get 0) (global.get 1) (global.get 2) (memory.size)))"""

REFERENCES = """(module
  (import "write" "e" (func $e (param externref))) (import "grow" "t" (func $t (param externref) (result externref)))
  (global (export "e") (mut externref) (ref.null extern)) (table (export "t") 1 externref)
  (func (export "f") (param externref) (result externref i32 externref i32)
    (global.set 0 (local.get 0)) (call $e (local.get 0)) (global.get 0)
    (ref.is_null (call $t (local.get 0))) (table.get 0 (i32.const 1)) (table.size 0)))"""

SHAPES = """(module (type $s (struct (field i32) (field (ref null $s))))
  (import "collect" "now" (func $collect)) (import "collect" "mix" (func $mix (param i32 f32) (result i64)))
  (import "write" "held" (func $write)) (import "write" "small" (func $small))
  (global $held (export "held") (mut (ref null $s)) (ref.null $s))
  (global $small (export "small") (mut anyref) (ref.null any))
  (func $make (param i32) (result (ref $s))
    (struct.new $s (local.get 0) (block (result (ref null $s)) (ref.null $s) (call $collect))))
  (func (export "f") (result i32 i32 i32 i64 i32)
    (local $a (ref null $s))
    (global.set $held (call $make (i32.const 3)))
    (local.set $a (struct.new $s (i32.const 5) (global.get $held)))
    (call $collect)
    (struct.get $s 0 (struct.new $s (i32.const 7) (block (result (ref null $s)) (local.get $a) (call $collect))))
    (struct.get $s 0 (local.get $a))
    (call $write)
    (struct.get $s 0 (ref.as_non_null (struct.get $s 1 (local.get $a))))
    (call $mix (i32.const 1) (f32.const 2))
    (call $small)
    (i32.add (ref.is_null (global.get $held)) (i31.get_u (ref.cast (ref i31) (global.get $small))))))"""

THROWS = """(module (type $s (struct (field i32)))
  (import "throw" "tag" (tag $t (param i64 i32))) (import "collect+throw" "m" (func $x (param i32)))
  (import "grow+throw" "m" (func $y)) (memory (export "m") 1 2)
  (func (export "f") (result i64 i32 i32 i32) (local $a (ref $s))
    (local.set $a (struct.new $s (i32.const 77)))
    (block $l (result i64 i32) (try_table (catch $t $l) (call $x (i32.const 5))) unreachable)
    (struct.get $s 0 (local.get $a)) (memory.size))
  (func (export "g") (call $y)))"""

CALLBACK = """(module
  (import "callback" "t" (func $t (param i32) (result i32))) (import "callback" "empty" (func $empty))
  (import "collect+callback" "t" (func $c (param i32) (result i32))) (import "callback" "t" (func $other (param i64)))
  (import "grow+callback" "null" (func $null)) (import "callback" "absent" (func $absent))
  (table $t (export "t") 2 funcref) (table (export "empty") 0 funcref) (table $null (export "null") 1 funcref)
  (elem (table $t) (i32.const 0) func $double)
  (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (elem declare func $triple)
  (func (export "a") (result i32 i32)
    (call $t (i32.const 5)) (table.set $t (i32.const 0) (ref.func $triple)) (call $c (i32.const 5)))
  (func (export "b") (call $empty)) (func (export "c") (call $other (i64.const 1))) (func (export "d") (call $null))
  (func (export "e") (call $absent)) (func (export "f") (result i32) (table.size $null)))"""

WIDE = """(module
  (import "grow+write" "m" (func $m (result i64))) (import "grow+callback" "t" (func $t (param f32) (result f32)))
  (memory (export "m") i64 1) (table (export "t") i64 1 funcref) (elem (i64.const 0) func $half)
  (func $half (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
  (func (export "f") (result i64 f32 i64 i64)
    (call $m) (call $t (f32.const 3)) (memory.size) (table.size 0)))"""

STARTS = """(module (import "grow" "m" (func $m)) (import "collect" "it" (func $c (param f32) (result i32)))
  (import "reenter" "f" (func $again (result i32))) (memory (export "m") 1)
  (func $s (call $m) (drop (call $c (f32.const 1)))) (start $s)
  (func (export "f") (result i32) (call $m) (memory.size)))"""

TRAPS = """(module (import "grow+trap" "m" (func $m)) (memory (export "m") 1)
  (func (export "f") (call $m)) (func (export "g") (result i32) (memory.size)))"""


def agreed(engine: Engine, case: Case) -> Observation:
    observation = seen(engine, case)
    if engine.id.name == "wazero" and isinstance(observation.instantiation, Unsupported):
        pytest.skip(observation.instantiation.what)
    same(observation, reference(case))
    return observation


def values(observation: Observation, at: int = 0) -> tuple[int, ...]:
    outcome = observation.outcomes[at]
    assert isinstance(outcome, Returned), outcome
    return tuple(value.bits for value in outcome.values)


def test_a_host_grows_memories_and_tables_until_their_types_forbid_it(engine: Engine, wat: Wat) -> None:
    case = wat(GROWS, Invocation("f"), Invocation("f"), Invocation("f"), needs=("reference_types",))
    observation = agreed(engine, case)
    sizes = [values(observation, at)[:3] for at in range(3)]
    assert sizes == [(2, 3, 2), (3, 4, 2), (3, 4, 2)]
    assert {call.name for call in observation.host_calls} == {"m", "t", "fixed", "absent", "f"}


def test_a_host_writes_memories_and_globals(engine: Engine, wat: Wat) -> None:
    case = wat(WRITES, Invocation("f", (Value("i64", 12),)), Invocation("f", (Value("i64", 13),)))
    observation = agreed(engine, case)
    first, second = values(observation, 0), values(observation, 1)
    assert first[1] == absorb("write", "i", b"") & 0xFFFFFFFF
    assert first[2] == absorb("write", "l", b"\2" + bytes(15))
    assert first[3] == 7
    assert first[0] != second[0]


def test_a_host_writes_values_that_it_cannot_carry(engine: Engine, wat: Wat) -> None:
    agreed(engine, wat(OTHERS, Invocation("a"), needs=("simd",)))


def test_a_host_sets_references_to_null_and_grows_tables_by_null(engine: Engine, wat: Wat) -> None:
    case = wat(REFERENCES, Invocation("f", (Value.parse("ref:extern:4"),)), needs=("reference_types",))
    outcome = agreed(engine, case).outcomes[0]
    assert isinstance(outcome, Returned)
    assert outcome.refs[0] == outcome.refs[1] == "null"
    assert outcome.values[3].bits == 2


def test_references_live_on_while_a_host_collects(engine: Engine, wat: Wat) -> None:
    case = wat(SHAPES, *[Invocation("f")] * 20, needs=("gc", "reference_types"))
    got = values(agreed(engine, case), 19)
    assert got[:3] == (7, 5, 3)
    assert got[4] == 1 + (absorb("write", "small", b"") & 0x7FFFFFFF)


def test_a_host_collects_or_grows_and_throws_then(engine: Engine, wat: Wat) -> None:
    case = wat(THROWS, Invocation("f"), Invocation("g"), Invocation("f"), needs=("exceptions", "gc"))
    observation = agreed(engine, case)
    assert [values(observation, at)[2:] for at in (0, 2)] == [(77, 1), (77, 2)]


def test_a_host_calls_back_through_a_table(engine: Engine, wat: Wat) -> None:
    case = wat(CALLBACK, *(Invocation(name) for name in "abcdef"), needs=("reference_types",))
    observation, expected = seen(engine, case), reference(case)
    if isinstance(observation.instantiation, Unsupported):
        # wazero's host knows no such tables, and GraalWasm takes the two imports of one name for one.
        assert engine.id.name in {"wazero", "graalwasm"}
        pytest.skip(observation.instantiation.what)
    assert observation.host_calls == expected.host_calls
    assert values(observation) == values(expected) == (10, 15)
    assert values(observation, 5) == (2,)
    kinds = [outcome.kinds for outcome in observation.outcomes[1:5] if isinstance(outcome, Trapped)]
    wanted = (
        TrapKind.UNDEFINED_ELEMENT, TrapKind.INDIRECT_TYPE_MISMATCH, TrapKind.UNINITIALIZED_ELEMENT, TrapKind.HOST,
    )  # fmt: skip
    assert all(kind in some for kind, some in zip(wanted, kinds, strict=True))


def test_acts_on_items_of_64_bits(engine: Engine, wat: Wat) -> None:
    got = values(agreed(engine, wat(WIDE, Invocation("f"), needs=("memory64", "reference_types"))))
    assert got[1:] == (0x3FC00000, 2, 2)


def test_the_start_function_finds_no_exports_to_change(engine: Engine, wat: Wat) -> None:
    observation = agreed(engine, wat(STARTS, Invocation("f")))
    assert values(observation) == (2,)
    assert [call.name for call in observation.host_calls] == ["m", "it", "m"]


def test_a_host_acts_before_it_traps(engine: Engine, wat: Wat) -> None:
    observation = agreed(engine, wat(TRAPS, Invocation("f"), Invocation("g")))
    assert isinstance(observation.outcomes[0], Trapped)
    assert values(observation, 1) == (2,)


TOY = Path(__file__).parents[2] / "examples" / "programs" / "toy.py"


@pytest.mark.parametrize("name", ["cmd:false {wasm} {export}", f"program:python3 {TOY}"])
def test_an_engine_without_such_a_host_is_not_asked(name: str, wat: Wat) -> None:
    engine = open_engine(name)
    for text in (GROWS, CALLBACK, SHAPES):
        outcome = engine.run(wat(text, Invocation("f"))).instantiation
        assert isinstance(outcome, Unsupported)
        assert "grows" in outcome.what
    engine.close()


def test_what_the_words_of_a_module_name_ask_for() -> None:
    assert acts("env") == acts("other") == acts("grow+other") == acts("grow+grow") == frozenset()
    assert behaviour("grow+other") is Behaviour.MIX
    assert (acts("grow"), behaviour("grow")) == ({Act.GROW}, Behaviour.MIX)
    assert (acts("write+collect+throw"), behaviour("collect+throw")) == ({Act.COLLECT, Act.WRITE}, Behaviour.THROW)
    assert {written_at(1 << at) + 8 <= WRITES_BELOW for at in range(64)} == {True}


def test_a_host_that_hands_on_references_after_collecting_is_a_peer(wat: Wat) -> None:
    text = """(module
      (import "collect+reenter" "f" (func (param externref))) (import "reenter" "f" (func (param externref)))
      (import "collect+reenter" "g" (func (param i32)))
      (func (export "f") (param externref)) (func (export "g") (param i32)))"""
    plan = plan_imports(read_interface(wat(text).content), SCRIPT_KINDS)
    assert [source.how for source in plan.sources] == ["funcs", "host", "host"]
