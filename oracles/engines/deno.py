"""V8, through deno, which has a newer one than node: ``@VERSION`` of deno, ``@/path/to/deno``, or the newest at hand.

Settings are those of ``v8``: ``liftoff`` (the baseline compiler alone), ``turbofan`` (the optimising one alone),
neither for V8's own tiering; ``flag.NAME=VALUE`` for any V8 flag.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from oracles.emulation import TARGET
from oracles.engine import Engine, EngineId, Limits, UsageError
from oracles.engines import v8
from oracles.remote.shells import Shell, check_tiers, find_shell, open_shell, released
from oracles.switches import Switch

RELEASES: Final = released("deno")
CONTRACT: Final = ("deno", *(f"deno:{tier}" for tier in v8.TIERS))
NOISE: Final = v8.NOISE
SAFE_FLAGS: Final = v8.SAFE_FLAGS
_OWN: Final = ("run", "--quiet", "--no-config", "--no-lock", "--no-prompt", "--allow-all")
"""The worker opens the descriptors that it inherits, for which deno asks for all rights; the harness confines it."""


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name. Raises ``UsageError``."""
    if id.get(TARGET):
        raise UsageError(f"deno does not start under an emulator within a minute: write v8:{TARGET}={id.get(TARGET)}")
    return check_tiers(id, v8.TIERS)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers, and the flags of the CPU and of passes one by one."""
    return v8.switches(id)


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:
    """Between the two compilers, as for ``v8``."""
    return v8.split(id, functions, count)


def shell(id: EngineId, features: Collection[str]) -> Shell:
    """How it is run."""
    node = v8.shell(id, features)
    flags = [flag for flag in node.flags if flag != "--no-warnings"]
    env = {"DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    given = f"--v8-flags={','.join(flags)}"
    return Shell("deno", "V8", node.family, (*_OWN, given), env, evaluate=("eval", given))


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the deno release if it is asked for and missing."""
    return open_shell(id, limits, shell(id, ()), find_shell("deno", id, offline))
