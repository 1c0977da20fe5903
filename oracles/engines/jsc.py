"""JavaScriptCore, through bun: ``@VERSION`` of bun from the npm registry, ``@/path/to/bun``, or the newest at hand.

Settings: ``ipint`` (the interpreter alone), ``bbq`` (the baseline compiler alone), ``omg`` (the optimising compiler),
none for JavaScriptCore's own tiering; ``target=aarch64``, run under qemu; ``flag.NAME=VALUE`` for any of its options
(``on`` is 1, ``off`` is 0). With ``omg`` every threshold is zero, so that a function's first call, which is in BBQ's
code, has OMG's made before it goes on; each case runs on a throwaway instance first, and on a fresh instance of the
same module then.
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
    tier_switches,
)
from oracles.switches import Switch

_THRESHOLDS: Final = ("BBQOptimizeAfterWarmUp", "OMGOptimizeAfterWarmUp", "OMGOptimizeSoon")
TIERS: Final = {
    "ipint": {"useBBQJIT": "0", "useOMGJIT": "0"},
    "bbq": {"useWasmIPInt": "0", "useOMGJIT": "0"},
    "omg": {"useWasmIPInt": "0", **{f"thresholdFor{name}": "0" for name in _THRESHOLDS}},
}
COMMON: Final = {"useConcurrentJIT": "0", "useConcurrentGC": "0"}
"""Code is compiled when it is asked for, so that a case takes the same way each time."""
_WHERE_KNOWN: Final = {"memory64": {"useWasmMemory64": "1"}}
"""By feature, what later releases have and do not turn on by themselves."""
RELEASES: Final = released("bun")
CONTRACT: Final = ("jsc", *(f"jsc:{tier}" for tier in TIERS))
CONFIGURATIONS: Final = tuple(f"jsc:target=aarch64+{tier}" for tier in TIERS)

NOISE: Final = re.compile(
    r"={20,}|Bun v\d.*|(?:Linux Kernel|CPU|Args|Features|Builtins|Elapsed|RSS)\b.*|oh no: Bun has crashed.*|"
    r"To send a redacted crash report.*|please file a GitHub issue.*|https://bun\.report/.*|"
    r"panic\([^)]*\): |\(evaluating '.*'\)$|"
    r"CompileError: WebAssembly\.\w+ (?:doesn't parse|is invalid)(?: at byte \d+)?: "
)
"""The banner that bun prints whatever it dies of, and what it says of every module that it refuses."""

PREFIX: Final = "BUN_JSC_"
ROUNDS: Final = {"omg": 2}
"""How often a case runs, where that is more than once."""
_REFUSED: Final = re.compile(rf"invalid JSC environment variable\s+({PREFIX}\w+)=")
_START_SECONDS: Final = 60.0
_PASSES: Final = (
    ("useAVX", "off"), ("useWasmFaultSignalHandler", "off"), ("useWasmTailCalls", "off"), ("useWasmFastMemory", "off"),
    ("useB3TailDup", "off"), ("useB3HoistLoopInvariantValues", "off"), ("useB3CanonicalizePrePostIncrements", "off"),
    ("airForceBriggsAllocator", "on"), ("airForceIRCAllocator", "on"),
    ("airUseGreedyRegAlloc", "off"), ("useOMGInlining", "off"), ("useInliningForWasm", "off"),
    ("defaultB3OptLevel", "0"), ("defaultB3OptLevel", "1"), ("wasmOMGOptimizationLevel", "0"),
    ("wasmOMGOptimizationLevel", "1"),
)  # fmt: skip
"""Options of JavaScriptCore's compilers, each with what is not its default; a release knows some of them."""


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    return check_tiers(id, TIERS)


def releases(id: EngineId) -> Releases:
    """Those for the machine that ``id`` is to run on."""
    return released("bun", id.get(TARGET))


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers, and options of the compilers one by one."""
    found = [Switch(f"{name}={value}", f"{name} as it is", ((f"flag.{name}", value),)) for name, value in _PASSES
             if id.get(f"flag.{name}") != value]  # fmt: skip
    return (*tier_switches(id, TIERS), *found)


_RANGE: Final = "wasmFunctionIndexRangeToCompile"
_AT_ONCE: Final = ("BBQOptimizeAfterWarmUp", "BBQOptimizeSoon")


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:
    """Between a compiler and the interpreter, by an option of JavaScriptCore's with the functions that it may compile:
    a range of those that the module defines, or all but a range. They are compiled when they are first called."""
    tier = tier_of(id, TIERS)
    wanted = _range(sorted(functions), count)
    if tier not in ("bbq", "omg") or wanted is None or f"flag.{_RANGE}" in dict(id.settings):
        return None
    flags = {"useWasmIPInt": "on", **{f"thresholdFor{name}": "0" for name in _AT_ONCE}, _RANGE: wanted}
    return check(id.with_settings({**dict(id.settings), **{f"flag.{name}": value for name, value in flags.items()}}))


def _range(chosen: list[int], count: int) -> str | None:
    """``first-last``, or ``!first-last`` for all others; None for what is neither. A colon, which JavaScriptCore wants,
    has another meaning in an id."""
    rest = [number for number in range(count) if number not in chosen]
    for numbers, word in ((chosen, ""), (rest, "!")):
        if numbers and len(numbers) == numbers[-1] - numbers[0] + 1:
            return f"{word}{numbers[0]}-{numbers[-1]}"
    return None


def shell(id: EngineId, features: Collection[str]) -> Shell:
    """How it is run for cases of these features."""
    tier = tier_of(id, TIERS)
    options = {name: value for feature in features for name, value in _WHERE_KNOWN.get(feature, {}).items()}
    options |= {**COMMON, **TIERS.get(tier, {})}
    options |= {name: {"on": "1", "off": "0"}.get(value, value) for name, value in flags_of(id).items()}
    if _RANGE in options:
        options[_RANGE] = options[_RANGE].replace("-", ":")
    env = {f"{PREFIX}{name}": value for name, value in options.items()}
    rounds = ROUNDS.get(tier, 1) + (_RANGE in options)  # the first call is in the interpreter then
    return Shell("bun", "JavaScriptCore", tier or "ipint", (), env, rounds)


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
