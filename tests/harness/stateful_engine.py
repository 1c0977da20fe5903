"""A real engine that remembers: once two modules with a certain export have run in its process, a third is wrong.

It is the interpreter, and wrong is the lowest bit of the first result of every call of a case that exports
``victim``, if its process has instantiated cases that export ``first`` and ``second`` before it, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from oracles.engine import Capabilities, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from wasm.case import Case
from wasm.embedding import Observation, Outcome, Returned
from wasm.features import DEFAULT


@dataclass(slots=True)
class StatefulEngine(InterpreterEngine):
    """``Engine`` for tests; ``close`` is the end of its process."""

    seen: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, "stateful")

    def run(self, case: Case) -> Observation:
        seen = replace(run_case(case, budget=budget_of(self.limits)), engine=str(self.id), notes=None)
        if b"victim" in case.content and self.seen == ["first", "second"]:
            return replace(seen, outcomes=tuple(map(_flipped, seen.outcomes)))
        for name in ("first", "second"):
            if name.encode() in case.content and name not in self.seen:
                self.seen.append(name)
        return seen

    def renew(self, from_scratch: bool = False) -> None:  # noqa: ARG002
        self.seen.clear()

    def close(self) -> None:
        self.seen.clear()


def _flipped(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Returned) or not outcome.slots:
        return outcome
    return replace(outcome, slots=bytes((outcome.slots[0] ^ 1, *outcome.slots[1:])))


def open_stateful(id: str, limits: Limits, offline: bool) -> StatefulEngine:  # noqa: ARG001
    """What ``Plan.opener`` asks for."""
    return StatefulEngine(EngineId.read(id), limits)
