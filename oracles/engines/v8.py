"""V8, through node: ``@VERSION`` of node from the npm registry, ``@/path/to/node``, or the newest at hand.

Settings: ``liftoff`` (the baseline compiler alone), ``turbofan`` (the optimising one alone), neither for V8's own
tiering; ``target=aarch64``, run under qemu; ``flag.NAME=VALUE`` for any V8 flag (``on`` gives ``--NAME``, ``off`` gives
``--no-NAME``). Lazy compilation and dynamic tiering are off with either tier, so that every function is compiled by it
before anything is called.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from oracles.emulation import TARGET
from oracles.engine import Engine, EngineId, Limits, Releases
from oracles.remote.shells import (
    Shell,
    check_tiers,
    find_shell,
    flags_of,
    open_shell,
    released,
    tier_of,
    tier_switches,
)
from oracles.switches import Switch

TIERS: Final = {
    "liftoff": ("--liftoff-only", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
    "turbofan": ("--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering"),
}
SAFE_FLAGS: Final = re.compile(
    r"(no[-_])?(wasm|liftoff|turbo|turboshaft|maglev|experimental[-_]wasm|enable|stress|jit)([-_]|\Z)"
)
"""V8's own flags about code. Node has others, which load modules, run text or listen for a debugger."""
COMMON: Final = ("--single-threaded", "--expose-gc", "--no-warnings")
_EMULATED: Final = ("--disable-wasm-trap-handler",)
"""Of node's. Without it V8 reserves 10 GiB for each memory, which costs an emulator more than all the rest."""
RELEASES: Final = released("node")
CONTRACT: Final = ("v8", *(f"v8:{tier}" for tier in TIERS))
CONFIGURATIONS: Final = tuple(f"v8:target=aarch64+{tier}" for tier in TIERS)

NOISE: Final = re.compile(r"CompileError: WebAssembly\.\w+\(\): |(?:Compiling function #\d+(?::\"[^\"]*\")? failed: )")
"""What it says of every module that it refuses."""

_CPU: Final = ("avx2", "avx", "fma3", "bmi2", "bmi1", "lzcnt", "popcnt", "sse4-2", "sse4-1", "ssse3", "sse3", "sahf")
_PASSES: Final = (
    "wasm-loop-unrolling", "wasm-loop-peeling", "wasm-inlining", "wasm-inlining-call-indirect", "wasm-opt",
    "wasm-load-elimination", "wasm-bulkmem-inlining", "turboshaft-wasm-load-elimination", "turboshaft-load-elimination",
    "turbo-load-elimination", "turbo-cf-optimization", "turbo-loop-variable", "turbo-allocation-folding",
    "turbo-instruction-scheduling", "turboshaft-csa", "experimental-wasm-simd-opt", "wasm-simd-opt", "wasm-gc-opt",
)  # fmt: skip
"""Flags of V8's compilers that are on unless taken away; a release knows some of them."""


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    return check_tiers(id, TIERS)


def releases(id: EngineId) -> Releases:
    """Those for the machine that ``id`` is to run on."""
    return released("node", id.get(TARGET))


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers, and the flags of the CPU and of passes one by one."""
    names = [*(f"enable-{name}" for name in _CPU), *_PASSES]
    found = [Switch(f"--no-{name}", f"--{name}", ((f"flag.{name}", "off"),), True) for name in names
             if id.get(f"flag.{name}") != "off"]  # fmt: skip
    return (*tier_switches(id, TIERS), *found)


_MASK: Final = "flag.wasm-tier-mask-for-testing"
_MASKED: Final = {"flag.wasm-lazy-compilation": "off", "flag.wasm-tiering-budget": "1000000000"}
"""Without dynamic tiering V8 compiles everything a second time, by TurboFan; so its budget is never used up instead."""


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:
    """Between the two compilers, by a flag of V8's that has a bit for each of 31 functions that are TurboFan's."""
    tier = tier_of(id, TIERS)
    if not tier or count > 31:
        return None
    chosen = functions if tier == "turbofan" else frozenset(range(count)) - functions
    rest = {key: value for key, value in id.settings if key != tier}
    mask = sum(1 << number for number in chosen)
    return check(id.with_settings({**rest, **_MASKED, **({_MASK: str(mask)} if mask else {})}))


def shell(id: EngineId, features: Collection[str]) -> Shell:  # noqa: ARG001
    """How it is run."""
    tier = tier_of(id, TIERS)
    flags = [*COMMON, *TIERS.get(tier, ())]
    if id.get(TARGET):
        flags += _EMULATED
    for name, value in flags_of(id).items():
        flags.append({"on": f"--{name}", "off": f"--no-{name}"}.get(value, f"--{name}={value}"))
    return Shell("node", "V8", tier or "liftoff", tuple(flags), {"NODE_OPTIONS": "", "NODE_PATH": ""})


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the node release if it is asked for and missing."""
    return open_shell(id, limits, shell(id, ()), find_shell("node", id, offline))
