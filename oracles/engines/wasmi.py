"""wasmi, an interpreter in Rust: ``wasmi@VERSION`` is built from the crate of that release; needs cargo."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from oracles import crates
from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine

CONTRACT: Final = ("wasmi",)
RELEASES: Final = BuiltReleases(
    "wasmi", partial(crates.listed, "wasmi"), partial(crates.build, "wasmi"), since="2.0.0", shared=(crates.SHARED,)
)
"""Before 2.0.0 its interface was another."""
_KINDS: Final = frozenset("ilfdvec")
"""What its host functions can carry, and all that it knows."""


def check(id: EngineId) -> EngineId:
    """The canonical form: it has no settings. Raises ``UsageError``."""
    if id.settings or id.path:
        raise UsageError("wasmi is a crate without settings: write wasmi or wasmi@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, building the worker if the release is asked for and missing."""
    version, worker = RELEASES.chosen(id.version, offline)

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: wasmi {hello['version']} was built instead")
        return version, ()

    launch = Launch((str(worker), "{in}", "{out}", "{progress}"), {"RUST_BACKTRACE": "0"})
    return WorkerEngine(id, Worker(launch, Flavour(_KINDS, True, links=True), "wasmi", loaded), limits)
