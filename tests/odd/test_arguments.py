"""What people type by mistake: each is one line that says what to write, and exit code 2 or 3."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fuzz.archive.archive import Archive
from fuzz.cli.arguments import MOST_JOBS, duration, natural, positive, size
from fuzz.cli.asked import asked_engines
from fuzz.cli.main import main
from fuzz.cli.parser import EXITS, build_parser, command_names
from fuzz.records.history import Series
from fuzz.records.stats import Stats
from oracles import provision
from oracles.engine import EngineUnavailable
from wasm.errors import nearest

WAT = '(module (func (export "add_one") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))'


@pytest.fixture
def case(tmp_path: Path) -> str:
    path = tmp_path / "case.wat"
    path.write_text(WAT)
    return str(path)


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """The one line that a command ends with."""
    assert main(words) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert "internal error" not in error
    return error


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["rnu"], "did you mean run?"),
        (["minimise", "x"], "did you mean minimize?"),
        (["run", "--tagret", "returns"], "did you mean --target?"),
        (["run", "--target", "returns", "--sed", "1"], "did you mean --seed?"),
        (["run", "--target", "returns", "--minimise-time=1s"], "did you mean --minimize-time?"),
        (["run", "--target", "retruns"], "did you mean returns?"),
        (["run", "--generator", "wasm-smit"], "did you mean wasm-smith?"),
        (["show", "--target", "simdd", "--seed", "1", "--index", "1"], "did you mean simd?"),
        (["replay", "CASE", "--engine", "wasmtmie"], "did you mean wasmtime?"),
        (["replay", "CASE", "--engine", "wasmtime:optt=none"], "did you mean opt?"),
        (["replay", "CASE", "--engine", "wasmtime:opt=spede"], "did you mean speed?"),
        (["replay", "CASE", "--engine", "compiler:regaloc=single_pass"], "did you mean regalloc?"),
        (["replay", "CASE", "--engine", "v8:liftof"], "did you mean liftoff?"),
        (["replay", "CASE", "--engine", "jsc:omgg"], "did you mean omg?"),
        (["replay", "CASE", "--entry", "hots"], "did you mean host?"),
        (["replay", "CASE", "--invoke", "add_onee(i32:1)"], "did you mean add_one?"),
        (["report", ".", "--format", "markdwon"], "did you mean markdown?"),
        (["selfcheck", "--fault", "fold-sub-is-ad"], "fuzz selfcheck --list names them"),
        (["selfcheck", "--generator", "our"], "did you mean ours?"),
        (["compile", "CASE", "--emit", "ams"], "did you mean asm?"),
    ],
)
def test_the_nearest_word_is_named(words: list[str], hint: str, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hint in said(capsys, 2, *(case if word == "CASE" else word for word in words))


def test_what_looks_like_nothing_gets_no_hint() -> None:
    assert nearest("qqq", ["returns", "calls"]) == ""
    assert nearest("x", []) == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", "--target", "returns", "--out", ""], "'' names nothing"),
        (["run", "--target", "returns", "--known", ""], "'' names nothing"),
        (["run", "--target", "returns", "--feedback", ""], "'' names nothing"),
        (["replay", ""], "'' names nothing"),
        (["report", ""], "'' names nothing"),
        (["minimize", "CASE", "--out", ""], "'' names nothing"),
        (["minimize", "CASE", "--predicate", ""], "--predicate names no command"),
        (["minimize", "CASE", "--predicate", "  "], "--predicate names no command"),
        (["generate", "--target", "returns", "--seed", "1", "--out", ""], "'' names nothing"),
        (["run", "--target", ""], "--target names nothing"),
        (["run", "--target", "returns", "--engine", ""], "is not an engine"),
        (["run", "--target", "returns", "--seed", "-1"], "no number from 0 on"),
        (["run", "--target", "returns", "--seed", "1.5"], "no number from 0 on"),
        (["run", "--target", "returns", "--seed", "0xg"], "no number from 0 on"),
        (["run", "--target", "returns", "--seed", "²"], "no number from 0 on"),
        (["run", "--target", "returns", "--seed", "٣"], "no number from 0 on"),
        (["run", "--target", "returns", "--seed", "9" * 5000], "is too large"),
        (["run", "--target", "returns", "--seed", str(1 << 63)], "is too large"),
        (["run", "--target", "returns", "--cases", "0x" + "f" * 16], "is too large"),
        (["run", "--target", "returns", "--jobs", "100000000"], f"{MOST_JOBS} at most"),
        (["run", "--target", "returns", "--jobs", "0x0"], "no number from 1 on"),
        (["run", "--target", "returns", "--time", "inf"], "is no duration"),
        (["run", "--target", "returns", "--time", "-1s"], "expected one argument"),
        (["replay", "CASE", "--memory", "0"], "is no size"),
        (["replay", "CASE", "--memory", "lots"], "is no size"),
        (["replay", "CASE", "--engine", "wasmtime@"], "neither a version nor an absolute path"),
        (["replay", "CASE", "--engine", "wasmtime@./lib.so"], "neither a version nor an absolute path"),
        (["spectest", "/dev/null"], "neither a folder nor a regular file"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], hint: str, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in said(capsys, 2, *(case if word == "CASE" else word for word in words))


def test_numbers_are_read_as_people_write_them() -> None:
    assert [natural(text) for text in ("0", "16", "0x10", "0X1f", "007")] == [0, 16, 16, 31, 7]
    assert positive("0x7fffffffffffffff") == (1 << 63) - 1
    assert duration("1h30m") == 5400
    assert size("3G") == 3 << 30


def test_a_hexadecimal_seed_is_the_same_case(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for seed in ("16", "0x10"):
        assert main(["show", "--target", "arith", "--seed", seed, "--index", "0x1"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


# --- files that are none ----------------------------------------------------------------------------------------------


@contextmanager
def watched() -> Iterator[None]:
    """Nothing in here may take long: a pipe would be waited for, a device read, until the machine is full."""
    timer = threading.Timer(60, os.abort)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@pytest.mark.parametrize("what", ["pipe", "zero", "folder", "missing", "dangling", "loop"])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--target", "returns", "--known", "FILE"],
        ["selfcheck", "--table", "FILE"],
        ["replay", "FILE"],
        ["minimize", "FILE", "--predicate", "true"],
        ["compile", "FILE", "--emit", "asm"],
        ["spectest", "FILE"],
        ["report", "FILE"],
        ["causes", "FILE"],
    ],
    ids=lambda words: words[0],
)
def test_what_is_no_file_is_refused_at_once(
    words: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd"
    match what:
        case "pipe":
            os.mkfifo(path)
        case "zero":
            path = Path("/dev/zero")
        case "folder":
            if words[0] in ("report", "spectest"):
                pytest.skip("that is what they take")
            path.mkdir()
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
        case "loop":
            path.symlink_to(path)
    with watched():
        code = main([str(path) if word == "FILE" else word for word in words])
    error = capsys.readouterr().err
    assert code in (2, 3)
    assert error.count("\n") == 1
    assert "internal error" not in error


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff\xfe", b"[[known]]\nid = 1", b"known = 3", b"[" * 5000])
def test_a_list_of_known_issues_that_is_none(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "known.toml"
    path.write_bytes(content)
    words = ["run", "--target", "returns", "--cases", "0", "--known", str(path), "--out", str(tmp_path / "out")]
    code = main([*words, "--engine", "compiler"])
    error = capsys.readouterr().err
    assert code == (0 if content == b"" else 2)
    assert "internal error" not in error


def test_known_issues_of_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them count; two with one id cannot be told apart."""
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\nid = "a"\nlink = "https://example.org/1"\nkind = "trap"\n')
    words = ["run", "--target", "returns", "--cases", "0", "--engine", "compiler", "--known", str(path)]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    assert main([*words, "--known", str(path), "--out", str(tmp_path / "two")]) == 2
    assert "known issue a is in two files" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"3", b"\xff", b"[" * 100000, b'{"type": "selfcheck"}'])
