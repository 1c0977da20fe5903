"""The mistaken engine (``mistaken_engine``) without some features: ``mistaken:loud+lacks=gc.simd``."""

from __future__ import annotations

from dataclasses import dataclass

from mistaken_engine import MistakenEngine

from oracles.engine import Capabilities, EngineId, Limits
from wasm.case import Case
from wasm.embedding import Observation
from wasm.features import DEFAULT, Feature


@dataclass(slots=True)
class LackingEngine(MistakenEngine):
    """``Engine`` for tests. It has all features but those of setting ``lacks``, and is never asked for those."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT.difference(map(Feature, self._lacks())), "mistaken")

    def run(self, case: Case) -> Observation:
        assert case.features.isdisjoint(self._lacks())
        return MistakenEngine.run(self, case)

    def _lacks(self) -> list[str]:
        return [name for name in (self.id.get("lacks") or "").split(".") if name]


def open_lacking(id: str, limits: Limits, offline: bool) -> LackingEngine:  # noqa: ARG001
    """What ``Plan.opener`` asks for."""
    return LackingEngine(EngineId.read(id), limits)
