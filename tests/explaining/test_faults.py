"""Faults of our own compiler, from the case to the sentence; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from fuzz.archive import learned
from fuzz.cli.main import main
from fuzz.explain.asking import subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.records.explanation import Explanation
from fuzz.selfcheck.search import LIMITS, WORKER
from fuzz.trial.bench import Bench
from oracles.engine import Capabilities, Engine, EngineId, EngineUnavailable, Limits, UsageError, open_engine
from oracles.engines import compiler
from oracles.engines.compiler import worker_of
from oracles.remote.worker_engine import WorkerEngine
from tests.harness.json_docs import documented
from wasm.case import Case
from wasm.embedding import Invocation, Value

FOLDED = """(module
  (func (export "f") (param i32) (result i32)
    local.get 0 local.get 0 i32.xor local.get 0 i32.const 3 i32.mul i32.add))"""
SHIFTED = """(module
  (func $other (param i64) (result i64) local.get 0 i64.const 3 i64.mul)
  (func (export "f") (param i64) (result i64)
    local.get 0 call $other i64.const 70 i64.shl))"""


@pytest.fixture(scope="module")
def known() -> Capabilities:
    engine = open_engine("compiler", LIMITS)
    try:
        return engine.capabilities
    except EngineUnavailable as error:
        pytest.skip(str(error))
    finally:
        engine.close()


PLAIN = "compiler:regalloc=single_pass+opt=none+checker=off"
LOST = """(module (global (mut i32) (i32.const 0)) (table funcref (elem $none)) (type $t (func))
  (func $none) (func $tail i32.const 0 return_call_indirect (type $t))
  (func (export "f") (param i64) call $tail global.get 0 global.set 0))"""
HANDED_ON = """(module (type $f (func)) (type $ten (func (result f32 f32 f32 f32 f32 f32 f32 f32 f32 f32)))
  (type $two (func (param (ref func) (ref null $f)) (result f32 f32 f32 f32 f32 f32 f32 f32 f32 f32)))
  (global (mut i32) (i32.const 0)) (elem declare func $none $zeros)
  (func $none)
  (func $zeros (type $two) f32.const 0 f32.const 0 f32.const 0 f32.const 0 f32.const 0
    f32.const 0 f32.const 0 f32.const 0 f32.const 0 f32.const 0)
  (func $tail (type $ten) ref.func $none ref.func $none ref.func $zeros return_call_ref $two)
  (func (export "f") (param i64) call $tail
    drop drop drop drop drop drop drop drop drop drop i32.const 0 global.set 0))"""
LOOP = """(module (func (export "f") (param i64) (result f32) (local i32)
  loop (result f32) f32.const 0 i32.const 0 local.tee 1 br_if 0 end))"""


def explained(
    fault: str, wat: str, arg: Value, known: Capabilities, *only: str, engine: str = "compiler"
) -> Explanation:
    def opened(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
        parsed = EngineId.parse(id)
        return WorkerEngine(parsed, worker_of(parsed, limits, (WORKER, fault)), limits, known)

    case = Case(bytes(wat2wasm(wat)), (Invocation("f", (arg,)),))
    bench = Bench([engine], LIMITS, True, opened)
    subject = subject_of(bench.run(case), engine)
    bench.close()
    assert subject is not None
    return explain(subject, Wish(frozenset(only)), LIMITS, True, opened)


def test_a_wrong_identity(known: Capabilities, monkeypatch: pytest.MonkeyPatch) -> None:
    """x xor x is x, by a pass of simplification: settings, stage, function and instruction."""
    few = [one for one in compiler.switches(EngineId.parse("compiler")) if one.off in ("opt=none", "fuel=off")]
    monkeypatch.setattr(compiler, "switches", lambda _id: few)  # each setting is a worker of its own
    made = explained("fold-same-operands", FOLDED, Value("i32", 5), known, "fingerprint", "split", "operation")
    assert made.fingerprint is not None
    assert made.fingerprint.words.startswith("wrong with opt=speed, which is all it needs; right with opt=none")
    assert any(line.startswith("simplification: wrong from its change 1 on") for line in made.stages)
    assert "simplification: right without pass fold (skip=fold)" in made.stages
    assert not any("regalloc" in line for line in made.stages)
    assert made.operation is not None
    assert (made.operation.text, made.operation.position) == ("i32.xor", 2)
    assert (made.operation.operands, made.operation.actual) == (("i32:0x5", "i32:0x5"), ("i32:0x5",))
    assert made.silent == ()


def test_a_wrong_lowering(known: Capabilities) -> None:
    """A shift by a constant from the width on, in the second of two functions; it is wrong whatever is simplified."""
    made = explained("shift-by-width-saturates", SHIFTED, Value("i64", 5), known, "split", "operation")
    assert made.function is not None
    assert (made.function.index, made.function.name) == (1, "f")
    assert made.operation is not None
    assert made.operation.text == "i64.shl"
    assert made.operation.operands == ("i64:0xf", "i64:0x46")
    assert made.silent == ()


@pytest.mark.parametrize(
    ("fault", "wat", "function", "text"),
    [
        ("clobbers-ignored-single-pass", LOST, 2, "call $tail"),
        ("tail-call-area-lost", HANDED_ON, 2, "return_call_ref $two"),
    ],
)
def test_what_spoils_registers_and_memory(fault: str, wat: str, function: int, text: str, known: Capabilities) -> None:
    """The engine crashes later, and in another function. The other allocator compiles the other functions rightly."""
    made = explained(fault, wat, Value("i64", 5), known, "split", "operation", engine=PLAIN)
    assert made.function is not None
    assert made.function.index == function
    assert "rest=backtracking" in made.function.how
    assert made.operation is not None
    assert (made.operation.function, made.operation.text) == (function, text)


def test_a_branch_that_is_refused(known: Capabilities) -> None:
    made = explained("branch-arity-of-loop", LOOP, Value("i64", 5), known, "split", "operation")
    assert made.operation is not None
    assert made.operation.text.startswith("br_if 0")


@pytest.mark.parametrize("setting", ["only=0+rest=backtracking", "opt-fuel=2", "skip=gvn", "only=0,2", "only=none"])
@pytest.mark.usefixtures("known")  # which skips where the compiler is none for this machine
def test_settings_for_explaining_compile_right_code(setting: str) -> None:
    case = Case(bytes(wat2wasm(SHIFTED)), (Invocation("f", (Value("i64", 5),)),))
    bench = Bench([f"compiler:{setting}"], LIMITS, True)
    try:
        assert bench.broken == {}
        assert [str(one) for one in bench.run(case).verdict.poisons] == []
        assert bench.run(case).compared
    finally:
        bench.close()


@pytest.mark.parametrize("setting", ["opt-fuel=x", "skip=none", "only=a", "only=", "rest=plain"])
def test_settings_that_are_none(setting: str) -> None:
    with pytest.raises(UsageError):
        EngineId.parse(f"compiler:{setting}")


def test_nothing_to_explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "case.wat"
    path.write_text(FOLDED)
    assert main(["explain", str(path), "--engine", "wasmtime", "--invoke", "f(i32:5)"]) == 2
    assert "all engines agree" in capsys.readouterr().err
    assert main(["explain", str(path), "--only", "guess"]) == 2
    assert "no instrument 'guess'" in capsys.readouterr().err
    assert main(["explain", str(path), "--engine", "interpreter"]) == 2


def test_the_json_is_documented() -> None:
    assert {"type", "version", *Explanation("compiler").to_json()} == documented("fuzz explain", "explanation")


def test_a_bundle_keeps_it(tmp_path: Path) -> None:
    made = Explanation("compiler", stages=("a line",))
    learned.keep_explanation(tmp_path, made)
    assert learned.explanations(tmp_path) == (made,)
    assert json.loads((tmp_path / learned.EXPLANATION).read_text())[0]["stages"] == ["a line"]
