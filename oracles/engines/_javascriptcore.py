"""What is the same wherever JavaScriptCore is: its tiers by its own options, and what ``fuzz explain`` needs of them.

With ``omg`` every threshold is zero, so that a function's first call, which is in BBQ's code, has OMG's made before it
goes on; each case runs on a throwaway instance first, and on a fresh instance of the same module then.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from oracles.engine import EngineId
from oracles.remote.shells import check_tiers, flags_of, tier_of, tier_switches
from oracles.switches import Switch

_THRESHOLDS: Final = ("BBQOptimizeAfterWarmUp", "OMGOptimizeAfterWarmUp", "OMGOptimizeSoon")
TIERS: Final = {
    "ipint": {"useBBQJIT": "0", "useOMGJIT": "0"},
    "bbq": {"useWasmIPInt": "0", "useOMGJIT": "0"},
    "omg": {"useWasmIPInt": "0", **{f"thresholdFor{name}": "0" for name in _THRESHOLDS}},
}
COMMON: Final = {"useConcurrentJIT": "0", "useConcurrentGC": "0"}
"""Code is compiled when it is asked for, so that a case takes the same way each time."""
ROUNDS: Final = {"omg": 2}
"""How often a case runs, where that is more than once."""
NOISE: Final = r"\(evaluating '.*'\)$|CompileError: WebAssembly\.\w+ (?:doesn't parse|is invalid)(?: at byte \d+)?: "
"""What it says of every module that it refuses."""
_PASSES: Final = (
    ("useAVX", "off"), ("useWasmFaultSignalHandler", "off"), ("useWasmTailCalls", "off"), ("useWasmFastMemory", "off"),
    ("useB3TailDup", "off"), ("useB3HoistLoopInvariantValues", "off"), ("useB3CanonicalizePrePostIncrements", "off"),
    ("airForceBriggsAllocator", "on"), ("airForceIRCAllocator", "on"),
    ("airUseGreedyRegAlloc", "off"), ("useOMGInlining", "off"), ("useInliningForWasm", "off"),
    ("defaultB3OptLevel", "0"), ("defaultB3OptLevel", "1"), ("wasmOMGOptimizationLevel", "0"),
    ("wasmOMGOptimizationLevel", "1"),
)  # fmt: skip
"""Options of JavaScriptCore's compilers, each with what is not its default; a release knows some of them."""
_RANGE: Final = "wasmFunctionIndexRangeToCompile"
_AT_ONCE: Final = ("BBQOptimizeAfterWarmUp", "BBQOptimizeSoon")


def switches(id: EngineId, tiers: Collection[str]) -> tuple[Switch, ...]:
    """The other tiers, and options of the compilers one by one."""
    found = [Switch(f"{name}={value}", f"{name} as it is", ((f"flag.{name}", value),)) for name, value in _PASSES
             if id.get(f"flag.{name}") != value]  # fmt: skip
    return (*tier_switches(id, tiers), *found)


def split(id: EngineId, functions: frozenset[int], count: int, tiers: Collection[str]) -> EngineId | None:
    """Between a compiler and the interpreter, by an option of JavaScriptCore's with the functions that it may compile:
    a range of those that the module defines, or all but a range. They are compiled when they are first called."""
    tier = tier_of(id, tiers)
    wanted = _range(sorted(functions), count)
    if tier not in ("bbq", "omg") or wanted is None or f"flag.{_RANGE}" in dict(id.settings):
        return None
    flags = {"useWasmIPInt": "on", **{f"thresholdFor{name}": "0" for name in _AT_ONCE}, _RANGE: wanted}
    asked = id.with_settings({**dict(id.settings), **{f"flag.{name}": value for name, value in flags.items()}})
    return check_tiers(asked, tiers)


def _range(chosen: list[int], count: int) -> str | None:
    """``first-last``, or ``!first-last`` for all others; None for what is neither. A colon, which JavaScriptCore wants,
    has another meaning in an id."""
    rest = [number for number in range(count) if number not in chosen]
    for numbers, word in ((chosen, ""), (rest, "!")):
        if numbers and len(numbers) == numbers[-1] - numbers[0] + 1:
            return f"{word}{numbers[0]}-{numbers[-1]}"
    return None


def options(
    id: EngineId, features: Collection[str], tiers: dict[str, dict[str, str]], where_known: dict[str, dict[str, str]]
) -> dict[str, str]:
    """JavaScriptCore's options by name: what an id asks for, and by feature what not every release has."""
    tier = tier_of(id, tiers)
    found = {name: value for feature in features for name, value in where_known.get(feature, {}).items()}
    found |= {**COMMON, **tiers.get(tier, {})}
    found |= {name: {"on": "1", "off": "0"}.get(value, value) for name, value in flags_of(id).items()}
    if _RANGE in found:
        found[_RANGE] = found[_RANGE].replace("-", ":")
    return found


def rounds(id: EngineId, tiers: Collection[str]) -> int:
    """How often each case runs: once more where the first call is in the interpreter."""
    return ROUNDS.get(tier_of(id, tiers), 1) + (f"flag.{_RANGE}" in dict(id.settings))
