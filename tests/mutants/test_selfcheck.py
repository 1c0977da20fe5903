"""Faults of the project's own parts, found by nobody but the faulty part itself."""

from __future__ import annotations

import pytest

from fuzz.selfcheck.search import Search, capabilities, search
from oracles.engine import Capabilities


@pytest.fixture(scope="module")
def known() -> dict[str, Capabilities]:
    return capabilities(Search(("arith",), 1))


@pytest.mark.parametrize(
    ("fault", "target", "judge"),
    [
        ("edge-moves-first-only", "calls", "checker"),  # its allocations are checked whoever judges
        ("interpreter-store-width", "memory", "state"),
    ],
)
def test_a_fault_is_found(fault: str, target: str, judge: str, known: dict[str, Capabilities]) -> None:
    result = search(fault, Search((target,), 1, 60.0, mutants=1), known)
    assert not result.error
    assert result.found is not None
    assert result.found.judge == judge
    assert result.found.engine.startswith("mutant:1 of ") or judge == "checker"


def test_without_a_fault_nothing_is_found(known: dict[str, Capabilities]) -> None:
    result = search("", Search(("arith", "memory", "regalloc"), 1, 60.0, cases=24, mutants=1), known)
    assert not result.error
    assert result.found is None
    assert result.noise == 0
    assert result.cases == 24
    assert "regalloc" not in result.per_target
