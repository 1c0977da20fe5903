"""A real engine with several mistakes at once (``tests.triage.mistaken``), for campaigns that tell causes apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oracles.engine import Capabilities, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from tests.triage.mistaken import Mistaken
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.errors import WasmError
from wasm.features import DEFAULT

LOUD = (("i64.mul",), "i64.add")
SECOND = (LOUD, (("i32.ctz",), "i32.clz"), (("i32.xor",), "i32.or"))
"""What the second release gets wrong: two mistakes are gone, one is new."""
MISTAKES = (LOUD, (("i32.rotl",), "i32.rotr"), (("i32.ctz",), "i32.clz"), (("i64.shr_s",), "i64.shr_u"))


@dataclass(slots=True)
class MistakenEngine(InterpreterEngine):
    """``Engine`` for tests. With setting ``loud`` it has only the loud mistake; its releases are 1 and 2."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.id.version or "1", DEFAULT, "mistaken")

    def run(self, case: Case) -> Observation:
        release = SECOND if self.id.version == "2" else MISTAKES
        mistakes = Mistaken(release[:1] if self.id.get("loud") else release)
        try:
            module = mistakes.compiled(decode(case.content))
        except WasmError:
            module = None
        seen = run_case(replace(case, sites=()), module, budget_of(self.limits))
        return replace(seen, engine=str(self.id), notes=None)

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        return dict.fromkeys(blocks, case.content)


def open_mistaken(id: str, limits: Limits, offline: bool) -> MistakenEngine:  # noqa: ARG001
    """What ``Plan.opener`` asks for."""
    return MistakenEngine(EngineId.read(id), limits)
