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
from oracles.engine import Capabilities, EngineId, Limits, UsageError, open_engine
from oracles.engines.interpreter import InterpreterEngine
from oracles.suite.by_cases import ByCases, open_session
from oracles.suite.spectest import FAILED, PASSED, SKIPPED, UNSUPPORTED, FileResult, run_suite
from oracles.suite.wast import BadScript, load
from tests.engines.conftest import Wat
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Observation, Returned, Value
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


@pytest.mark.parametrize(
    ("state", "cases"),
    [("", [256, 256, 88]), ("(global i32 (i32.const 1))", [256, 256, 88]), ("(global (mut i32) (i32.const 0))", [600]),
     ("(memory 1)", [600]), ("(table 1 funcref)", [600]), ("(elem funcref (ref.null func))", [600])],
)  # fmt: skip
def test_many_calls_are_several_cases_where_none_can_tell(
    state: str, cases: list[int], tmp_path: Path, wat: Wat
) -> None:
    """A compiler of programs takes far longer for thousands of calls at once."""
    sizes: list[int] = []

    class Counting(InterpreterEngine):
        def run(self, case: Case) -> Observation:
            sizes.append(len(case.invocations))
            return InterpreterEngine.run(self, case)

    double = f"""(module {state} (func (export "double") (param i32) (result i32)
        (if (i32.eq (local.get 0) (i32.const 500)) (then unreachable)) (i32.add (local.get 0) (local.get 0))))"""
    path = script(
        tmp_path, wat,
        {"text of module": double},
        *(call("assert_return", "double", number, **i32(2 * number)) for number in range(500)),
        call("assert_trap", "double", 500, text="unreachable"),
        *(call("assert_return", "double", number, **i32(2 * number)) for number in range(501, 600)),
    )  # fmt: skip
    result = run_script(Counting(EngineId.read("interpreter"), Limits()), path)
    assert (result.failures, result.total(PASSED)) == ([], 601)
    assert [size for size in sizes if size] == cases


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
    importer = {"text of module": '(module (import "m" "add" (func)) (export "add" (func 0)))'}
    path = script(tmp_path, wat, importer, {"type": "register", "as": "n"}, call("assert_return", "add"))
    assert main(["spectest", str(path), "--engine", "mutant:1 of interpreter"]) == 3
    out, err = capsys.readouterr()
    assert "could be asked nothing of it: nothing was compared\n" in err
    assert out.endswith("\nunsupported for:\n           2  an import of m add\n")


def test_a_function_that_is_called_like_what_reads_a_global_is_another(
    interpreter: Any, tmp_path: Path, wat: Wat
) -> None:
    text = """(module (global (export "g") i32 (i32.const 7)) (global (export "get g") i32 (i32.const 8))
      (func (export "add") (result i32) i32.const 9) (func (export "get get g") (result i32) i32.const 10))"""
    path = script(
        tmp_path, wat,
        {"text of module": text},
        call("assert_return", "g", **i32(7)),
        call("assert_return", "get g", **i32(8)),
        call("assert_return", "add", **i32(9)),
        {**call("assert_return", "g", **i32(10)), "action": {"type": "invoke", "field": "get get g"}},
    )  # fmt: skip
    result = run_script(interpreter, path)
    assert result.failures == []
    assert result.total(PASSED) == 5


