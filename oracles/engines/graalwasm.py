"""GraalWasm, a runtime on Truffle: ``graalwasm@VERSION`` is that release from Maven; needs a JDK and mvn.

It runs in a JVM of Java 21 or later, interpreted: Truffle's compiler is a part of GraalVM. It is reached through
GraalJS, whose WebAssembly it is, so that modules are linked and called as in every JavaScript engine. It has no
settings.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.maven import build, command, listed
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program_file
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine

GROUP: Final = "org.graalvm.wasm"
CONTRACT: Final = ("graalwasm",)
_LEAST_JAVA: Final = 21
RELEASES: Final = BuiltReleases(
    "graalwasm",
    partial(listed, "graalwasm", "GraalWasm", GROUP, "wasm-language"),
    partial(build, "GraalWasm"),
    "25.0.0",
)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    for key, _ in id.settings:
        raise UsageError(f"{key} is no setting of graalwasm: it has none")
    if id.path:
        raise UsageError("GraalWasm comes from Maven: write graalwasm or graalwasm@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching and building what is missing if the release is asked for."""
    version, worker = RELEASES.chosen(id.version, offline)
    java, *options = command("GraalWasm", worker, limits, _LEAST_JAVA)
    # What Truffle unpacks for itself would lie in the home folder of whoever runs the worker.
    own = f"-Dpolyglot.engine.userResourceCache={worker}/resources"
    argv = (java, own, *options, "{in}", "{out}", "{progress}", str(program_file(id.name)))

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["host"] != version:
            raise EngineUnavailable(f"{id}: GraalWasm {hello['host']} was loaded instead")
        return version, ("in GraalJS, interpreted",)

    return WorkerEngine(
        id,
        Worker(Launch(argv), Flavour(SCRIPT_KINDS, False, links=True, one_by_name=True), "graalwasm", loaded),
        limits,
    )
