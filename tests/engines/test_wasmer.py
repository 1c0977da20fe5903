"""Wasmer: how its compilers are named, and what is done about what it cannot do or does wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles.engine import EngineId, UsageError
from oracles.interpreter import run_case
from oracles.suite.spectest import run_suite
from tests.engines.conftest import Wat, only, open_or_skip
from wasm.embedding import (
    Crashed,
    Entry,
    Invocation,
    Outcome,
    Rejected,
    Returned,
    Threw,
    Trapped,
    Unsupported,
    Value,
)
from wasm.traps import TrapKind

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


@pytest.mark.parametrize(
    "text",
    [
        "(module (func (local nullexnref)))",
        "(module (func (drop (ref.null noexn))))",
        "(module (elem exnref (ref.null exn)))",
        "(module (table 1 exnref))",
    ],
)
def test_types_of_exceptions_that_it_says_it_lacks_are_unsupported(text: str, wat: Wat) -> None:
    """Singlepass has no exceptions at all."""
    engine = open_or_skip("wasmer")
    assert isinstance(engine.run(wat(text, needs=("exceptions", "reference_types"))).instantiation, Unsupported)
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


def gives(*texts: str) -> Returned:
    """A return of these values."""
    return Returned.of(tuple(map(Value.parse, texts)))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("narrow-rmw", gives("i32:0"), gives("i32:256")),
        ("rmw-stack", gives("i32:7"), gives("i32:42")),
        ("store32", TrapKind.UNALIGNED_ATOMIC, gives()),
        ("call-result", gives("i64:0x100000002"), gives("i64:2")),
    ],
)
def test_wrong_answers_of_singlepass_that_were_found_are_still_so(
    name: str, right: Outcome | TrapKind, wrong: Outcome, wat: Wat
) -> None:
    case = wat((FOUND / f"wasmer-{name}.wat").read_text(encoding="utf-8"), Invocation("a"))
    expected = only(run_case(case))
    assert expected == right or (isinstance(expected, Trapped) and expected.kinds == {right})
    engine = open_or_skip("wasmer@7.5.0:singlepass")
    assert only(engine.run(case)) == wrong
    engine.close()


@pytest.mark.parametrize(
    ("name", "tier", "kind", "says"),
    [
        ("rmw8-constant", "wasmer@7.5.0:singlepass", Rejected, "singlepass can't emit MOVZX S8 Imm64(1) S64"),
        ("table-init", "wasmer@7.5.0:singlepass", Crashed, "Attempted to set a table of type ExternRef"),
        ("table-init", "wasmer@7.5.0", Crashed, "Attempted to set a table of type ExternRef"),
        ("nullexnref", "wasmer@7.5.0", Crashed, "only numeric types are supported in function signatures"),
    ],
)
def test_panics_and_refusals_that_were_found_are_still_so(
    name: str, tier: str, kind: type[Crashed | Rejected], says: str, wat: Wat
) -> None:
    calls = () if name == "nullexnref" else (Invocation("a"),)
    case = wat((FOUND / f"wasmer-{name}.wat").read_text(encoding="utf-8"), *calls)
    assert all(isinstance(outcome, Returned) for outcome in (run_case(case).instantiation, *run_case(case).outcomes))
    engine = open_or_skip(tier)
    seen = engine.run(case)
    engine.close()
    (bad,) = [one for one in (seen.instantiation, *seen.outcomes) if not isinstance(one, Returned)]
    assert isinstance(bad, kind)
    assert says in (bad.text if isinstance(bad, Crashed) else bad.message)


@pytest.mark.parametrize("tier", ["wasmer@7.5.0", "wasmer@7.5.0:singlepass"])
def test_a_table_of_fixed_size_is_still_not_seen_by_its_owner(tier: str) -> None:
    engine = open_or_skip(tier)
    (result,) = run_suite([FOUND / "wasmer-fixed-table.wast"], engine.open_script)
    engine.close()
    assert [one.line for one in result.failures] == [11]
