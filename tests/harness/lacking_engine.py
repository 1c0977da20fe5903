"""The mistaken engine (``mistaken_engine``) without some features, or what some hosts lack:
``mistaken:loud+lacks=gc.acting_hosts``."""

from __future__ import annotations

from dataclasses import dataclass

from mistaken_engine import MistakenEngine

from oracles.engine import Capabilities, EngineId, Limits
from oracles.remote.protocol import Flavour, encode_case
from wasm.case import Case
from wasm.embedding import Observation
from wasm.features import DEFAULT, Feature, Hosting


@dataclass(slots=True)
class LackingEngine(MistakenEngine):
    """``Engine`` for tests. It lacks what setting ``lacks`` names: it is never asked for a feature of these, and
    refuses a case that asks its host for more, as workers do."""

    @property
    def capabilities(self) -> Capabilities:
        lacks = self._lacks()
        features = frozenset(one for one in DEFAULT if one.value not in lacks)
        hosting = frozenset(one for one in Hosting if one.value not in lacks)
        return Capabilities("1", features, "mistaken", hosting=hosting)

    def run(self, case: Case) -> Observation:
        lacks = self._lacks()
        assert case.features.isdisjoint(lacks)
        acts, links = (one.value not in lacks for one in (Hosting.ACTING_HOSTS, Hosting.LINKED_MODULES))
        refused = encode_case(case, Flavour(frozenset("ilfdvec"), True, acts=acts, links=links)).refused
        return MistakenEngine.run(self, case) if refused is None else Observation(str(self.id), refused)

    def _lacks(self) -> set[str]:
        known = {one.value for one in (*Feature, *Hosting)}
        lacks = {name for name in (self.id.get("lacks") or "").split(".") if name}
        assert lacks <= known, "a test asks for what is not there"
        return lacks


def open_lacking(id: str, limits: Limits, offline: bool) -> LackingEngine:  # noqa: ARG001
    """What ``Plan.opener`` asks for."""
    return LackingEngine(EngineId.read(id), limits)
