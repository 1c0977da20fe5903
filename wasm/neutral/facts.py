"""What was seen in a run of a module, for mutators that put code where it showed that it will not run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Place: TypeAlias = tuple[int, int]
"""A function's number among those that the module defines, and a position in its flat body."""


@dataclass(slots=True)
class Bounds:
    """What locals held whenever a place was reached: for each i32 and i64 local by number the least and the greatest
    value, as unsigned numbers. ``times``: how often that was."""

    times: int = 0
    locals: dict[int, tuple[int, int]] = field(default_factory=dict)


Facts: TypeAlias = Callable[[Collection[Place]], Mapping[Place, Bounds] | None]
"""Asked about places, gives what was seen there in the run of a case; None where that run is not known to its end, or
is not the same on every engine."""


def no_facts(places: Collection[Place]) -> None:
    """``Facts`` of somebody who has seen nothing."""
