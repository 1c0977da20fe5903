"""The examples of CONTRIBUTING.md, put into a copy of the project and used as the page shows them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, flags=re.S))
TARGET, ENGINE, PASS, FAULT = (
    "generators/targets/selects.py", "oracles/engines/plain.py", "fuzz/reduce/passes/small_constants.py",
    "fuzz/faults/examples.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's packages with the examples in them."""
    home = tmp_path_factory.mktemp("project")
    for package in ("wasm", "compiler", "generators", "oracles", "fuzz", "corpus"):
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", home)
    for path, text in EXAMPLES.items():
        assert not (home / path).exists(), f"{path} is part of the project: the example needs another name"
        (home / path).write_text(text, encoding="utf-8")
    return home


def run(copy: Path, *command: str, code: int = 0) -> str:
    """What a command of the copy prints; ``python`` is this one."""
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_an_example_of_each_kind() -> None:
    assert set(EXAMPLES) == {TARGET, ENGINE, PASS, FAULT}
    assert len(EXAMPLES[TARGET].splitlines()) < 45


def test_the_examples_are_clean_code(copy: Path) -> None:
    run(copy, "ruff", "check", *EXAMPLES)
    run(copy, "ruff", "format", "--check", "--diff", *EXAMPLES)


def test_the_target_is_found_and_runs(copy: Path) -> None:
    assert re.search(r"selects\s+Chains of select", run(copy, "fuzz", "targets"))
    engines = ("--engine", "interpreter", "--engine", "wasmtime:opt=speed")
    said = run(copy, "fuzz", "run", "--target", "selects", "--cases", "40", "--seed", "1", "--jobs", "1", *engines)
    assert "40 cases of selects" in said


def test_the_engine_is_found_and_agrees(copy: Path) -> None:
    said = run(copy, "fuzz", "run", "--target", "returns", "--cases", "10", "--seed", "1", "--jobs", "1",
               "--engine", "interpreter", "--engine", "plain")  # fmt: skip
    assert "plain (1): 10 cases" in said


USE_THE_PASS = """
from fuzz.reduce import reduce_case
from fuzz.reduce.schedule import all_passes
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.builder import ModuleBuilder

builder = ModuleBuilder()
builder.func(export="f").body += code("i32.const 77  drop")
case = Case(encode(builder.finish()))
body = lambda case: [instr for func in decode(case.content).funcs for instr in func.body]
wanted = lambda case: any(op.name == "i32.const" and imm for op, imm in body(case))
alone = [one for one in all_passes() if one.name == "small_constants"]
print(body(reduce_case(case, wanted, passes=alone).case)[0])
"""


def test_the_pass_takes_part(copy: Path) -> None:
    (copy / "use_the_pass.py").write_text(USE_THE_PASS)
    assert run(copy, "use_the_pass") == "(<i32.const>, 1)\n"


def test_the_passs_docstring_is_true(copy: Path) -> None:
    """By the test that runs every pass on its own example."""
    shutil.copytree(ROOT / "tests" / "reducing", copy / "tests" / "reducing")
    said = run(
        copy, "pytest", "-n0", "-p", "no:cacheprovider", "tests/reducing/test_examples.py", "-k", "small_constants"
    )
    assert "1 passed" in said


def test_the_fault_is_found(copy: Path) -> None:
    said = run(copy, "fuzz", "selfcheck", "--fault", "fold-difference-of-one-value", "--target", "arith",
               "--seconds", "60s", "--no-minimize", "--jobs", "1")  # fmt: skip
    assert re.search(r"yes\s+simplify\s+fold-difference-of-one-value", said), said
