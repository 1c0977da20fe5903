"""Modules from text, and what the reference shows of a case."""

from __future__ import annotations

import wasmtime

from oracles.interpreter import run_case
from wasm.case import Case
from wasm.embedding import Invocation, Observation, Value
from wasm.feature_use import features_of_bytes


def case_of(text: str, *calls: Invocation) -> Case:
    """A case of a module in text."""
    content = bytes(wasmtime.wat2wasm(text))
    return Case(content, calls, features=features_of_bytes(content))


def call(name: str, *args: str) -> Invocation:
    """A call, its arguments as ``i32:24``."""
    return Invocation(name, tuple(map(Value.parse, args)))


def shown(seen: Observation) -> tuple[object, ...]:
    """All that a case and its mutants have in common."""
    return (seen.instantiation, seen.outcomes, seen.host_calls, seen.globals, seen.memories, seen.tables)


def run(case: Case) -> tuple[object, ...]:
    return shown(run_case(case))
