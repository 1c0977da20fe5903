"""``fuzz replay`` and ``fuzz minimize`` claim nothing that was not compared."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from fuzz.archive import bundle
from fuzz.cli.main import main
from fuzz.intake.piece import Wish
from fuzz.intake.reading import bring_one
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.trial.limits import limits_for
from oracles.engine import Limits
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.case import Case
from wasm.embedding import Invocation

WASMTIME = "wasmtime:opt=speed"
BOTH = ("--engine", "interpreter", "--engine", WASMTIME)


def file(tmp_path: Path, text: str, name: str = "case.wat") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def said(capsys: pytest.CaptureFixture[str], code: int, *command: str) -> str:
    """What a command prints on both streams, once its exit code is as expected."""
    capsys.readouterr()
    got = main(list(command))
    out = capsys.readouterr()
    assert got == code, out.out + out.err
    assert "Traceback" not in out.err
    return out.out + out.err


def test_agreement_comes_with_how_much_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = file(tmp_path, '(module (func (export "f") (param i32) (result i32) local.get 0))')
    text = said(capsys, 0, "replay", case, *BOTH)
    assert text.endswith("all agree\n4 of 4 calls compared\n")
    empty = file(tmp_path, "(module)")
    assert said(capsys, 0, "replay", empty, *BOTH).endswith("all agree\nno call made; instantiation compared\n")


@pytest.mark.parametrize("engines", [("interpreter",), ("interpreter", "compiler")])
def test_nothing_compared_is_no_agreement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engines: tuple[str, ...]
) -> None:
    """The compiler makes no code for GC, and alone nobody agrees with anybody."""
    assert main(["generate", "--target", "gc", "--seed", "1", "--count", "1", "--out", str(tmp_path)]) == 0
    case = str(tmp_path / "gc-1-0.json")
    asked = [word for engine in engines for word in ("--engine", engine)]
    text = said(capsys, 3, "replay", case, *asked)
    assert "all agree" not in text
    assert "nothing compared: no two engines have an answer\n0 of " in text
    assert ("compiler: unsupported" in text) is (len(engines) > 1)
    assert "no two engines have an answer on this case" in said(capsys, 3, "minimize", case, *asked)
    assert said(capsys, 0, "replay", case, *BOTH).count("all agree") == 1


def test_agreement_on_a_case_to_minimize_is_said_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = file(tmp_path, '(module (func (export "f") (result i32) i32.const 1))')
    text = said(capsys, 2, "minimize", case, *BOTH)
    assert "all engines agree (1 of 1 calls compared): nothing to minimize" in text


LOOPS = """(module
  (global $g (mut i32) (i32.const 0))
  (func (export "a") (result i32) i32.const 1)
  (func (export "b") (loop $l (br $l)))
  (func (export "c") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"""


def test_a_call_that_ends_the_instance_does_not_end_the_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = file(tmp_path, LOOPS)
    text = said(capsys, 0, "replay", case, *BOTH, "--cpu", "2s")
    assert "fresh for the calls from 2 on" in text
    assert re.search(r"c\(\) by wrapper\n  interpreter +returned \(i32:0x1\)\n  wasmtime:opt=speed +returned", text)
    assert re.search(r"\n2 of 3 calls compared: .*interpreter exhausted .* in call 1", text)


def test_a_fresh_instance_for_each_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = file(tmp_path, LOOPS)
    calls = ("--invoke", "c", "--invoke", "c")
    assert "returned (i32:0x2)" in said(capsys, 0, "replay", case, *BOTH, *calls)
    text = said(capsys, 0, "replay", case, *BOTH, *calls, "--fresh")
    assert "returned (i32:0x2)" not in text
    assert text.endswith("2 of 2 calls compared\n")


def test_a_script_is_run_with_its_assertions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = '(module (func (export "f") (param i32) (result i32) local.get 0))\n'
    right = file(tmp_path, module + '(assert_return (invoke "f" (i32.const 7)) (i32.const 7))', "x.wast")
    text = said(capsys, 0, "replay", right, *BOTH)
    assert text.count("x.wast") == 2
    wrong = file(tmp_path, module + '(assert_return (invoke "f" (i32.const 7)) (i32.const 8))', "y.txt")
    text = said(capsys, 1, "replay", wrong, *BOTH)
    assert text.count("(i32:0x8)") == 2
    assert "all engines agree (1 of 1 calls compared)" in said(capsys, 2, "minimize", right, *BOTH)
    two = file(tmp_path, f'{module}(invoke "f" (i32.const 7)) {module}', "z.wast")
    assert "it calls a module before the last one" in said(capsys, 2, "minimize", two, *BOTH)


def test_several_modules_in_a_file_are_replayed_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = [list(wat2wasm(f'(module (func (export "{name}")))')) for name in ("one", "two")]
    script = file(tmp_path, "\n".join(f"load(new Uint8Array({numbers}));" for numbers in arrays), "x.js")
    text = said(capsys, 0, "replay", script, *BOTH)
    assert text.count("1 of 1 calls compared") == 2
    assert "what the script does with the module is not read" in text
    assert "takes one at a time" in said(capsys, 2, "minimize", script, *BOTH)


def test_json_says_what_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = file(tmp_path, LOOPS)
    rows = [json.loads(row) for row in said(capsys, 0, "replay", case, *BOTH, "--cpu", "2s", "--json").splitlines()]
    verdicts = [row for row in rows if row["type"] == "verdict"]
    assert [(row["first"], row["calls"], row["compared"], row["not_reached"]) for row in verdicts] == [
        (0, 3, 1, 1), (2, 1, 1, 0),
    ]  # fmt: skip
    assert not any(row["nothing_compared"] for row in verdicts)


def test_limits_grow_with_the_module() -> None:
    small, large = limits_for(10_000), limits_for(18 << 20)
    assert small == Limits()
    assert large.cpu_seconds > 10 * small.cpu_seconds
    assert large.memory_bytes >= small.memory_bytes
    asked = limits_for(18 << 20, cpu=3.0, memory=1 << 30, wall=5.0)
    assert (asked.cpu_seconds, asked.memory_bytes, asked.wall_seconds) == (3.0, 1 << 30, 5.0)


def test_an_edited_bundle_is_what_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(bytes(wat2wasm('(module (func (export "f") (result i32) i32.const 1))')), (Invocation("f"),))
    dissent = Dissent(WASMTIME, "cranelift", Kind.VALUE, "invoke", "invoke 0", "result 0: expected 1, got 2")
    verdict = Disagree((dissent,), ("interpreter",), ("cranelift",))
    runs = (EngineRun("interpreter", "1", "interpreter", ()), EngineRun(WASMTIME, "", "cranelift", ()))
    finding = Finding(case, verdict, Signature("cranelift", "invoke", "value"), runs, repeats=3, tries=3)
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, content in bundle.files(finding).items():
        (folder / name).write_bytes(content)
    assert not bring_one(folder, Wish()).notes
    (folder / "case.wat").write_text('(module (func (export "f") (result i32) i32.const 77))')
    text = said(capsys, 0, "replay", str(folder), *BOTH, "--invoke", "f")
    assert "case.wat was edited: that is what is run" in text
    assert "i32:0x4d" in text
    (folder / "case.wasm").write_bytes(wat2wasm("(module)"))
    assert "both case.wasm and case.wat were edited" in said(capsys, 2, "replay", str(folder), *BOTH)


def test_an_interrupted_reduction_keeps_its_best(tmp_path: Path) -> None:
    """The first Ctrl-C ends it with what it has; a line every now and then says how far it is, terminal or not."""
    body = " ".join(f"(drop (i32.const {i}))" for i in range(3000))
    case = file(tmp_path, f'(module (func (export "f") {body}))')
    out, log = tmp_path / "small.wasm", tmp_path / "log"
    asks = tmp_path / "asks.sh"
    asks.write_text(f'#!/bin/sh\necho x >> {log}\nsleep 0.2\ntest "$(wc -c < "$1")" -gt 1000\n')
    asks.chmod(0o755)
    command = [sys.executable, "-m", "fuzz", "minimize", case, "--predicate", str(asks), "--out", str(out)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while running.poll() is None and (not log.exists() or len(log.read_text().split()) < 12):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=60)
    assert errors.endswith("fuzz: interrupted: keeping the smallest so far\n")
    assert "Traceback" not in errors
    assert "(the budget ended it)" in output
    assert 1000 < len(out.read_bytes()) < len(wat2wasm(Path(case).read_text()))
