"""The fewest of some things that a finding needs (ddmin, Zeller and Hildebrandt 2002)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def fewest(things: Sequence[T], shows: Callable[[Sequence[T]], bool], deadline: float = math.inf) -> list[T]:
    """A part of ``things``, in order, that shows it and from which nothing can be left out alone, unless the time (a
    ``deadline`` by ``time.monotonic``) is over before that is known. ``things`` as a whole must show it."""
    kept, parts = list(things), 2
    while len(kept) > 1:
        size = -(-len(kept) // parts)
        starts = range(0, len(kept), size)
        tries = [(kept[start : start + size], 2) for start in starts]
        tries += [(kept[:start] + kept[start + size :], max(2, parts - 1)) for start in starts if len(starts) > 2]
        for smaller, then in tries:
            if time.monotonic() >= deadline:
                return kept
            if shows(smaller):
                kept, parts = smaller, then
                break
        else:
            if size == 1:
                return kept
            parts = min(len(kept), 2 * parts)
    return kept
