"""``fuzz bisect`` and ``fuzz replay --git-bisect`` as commands: codes, words, lines, builds, and git itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from sold_engine import Shop

import oracles.engines
from fuzz.cli.main import main
from fuzz.cli.parser import build_parser, code_for_git
from oracles.engine import EngineId
from tests.harness.json_docs import documented
from wasm import plugins
from wasm.case import Case

ROOT = Path(__file__).resolve().parents[2]
WAT = '(module (func (export "f") (param i32) (result i32) local.get 0 local.get 0 i32.sub))'
CALL = ("--invoke", "f(i32:5)")


@pytest.fixture
def case(tmp_path: Path) -> str:
    (tmp_path / "case.wat").write_text(WAT)
    return str(tmp_path / "case.wat")


def open_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str) -> Shop:
    """Put an adapter beside the others: a file in a folder that belongs to theirs as long as the test lasts."""
    shop = Shop(tmp_path / "shop", history)
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "sold.py").write_text("")
    module = ModuleType("oracles.engines.sold", "An engine that is sold.")
    module.__dict__.update(check=lambda id: id, RELEASES=shop, CONTRACT=(),
                           open_engine=lambda id, limits, offline: shop.open(str(id), limits, offline))  # fmt: skip
    monkeypatch.setattr(oracles.engines, "__path__", [*oracles.engines.__path__, str(tmp_path / "engines")])
    monkeypatch.setitem(sys.modules, "oracles.engines.sold", module)
    plugins.forget()
    return shop


def said(capsys: pytest.CaptureFixture[str], code: int, *command: str) -> tuple[str, str]:
    capsys.readouterr()
    got = main(list(command))
    out = capsys.readouterr()
    assert got == code, out.out + out.err
    return out.out, out.err


def test_any_adapter_with_releases_takes_part(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_shop(tmp_path, monkeypatch, "+++---+++")
    out, err = said(capsys, 0, "bisect", case, *CALL, "--engine", "sold@5.0")
    assert out.splitlines()[:3] == [
        "sold: 1.0 to 9.0, X bad, . good, ? cannot be asked, - not asked",
        "  1.0  .-.XXX.-.",
        "  bad from 4.0 to 6.0: last good 3.0, first fixed 7.0",
    ]
    assert "fuzz: fetching sold 5.0\n" in err
    assert "fuzz: 5.0: bad: invoke 0: result 0 of 1: expected i32:0x0, got i32:0x1\n" in err
    assert "releases of sold at hand: 9.0" in said(capsys, 0, "engines")[0]
    assert "0 releases asked now, 7 known from before" in said(
        capsys, 0, "bisect", case, *CALL, "--engine", "sold@5.0")[0]  # fmt: skip


@pytest.mark.parametrize(("history", "code"), [("++++", 1), ("????", 3), ("+--?", 0)])
def test_exit_codes(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], history: str,
    code: int,
) -> None:  # fmt: skip
    open_shop(tmp_path, monkeypatch, history)
    said(capsys, code, "bisect", case, *CALL, "--engine", "sold")


def test_json_lines_are_as_the_page_says(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_shop(tmp_path, monkeypatch, "++--")
    out, _ = said(capsys, 0, "bisect", case, *CALL, "--engine", "sold", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["type"] for row in rows[:-1]} == {"asked"}
    for row in (rows[0], rows[-1]):
        assert documented("fuzz bisect", row["type"]) == set(row)
    assert rows[-1]["ranges"] == [
        {"last_good": "2.0", "first_bad": "3.0", "last_bad": "4.0", "first_fixed": "", "exact": True}
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "names no engine: add --engine"),
        (
            ("--engine", "compiler"),
            "there are no releases of compiler, only of binaryen, chicory, deno, endive, graalwasm, jsc, pywasm",
        ),
        (("--engine", "interpreter"), "there are no releases of interpreter"),
        (("--engine", "wasmtime@/lib/x.so"), "is one build"),
        (("--engine", "wasmtime", "--builds", "a"), "--builds is for --command"),
        (("--command", "true", "--engine", "wasmtime"), "leave out one"),
        (("--command", "true", "--builds", "a", "b"), "--command has no {build} in it"),
        (("--command", "no-such-program {case}"), "there is no program no-such-program"),
        (("--command", "'"), "No closing quotation"),
    ],
)
def test_mistakes_are_a_line(case: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str) -> None:
    got = main(["bisect", case, *words])
    error = capsys.readouterr().err
    assert got == 2
    assert says in error
    assert len(error.splitlines()) == 1


# --- builds of one's own --------------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A program that exits with what the build's name says, once it has seen the case and its calls."""
    path = tmp_path / "try.sh"
    path.write_text(
        '#!/bin/sh\nhead -c 4 "$2" | grep -q asm || exit 200\ngrep -q \'i32:0x5\' "$3" || exit 200\n'
        'case "$1" in *-*) exit "${1##*-}";; *) kill -9 $$;; esac\n'
    )
    path.chmod(0o755)
    return f"{path} {{build}} {{case}} {{calls}}"


