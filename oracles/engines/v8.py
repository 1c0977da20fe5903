"""V8, through node: ``@VERSION`` of node from the npm registry, ``@/path/to/node``, or the newest at hand.

Settings: ``liftoff`` (the baseline compiler alone), ``turbofan`` (the optimising one alone), neither for V8's own
tiering; ``flag.NAME=VALUE`` for any V8 flag (``on`` gives ``--NAME``, ``off`` gives ``--no-NAME``). Lazy compilation
and dynamic tiering are off with either tier, so that every function is compiled by it before anything is called.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from oracles.engine import Engine, EngineId, Limits
from oracles.remote.shells import Shell, check_tiers, find_shell, flags_of, open_shell, releases, tier_of

TIERS: Final = {
    "liftoff": ("--liftoff-only", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
    "turbofan": ("--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
}
SAFE_FLAGS: Final = re.compile(
    r"(no[-_])?(wasm|liftoff|turbo|turboshaft|maglev|experimental[-_]wasm|enable|stress|jit)([-_]|\Z)"
)
"""V8's own flags about code. Node has others, which load modules, run text or listen for a debugger."""
COMMON: Final = ("--single-threaded", "--expose-gc", "--no-warnings")
RELEASES: Final = releases("node")
CONTRACT: Final = ("v8", *(f"v8:{tier}" for tier in TIERS))

NOISE: Final = re.compile(r"CompileError: WebAssembly\.\w+\(\): |(?:Compiling function #\d+(?::\"[^\"]*\")? failed: )")
"""What it says of every module that it refuses."""


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    return check_tiers(id, TIERS)


def shell(id: EngineId, features: Collection[str]) -> Shell:  # noqa: ARG001
    """How it is run."""
    tier = tier_of(id, TIERS)
    flags = [*COMMON, *TIERS.get(tier, ())]
    for name, value in flags_of(id).items():
        flags.append({"on": f"--{name}", "off": f"--no-{name}"}.get(value, f"--{name}={value}"))
    return Shell("node", "V8", tier or "liftoff", tuple(flags), {"NODE_OPTIONS": "", "NODE_PATH": ""})


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the node release if it is asked for and missing."""
    return open_shell(id, limits, shell(id, ()), find_shell("node", id, offline))
