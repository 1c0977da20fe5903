"""The control that began it, on real releases, as far as they are at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_command import said

from oracles import provision
from oracles.versions import version_key

CONTROL = Path(__file__).resolve().parents[2] / "corpus" / "controls" / "wasmtime-12318.wat"
CALL = ("--invoke", "f(i32:24, i32:1)")


@pytest.mark.usefixtures("real_cache")
def test_the_control_has_its_history(capsys: pytest.CaptureFixture[str]) -> None:
    """Bad from 31.0.0 until 40.0.2: each release around that which is at hand, and nothing of those that are not."""
    if "33.0.0" not in provision.installed("wasmtime"):
        pytest.skip("wasmtime 33.0.0 is not at hand: fuzz engines install wasmtime@33.0.0")
    asked = (
        "--engine",
        "wasmtime@33.0.0:opt=none",
        "--offline",
        "--all",
        "--no-cache",
        "--json",
        "--from",
        "30",
        "--to",
        "42",
    )
    out, _ = said(capsys, 0, "bisect", str(CONTROL), *CALL, *asked)
    strip = json.loads(out.splitlines()[-1])
    for one in strip["tried"]:
        bad = version_key("31.0.0") <= version_key(one["release"]) < version_key("40.0.2")
        if one["state"] == "cannot":
            assert one["why"] == "not at hand, and --offline is set"
        else:
            assert (one["state"] == "bad") is bad, one
    assert "33.0.0" in strip["showing"]


@pytest.mark.usefixtures("real_cache")
def test_a_setting_that_old_releases_do_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    at_hand = provision.installed("wasmtime")
    old = next((one for one in at_hand if one.startswith(("7.", "0.", "18."))), None)
    if old is None:
        pytest.skip("no old wasmtime is at hand: fuzz engines install wasmtime@18.0.2")
    bounds = ("--engine", "wasmtime:regalloc=single_pass", "--offline", "--no-cache", "--from", old, "--to", old)
    out, _ = said(capsys, 3, "bisect", str(CONTROL), *CALL, *bounds)
    assert f"cannot be asked: {old}: " in out


@pytest.mark.usefixtures("real_cache")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_bisect_over_libraries_of_wasmtime(tmp_path: Path) -> None:
    """A tree whose build gives another ``libwasmtime.so`` in each commit; in one of them it fails."""
    libraries = {one: path for one in ("42.0.0", "41.0.0") if (path := library(one)) is not None}
    if len(libraries) < 2:
        pytest.skip("wasmtime 41.0.0 and 42.0.0 are not at hand: fuzz engines install wasmtime@41.0.0, and the other")
    case = CONTROL.with_name("wasmtime-12435.wat")
    tree = tmp_path / "tree"
    tree.mkdir()
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(CONTROL.parents[2])}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_{what}": "tests@localhost" for what in ("NAME", "EMAIL")}

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tree, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    git("init", "-q")
    for number, build in enumerate(["42.0.0", "42.0.0", "", "42.0.0", "41.0.0", "41.0.0"]):
        command = f"ln -sf {libraries[build]} libwasmtime.so" if build else "rm -f libwasmtime.so; false"
        (tree / "build").write_text(f"# {number}\n{command}\n")
        git("add", "build")
        git("commit", "-q", "-m", f"{number} {build or 'does not build'}")
    git("bisect", "start", "HEAD", "HEAD~5")
    asked = f"'{case}' --invoke 'f(i32:65528, f64:0)' --git-bisect --engine wasmtime@$PWD/libwasmtime.so:opt=none"
    git("bisect", "run", "sh", "-c", f"sh build; '{sys.executable}' -m fuzz replay {asked}")
    assert git("log", "-1", "--format=%s", "refs/bisect/bad").strip() == "4 41.0.0"


def library(release: str) -> Path | None:
    folder = provision.cache_root() / "wasmtime" / release / "wasmtime"
    return next(iter(folder.glob("*/_libwasmtime.so")), None)