def test_builds_are_asked_by_a_command(case: str, script: str, capsys: pytest.CaptureFixture[str]) -> None:
    builds = ["a-0", "b-0", "c-125", "d-1", "e-127", "f-0"]
    out, err = said(capsys, 0, "bisect", case, *CALL, "--command", script, "--all", "--builds", *builds)
    assert "  a-0    ..?XX.\n" in out
    assert "  bad from d-1 to e-127: last good b-0, first fixed f-0\n" in out
    assert "  between b-0 (good) and d-1 (bad): c-125 cannot be asked\n" in out
    assert "fuzz: e-127: bad: exit status 127" in err
    assert said(capsys, 1, "bisect", case, *CALL, "--command", script, "--builds", "a-0")[0]
    assert said(capsys, 3, "bisect", case, *CALL, "--command", script, "--builds", "a-125")[0]


def test_a_command_gets_all_modules(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = Path(case).read_bytes()
    path, seen = tmp_path / "linked.json", tmp_path / "seen.json"
    path.write_text(json.dumps(Case(content, before=(("m", content),)).to_json()))
    said(
        capsys, 0, "bisect", str(path), "--command", f"sh -c 'cp {{case}} {seen}; exit {{build}}'", "--builds", "0", "1"
    )
    assert Case.from_json(json.loads(seen.read_text())).before == (("m", content),)


@pytest.mark.parametrize(("build", "says"), [("x-128", "ended with exit status 128"), ("killed", "signal 9")])
def test_other_ends_end_the_search(
    case: str, script: str, capsys: pytest.CaptureFixture[str], build: str, says: str
) -> None:
    _, err = said(capsys, 3, "bisect", case, *CALL, "--command", script, "--builds", build)
    assert f"{says} on {build}: the search stops" in err


def test_one_build_is_one_answer(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, 0, "bisect", case, "--command", "test ! -s {case}")
    assert "  bad in this build\n" in out
    said(capsys, 3, "bisect", case, "--command", "sh -c 'sleep 60' {case}", "--wall", "0.2s")


# --- git ------------------------------------------------------------------------------------------------------------


def test_codes_for_git() -> None:
    words = ["replay", "x", "--git-bisect"]
    assert [code_for_git(words, code) for code in (0, 1, 2, 3, 130)] == [0, 1, 128, 125, 130]
    assert code_for_git(["replay", "--git-b"], 3) == 125
    assert code_for_git(["replay", "x"], 3) == 3


def test_replay_answers_as_git_asks(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("replay", case, *CALL, "--git-bisect", "--engine")
    assert "fuzz: good: as the reference" in said(capsys, 0, *asked, "compiler")[1]
    said(capsys, 125, *asked, f"wasmtime@{tmp_path}/not-built.so")
    said(capsys, 125, *asked, "interpreter")
    said(capsys, 128, "replay", str(tmp_path / "gone"), "--git-bisect")
    said(capsys, 128, *asked, "no-such-engine")
    said(capsys, 128, "replay", case, "--git-bisect", "--no-such-option")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_bisect_run_finds_the_commit(tmp_path: Path, case: str) -> None:
    """A development tree that is bisected for real: this project's own compiler, with a commit that breaks folding and
    one whose code does not even start."""
    tree = tmp_path / "tree"
    for package in ("wasm", "compiler", "generators", "oracles", "fuzz"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
    environment |= {
        f"GIT_{who}_{what}": "tests@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tree, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(name: str) -> None:
        (tree / "log").write_text(name)
        git("add", "-A")
        git("commit", "-q", "-m", name)

    fold = tree / "compiler" / "simplify" / "fold.py"
    right, launcher = fold.read_text(), (tree / "oracles" / "compiled" / "worker_main.py")
    starts = launcher.read_text()
    git("init", "-q")
    commit("good-1")
    launcher.write_text("this is no Python\n")
    commit("does not start")
    launcher.write_text(starts)
    commit("good-2")
    fold.write_text(right.replace('"sub": 0', '"sub": 1'))
    assert fold.read_text() != right
    commit("breaks it")
    for name in ("later-1", "later-2"):
        commit(name)
    git("bisect", "start", "HEAD", "HEAD~5")
    out = git(
        "bisect", "run", sys.executable, "-m", "fuzz", "replay", case, *CALL, "--git-bisect", "--engine", "compiler"
    )
    assert re.search(r"is the first '?bad'? commit", out)
    assert git("log", "-1", "--format=%s", "refs/bisect/bad").strip() == "breaks it"


def test_a_shell_completes_it() -> None:
    pytest.importorskip("argcomplete")
    from fuzz.cli.completion import attach

    parser = build_parser(["bisect"])
    attach(parser)
    command = next(action for action in parser._actions if action.dest == "command").choices["bisect"]  # type: ignore[index]
    completed = {action.dest for action in command._actions if hasattr(action, "completer")}
    assert {"case", "engine", "first", "last"} <= completed
    (engine,) = [action for action in command._actions if action.dest == "engine"]
    assert "wasmtime" in list(engine.completer("was"))
    (first,) = [action for action in command._actions if action.dest == "first"]
    from importlib.metadata import version

    assert version("wasmtime") in list(first.completer("", parsed_args=None))
    assert str(EngineId.read("wasmtime")) == "wasmtime"
