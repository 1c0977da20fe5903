"""wazero, a runtime in Go: ``wazero@VERSION`` is built from the Go module of that release; needs Go.

Settings: ``interpreter``, in place of its compiler for amd64 and arm64; ``target=aarch64``, its compiler for arm64 or
its interpreter there, run under qemu.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles.built import BuiltReleases, tool
from oracles.clients import run_client
from oracles.emulation import TARGET, TARGETS, emulator, notes, scaled
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits
from oracles.engines import _two_tiers
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

MODULE: Final = "github.com/tetratelabs/wazero"
MACHINES: Final = {"aarch64": "arm64"}
"""Other kinds of machines, and what Go calls each: those that wazero has a compiler for."""
VALUES: Final = {"interpreter": ("on",), TARGET: tuple(MACHINES)}
CONTRACT: Final = ("wazero", "wazero:interpreter", *(f"wazero:{TARGET}={name}" for name in MACHINES))
CONFIGURATIONS: Final = tuple(f"wazero:{TARGET}={name}+interpreter" for name in MACHINES)
NOISE: Final = re.compile(r"invalid function\[\d+\](?: export\[\"[^\"]*\"\])?: |section \w+: ")
"""What it says of every module that it refuses."""
_KINDS: Final = frozenset("ilfde")
"""What its host functions can carry."""


def _listed() -> list[str]:
    text = run_client([tool("go", "wazero"), "list", "-m", "-versions", MODULE], "the list of wazero releases")
    return [word.removeprefix("v") for word in text.split()[1:]]


def _build(version: str, source: Path, target: Path, machine: str = "") -> None:
    """By Go itself, for whatever machine: what it makes is linked by it and needs no C library."""
    (source / "go.mod").write_text(f"module worker\n\ngo 1.21\n\nrequire {MODULE} v{version}\n")
    words = [tool("go", "wazero"), "build", "-C", str(source), "-mod=mod", "-trimpath", "-o", str(target), "."]
    if machine:
        words = ["env", "CGO_ENABLED=0", f"GOARCH={MACHINES[machine]}", *words]
    run_client(words, f"wazero {version}" + (f" for {machine}" if machine else ""))


RELEASES: Final = BuiltReleases("wazero", _listed, _build, since="1.8.0")
"""Before 1.8.0 an instance's imports cannot be named apart from its exports (``experimental.WithImportResolver``)."""


_OF_OTHERS: Final = {
    name: BuiltReleases("wazero", _listed, partial(_build, machine=name), RELEASES.since, kept=f"wazero-{name}")
    for name in MACHINES
}
"""By machine, the same releases built for it."""


def releases(id: EngineId) -> BuiltReleases:
    """Those for the machine that ``id`` is to run on."""
    return _OF_OTHERS.get(id.get(TARGET), RELEASES)


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    return _two_tiers.check(id, "wazero", "is a Go module", MACHINES)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other of its two tiers."""
    return _two_tiers.switches(id)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, building the worker if the release is asked for and missing."""
    target = TARGETS.get(id.get(TARGET))
    words = emulator(target, static=True) if target else ()
    named = f"wazero@VERSION:{TARGET}={target.name}" if target else ""
    version, program = releases(id).chosen(id.version, offline, named)
    tier = "interpreter" if id.get("interpreter") else "compiler"
    argv = (*words, str(program), tier, str(limits.pages), "{in}", "{out}", "{progress}")

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != f"v{version}":
            raise EngineUnavailable(f"{id}: wazero {hello['version']} was built instead")
        return version, notes(target)

    family = "wazero" if tier == "compiler" else "wazero-interpreter"
    launch = Launch(argv, {"GOMAXPROCS": "1", "GOTRACEBACK": "all"})
    flavour = Flavour(_KINDS, True, by_name=True, passes=False)  # what is uncaught is an error of Go, and ends there
    return WorkerEngine(id, Worker(launch, flavour, family, loaded), scaled(limits, target) if target else limits)
