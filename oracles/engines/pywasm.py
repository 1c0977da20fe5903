"""pywasm, an interpreter in Python: ``pywasm@VERSION`` from the Python package index, else the installed release, or
the newest at hand.

It validates nothing, so whether a module is valid it is not asked; what it claims to have is WebAssembly 2.0.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine

PACKAGE: Final = "pywasm"
CONTRACT: Final = ("pywasm",)
_GET: Final = partial(provision.own_or_wheel, PACKAGE, PACKAGE)
RELEASES: Final = provision.Registry(PACKAGE, _GET, package=PACKAGE, listed=PACKAGE, since="2.2.0")
"""Before 2.2.0 values were kept otherwise."""
FEATURES: Final = ("bulk_memory", "extended_const", "multi_value", "reference_types", "simd")
_ROOT: Final = str(Path(__file__).parents[2])


def check(id: EngineId) -> EngineId:
    """The canonical form: it has no settings. Raises ``UsageError``."""
    if id.settings or id.path:
        raise UsageError("pywasm is a Python package without settings: write pywasm or pywasm@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching the release if it is asked for and missing."""
    version, folder = RELEASES.chosen(id.version, offline, "pywasm@VERSION")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: {PACKAGE} {hello['version']} ran instead")
        return version, ("whether a module is valid is not compared",)

    config = json.dumps({"package": str(folder), "features": FEATURES})
    text = config[:-1] + ', "fds": [{in}, {out}, {progress}], "nursery": {nursery}}'
    launch = Launch((sys.executable, "-m", "oracles.pywasm.worker_main", text), {"PYTHONPATH": _ROOT})
    return WorkerEngine(id, Worker(launch, Flavour(frozenset(), True, links=True), "pywasm", loaded), limits)
