"""Scripts on engines that run cases only: what they answer is what they answer in a session, or nothing."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fuzz.cli.main import main
from oracles.engine import Capabilities, UsageError, open_engine
from oracles.engines.interpreter import InterpreterEngine
from oracles.suite.by_cases import ByCases, open_session
from oracles.suite.spectest import FAILED, PASSED, UNSUPPORTED, FileResult, run_suite
from tests.engines.conftest import Wat
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Returned, Value
from wasm.features import Feature

FILES = 60
"""Scripts of the official suite that are asked, spread over all of them."""


@pytest.fixture
def interpreter() -> Any:
    return open_engine("interpreter")


def test_nothing_of_the_official_suite_fails_that_passes_in_a_session(spec_suite: Any, interpreter: Any) -> None:
    paths = [one for one in spec_suite.loader.files("core") if not one.stem.startswith(("return_call", "skip-stack"))]
    step = max(1, len(paths) // FILES)
    counts: Counter[str] = Counter()
    for result in run_suite(paths[::step], lambda: ByCases(interpreter)):
        assert (result.failures, result.error) == ([], ""), result.path
        for outcome in (PASSED, UNSUPPORTED):
            counts[outcome] += result.total(outcome)
    assert counts[PASSED] > 10 * counts[UNSUPPORTED]


def script(tmp_path: Path, wat: Wat, *commands: Any) -> Path:
    """A converted script: modules are text, other commands as ``wasm-tools json-from-wast`` writes them."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        made = []
        for line, command in enumerate(commands, 1):
            name, text = f"{line}.wasm", command.pop("text of module", None)
            if text is not None:
                archive.writestr(name, wat(text).content)
                command |= {"filename": name, "module_type": "binary"}
            made.append({"type": "module", "line": line, **command})
        archive.writestr("commands.json", json.dumps({"commands": made}))
    return path


def call(kind: str, field: str, *args: int, module: str | None = None, **more: Any) -> dict[str, Any]:
    given = [{"type": "i32", "value": str(arg)} for arg in args]
    action = {"type": "get" if field.startswith("g") else "invoke", "field": field, "module": module, "args": given}
    return {"type": kind, "action": action, **more}


def i32(value: int) -> dict[str, Any]:
    return {"expected": [{"type": "i32", "value": str(value)}]}


COUNTER = """
    (module (import "spectest" "print_i32" (func $p (param i32)))
      (global $g (export "g") (mut i32) (i32.const 40))
      (func (export "add") (param i32) (result i32)
        (call $p (local.get 0)) (global.set $g (i32.add (global.get $g) (local.get 0))) (global.get $g))
      (func (export "trap") unreachable)
      (func (export "deep") (call 3)))
"""


def run_script(engine: Any, path: Path) -> FileResult:
    (result,) = run_suite([path], lambda: ByCases(engine))
    return result


def test_calls_of_an_instance_are_one_case_and_globals_are_read_between_them(
    interpreter: Any, tmp_path: Path, wat: Wat
) -> None:
    path = script(
        tmp_path, wat,
        {"text of module": COUNTER, "name": "$a"},
        call("assert_return", "g", **i32(40)),
        call("assert_return", "add", 2, **i32(42)),
        call("assert_trap", "trap", text="unreachable"),
        {"text of module": '(module (func (export "one") (result i32) (i32.const 1)))'},
        call("assert_return", "one", **i32(1)),
        call("assert_return", "g", module="$a", **i32(42)),
        call("assert_return", "add", 3, module="$a", **i32(45)),
        call("assert_exhaustion", "deep", module="$a", text="call stack exhausted"),
    )  # fmt: skip
    result = run_script(interpreter, path)
    assert result.failures == []
    assert result.total(PASSED) == 9


def test_what_another_module_may_have_changed_is_not_asked(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    importer = (
        '(module (import "m" "add" (func $f (param i32) (result i32))) (func (drop (call $f (i32.const 1)))) (start 1))'
    )
    path = script(
        tmp_path, wat,
        {"text of module": COUNTER, "name": "$a"},
        {"type": "register", "name": "$a", "as": "m"},
        call("assert_return", "add", 2, **i32(42)),
        {"text of module": importer},
        call("assert_return", "g", module="$a", **i32(43)),
    )  # fmt: skip
    result = run_script(interpreter, path)
    assert result.failures == []
    assert {kind: outcome for kind, outcome in result.counts if outcome != PASSED} == {
        "module": UNSUPPORTED, "assert_return": UNSUPPORTED,
    }  # fmt: skip


@dataclass(slots=True)
class Wrong(InterpreterEngine):
    """An engine that adds one to what a call gives, and takes every module for valid."""

    def run(self, case: Case) -> Observation:
        if case.kind is CaseKind.BYTES:
            return Observation("wrong", Returned())
        seen = InterpreterEngine.run(self, case)
        outcomes = (
            Returned.of([Value("i32", one.values[0].bits + 1)]) if isinstance(one, Returned) and one.types else one
            for one in seen.outcomes
        )
        return replace(seen, outcomes=tuple(outcomes))


def test_a_wrong_engine_fails(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    path = script(
        tmp_path, wat,
        {"text of module": COUNTER},
        call("assert_return", "add", 2, **i32(42)),
        {"type": "assert_invalid", "text of module": "(module (func (result i32)))", "text": "type mismatch"},
    )  # fmt: skip
    assert run_script(interpreter, path).failures == []
    failed = run_script(Wrong(interpreter.id, interpreter.limits), path)
    assert [one.message for one in failed.failures] == [
        "expected (i32:0x2a), got: returned (i32:0x2b)",
        "expected rejected (type mismatch), got: returned ()",
    ]
    assert failed.total(FAILED) == 2


@dataclass(slots=True)
class Small(InterpreterEngine):
    """An engine without vectors that is not asked about validity."""

    @property
    def capabilities(self) -> Capabilities:
        able = open_engine("interpreter").capabilities
        return replace(able, features=able.features - {Feature.SIMD}, kinds=frozenset({CaseKind.WASM}))


def test_what_an_engine_lacks_is_unsupported(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    path = script(
        tmp_path, wat,
        {"text of module": '(module (func (export "v") (result i32) (i8x16.extract_lane_u 0 (v128.const i64x2 0 0))))'},
        call("assert_return", "v", **i32(0)),
        {"type": "assert_invalid", "text of module": "(module (func (result i32)))", "text": "type mismatch"},
    )  # fmt: skip
    result = run_script(Small(interpreter.id, interpreter.limits), path)
    assert result.failures == []
    assert result.total(UNSUPPORTED) == 3


def test_an_engine_of_machine_functions_is_asked_no_script() -> None:
    with pytest.raises(UsageError, match="choose another engine"):
        open_session(open_engine("allocators"))


def test_a_transformer_is_asked_by_cases() -> None:
    assert isinstance(open_session(open_engine("mutant:1 of interpreter")), ByCases)


def test_where_nothing_could_be_asked_that_is_said(
    tmp_path: Path, wat: Wat, capsys: pytest.CaptureFixture[str]
) -> None:
    importer = {"text of module": '(module (import "m" "add" (func)))'}
    path = script(tmp_path, wat, importer, {"type": "register", "as": "n"})
    assert main(["spectest", str(path), "--engine", "mutant:1 of interpreter"]) == 3
    assert "could be asked nothing of it: nothing was compared\n" in capsys.readouterr().err
