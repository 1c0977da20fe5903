"""V8, through node: ``@VERSION`` of node from the npm registry, ``@/path/to/node``, or the newest at hand.

Settings: ``liftoff`` (the baseline compiler alone), ``turbofan`` (the optimising one alone), neither for V8's own
tiering; ``flag.NAME=VALUE`` for any V8 flag (``on`` gives ``--NAME``, ``off`` gives ``--no-NAME``). Lazy compilation
and dynamic tiering are off with either tier, so that every function is compiled by it before anything is called.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.imports import SCRIPT_KINDS
from oracles.process import Launch
from oracles.protocol import Flavour
from oracles.worker_engine import Worker, WorkerEngine

TIERS: Final = {
    "liftoff": ("--liftoff-only", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
    "turbofan": ("--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
}
COMMON: Final = ("--single-threaded", "--expose-gc", "--no-warnings")
_WORKER: Final = str(Path(__file__).parents[1] / "workers" / "js_worker.mjs")


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    settings = dict(id.settings)
    for key, value in settings.items():
        if key in TIERS:
            if value != "on":
                raise UsageError(f"{key}={value} is not possible: write {id.name}:{key}")
        elif not key.startswith("flag."):
            raise UsageError(f"{key} is no setting of v8: it has {', '.join(TIERS)} and flag.NAME")
    if all(tier in settings for tier in TIERS):
        raise UsageError("liftoff and turbofan exclude each other: v8 alone has both, by its own tiering")
    order = sorted(settings.items(), key=lambda item: (item[0] not in TIERS, item[0]))
    return EngineId(id.name, id.version, id.path, tuple(order))


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the node release if it is asked for and missing."""
    executable = find_node(id, offline)
    tier = next((key for key, _ in id.settings if key in TIERS), "")
    flags = [*COMMON, *TIERS.get(tier, ())]
    for key, value in id.settings:
        if key.startswith("flag."):
            flags.append({"on": f"--{key[5:]}", "off": f"--no-{key[5:]}"}.get(value, f"--{key[5:]}={value}"))
    argv = (executable, *flags, _WORKER, '{"fds": [{in}, {out}, {progress}]}')

    def found(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if os.path.realpath(hello["library"]) != os.path.realpath(executable):
            raise EngineUnavailable(f"{id}: {hello['library']} ran instead of {executable}")
        if id.version and hello["host"] != id.version:
            raise EngineUnavailable(f"{id}: node {hello['host']} ran instead")
        return hello["host"], (f"V8 {hello['engine']}",)

    environment = {"NODE_OPTIONS": "", "NODE_PATH": ""}
    worker = Worker(Launch(argv, environment), Flavour(SCRIPT_KINDS, False), tier or "liftoff", found)
    return WorkerEngine(id, worker, limits)


def find_node(id: EngineId, offline: bool) -> str:
    """The node executable that an id means. Raises ``EngineUnavailable``."""
    if id.path:
        if not os.access(id.path, os.X_OK):
            raise EngineUnavailable(f"{id.path} is not an executable")
        return id.path
    if id.version:
        return str(provision.node(id.version, offline))
    for version in provision.installed("node"):
        return str(provision.node(version, True))
    found = shutil.which("node")
    if found is None:
        raise EngineUnavailable("no node was found: install node, or write v8@VERSION to fetch one through npm")
    return found
