"""Scripts of the official suite on compiled code: a bounded sample over what an instance has.

For all of them: ``python -m tests.native.suite "$WASM_SPEC_TESTSUITE"/core/*.zip``.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")

SCRIPTS = (
    "i32", "f32_cmp", "conversions", "call", "call_indirect", "return_call", "fac", "br_table", "loop", "global",
    "memory_grow", "memory_copy", "bulk", "table_init", "table_grow", "ref_func", "start", "linking", "imports",
    "throw", "try_table", "throw_ref", "skip-stack-guard-page", "endianness",
)  # fmt: skip
SETTINGS = (
    ("--opt", "speed"),
    ("--opt", "none", "--order", "random"),
    ("--regs", "6", "--order", "reverse"),
)


def _core() -> Path:
    root = Path(os.environ.get("WASM_SPEC_TESTSUITE") or PROJECT.parent / "shared" / "spec-testsuite")
    if not (root / "core").is_dir():
        pytest.skip("the official suite is absent: set WASM_SPEC_TESTSUITE to its folder")
    return root / "core"


@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_scripts_pass(settings: tuple[str, ...]) -> None:
    files = [path for name in SCRIPTS if (path := _core() / f"{name}.zip").exists()]
    assert len(files) >= 18
    command = [sys.executable, "-m", "tests.native.suite", *settings, *map(str, files)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    passed = [int(line.split()[2]) for line in done.stdout.splitlines() if ".zip passed" in line]
    assert len(passed) == len(files)
    assert all(passed)
