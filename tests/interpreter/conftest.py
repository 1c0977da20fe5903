"""Helpers for the interpreter's tests: modules by hand, and running them in a chosen tier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from oracles.interpreter import Budget, Instance, Store, instantiate, invoke, machine
from wasm.embedding import Outcome, Value
from wasm.module import Module
from wasm.validate import validate

NEVER = 1 << 60


@contextmanager
def _thresholds(calls: int, arrivals: int) -> Iterator[None]:
    saved = machine.HOT_CALLS, machine.HOT_ARRIVALS
    machine.HOT_CALLS, machine.HOT_ARRIVALS = calls, arrivals  # type: ignore[misc]
    try:
        yield
    finally:
        machine.HOT_CALLS, machine.HOT_ARRIVALS = saved  # type: ignore[misc]


TIERS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "first": lambda: _thresholds(NEVER, NEVER),
    "loops": lambda: _thresholds(NEVER, 1),
    "second": lambda: _thresholds(1, 1),
    "default": nullcontext,
}
"""What is compiled: nothing; loops at their first arrival; everything at its first call; as the interpreter decides."""

Tiers = dict[str, Callable[[], AbstractContextManager[None]]]


class Call:
    """One instance of a valid module, whose exports are called with values in text form."""

    def __init__(self, module: Module, budget: Budget | None = None) -> None:
        validate(module)
        self.store = Store(budget)
        found = instantiate(module, {}, self.store)
        assert isinstance(found, Instance), found
        self.instance = found

    def __call__(self, export: str, *args: str) -> Outcome:
        return invoke(self.instance, export, tuple(map(Value.parse, args)))


@pytest.fixture(scope="session")
def tiers() -> Tiers:
    return TIERS


@pytest.fixture(params=["first", "loops", "second"])
def each_tier(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a test once in each tier."""
    with TIERS[request.param]():
        yield


@pytest.fixture(scope="session")
def make() -> type[Call]:
    return Call
