"""Engines that are crates without settings: ``wasmi@VERSION`` is built from the crate of that release; needs cargo."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from oracles import crates
from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine


@dataclass(frozen=True, slots=True)
class CrateEngine:
    """What an adapter of such an engine offers. Before release ``since`` the crate's interface was another; ``kinds``
    are those of values that its host functions can carry, and all that it knows. ``crate`` is what the crate is called,
    where that is not the engine's name; without ``acts`` its host functions compute and do nothing besides."""

    name: str
    since: str
    kinds: frozenset[str]
    crate: str = ""
    acts: bool = True
    releases: BuiltReleases = field(init=False)

    def __post_init__(self) -> None:
        crate = self.crate or self.name
        listed, build = partial(crates.listed, crate), partial(crates.build, crate, folder=self.name)
        releases = BuiltReleases(self.name, listed, build, self.since, (crates.SHARED,))
        object.__setattr__(self, "releases", releases)

    def check(self, id: EngineId) -> EngineId:
        """The canonical form: it has no settings. Raises ``UsageError``."""
        if id.settings or id.path:
            raise UsageError(f"{self.name} is a crate without settings: write {self.name} or {self.name}@VERSION")
        return id

    def open_engine(self, id: EngineId, limits: Limits, offline: bool) -> Engine:
        """Open it, building the worker if the release is asked for and missing."""
        version, worker = self.releases.chosen(id.version, offline)

        def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
            if hello["version"] != version:
                raise EngineUnavailable(f"{id}: {self.name} {hello['version']} was built instead")
            return version, ()

        launch = Launch((str(worker), "{in}", "{out}", "{progress}"), {"RUST_BACKTRACE": "0"})
        flavour = Flavour(self.kinds, True, acts=self.acts, links=True)
        return WorkerEngine(id, Worker(launch, flavour, self.name, loaded), limits)
