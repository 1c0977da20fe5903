"""Endive and its forerunner Chicory: one worker's source, and one family."""

from __future__ import annotations

from typing import Any, Final

from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits
from oracles.maven import command
from oracles.remote.interface import GLOBAL, MEMORY, TABLE
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine

_KINDS: Final = frozenset("ilfdvec")
"""What their host functions can carry."""
_ONE_BY_NAME: Final = frozenset({TABLE, MEMORY, GLOBAL})
"""Of what has one name they take the first that fits, of memories the first; types tell functions and tags apart."""


def open_either(id: EngineId, who: str, releases: BuiltReleases, limits: Limits, offline: bool) -> Engine:
    """Open one of them, ``who`` by its own name. Raises ``EngineUnavailable``."""
    version, worker = releases.chosen(id.version, offline)
    tier = "interpreter" if id.get("interpreter") else "compiler"
    argv = (*command(who, worker, limits), tier, "{in}", "{out}", "{progress}")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: {who} {hello['version']} was loaded instead")
        return version, ()

    flavour = Flavour(_KINDS, True, acts=False, one_by_name=_ONE_BY_NAME)
    # All tiers and releases call the same Java methods for arithmetic: that is one vote.
    return WorkerEngine(id, Worker(Launch(argv), flavour, "endive", loaded), limits)
