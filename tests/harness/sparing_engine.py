"""Engines that share no code, as far as they say: all are right, but for ``mistaken``, which takes ctz for clz."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from oracles.engine import Capabilities, Engine, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from tests.triage.mistaken import Mistaken
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.features import DEFAULT

RARE: Final = Mistaken(((("i32.ctz",), "i32.clz"),))


@dataclass(slots=True)
class OneOfMany(InterpreterEngine):
    """``Engine`` for tests, of a family that has its name."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, self.id.name, validator=self.id.name)

    def run(self, case: Case) -> Observation:
        module = RARE.compiled(decode(case.content)) if self.id.name == "mistaken" else None
        seen = run_case(replace(case, sites=()), module, budget_of(self.limits))
        return replace(seen, engine=str(self.id), notes=None)


def open_any(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """What ``Plan.opener`` asks for."""
    return OneOfMany(EngineId.read(id), limits)
