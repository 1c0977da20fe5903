"""In which order targets take turns where all of them run: by their weights in CPU time, and what a case costs.

turns(("arith", "memory"))      # memory has a third of the weight and twice the cost: arith five times, memory, ...

Which target makes case ``n`` is a plain list, so that the cases of a run are the same whatever else happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.registry import load_target

LENGTH: Final = 120
"""About how many turns there are before the list begins again. Every target has one of them at least."""


def turns(names: Sequence[str]) -> tuple[str, ...]:
    """The targets in the order of their turns, those with more of them evenly between the others."""
    wanted = {target.name: target.weight / target.cost for target in map(load_target, names)}
    whole = sum(wanted.values())
    counts = {name: max(1, round(LENGTH * share / whole)) for name, share in wanted.items()}
    places = [((turn + 0.5) / count, name) for name, count in counts.items() for turn in range(count)]
    return tuple(name for _, name in sorted(places))
