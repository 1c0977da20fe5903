"""Wasmtime on a machine of another kind (``target=``): where its library comes from, and the worker that runs it.

There are wheels for x86-64 and aarch64; for other targets, and with ``build=``, the library is built here. The worker
is a program of ours for the target (``oracles/workers/wasmtime``), one for all releases, built by cargo when it is
first needed. It is run by qemu, unless the target is this machine's own kind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import crates, provision, versions
from oracles.builds import wasmtime as builds_of
from oracles.builds.options import PLAIN, Build
from oracles.built import BuiltReleases
from oracles.emulation import TARGET, TARGETS, Target, emulator, scaled
from oracles.engine import BUILD, Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines._wasmtime_settings import worker_settings
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.sources import CALLBACK_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine

SINCE: Final = "24.0.0"
"""Before, the C API handed over references in other ways."""
_WHEELS: Final = ("aarch64", "x86_64")
_NEWEST: Final = "1000"
"""The release of a library that is named by its path."""
WORKERS: Final = BuiltReleases(
    "wasmtime", lambda: list(TARGETS), crates.build_for, shared=(crates.SHARED,), kept="wasmtime-workers"
)


def target_of(id: EngineId) -> Target:
    return TARGETS[id.get(TARGET)]


def is_built(id: EngineId) -> bool:
    """Whether its library is one that nobody releases."""
    return not id.path and (bool(id.get(BUILD)) or id.get(TARGET) not in _WHEELS)


def build_of(id: EngineId) -> tuple[Build, str]:
    """What is asked of the build, and the target that the builds are kept by, "" for this machine's own kind."""
    target = target_of(id)
    return Build.parse(id.get(BUILD) or PLAIN), "" if target.is_own else target.name


def check(id: EngineId) -> None:
    """Raises ``UsageError`` for a release that this worker cannot run."""
    if id.version and versions.version_key(id.version) < versions.version_key(SINCE.partition(".")[0]):
        raise UsageError(f"{TARGET}={id.get(TARGET)} is of Wasmtime {SINCE} and later, not of {id.version}")


def releases(id: EngineId) -> provision.Registry | None:
    """The released wheels for the target, None where there are none."""
    target = target_of(id)
    if target.name not in _WHEELS:
        return None
    return provision.Registry(f"wasmtime-{target.name}", partial(_fetched, target), listed="wasmtime", since=SINCE)


def _fetched(target: Target, version: str, offline: bool) -> Path:
    """The folder of a wheel for the target; the worker that runs all of them is there too then."""
    WORKERS.worker(target.name, offline)
    return _wheel(target, version, offline)


def _wheel(target: Target, version: str, offline: bool) -> Path:
    return provision.wasmtime(version, offline, "" if target.is_own else target.name)


def prepare(id: EngineId, version: str, offline: bool) -> None:
    """Build the worker, and a library that is missing. Raises ``EngineUnavailable``."""
    emulator(target_of(id))
    WORKERS.worker(id.get(TARGET), offline)
    library(id, version, offline)


def library(id: EngineId, version: str, offline: bool) -> Path:
    """The library of a release, or of a build, which is made if it is missing. Raises ``EngineUnavailable``."""
    if id.path:
        if not Path(id.path).is_file():
            raise EngineUnavailable(f"{id.path} is not a file")
        return Path(id.path)
    if is_built(id):
        build, kept = build_of(id)
        return builds_of.library(version, build, offline, kept)
    folder = _wheel(target_of(id), version, offline)
    return next(folder.glob("wasmtime/*/_*wasmtime.*"))


def open_foreign(
    id: EngineId, version: str, limits: Limits, offline: bool, loaded: Callable[[str, dict[str, Any]], Any]
) -> Engine:
    """Open it; ``loaded`` says of a library and a hello which release it is. Raises ``EngineUnavailable``."""
    target = target_of(id)
    words = emulator(target)
    own = str(library(id, version, offline))
    program = WORKERS.worker(target.name, offline)
    release = version.partition(".")[0] if version else _NEWEST
    settings = worker_settings(id)
    pairs = [f"{key}={value}" for key, value in settings.items()]
    argv = (*words, str(program), "{in}", "{out}", "{progress}", own, release, *pairs)
    family = "winch" if "winch" in settings else "cranelift"
    flavour = Flavour(CALLBACK_KINDS, True, id.get("features") == "exact", links=True)
    launch = Launch(argv, {"RUST_BACKTRACE": "0"})
    # Before its release 8, qemu keeps 24 bytes for each page that was ever reserved: 25 MB for a memory of 4 GiB.
    kept = limits.memory_bytes // 2 if words else 0
    worker = Worker(launch, flavour, family, partial(loaded, own), kept_bytes=kept)
    return WorkerEngine(id, worker, scaled(limits, target))
