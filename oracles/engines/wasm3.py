"""wasm3, an interpreter in C, through the Python package pywasm3: ``wasm3@VERSION`` of it, else the installed
release, or the newest at hand.

It checks little and runs some modules whose features it does not have, so it is asked for those that it claims whole:
what there was in 1.0, and several results. Each case becomes a module that imports nothing
(``oracles.command.selfcontained``), all of whose exports one process calls (``oracles/workers/wasm3_run.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.command.launching import command_engine
from oracles.engine import Engine, EngineId, Limits, UsageError

PACKAGE: Final = "pywasm3"
CONTRACT: Final = ("wasm3",)
_GET: Final = partial(provision.own_or_package, PACKAGE, "wasm3")
RELEASES: Final = provision.Registry(PACKAGE, _GET, package=PACKAGE, listed=PACKAGE, since="0.5.0")
_WORKER: Final = str(Path(__file__).parents[1] / "workers" / "wasm3_run.py")
_TEXTS: Final[Mapping[str, str]] = {
    "undefined element": "undefined element", "uninitialized element": "undefined element",
    "rejected": "error: (?:module|function|malformed|restricted|incompatible|section|unallocated|init expr|unknown)",
}  # fmt: skip
"""What it says that others say otherwise; it has one text for a call of null and of nothing."""


def check(id: EngineId) -> EngineId:
    """The canonical form: it has no settings. Raises ``UsageError``."""
    if id.settings or id.path:
        raise UsageError("wasm3 is a Python package without settings: write wasm3 or wasm3@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching the release if it is asked for and missing."""
    _, folder = RELEASES.chosen(id.version, offline, "wasm3@VERSION")
    library = next(iter(folder.glob("wasm3.*.so")), None)
    command = [sys.executable, "-I", "-S", _WORKER, str(folder)]
    data: dict[str, Any] = {
        "name": "wasm3", "calls": "all", "command": [*command, "{wasm}"], "version": [*command, "--version"],
        "features": ["multi_value"], "start": False, "result": r"^{export}\(\) =>(?P<result>.*)$",
        "value": r"i64:(-?\d+)", "texts": dict(_TEXTS),
    }  # fmt: skip
    return command_engine(id, lambda _: data, limits, library=library)
