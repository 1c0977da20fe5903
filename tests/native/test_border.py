"""Thousands of faults, traps, deadlines and nested entries in one process (``tests.native.border``); none kills it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.native.border import ROUNDS

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.native.border"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_faults_and_traps_in_turn(report: dict[str, Any]) -> None:
    assert report["faults"] == {
        "SIGSEGV at read": ROUNDS,
        "SIGFPE at divide": ROUNDS,
        "SIGILL at illegal": ROUNDS,
        "SIGSEGV at no code (address 0x0)": ROUNDS,
        "trap DIV_BY_ZERO": ROUNDS,
        "returned": ROUNDS,
    }


def test_a_stack_that_is_overrun(report: dict[str, Any]) -> None:
    assert report["stack"] == ["SIGSEGV at recursive"] * 50


def test_deadlines(report: dict[str, Any]) -> None:
    """In a loop; during a host function, seen when compiled code goes on, and when it is entered; gone afterwards."""
    assert report["deadlines"] == ["time"] * 7 + ["returned"]


def test_entries_in_helpers(report: dict[str, Any]) -> None:
    depths, stops = report["nested"][:6], report["nested"][6:]
    assert depths == ["returned", 1, "returned", 200, "exhausted stack", 200]
    assert stops == [
        "SIGSEGV at read",
        "trap DIV_BY_ZERO",
        "SIGSEGV at recursive",
        "SIGILL at illegal",
        "returned",
        "'of the helper'",
    ]


def test_the_machine_is_as_before(report: dict[str, Any]) -> None:
    assert report["afterwards"] == "returned"
