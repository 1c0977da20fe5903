"""Every pure row, scalar and vector, compiled and run natively, against its own semantics.

A bounded sample; for more: ``python -m tests.lowering.native_rows --count 5000 --mode pressure --regs 6``.
"""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")

CONFIGURATIONS = (
    "--mode plain --opt speed --regalloc single_pass",
    "--mode plain --opt none --regalloc single_pass",
    "--mode twice --opt speed --regalloc single_pass",
    "--mode branch --opt speed --regalloc single_pass",
    "--mode branch --opt none --regalloc single_pass",
    "--mode select --opt speed --regalloc single_pass",
    "--mode select_x --opt speed --regalloc single_pass",
    "--mode constant --opt speed --regalloc single_pass",
    "--mode constant --opt none --regalloc single_pass",
    "--mode pressure --opt speed --regs 6 --regalloc single_pass",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.lowering.native_rows", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("arguments", CONFIGURATIONS)
def test_native_code_agrees_with_the_semantics(arguments: str) -> None:
    done = run(*arguments.split(), "--count", "50", "--lanes", "2")
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def test_a_wrong_meaning_is_noticed() -> None:
    """The comparison itself: a row against another row's meaning."""
    program = (
        "import sys; from wasm.semantics import SEMANTICS; SEMANTICS['i16x8.avgr_u'] = SEMANTICS['i16x8.max_u'];"
        "from tests.lowering.native_rows import main;"
        "sys.exit(main(['--rows', 'i16x8.avgr_u', '--regalloc', 'single_pass']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "i16x8.avgr_u" in done.stdout
