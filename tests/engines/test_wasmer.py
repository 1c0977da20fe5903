"""Wasmer: how its compilers are named, and what is done about what it cannot do or does wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles.engine import EngineId, UsageError
from oracles.suite.spectest import run_suite
from tests.engines.conftest import Wat, only, open_or_skip
from wasm.embedding import Entry, Invocation, Returned, Threw, Unsupported, Value

FOUND = Path(__file__).parents[2] / "docs" / "found"
MIXED = '(module (func (export "f") (param f32 i32) (result i32) (i32.reinterpret_f32 (local.get 0))))'
HOSTS = """(module (import "env" "h" (func $h (param i32) (result i32))) (export "h" (func $h))
  (table 1 funcref) (elem declare func $h)
  (func (export "own") (result funcref) (ref.func $h))
  (func (export "call") (param funcref) (result i32)
    (table.set 0 (i32.const 0) (local.get 0)) (call_indirect (param i32) (result i32) (i32.const 5) (i32.const 0)))
  (func (export "direct") (result i32) (call $h (i32.const 5))))"""


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("wasmer:opt=speed", "wasmer"), ("wasmer@7.5.0:opt=none", "wasmer@7.5.0:opt=none"), ("wasmer:singlepass",) * 2],
)
def test_the_default_is_not_said(text: str, canonical: str) -> None:
    assert str(EngineId.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wasmer:llvm", "llvm=on is no setting of wasmer: it has opt=speed|none|speed_and_size and singlepass"),
        ("wasmer:opt=size", "opt=size is no setting"),
        ("wasmer:singlepass+opt=none", "singlepass does not optimise"),
        ("wasmer@/lib/wasmer", "wasmer is a crate"),
    ],
)
def test_what_is_no_setting_is_told_in_a_line(text: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        EngineId.parse(text)
    assert says in str(raised.value)


@pytest.mark.parametrize("tier", ["wasmer", "wasmer:singlepass"])
def test_a_function_of_the_host_is_lent_as_a_reference(tier: str, wat: Wat) -> None:
    """The engine cannot make one of its own functions of the host a reference: it panics."""
    engine = open_or_skip(tier)
    calls = [Invocation("own"), Invocation("call", (Value.parse("ref:func:h"),)), Invocation("direct")]
    own, through, direct = engine.run(wat(HOSTS, *calls, needs=("reference_types",))).outcomes
    engine.close()
    assert isinstance(own, Returned)
    assert own.refs == ("func:h",)
    assert isinstance(through, Returned)
    assert through == direct


def test_singlepass_is_called_directly_where_a_case_says_wrapper(wat: Wat) -> None:
    engine = open_or_skip("wasmer:singlepass")
    case = wat(MIXED, Invocation("f", (Value.parse("f32:0x3f800000"), Value.parse("i32:2")), Entry.WRAPPER))
    assert only(engine.run(case)) == Returned.of((Value.parse("i32:0x3f800000"),))
    engine.close()


def test_an_import_with_several_results_is_a_limit_of_singlepass(wat: Wat) -> None:
    engine = open_or_skip("wasmer:singlepass")
    text = '(module (import "env" "f" (func (result i32 i32))) (func (export "g")))'
    assert isinstance(engine.run(wat(text, needs=("multi_value",))).instantiation, Unsupported)
    engine.close()


def test_an_exception_has_its_payload_where_values_have_other_sizes(wat: Wat) -> None:
    engine = open_or_skip("wasmer")
    kinds = "i32 i64 f32 f32 v128 f64 externref i32"
    given = ("i32:1", "i64:2", "f32:0x7fa00001", "f32:4", "v128:5", "f64:6", "ref:extern:7", "i32:8")
    gets = " ".join(f"local.get {i}" for i in range(8))
    text = f'(module (tag $t (export "t") (param {kinds})) (func (export "f") (param {kinds}) {gets} throw $t))'
    values = tuple(map(Value.parse, given))
    got = only(engine.run(wat(text, Invocation("f", values), needs=("exceptions",))))
    engine.close()
    assert got == Threw("t", Returned.of(values))


def test_what_was_found_of_floats_from_instance_to_instance_is_still_so() -> None:
    """Once this fails, Singlepass can be called through wrappers again, from that release on."""
    engine = open_or_skip("wasmer@7.5.0:singlepass")
    (result,) = run_suite([FOUND / "wasmer-import-float.wast"], engine.open_script)
    engine.close()
    assert [one.line for one in result.failures] == [11, 12]
