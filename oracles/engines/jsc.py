"""JavaScriptCore, through bun: ``@VERSION`` of bun from the npm registry, ``@/path/to/bun``, or the newest at hand.

Settings: ``ipint`` (the interpreter alone), ``bbq`` (the baseline compiler alone), ``omg`` (the optimising compiler),
none for JavaScriptCore's own tiering; ``target=aarch64``, run under qemu; ``flag.NAME=VALUE`` for any of its options
(``on`` is 1, ``off`` is 0). ``_javascriptcore`` has what is the same in other shells.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from oracles.emulation import TARGET
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, Releases
from oracles.engines import _javascriptcore as core
from oracles.remote.confinement import empty_folder
from oracles.remote.shells import (
    Shell,
    check_tiers,
    emulation,
    find_shell,
    flags_of,
    open_shell,
    released,
    tier_of,
)
from oracles.switches import Switch

TIERS: Final = core.TIERS
_WHERE_KNOWN: Final = {"memory64": {"useWasmMemory64": "1"}}
"""By feature, what later releases have and do not turn on by themselves."""
RELEASES: Final = released("bun")
CONTRACT: Final = ("jsc", *(f"jsc:{tier}" for tier in TIERS))
CONFIGURATIONS: Final = tuple(f"jsc:target=aarch64+{tier}" for tier in TIERS)

NOISE: Final = re.compile(
    r"={20,}|Bun v\d.*|(?:Linux Kernel|CPU|Args|Features|Builtins|Elapsed|RSS)\b.*|oh no: Bun has crashed.*|"
    r"To send a redacted crash report.*|please file a GitHub issue.*|https://bun\.report/.*|"
    rf"panic\([^)]*\): |{core.NOISE}"
)
"""The banner that bun prints whatever it dies of, and what it says of every module that it refuses."""

PREFIX: Final = "BUN_JSC_"
_REFUSED: Final = re.compile(rf"invalid JSC environment variable\s+({PREFIX}\w+)=")
_START_SECONDS: Final = 60.0


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    return check_tiers(id, TIERS)


def releases(id: EngineId) -> Releases:
    """Those for the machine that ``id`` is to run on."""
    return released("bun", id.get(TARGET))


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers, and options of the compilers one by one."""
    return core.switches(id, TIERS)


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:
    """Between a compiler and the interpreter (``_javascriptcore.split``)."""
    return core.split(id, functions, count, TIERS)


def shell(id: EngineId, features: Collection[str]) -> Shell:
    """How it is run for cases of these features."""
    env = {f"{PREFIX}{name}": value for name, value in core.options(id, features, TIERS, _WHERE_KNOWN).items()}
    return Shell("bun", "JavaScriptCore", tier_of(id, TIERS) or "ipint", (), env, core.rounds(id, TIERS))


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the bun release if it is asked for and missing."""
    executable = find_shell("bun", id, offline)
    return open_shell(id, limits, _known(id, executable, shell(id, _WHERE_KNOWN)), executable)


def _known(id: EngineId, executable: str, wanted: Shell) -> Shell:
    """Without the options that a release does not have: with one of these bun does not start.

    Raises ``EngineUnavailable`` where that is one that was asked for.
    """
    env = dict(wanted.env)
    optional = {f"{PREFIX}{name}" for options in _WHERE_KNOWN.values() for name in options.keys() - flags_of(id).keys()}
    while True:
        try:
            started = subprocess.run(
                [*emulation(id), executable, "-e", "0"], env=os.environ | env, cwd=empty_folder(),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                timeout=_START_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineUnavailable(f"{id}: {executable} does not start: {error}") from None
        refused = _REFUSED.search(started.stderr + started.stdout)
        if refused is None:
            return replace(wanted, env=env)
        if refused[1] not in optional & env.keys():
            name = refused[1].removeprefix(PREFIX)
            raise EngineUnavailable(f"{id}: this release has no option {name}, or not with {env.get(refused[1])}")
        del env[refused[1]]