def test_what_is_no_exported_global_fails_as_in_a_session(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    text = '(module (func (export "get") (result i32) i32.const 1) (global (export "g") i32 (i32.const 7)))'
    path = script(
        tmp_path, wat,
        {"text of module": text},
        call("assert_return", "get", **i32(1)),
        call("assert_return", "g", **i32(7)),
    )  # fmt: skip
    for sessions in (lambda: ByCases(interpreter), interpreter.open_script):
        (result,) = run_suite([path], sessions)
        (failure,) = result.failures
        assert (failure.line, failure.message.partition("got: ")[2]) == (
            2,
            "refused the module: no exported global get",
        )
        assert result.total(PASSED) == 2


def test_functions_of_spectest_are_imported_by_their_types_and_from_the_host(
    interpreter: Any, tmp_path: Path, wat: Wat
) -> None:
    def importer(type_: str) -> str:
        return f"""(module {type_} (import "spectest" "print_i32" (func (type 0)))
          (func (export "f") (result i32) i32.const 1))"""

    others = ["(type (func (param i64)))", "(type (func (param i32) (result i32)))", "(type (sub (func (param i32))))"]
    path = script(
        tmp_path, wat,
        *({"type": "assert_unlinkable", "text of module": importer(one), "text": "incompatible"} for one in others),
        {"text of module": importer("(type (func (param i32)))")},
        call("assert_return", "f", **i32(1)),
        {"text of module": '(module (func (export "print_i32") (param i32) unreachable))'},
        {"type": "register", "as": "spectest"},
        {"text of module": importer("(type (func (param i32)))")},
    )  # fmt: skip
    result = run_script(interpreter, path)
    assert result.failures == []
    assert result.counts == {
        ("assert_unlinkable", UNSUPPORTED): 3, ("module", PASSED): 2, ("module", UNSUPPORTED): 1,
        ("assert_return", PASSED): 1, ("register", PASSED): 1,
    }  # fmt: skip


def test_a_definition_that_is_no_binary_leaves_the_one_before_it(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    def one(value: int) -> str:
        return f'(module (func (export "f{value}") (result i32) (i32.const {value})))'

    path = script(
        tmp_path, wat,
        {"type": "module_definition", "name": "$d", "text of module": one(1)},
        {"type": "module_definition", "name": "$d"},
        {"type": "module_instance", "instance": "$i", "module": "$d"},
        {"text of module": one(2), "name": "$z"},
        call("assert_return", "f2", module="$z", **i32(2)),
        call("assert_return", "f1", module="$i", **i32(1)),
    )  # fmt: skip
    result = run_script(interpreter, path)
    assert [(one.line, one.message) for one in result.failures] == [(2, "no binary module")]
    assert result.total(PASSED) == 5


@dataclass(slots=True)
class Crashing(InterpreterEngine):
    """An engine that crashes where it is asked whether a module is valid."""

    def run(self, case: Case) -> Observation:
        return (
            Observation("crashing", Crashed(11, "at fault"))
            if case.kind is CaseKind.BYTES
            else InterpreterEngine.run(self, case)
        )


def test_a_crash_over_a_valid_module_fails(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    path = script(tmp_path, wat, {"text of module": COUNTER})
    (failure,) = run_script(Crashing(interpreter.id, interpreter.limits), path).failures
    assert "crashed" in failure.message


def test_what_has_no_binary_is_not_taken_for_an_empty_module(interpreter: Any, tmp_path: Path, wat: Wat) -> None:
    kinds = ("assert_invalid", "assert_unlinkable", "assert_uninstantiable", "assert_malformed")
    result = run_script(interpreter, script(tmp_path, wat, *({"type": kind, "text": "x"} for kind in kinds)))
    assert result.counts == {(kind, SKIPPED): 1 for kind in kinds}


@pytest.mark.parametrize(
    "commands",
    [
        "null", "3", "[3]", "[[]]", '[{"type": "module", "line": 1, "name": []}]',
        '[{"type": "thread", "commands": 3}]',
        '[{"type": "action", "line": 1, "action": {"type": "call", "field": "f"}}]',
        '[{"type": "action", "line": 1, "action": {"type": "invoke", "field": 3}}]',
        '[{"type": "assert_invalid", "line": 1, "action": {"type": "invoke", "field": "f"}}]',
        '[{"type": "assert_return", "line": 1, "expected": [{"type": "i32", "value": null}]}]',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_json_that_is_no_script_is_one_line(commands: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("commands.json", f'{{"commands": {commands}}}')
    with pytest.raises(BadScript, match=r"is no script of the test suite: ."):
        load(path)


@pytest.mark.parametrize("content", [b"# A heading\n\n    (module)\n", b"\x7fELF\x00", b"\xd0\x00(module)", b""])
def test_a_file_that_is_no_script_is_one_line_whatever_is_installed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_bytes(content)
    with pytest.raises(BadScript, match=r"README.md is no script of the test suite: ."):
        load(path)


def test_a_zip_that_is_broken_is_one_line(tmp_path: Path, wat: Wat) -> None:
    path = script(tmp_path, wat, {"text of module": COUNTER}, call("assert_return", "g", **i32(40)))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = path.read_bytes()
    refused = []
    for at in range(len(content)):
        for value in (content[at] ^ 1, content[at] ^ 0xFF):
            path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
            try:
                load(path)
            except BadScript as error:
                refused.append(str(error))
    assert len(refused) > len(content) / 2
    assert not any("\n" in said for said in refused)
