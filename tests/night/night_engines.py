"""Engines for nights: the interpreter with a fault in results beyond the 20th, in release 1.0.0 and not in 2.0.0; one
that never answers; one that cannot be opened."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from oracles.engine import Capabilities, EngineId, EngineUnavailable, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from wasm.case import Case
from wasm.embedding import Observation, Outcome, Returned
from wasm.features import DEFAULT

WIDE = 20


@dataclass(slots=True)
class Planted(InterpreterEngine):
    """``Engine`` for tests; ``version`` 1.0.0 has the fault."""

    version: str

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.version, DEFAULT, "planted")

    def run(self, case: Case) -> Observation:
        if dict(self.id.settings).get("hang"):
            time.sleep(3600)
        seen = replace(run_case(case, budget=budget_of(self.limits)), engine=str(self.id), notes=None)
        if self.version != "1.0.0":
            return seen
        return replace(seen, outcomes=tuple(map(_flipped, seen.outcomes)))


def _flipped(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Returned) or len(outcome.types) <= WIDE or outcome.types[WIDE] == "ref":
        return outcome
    slots = bytearray(outcome.slots)
    slots[16 * WIDE] ^= 1
    return replace(outcome, slots=bytes(slots))


def _open(id: str, limits: Limits, version: str) -> Planted:
    name, _, fault = id.partition(":")
    if name == "missing":
        raise EngineUnavailable(f"{id}: there is no such engine: install it")
    return Planted(EngineId(name, "", "", ((fault, "on"),) if fault else ()), limits, version)


def open_old(id: str, limits: Limits, offline: bool) -> Planted:  # noqa: ARG001
    return _open(id, limits, "1.0.0")


def open_new(id: str, limits: Limits, offline: bool) -> Planted:  # noqa: ARG001
    return _open(id, limits, "2.0.0")
