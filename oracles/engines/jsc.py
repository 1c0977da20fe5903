"""JavaScriptCore, through bun: ``@VERSION`` of bun from the npm registry, ``@/path/to/bun``, or the newest at hand.

Settings: ``ipint`` (the interpreter alone), ``bbq`` (the baseline compiler alone), ``omg`` (the optimising compiler),
none for JavaScriptCore's own tiering; ``flag.NAME=VALUE`` for any of its options (``on`` is 1, ``off`` is 0).
With ``omg`` every threshold is zero, so that a function's first call, which is in BBQ's code, has OMG's made before it
goes on; each case runs on a throwaway instance first, and on a fresh instance of the same module then.
"""

from __future__ import annotations

from typing import Final

from oracles.engine import Engine, EngineId, Limits
from oracles.shells import check_tiers, find_shell, flags_of, open_shell, tier_of

_THRESHOLDS: Final = ("BBQOptimizeAfterWarmUp", "OMGOptimizeAfterWarmUp", "OMGOptimizeSoon")
TIERS: Final = {
    "ipint": {"useBBQJIT": "0", "useOMGJIT": "0"},
    "bbq": {"useWasmIPInt": "0", "useOMGJIT": "0"},
    "omg": {"useWasmIPInt": "0", **{f"thresholdFor{name}": "0" for name in _THRESHOLDS}},
}
COMMON: Final = {"useConcurrentJIT": "0", "useConcurrentGC": "0", "useWasmMemory64": "1"}
"""Code is compiled when it is asked for, so that a case takes the same way each time."""

PREFIX: Final = "BUN_JSC_"
_ROUNDS: Final = {"omg": 2}


def check(id: EngineId) -> EngineId:
    """The canonical form: the tier, then the flags by name."""
    return check_tiers(id, TIERS)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the bun release if it is asked for and missing."""
    tier = tier_of(id, TIERS)
    options = {**COMMON, **TIERS.get(tier, {})}
    options |= {name: {"on": "1", "off": "0"}.get(value, value) for name, value in flags_of(id).items()}
    env = {f"{PREFIX}{name}": value for name, value in options.items()}
    rounds = _ROUNDS.get(tier, 1)
    executable = find_shell("bun", id, offline)
    return open_shell(id, limits, executable, (), env, tier or "ipint", "JavaScriptCore", rounds)
