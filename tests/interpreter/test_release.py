"""Instances of a case are freed when it ends, and with them nearly all that the case made."""

from __future__ import annotations

import gc

import pytest

from generators.registry import make_case
from oracles.interpreter import run_case
from oracles.interpreter.store import Instance


@pytest.mark.parametrize("target", ["mixed", "linked", "memory", "tables", "gc", "startup", "calls"])
def test_no_instance_waits_for_a_collector(target: str) -> None:
    cases = [make_case(target, 3, index) for index in range(8)]
    gc.collect()
    gc.disable()
    try:
        for case in cases:
            run_case(case)
        left = [type(item).__name__ for item in gc.get_objects() if isinstance(item, Instance)]
    finally:
        gc.enable()
    assert not left
