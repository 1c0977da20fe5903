"""Folders that are none, caches that cannot be written, machines with too little of something: one line each."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fuzz.archive.archive import Archive
from fuzz.archive.bundles import BundleError, read_bundle
from fuzz.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
RUN = ("run", "--target", "arith", "--cases", "1", "--seed", "1", "--jobs", "1", "--engine", "compiler", "--out")
GENERATE = ("generate", "--target", "arith", "--seed", "1", "--out")
ACTIONS = (["list"], ["show", "1"], ["merge", "1", "2"], ["split", "1"], ["known", "1", "--link", "x"])
WAT = '(module (func (export "f") (result i32) (i32.const 1)))'


def fuzz(
    words: Sequence[str], cwd: Path, surroundings: Mapping[str, str] | None = None, limit: tuple[int, int] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own, perhaps under a limit (resource, number)."""

    def prepare() -> None:
        if limit is not None:
            resource.setrlimit(limit[0], (limit[1], limit[1]))

    return subprocess.run(
        [sys.executable, "-m", "fuzz", *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(surroundings or {})}, preexec_fn=prepare,
    )  # fmt: skip


def one_line(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert words in done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("out", ["file", "file/x", "/dev/null", "/proc/x", "x" * 300, "loop/x"])
@pytest.mark.parametrize(
    "command", [RUN, ("generate", "--target", "arith", "--seed", "1", "--out")], ids=["run", "generate"]
)
def test_a_folder_that_cannot_be_made(
    command: Sequence[str],
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    assert main([*command, out]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"fuzz: cannot write {out}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["list"], ["show", "1"], ["merge", "1", "2"], ["split", "1"], ["known", "1", "--link", "x"]]
)
@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_causes_of_a_folder_that_holds_none(
    words: list[str], folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "folder"
    if folder == "empty":
        path.mkdir()
    assert main(["causes", str(path), *words]) == 3
    assert "holds no campaign" in capsys.readouterr().err
    assert not path.exists() or list(path.iterdir()) == []


def test_a_suite_without_scripts_is_not_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spectest", str(tmp_path)]) == 2
    assert "there is no .wast file in" in capsys.readouterr().err


@pytest.mark.parametrize("cache", ["/dev/null/x", "/proc"])
def test_a_cache_that_cannot_be_written(cache: str, tmp_path: Path) -> None:
    (tmp_path / "a.wat").write_text(WAT)
    done = fuzz(["replay", "a.wat", "--engine", "wasmtime@1.2.3"], tmp_path, {"XDG_CACHE_HOME": cache})
    one_line(done, 3, "name another folder by XDG_CACHE_HOME")


def test_a_user_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container runs it for a user that no file of its knows."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    (tmp_path / "a.wat").write_text(WAT)
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert main(["engines"]) == 0
    assert "releases of wasmtime at hand: " in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "a.wat"), "--engine", "wasmtime@1.2.3"]) == 3
    assert capsys.readouterr().err == "fuzz: this user has no home folder: name a folder by XDG_CACHE_HOME\n"


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd {gone} && rmdir {gone} && exec {sys.executable} -m fuzz "$@"'
    for words, code in ((["targets"], 0), (["replay", "x"], 2), ([*RUN, "o"], 3)):
        done = subprocess.run(
            ["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        gone.mkdir(exist_ok=True)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr


def test_too_few_descriptors_are_the_machines_fault(tmp_path: Path) -> None:
    done = fuzz([*RUN, "out"], tmp_path, limit=(resource.RLIMIT_NOFILE, 12))
    one_line(done, 3, "this machine does not let us go on: Too many open files")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(28, "No space left on device"), OSError(12, "Cannot allocate")]
)
def test_too_little_of_anything_is_no_internal_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> int:
        raise error

    monkeypatch.setattr("fuzz.cli.commands.targets.run", fails)
    assert main(["targets"]) == 3
    assert capsys.readouterr().err.startswith("fuzz: this machine does not let us go on: ")


@pytest.mark.parametrize("command", ["'", '"a', "\\", "nosuchprogram {}", "/dev/null", "."])
def test_a_predicate_that_is_no_command(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wat").write_text(WAT)
    assert main(["minimize", str(tmp_path / "a.wat"), "--predicate", command]) == 2
    assert capsys.readouterr().err.startswith("fuzz: cannot run the command")


def test_there_is_nothing_to_fetch_of_our_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "install", "interpreter"]) == 2
    assert "comes with this project" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "deep", "huge"])
def test_a_bundle_whose_files_are_none(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a replay nor the next night waits for it, or fills the memory with it."""
    Archive(tmp_path).close()
    (original,) = (ROOT / "reports" / "example" / "findings").iterdir()
    folder = tmp_path / "findings" / "b"
    shutil.copytree(original, folder)
    finding = folder / "finding.json"
    finding.unlink()
    match what:
        case "pipe":
            os.mkfifo(finding)
        case "device":
            finding.symlink_to("/dev/zero")
        case "folder":
            finding.mkdir()
        case "deep":
            finding.write_text("[" * 200_000)
        case _:
            shutil.copy(original / "finding.json", finding)
            os.truncate(folder / "case.wasm", 1 << 40)
    assert main(["replay", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    if what != "huge":
        with pytest.raises(BundleError):
            read_bundle(folder)
        archive = Archive(tmp_path)
        archive.close()
        assert len(archive.unreadable) == 1
