"""An engine in this process that is wrong in a known way: the reference on a module in which instructions are others
(``tests.triage.mistaken``). A mistake of several rows shows only where they follow each other: a probe between hides
it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fuzz.trial.bench import OpenEngine
from oracles.engine import Capabilities, Engine, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine
from oracles.interpreter import run_case
from tests.triage.mistaken import STEPS, Mistake, Mistaken
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.encode import encode
from wasm.features import DEFAULT, Feature
from wasm.module import Module

ID = "compiler"


class Shy(Mistaken):
    """Makes its mistakes only in modules without globals: anything that is written down hides them."""

    def compiled(self, module: Module) -> Module:
        return module if module.globals else super().compiled(module)


@dataclass(slots=True)
class MistakenEngine(InterpreterEngine):
    """``multi_memory`` is whether it has that feature."""

    mistaken: Mistaken
    multi_memory: bool = True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT if self.multi_memory else DEFAULT - {Feature.MULTI_MEMORY}, "mistaken")

    def run(self, case: Case) -> Observation:
        seen = run_case(self._compiled(case), None, STEPS)
        return replace(seen, engine=str(self.id), notes=None)

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        return InterpreterEngine(self.id, self.limits).dump(self._compiled(case), blocks)

    def _compiled(self, case: Case) -> Case:
        return replace(case, content=encode(self.mistaken.compiled(decode(case.content))), sites=())


def opener(*mistakes: Mistake, multi_memory: bool = True, kind: type[Mistaken] = Mistaken) -> OpenEngine:
    """Opens the engine with these mistakes, whatever the settings are."""

    def opened(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
        return MistakenEngine(EngineId.parse(id), limits, kind(mistakes), multi_memory)

    return opened
