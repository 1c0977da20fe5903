"""The official suite on the interpreter, as it decides what to compile and with everything compiled.

Six million tail calls take 20 s; here the calls that make more than a few are left out. All of it: ``fuzz spectest``.
"""

from __future__ import annotations

from typing import Any

import pytest

from oracles.engines.interpreter import InterpreterSession
from oracles.interpreter import Budget
from oracles.suite import spectest
from oracles.suite.spectest import FAILED, PASSED, UNSUPPORTED, run_suite
from oracles.suite.wast import Command, load

GROUPS = {
    "core/simd": 25_000,
    "core/memory64": 8_500,
    "core/bulk-memory": 7_400,
    "core/[a-f]*.zip": 15_500,
    "core/[g-r]*.zip": 3_500,
    "core/[s-z]*.zip": 1_300,
    "core/exceptions": 100,
    "core/gc": 750,
    "core/multi-memory": 900,
    "core/relaxed-simd": 70,
    "proposals/custom-page-sizes": 200,
    "proposals/wide-arithmetic": 100,
    "proposals/threads": 500,
}
"""Where scripts are, and how many commands must pass there at least: nearly all; none may fail anyway."""
OUTDATED = {
    ("imports.zip", 318): "multiple tables",
    ("imports.zip", 413): "multiple memories",
    ("memory.zip", 14): "multiple memories",
    ("memory.zip", 15): "multiple memories",
}
"""In proposals/threads, written against version 1.0: what later versions allow (the suite's README says so)."""
MANY = 10_000


def _quick(path: Any) -> list[Command]:
    commands = load(path)
    if path.stem.startswith("return_call"):
        return [command for command in commands if not _many(command)]
    return commands


def _many(command: Command) -> bool:
    return command.action is not None and any(MANY <= arg.bits < 1 << 32 for arg in command.action.args)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("tier", ["default", "second"])
def test_suite(group: str, tier: str, tiers: Any, spec_suite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectest, "load", _quick)
    folder, _, pattern = group.rpartition("/") if "*" in group else (group, "", "*.zip")
    paths = sorted((spec_suite.root / folder).glob(pattern))
    assert paths
    passed = 0
    with tiers[tier]():
        for result in run_suite(paths, lambda: InterpreterSession(Budget())):
            assert not result.error
            for failure in result.failures:
                outdated = OUTDATED.get((result.path.name, failure.line)) if "threads" in group else None
                assert outdated is not None, f"{result.path.name}:{failure.line} {failure.kind}: {failure.message}"
            passed += result.total(PASSED)
            assert result.total(UNSUPPORTED) == 0
            assert result.total(FAILED) == len(result.failures)
    assert passed >= GROUPS[group]


def test_a_wrong_engine_fails(spec_suite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner does find what is wrong: here 32-bit addition is broken."""
    original = InterpreterSession.__post_init__

    def broken(self: InterpreterSession) -> None:
        original(self)
        meaning = self.store.meaning

        def wrong(op: Any) -> Any:
            return (lambda a, b: a + b + 1 & 0xFFFFFFFF) if op.name == "i32.add" else meaning(op)

        self.store.meaning = wrong  # type: ignore[method-assign]

    monkeypatch.setattr(InterpreterSession, "__post_init__", broken)
    path = spec_suite.root / "core" / "i32.zip"
    (result,) = run_suite([path], lambda: InterpreterSession(Budget()))
    assert result.counts["assert_return", FAILED] > 3
    assert {failure.kind for failure in result.failures} == {"assert_return"}
