"""Cases of several modules that import from each other: the same in every engine that links them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from oracles.engine import Engine
from oracles.judge.compare import judge
from oracles.judge.verdict import Agree
from oracles.judge.vote import Voter
from oracles.remote.protocol import LINKING, Flavour, encode_case
from tests.engines.conftest import Wat, lacks
from tests.engines.test_imports import reference
from wasm.case import CASE_VERSION, LINKED_VERSION, Case
from wasm.embedding import Invocation, Observation, Rejected, Returned, Threw, Trapped, Unsupported, Value
from wasm.feature_use import features_of_bytes
from wasm.traps import TrapKind

NOT_LINKING = frozenset({"wazero", "endive", "chicory", "cmd", "wabt", "binaryen", "wasm2c", "wasm3"})
"""Whose workers instantiate one module alone."""

HOME = """(module
  (import "env" "m" (memory $hosts 1)) (memory $own (export "own") 1 3) (export "hosts" (memory $hosts))
  (table (export "t") 4 8 funcref) (global (export "g") (mut i64) (i64.const 5)) (global (export "c") f64 (f64.const 2))
  (func (export "grow") (param i32) (result i32) (memory.grow $own (local.get 0)))
  (func (export "peek") (param i32) (result i32) (i32.load8_u $own (local.get 0))))"""
MIDDLE = """(module (type $f (func (result i32)))
  (import "home" "own" (memory 1)) (import "home" "t" (table $t 2 funcref)) (import "home" "g" (global $g (mut i64)))
  (elem (table $t) (i32.const 1) func $here) (data (i32.const 16) "abc")
  (func $here (type $f) (global.set $g (i64.add (global.get $g) (i64.const 1))) (i32.const 77))
  (func (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 9)))
  (export "again" (memory 0)) (export "table" (table $t)))"""
SUBJECT = """(module (type $f (func (result i32)))
  (import "home" "grow" (func $grow (param i32) (result i32)))
  (import "home" "peek" (func $peek (param i32) (result i32)))
  (import "middle" "store" (func $store (param i32))) (import "middle" "again" (memory 1))
  (import "middle" "table" (table $t 1 funcref)) (import "home" "g" (global $g (mut i64)))
  (import "home" "c" (global $c f64))
  (export "memory" (memory 0)) (export "t" (table $t)) (export "g" (global $g)) (export "c" (global $c))
  (func (export "call") (param i32) (result i32 i64)
    (call_indirect $t (type $f) (local.get 0)) (global.get $g))
  (func (export "grown") (param i32) (result i32 i32 i32)
    (call $grow (local.get 0)) (call $store (i32.const 65540)) (call $peek (i32.const 65540))
    (i32.load8_u (i32.const 65540)))
  (func (export "last") (result i32) (i32.load8_u offset=131071 (i32.const 0)))
  (func (export "past") (result i32) (i32.load8_u offset=131072 (i32.const 0))))"""


def linked(wat: Wat, text: str, *invocations: Invocation, **before: str) -> Case:
    modules = tuple((name, wat(one).content) for name, one in before.items())
    case = wat(text, *invocations)
    contents = (case.content, *(content for _, content in modules))
    return replace(case, before=modules, features=frozenset().union(*map(features_of_bytes, contents)))


def agreed(engine: Engine, case: Case) -> Observation:
    """What an engine observes, which is what the reference does; skipped for one that links nothing."""
    if lacking := lacks(engine, case):
        pytest.skip(f"{engine.id} has no {', '.join(sorted(lacking))}")
    observation = engine.run(case)
    if observation.instantiation == Unsupported(LINKING) or engine.id.name in NOT_LINKING:
        assert observation.instantiation == Unsupported(LINKING)
        assert engine.id.name in NOT_LINKING
        pytest.skip(f"{engine.id}: no {LINKING}")
    verdict = judge(case, [observation], reference(case), {observation.engine: Voter("another")})
    assert verdict == Agree(), verdict
    return observation


def i32(*numbers: int) -> tuple[Value, ...]:
    return tuple(Value("i32", number) for number in numbers)


def test_instances_share_what_they_import(engine: Engine, wat: Wat) -> None:
    calls = (Invocation("call", i32(1)), Invocation("call", i32(0)), Invocation("grown", i32(1)))
    calls += (Invocation("last"), Invocation("past"), Invocation("call", i32(1)))
    observation = agreed(engine, linked(wat, SUBJECT, *calls, home=HOME, middle=MIDDLE))
    assert isinstance(observation.outcomes[5], Returned)
    assert [value.bits for value in observation.outcomes[5].values] == [77, 7]
    assert isinstance(observation.outcomes[2], Returned)
    assert [value.bits for value in observation.outcomes[2].values] == [1, 9, 9]
    traps = [at for at, outcome in enumerate(observation.outcomes) if isinstance(outcome, Trapped)]
    assert traps == [1, 4]


MEMORIES = """(module (memory (export "m") 1 2 shared) (memory $n (export "n") 1 1 shared) (memory (export "own") 1)
  (data (memory $n) (i32.const 4) "z"))"""
FROM_APART = """(module (import "apart 1" "m" (memory $m 1 2 shared)) (import "apart 1" "n" (memory $n 1 1 shared))
  {more} (export "memory" (memory $m))
  (func (export "f") (param i32) (result i32 i32 i32 i32)
    (i32.atomic.rmw.add $m (i32.const 65532) (local.get 0)) (memory.size $m)
    (i32.load $m offset=65532 (i32.const 0)) (i32.load8_u $n (i32.const 4))))"""
UNSHARED = '(import "apart 1" "own" (memory $own 1))'


@pytest.mark.parametrize("more", ["", UNSHARED], ids=["two stores", "one store"])
def test_a_shared_memory_can_be_of_another_store(engine: Engine, wat: Wat, more: str) -> None:
    calls = (Invocation("f", i32(7)), Invocation("f", i32(3)))
    observation = agreed(engine, linked(wat, FROM_APART.format(more=more), *calls, **{"apart 1": MEMORIES}))
    returned = [[value.bits for value in one.values] for one in observation.outcomes if isinstance(one, Returned)]
    assert returned == [[0, 1, 7, ord("z")], [7, 1, 10, ord("z")]]


@pytest.mark.parametrize(
    ("more", "user", "apart"),
    [
        ("", "", True),
        (UNSHARED, "", False),
        ("", '(module (import "apart 1" "own" (memory 1)))', False),
        ("", '(module (import "apart 1" "n" (memory 1 1 shared)))', True),
    ],
)
def test_only_shared_memories_go_from_one_store_to_another(wat: Wat, more: str, user: str, apart: bool) -> None:
    """What is asked of a worker: nothing else can be imported from another store."""
    before = {"apart 1": MEMORIES} | ({"apart 2": user} if user else {})
    case = linked(wat, FROM_APART.format(more=more), **before)
    frame = encode_case(case, Flavour(frozenset("il"), True, links=True)).frame
    size = int.from_bytes(frame[4:8], "little")
    asked = {name: "apart" in imports for name, _, imports in json.loads(frame[8 : 8 + size])["before"]}
    assert asked == {"apart 1": apart} | ({"apart 2": False} if user else {})


HALF = """(module (import "home" "own" (memory 1)) (data (i32.const 3) "x") (data (i32.const 65535) "yz"))"""
READS = """(module (import "home" "own" (memory 1)) (export "m" (memory 0))
  (func (export "f") (param i32) (result i32) (i32.load8_u (local.get 0))))"""


def test_what_a_module_wrote_before_it_trapped_stays(engine: Engine, wat: Wat) -> None:
    case = linked(wat, READS, Invocation("f", i32(3)), Invocation("f", i32(65535)), home=HOME, half=HALF)
    observation = agreed(engine, case)
    assert isinstance(observation.before[1], Trapped)
    assert TrapKind.MEMORY_OOB in observation.before[1].kinds
    assert [one.values[0].bits for one in observation.outcomes if isinstance(one, Returned)] == [ord("x"), 0]


THROWS = """(module (tag $e (export "e") (param i32 i64))
  (func (export "f") (param i32) (throw $e (local.get 0) (i64.const 6))))"""
STARTS = """(module (import "a" "f" (func $f (param i32))) (start $s) (func $s (call $f (i32.const 1))))"""
CATCHES = """(module (import "a" "e" (tag $e (param i32 i64))) (import "a" "f" (func $f (param i32)))
  (func (export "caught") (param i32) (result i32 i64)
    (block $l (result i32 i64) (try_table (catch $e $l) (call $f (local.get 0))) unreachable))
  (func (export "thrown") (param i32) (return_call $f (local.get 0))))"""


def test_exceptions_go_from_one_instance_to_another(engine: Engine, wat: Wat) -> None:
    calls = (Invocation("caught", i32(41)), Invocation("thrown", i32(42)))
    observation = agreed(engine, linked(wat, CATCHES, *calls, a=THROWS, b=STARTS))
    assert isinstance(observation.before[1], Threw)
    caught, thrown = observation.outcomes
    assert isinstance(caught, Returned)
    assert [value.bits for value in caught.values] == [41, 6]
    assert isinstance(thrown, Threw)
    assert [value.bits for value in thrown.payload.values] == [42, 6]


def test_what_has_no_instance_cannot_be_imported(engine: Engine, wat: Wat) -> None:
    half = HALF.replace("(data (i32.const 3)", '(export "m" (memory 0)) (data (i32.const 3)')
    user = '(module (import "half" "m" (memory 1)))'
    observation = agreed(engine, linked(wat, user, home=HOME, half=half))
    assert isinstance(observation.instantiation, Rejected)
    unlike = '(module (import "home" "own" (memory 2)))'
    assert isinstance(agreed(engine, linked(wat, unlike, home=HOME)).instantiation, Rejected)


def test_what_no_module_has_is_the_hosts(engine: Engine, wat: Wat) -> None:
    user = """(module (import "home" "absent" (func $f (param i32) (result i32)))
      (import "home" "peek" (func $p (param i32) (result i32))) (import "env" "m" (memory 1))
      (func (export "g") (param i32) (result i32 i32)
        (call $f (local.get 0)) (i32.store8 (i32.const 0) (i32.const 1)) (call $p (i32.const 0))))"""
    observation = agreed(engine, linked(wat, user, Invocation("g", i32(9)), home=HOME))
    assert [(call.module, call.name) for call in observation.host_calls] == [("home", "absent")]


SHARED_HOME = '(module (memory (export "m") 2 2 shared))'
SHARED = """(module (import "home" "m" (memory 1 2 shared)) (export "m" (memory 0))
  (func (export "add") (param i32) (result i32) (i32.atomic.rmw.add (local.get 0) (i32.const 3)))
  (func (export "read") (param i32) (result i32) (i32.load (local.get 0))))"""


def test_a_shared_memory_of_another_instance(engine: Engine, wat: Wat) -> None:
    calls = (Invocation("add", i32(131068)), Invocation("add", i32(131068)), Invocation("read", i32(131068)))
    observation = agreed(engine, linked(wat, SHARED, *calls, home=SHARED_HOME))
    assert [one.values[0].bits for one in observation.outcomes if isinstance(one, Returned)] == [0, 3, 6]


def test_a_case_of_several_modules_as_json(wat: Wat) -> None:
    case = linked(wat, READS, Invocation("f", i32(3)), home=HOME, half=HALF)
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
    assert case.to_json()["version"] == LINKED_VERSION
    assert replace(case, before=()).to_json()["version"] == CASE_VERSION
    assert "before" not in replace(case, before=()).to_json()
    others = (replace(case, before=case.before[::-1]), replace(case, before=()), replace(case, before=case.before[:1]))
    assert len({one.digest for one in (case, *others)}) == 4
