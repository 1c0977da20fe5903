"""A bundle from a stranger names its engines: what it may make us run, and what only ``--trust`` does."""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.archive import bundle
from fuzz.archive.bundles import read_findings
from fuzz.cli.main import main
from oracles.engine import EngineId, risk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that tells of having been run."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n")
    path.chmod(0o755)
    return path


def stranger(tmp_path: Path, engine: str) -> Path:
    """The example's bundle, as somebody else sends it."""
    (only,) = read_findings(ROOT / "reports" / "example")
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, content in bundle.files(only[1]).items():
        (folder / name).write_bytes(content)
    data = json.loads((folder / "finding.json").read_text())
    data["runs"][-1]["engine"] = engine
    (folder / "finding.json").write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize("command", ["replay", "minimize"])
@pytest.mark.parametrize("engine", ["v8@PROGRAM", "v8@PROGRAM:liftoff", "jsc@PROGRAM", "wasmtime@PROGRAM:opt=none"])
def test_a_path_in_a_bundle_is_not_run(
    command: str, engine: str, program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stranger(tmp_path, engine.replace("PROGRAM", str(program)))
    assert main([command, str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(program) in error
    assert "--trust" in error
    assert not (tmp_path / "ran").exists()


def test_neither_is_one_in_a_packed_bundle(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stranger(tmp_path, f"v8@{program}")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(folder, "b")
    assert main(["replay", str(tmp_path / "b.tar.gz")]) == 2
    assert "--trust" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_with_trust_it_is(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stranger(tmp_path, f"v8@{program}")
    assert main(["replay", str(folder), "--trust"]) == 3
    assert "the worker died at its start" in capsys.readouterr().err
    assert (tmp_path / "ran").exists() or os.geteuid() == 0  # its user may not write there, in a namespace of its own


def test_engines_of_ones_own_choice_need_no_trust(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stranger(tmp_path, f"v8@{program}")
    assert main(["replay", str(folder), "--engine", "interpreter", "--engine", "compiler"]) == 0
    assert "all agree" in capsys.readouterr().out


def test_the_line_shows_what_the_path_hides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stranger(tmp_path, "v8@/tmp/\x1b[2Jnode\nfuzz: all agree")
    assert main(["replay", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "\\x1b[2Jnode" in error


@pytest.mark.parametrize(
    ("engine", "word"),
    [
        ("v8:flag.eval=1", "eval"),
        ("v8:flag.require=child_process", "require"),
        ("v8:flag.import=x", "import"),
        ("v8:flag.inspect=on", "inspect"),
        ("v8:flag.inspect-brk=on", "inspect-brk"),
        ("v8:flag.run=x", "run"),
        ("v8:flag.env-file=.env", "env-file"),
        ("v8:flag.wasm-opt=require('x')", "wasm-opt"),
        ("jsc:flag.useDollarVM=a b", "useDollarVM"),
        ("wasmtime:flag.x=$(id)", "x"),
        ("v8@/usr/bin/node", "/usr/bin/node"),
        ("wasmtime@/tmp/lib.so:winch", "/tmp/lib.so"),
        ("nobody@/tmp/x", "/tmp/x"),
    ],
)
def test_what_reaches_beyond_cases_is_a_risk(engine: str, word: str) -> None:
    assert word in risk(EngineId.read(engine))


@pytest.mark.parametrize(
    "engine",
    [
        "interpreter",
        "wasmtime@33.0.0:opt=none",
        "wasmtime:flag.has_avx=false",
        "wasmtime:regalloc=single_pass+checker",
        "v8@26.10.0:liftoff",
        "v8:turbofan+flag.no-wasm-bounds-checks",
        "v8:flag.wasm-tier-mask-for-testing=3",
        "v8:flag.experimental-wasm-shared",
        "jsc@1.4.5:bbq+flag.useWasmSIMD=off",
        "compiler:regs=8+order=random-7",
        "nobody:x=1",
    ],
)
def test_releases_and_settings_of_engines_are_none(engine: str) -> None:
    assert risk(EngineId.read(engine)) == ""


def test_the_readme_says_what_to_type() -> None:
    (only,) = read_findings(ROOT / "reports" / "example")
    assert b"`fuzz replay .`" in bundle.files(only[1])["README.md"]
    runs = (*only[1].runs, replace(only[1].runs[-1], engine="v8@/usr/bin/node"))
    assert b"`fuzz replay . --trust`" in bundle.files(replace(only[1], runs=runs))["README.md"]
