"""JavaScript engines behind one worker: finding a shell, ids with a tier and flags, and opening it.

A shell is an executable that runs ``workers/js_worker.mjs``: node for V8, bun for JavaScriptCore.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.emulation import TARGET, TARGETS, check_target, emulator, notes, scaled
from oracles.engine import EngineId, EngineUnavailable, Limits, Releases, UsageError
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch
from wasm.errors import nearest

FLAG: Final = "flag."
MACHINES: Final = ("aarch64",)
"""Other kinds of machines that npm has shells for."""
WORKER: Final = str(Path(__file__).parents[1] / "workers" / "js_worker.mjs")


def check_tiers(id: EngineId, tiers: Collection[str]) -> EngineId:
    """The canonical form of an id with at most one tier: the machine, the tier, then the flags by name. Raises
    ``UsageError``."""
    settings = dict(id.settings)
    for key, value in settings.items():
        if key == TARGET:
            check_target(value, MACHINES)
        elif key in tiers:
            if value != "on":
                raise UsageError(f"{key}={value} is not possible: write {id.name}:{key}")
        elif not key.startswith(FLAG):
            hint = nearest(key, tiers)
            raise UsageError(
                f"{key} is no setting of {id.name}{hint}: it has {', '.join(tiers)}, {TARGET} and flag.NAME"
            )
    if len(chosen := [tier for tier in tiers if tier in settings]) > 1:
        text = f"{' and '.join(chosen)} exclude each other: {id.name} alone has all, by its own tiering"
        raise UsageError(text)
    order = sorted(settings.items(), key=lambda item: (item[0] != TARGET, item[0] not in tiers, item[0]))
    return EngineId(id.name, id.version, id.path, tuple(order))


def tier_of(id: EngineId, tiers: Collection[str]) -> str:
    """The tier that an id names; "" for the engine's own tiering."""
    return next((key for key, _ in id.settings if key in tiers), "")


def tier_switches(id: EngineId, tiers: Collection[str]) -> tuple[Switch, ...]:
    """From an id's tier to each of the others."""
    mine = tier_of(id, tiers)
    others = [name for name in tiers if name != mine]
    taken = ((mine, ""),) if mine else ()
    return tuple(Switch(name, mine or "the engine's own tiering", ((name, "on"), *taken)) for name in others)


def flags_of(id: EngineId) -> dict[str, str]:
    """The engine's own flags by name, without ``flag.``."""
    return {key.removeprefix(FLAG): value for key, value in id.settings if key.startswith(FLAG)}


def released(shell: str, machine: str = "") -> Releases:
    """The releases of a shell, for this machine or another."""
    if machine:
        get = partial(provision.shell, shell, machine=machine)
        return provision.Registry(f"{shell}-{machine}", get, listed=shell)
    return provision.Registry(shell, partial(provision.shell, shell))


def find_shell(shell: str, id: EngineId, offline: bool) -> str:
    """The executable that an id means: its path, its release, the newest in the cache, the one on the PATH.

    Raises ``EngineUnavailable``.
    """
    if id.path:
        if not os.access(id.path, os.X_OK):
            raise EngineUnavailable(f"{id.path} is not an executable")
        return id.path
    machine = id.get(TARGET)
    if id.version:
        return str(provision.shell(shell, id.version, offline, machine))
    if machine:
        for version in provision.installed(f"{shell}-{machine}"):
            return str(provision.shell(shell, version, True, machine))
        named = f"{id.name}@VERSION:{TARGET}={machine}"
        raise EngineUnavailable(f"no {shell} for {machine} is at hand: fuzz engines install {named}")
    for version in provision.installed(shell):
        return str(provision.shell(shell, version, True))
    on_path = shutil.which(shell)
    if on_path is None:
        raise EngineUnavailable(
            f"no {shell} was found: install it, or write {id.name}@VERSION to fetch one through npm"
        )
    return os.path.abspath(on_path)  # the worker starts in another folder


@dataclass(frozen=True, slots=True)
class Shell:
    """How an id is run: the program with its flags and environment, and how many ``rounds`` each case takes.

    ``engine`` is the engine's own name, ``family`` whose vote it is. ``evaluate`` are the words before a program's
    text, where they are not ``flags`` and ``-e``; ``wrong`` is the exit status of one that ends by what it found, which
    WebKit's cannot choose. An adapter gives it by ``shell(id, features)``.
    """

    program: str
    engine: str
    family: str
    flags: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 1
    evaluate: tuple[str, ...] = ()
    wrong: int = 10


def emulation(id: EngineId) -> tuple[str, ...]:
    """The words before a shell's own that run it here. Raises ``EngineUnavailable``."""
    return emulator(TARGETS[id.get(TARGET)]) if id.get(TARGET) else ()


def open_shell(id: EngineId, limits: Limits, shell: Shell, executable: str) -> WorkerEngine:
    """The engine in ``executable``, which is the shell's program."""
    words = emulation(id)
    config = f'{{"fds": [{{in}}, {{out}}, {{progress}}], "rounds": {shell.rounds}}}'
    argv = (executable, *shell.flags, WORKER, config)

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if os.path.realpath(hello["library"]) != os.path.realpath(executable):
            raise EngineUnavailable(f"{id}: {hello['library']} ran instead of {executable}")
        if id.version and hello["host"] != id.version:
            raise EngineUnavailable(f"{id}: {hello['shell']} {hello['host']} ran instead")
        told = f"{shell.engine} {hello['engine']}, in {hello['shell']}"
        return hello["host"], (told, *notes(TARGETS.get(id.get(TARGET))))

    launch = Launch((*words, *argv), dict(shell.env))
    # As for Wasmtime, qemu keeps something for each page that was ever reserved.
    kept = limits.memory_bytes // 2 if words else 0
    worker = Worker(launch, Flavour(SCRIPT_KINDS, False, links=True), shell.family, loaded, kept_bytes=kept)
    return WorkerEngine(id, worker, scaled(limits, TARGETS[id.get(TARGET)]) if words else limits)
