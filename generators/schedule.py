"""In which order targets take turns where all of them run: by their weights in CPU time, and what a case costs.

turns(("arith", "simd"))        # simd has seven times the weight and twice the cost: -> simd, simd, arith, simd, ...

Which target makes case ``n`` is a plain list, so that the cases of a run are the same whatever else happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.registry import load_target

LENGTH: Final = 120
"""About how many turns there are before the list begins again. Every target has one of them at least."""

COST: Final[dict[str, int]] = {
    "arith": 16,
    "calls": 100,
    "control": 61,
    "gc": 57,
    "globals": 28,
    "locals": 25,
    "memory": 29,
    "mixed": 30,
    "modules": 6,
    "mutate": 35,
    "params": 44,
    "pressure": 24,
    "refs": 66,
    "regalloc": 15,
    "returns": 54,
    "simd": 24,
    "startup": 23,
    "tables": 40,
    "tries": 133,
}
"""CPU milliseconds that a case takes with the default engines, the interpreter and the generator: as measured by
``fuzz run --target all --cases 570 --no-minimize --json`` (``targets_cpu_seconds`` by ``targets_cases``)."""

USUAL: Final = 35.0
"""What a target that nobody has measured is taken to cost."""


def turns(names: Sequence[str]) -> tuple[str, ...]:
    """The targets in the order of their turns, those with more of them evenly between the others."""
    wanted = {name: load_target(name).weight / COST.get(name, USUAL) for name in names}
    whole = sum(wanted.values())
    counts = {name: max(1, round(LENGTH * share / whole)) for name, share in wanted.items()}
    places = [((turn + 0.5) / count, name) for name, count in counts.items() for turn in range(count)]
    return tuple(name for _, name in sorted(places))