def test_a_table_of_searches_that_is_none(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(content)
    said(capsys, 2, "selfcheck", "--table", str(path))


# --- releases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with three releases, and an index that offers three."""
    for name in ("33.0.0", "33.0.2", "33.0.10", "4.0.0"):
        (tmp_path / "cache" / "wasm-codegen-fuzz" / "wasmtime" / name).mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(provision, "offered", lambda _: ["7.0.0", "7.0.1", "7.0.10", "7.1.0rc1", "0.30.0", "x"])


def test_an_unfinished_release_is_the_newest_at_hand(
    releases: None,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = ["wasmtime@33", "wasmtime@33.0:winch", "wasmtime@33.0.2", "wasmtime@33:winch"]
    engines = asked_engines(ids, offline=True)
    assert engines == ["wasmtime@33.0.10:opt=speed", "wasmtime@33.0.10:winch", "wasmtime@33.0.2:opt=speed"]
    assert capsys.readouterr().err.splitlines()[0] == "fuzz: wasmtime@33 is wasmtime@33.0.10 here"


def test_or_else_the_newest_that_is_offered(releases: None) -> None:  # noqa: ARG001
    assert asked_engines(["wasmtime@7"], offline=False) == ["wasmtime@7.0.10:opt=speed"]
    assert asked_engines(["wasmtime@0.30"], offline=False) == ["wasmtime@0.30.0:opt=speed"]
    with pytest.raises(EngineUnavailable, match=r"there is no wasmtime 3\.x: the nearest are 0\.30\.0, 7\.0\.0"):
        asked_engines(["wasmtime@3"], offline=False)
    with pytest.raises(EngineUnavailable, match=r"no wasmtime 7\.x is at hand and --offline is set"):
        asked_engines(["wasmtime@7"], offline=True)


# --- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", command_names())
def test_help_has_examples_that_are_read(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    examples = re.findall(rf"^  fuzz ({command}\b.*)$", text, re.M)
    assert examples
    for code in EXITS:
        assert re.search(rf"^ +{int(code)}  \w", text, re.M)
    assert ("engines: NAME[@VERSION" in text) is ("--engine" in text)
    for example in examples:
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", example)]
        assert build_parser(words).parse_args(words).command == command


# --- folders and suites -----------------------------------------------------------------------------------------------


def test_a_run_that_could_not_start_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--target", "returns", "--cases", "1", "--jobs", "1", "--engine", "v8@/nonexistent/node"]
    assert main(words) == 3
    captured = capsys.readouterr()
    assert captured.out.count("v8@/nonexistent/node: /nonexistent/node is not an executable\n") == 1
    assert "nothing was recorded" in captured.err
    assert list(tmp_path.iterdir()) == []


def test_the_root_of_a_suite_means_its_core(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("test/core", "proposals/odd"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.wast").write_text("(module)")
    assert main(["spectest", str(tmp_path), "--json"]) in (0, 1)
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["path"] for row in rows if row["type"] == "file"] == [str(tmp_path / "test/core/a.wast")]
    assert f"running {tmp_path / 'test/core'}" in captured.err


def test_a_report_tells_series_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = Archive(tmp_path)
    for seed, target, cases in ((7, "returns", 3), (8, "calls", 5)):
        archive.begin(Series((target,), seed, "1"))
        archive.record_batch(range(cases), Stats(cases=cases))
        archive.end(0, False)
    archive.close()
    assert main(["report", str(tmp_path)]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# 8 cases of returns, calls, 2 series\n")
    assert "| returns | 7 | 1 | 3 |\n| calls | 8 | 1 | 5 |\n" in page
    assert main(["report", str(tmp_path), "--format", "jsonl"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(one["seed"], one["cases"]) for one in row["series"]] == [(7, 3), (8, 5)]
    assert row["seed"] == 8
