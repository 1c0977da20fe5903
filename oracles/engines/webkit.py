"""JavaScriptCore in WebKit's own shell, ``jsc``: the one on the PATH or of WebKitGTK, or ``@/path/to/jsc`` of a build.

Settings: ``llint`` and ``ipint`` (the older and the newer interpreter alone), ``bbq`` (the baseline compiler alone),
``omg`` (the optimising compiler), none for JavaScriptCore's own tiering; ``flag.NAME=VALUE`` for any of its options
(``on`` is 1, ``off`` is 0). What is the same in bun is in ``_javascriptcore``. The shell has no library of node's, so
it runs the worker as one text (``oracles.remote.scripted``). No registry has its releases: a package of the system
does.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from oracles.emulation import TARGET
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines import _javascriptcore as core
from oracles.remote.confinement import empty_folder
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program_file
from oracles.remote.shells import Shell, check_tiers, flags_of, tier_of
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

_ALONE: Final = {"useWasmLLInt": "0"}
"""What a release that has two interpreters takes besides, where neither is to run."""
TIERS: Final = {
    "llint": {**core.TIERS["ipint"], "useWasmIPInt": "0"},
    "ipint": core.TIERS["ipint"],
    "bbq": core.TIERS["bbq"] | _ALONE,
    "omg": core.TIERS["omg"] | _ALONE,
}
_WHERE_KNOWN: Final = {"memory64": {"useWasmMemory64": "1"}}
"""By feature, what some releases have and do not turn on by themselves. Relaxed SIMD is not among it: 2.50's, which is
off, lacks the products."""
_PLACES: Final = (
    "/usr/lib/*/webkit*gtk-*/jsc", "/usr/lib*/webkit*gtk-*/jsc", "/usr/libexec/webkit*gtk-*/jsc",
    "/usr/libexec/*/webkit*gtk-*/jsc",
)  # fmt: skip
"""Where systems put it that do not have it on the PATH."""
CONTRACT: Final = ("webkit", *(f"webkit:{tier}" for tier in TIERS))
NOISE: Final = re.compile(core.NOISE)
_REFUSED: Final = re.compile(r"^ERROR: invalid option: --(\w+)=(.*)$", re.M)
_NEEDS: Final = ("openFile", "readline", "writeFile", "preciseTime")
_ASKS: Final = f"print([{', '.join(f'typeof {name}' for name in _NEEDS)}].join(' '))"
_UNCAUGHT: Final = 3
"""The exit status of a program that throws."""
_START_SECONDS: Final = 60.0
_GTK: Final = re.compile(r"libjavascriptcoregtk-[^/]*$")
_VERSION: Final = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
print(*(getattr(library, f"jsc_get_{part}_version")() for part in ("major", "minor", "micro")), sep=".")
"""
"""WebKitGTK's library says which release it is; the shell does not."""


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name. Raises ``UsageError``."""
    if id.version:
        raise UsageError("webkit has no releases to be fetched: write webkit, or webkit@/PATH/TO/jsc for another build")
    if id.get(TARGET):
        raise UsageError(f"{TARGET} is no setting of webkit: it runs the shell that this machine has")
    return check_tiers(id, TIERS)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers, and options of the compilers one by one."""
    return core.switches(id, TIERS)


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:
    """Between a compiler and the interpreter (``_javascriptcore.split``)."""
    return core.split(id, functions, count, TIERS)


def shell(id: EngineId, features: Collection[str]) -> Shell:
    """How it is run for cases of these features."""
    chosen = core.options(id, features, TIERS, _WHERE_KNOWN)
    flags = tuple(f"--{name}={value}" for name, value in chosen.items())
    family = tier_of(id, TIERS) or "ipint"
    return Shell("jsc", "JavaScriptCore", family, flags, rounds=core.rounds(id, TIERS), wrong=_UNCAUGHT)


def find(id: EngineId) -> str:
    """The executable that an id means. Raises ``EngineUnavailable``."""
    if id.path:
        if not os.access(id.path, os.X_OK):
            raise EngineUnavailable(f"{id.path} is not an executable")
        return id.path
    if on_path := shutil.which("jsc"):
        return os.path.abspath(on_path)
    for place in _PLACES:
        for path in sorted(glob.glob(place), reverse=True):
            return path
    raise EngineUnavailable(
        "no jsc was found: install WebKitGTK's shell (apt-get install libjavascriptcoregtk-4.0-bin on Debian), "
        "or write webkit@/PATH/TO/jsc"
    )


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it: there is nothing to be fetched. Raises ``EngineUnavailable``."""
    executable = find(id)
    wanted = shell(id, _WHERE_KNOWN)
    flags = known(id, executable, wanted.flags)
    config = f'{{"fds": [{{in}}, {{out}}, {{progress}}], "rounds": {wanted.rounds}}}'
    # With nothing but text the shell would wait for more of it, from a terminal that is not there.
    text = f"(0, eval)(readFile({str(program_file(id.name))!r}))({config})"

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return _version(hello["library"]), (f"{wanted.engine}, in {executable}",)

    worker = Worker(
        Launch((executable, *flags, "-e", text), lines=True), Flavour(SCRIPT_KINDS, False, links=True), wanted.family,
        loaded, validator="jsc",
    )  # fmt: skip
    return WorkerEngine(id, worker, limits)


def known(id: EngineId, executable: str, flags: tuple[str, ...]) -> tuple[str, ...]:
    """Without the options that a release does not have.

    Raises ``EngineUnavailable`` where that is one that was asked for, and for what is no such shell.
    """
    optional = {name for options in (*_WHERE_KNOWN.values(), _ALONE) for name in options} - flags_of(id).keys()
    while True:
        try:
            started = subprocess.run(
                [executable, *flags, "-e", _ASKS], cwd=empty_folder(), stdin=subprocess.DEVNULL, capture_output=True,
                text=True, errors="replace", check=False, timeout=_START_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineUnavailable(f"{id}: {executable} does not start: {error}") from None
        refused = dict(_REFUSED.findall(started.stderr + started.stdout))
        if not refused:
            break
        for name, value in refused.items():
            if name not in optional or f"--{name}={value}" not in flags:
                raise EngineUnavailable(f"{id}: this release has no option {name}, or not with {value}")
        flags = tuple(flag for flag in flags if flag[2:].partition("=")[0] not in refused)
    if started.stdout.split() != ["function"] * len(_NEEDS):
        text = f"{executable} is no shell of WebKit's, or too old a one: it has not all of {', '.join(_NEEDS)}"
        raise EngineUnavailable(f"{id}: {text}")
    return flags


@lru_cache
def _version(library: str) -> str:
    """WebKitGTK's release, by its library; 0 of any other build, which does not say."""
    if not _GTK.search(library):
        return "0"
    asked = [sys.executable, "-I", "-S", "-c", _VERSION, library]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_START_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return "0"
    return done.stdout.strip() if done.returncode == 0 else "0"
