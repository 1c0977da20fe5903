"""An instruction with a rule of its own is typed once; the graph, the index map, reducer and mutation follow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_what_is_typed_once_is_known_everywhere() -> None:
    """In a process of its own: the row has to be there before any table is made from the rows."""
    program = Path(__file__).with_name("new_instruction.py")
    run = subprocess.run(
        [sys.executable, str(program)],
        cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.stdout == "known\n", run.stderr[-2000:]
