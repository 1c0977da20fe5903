"""What other distributions add by entry points: an engine, a target, a report format; and what is wrong with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ENGINE = '''"""An engine of somebody else: the interpreter under another name."""
from dataclasses import replace
from oracles.engine import Immediate, UsageError
from oracles.engines.interpreter import InterpreterEngine
from oracles.interpreter import run_case
CONTRACT = ()
def check(id):
    if id.settings or id.version or id.path:
        raise UsageError("theirs has no settings")
    return id
class Theirs(InterpreterEngine):
    def start(self, case):
        return Immediate(self.run, case)
    def run(self, case):
        return replace(run_case(case), engine="theirs")
def open_engine(id, limits, offline):
    return Theirs(id, limits)
'''
TARGET = '''"""One function that gives what it gets."""
from generators.program.program import Program
from wasm.valtypes import I64
NEEDS = frozenset()
def generate(source, config):
    program = Program.open(source, config)
    drawn = source.fork(0)
    fn = program.function(drawn, (I64,), (I64,), export="f", times=2)
    fn += fn.fold(I64)
    program.close_function(fn, drawn)
    return program.close()
'''
FORMAT = '''"""How many causes."""
FILE = "count.txt"
def render(morning):
    return f"{len(morning.causes)} causes\\n"
'''


def install(folder: Path, points: dict[str, tuple[str, str, str]], distribution: str = "theirs") -> None:
    """Put a distribution into a folder: by group, an entry point's name, its module and the module's text."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = []
    for group, (name, module, text) in points.items():
        (folder / f"{module}.py").write_text(text)
        lines += [f"[wasm_codegen_fuzz.{group}]", f"{name} = {module}"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def fuzz(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; from fuzz.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def test_entries_of_other_distributions_are_used_like_our_own(tmp_path: Path) -> None:
    points = {
        "engines": ("theirs", "their_engine", ENGINE),
        "targets": ("same", "their_target", TARGET),
        "report_formats": ("count", "their_format", FORMAT),
    }
    install(tmp_path, points)
    assert "same" in fuzz(tmp_path, "targets").stdout
    assert "theirs: An engine of somebody else" in fuzz(tmp_path, "engines").stdout
    words = ("--target", "same", "--cases", "5", "--seed", "1", "--engine", "theirs", "--out", "out", "--jobs", "1")
    ran = fuzz(tmp_path, "run", *words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "theirs (" in ran.stdout
    assert fuzz(tmp_path, "report", "out", "--format", "count").stdout == "0 causes\n"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            {"engines": ("wasmtime", "theirs", ENGINE)},
            "distribution theirs adds the engine wasmtime, which the project",
        ),
        ({"engines": ("my-engine", "theirs", ENGINE)}, "distribution theirs adds the engine 'my-engine': a name is"),
        ({"engines": ("mine", "theirs", "import no_such")}, "distribution theirs adds mine, which cannot be loaded"),
    ],
)
def test_what_cannot_be_used_is_one_line(points: dict, message: str, tmp_path: Path) -> None:
    install(tmp_path, points)
    ran = fuzz(tmp_path, "engines")
    assert ran.returncode == 3
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_two_distributions_that_add_one_name_are_named(tmp_path: Path) -> None:
    install(tmp_path, {"engines": ("mine", "first", ENGINE)}, "first")
    install(tmp_path, {"engines": ("mine", "second", ENGINE)}, "second")
    ran = fuzz(tmp_path, "engines")
    assert ran.returncode == 3
    assert all(f"distribution {name}" in ran.stderr for name in ("first", "second"))
    assert "add the engine mine: uninstall one of them" in ran.stderr
