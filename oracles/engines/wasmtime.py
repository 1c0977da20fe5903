"""Wasmtime: the installed release, ``@VERSION`` from the package index, or ``@/path/to/libwasmtime.so``.

Settings: ``opt=none|speed|speed_and_size``, ``regalloc=backtracking|single_pass``, ``checker`` (regalloc2's symbolic
checker after every allocation), ``winch``, ``pulley``, and ``flag.NAME=VALUE`` for any Cranelift flag. The worker
proves that the release takes each of them. Release wheels are built without debug assertions.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.remote.imports import CALLBACK_KINDS
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from wasm.errors import nearest

ORDER: Final = ("opt", "regalloc", "checker", "winch", "pulley", "features")
VALUES: Final = {
    "opt": ("none", "speed", "speed_and_size"),
    "regalloc": ("backtracking", "single_pass"),
    "checker": ("on",),
    "winch": ("on",),
    "pulley": ("on",),
    "features": ("max", "exact"),
}
DEFAULTS: Final = {"opt": "speed", "regalloc": "backtracking", "features": "max"}
WORKER: Final = str(Path(__file__).parents[1] / "workers" / "wasmtime_worker.py")
CONTRACT: Final = (
    "wasmtime", "wasmtime:opt=none+checker", "wasmtime:regalloc=single_pass", "wasmtime:winch", "wasmtime:pulley",
)  # fmt: skip
RELEASES: Final = provision.Registry("wasmtime", provision.wasmtime, package="wasmtime")

NOISE: Final = re.compile(
    r"failed to (?:parse|compile|validate)(?: WebAssembly module|: wasm\[\d+\]::function\[\d+\].*)?$|Caused by$|"
    r"^\d+: (?:WebAssembly translation error|Compilation error)$|"
    r"^\d+: (?:Invalid input WebAssembly code at offset \d+: )?"
)
"""What it says of whatever is wrong; the cause stands behind ``Caused by:``."""


def check(id: EngineId) -> EngineId:
    """The canonical form: settings in a fixed order, without defaults; ``wasmtime`` alone is ``wasmtime:opt=speed``."""
    settings = dict(id.settings)
    for key, value in settings.items():
        if key.startswith("flag."):
            continue
        if key not in VALUES:
            hint = nearest(key, VALUES)
            raise UsageError(f"{key} is no setting of wasmtime{hint}: it has {', '.join(VALUES)} and flag.NAME")
        if value not in VALUES[key]:
            hint = nearest(value, VALUES[key])
            raise UsageError(f"{key}={value} is not possible{hint}: {key} is {' or '.join(VALUES[key])}")
    if "winch" in settings and (other := [key for key in settings if key not in ("winch", "features")]):
        raise UsageError(f"winch has no {other[0]}: it is a compiler of its own")
    if "pulley" in settings and any(key.startswith("flag.has_") for key in settings):
        raise UsageError("pulley has no CPU flags")
    kept = {key: value for key, value in settings.items() if DEFAULTS.get(key) != value}
    if not kept:
        kept = {"opt": "speed"}
    order = sorted(kept.items(), key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0]))
    return EngineId(id.name, id.version, id.path, tuple(order))


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the release if it is asked for and missing."""
    package = _package(id, offline)
    settings = {key: value for key, value in id.settings if key != "features"}
    config = f'{{"package": {json.dumps(package)}, "library": {json.dumps(id.path)}, "settings": {json.dumps(settings)}'
    argv = (sys.executable, "-I", "-S", WORKER, config + ', "fds": [{in}, {out}, {progress}]}')
    family = "winch" if "winch" in settings else "cranelift"

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return _loaded(id, package, hello)

    exact = id.get("features") == "exact"
    worker = Worker(Launch(argv, {"RUST_BACKTRACE": "0"}), Flavour(CALLBACK_KINDS, True, exact), family, loaded)
    return WorkerEngine(id, worker, limits)


def installed_version() -> str:
    """The version of the installed ``wasmtime`` package. Raises ``EngineUnavailable``."""
    try:
        return importlib.metadata.version("wasmtime")
    except importlib.metadata.PackageNotFoundError:
        raise EngineUnavailable("wasmtime is not installed: pip install wasmtime, or use wasmtime@VERSION") from None


def _package(id: EngineId, offline: bool) -> str:
    """The folder that holds the ``wasmtime`` package whose bindings are to be used."""
    if id.path and not Path(id.path).is_file():
        raise EngineUnavailable(f"{id.path} is not a file")
    if id.version and id.version != _version_or_none():
        return str(provision.wasmtime(id.version, offline))
    installed_version()
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnavailable("wasmtime is installed but cannot be found: reinstall it")
    return str(Path(next(iter(spec.submodule_search_locations))).parent)


def _version_or_none() -> str | None:
    try:
        return installed_version()
    except EngineUnavailable:
        return None


def _loaded(id: EngineId, package: str, hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The version and notes of what was loaded; refuses a library from elsewhere."""
    library = os.path.realpath(hello["library"])
    if id.path:
        if library != os.path.realpath(id.path):
            raise EngineUnavailable(f"{id}: {library} was loaded instead")
        return "development", ()
    if not library.startswith(os.path.realpath(package) + os.sep):
        raise EngineUnavailable(f"{id}: {library} was loaded instead of the one in {package}")
    folder = next(iter(sorted(Path(package).glob("wasmtime-*.dist-info"))), None)
    version = re.sub(r"^wasmtime-(.*)\.dist-info$", r"\1", folder.name) if folder else ""
    if id.version and version != id.version:
        raise EngineUnavailable(f"{id}: version {version or 'unknown'} was loaded instead")
    return version, ("release wheels are built without debug assertions",)
