"""The fewest of some things that must stay for a finding to show (ddmin, Zeller and Hildebrandt 2002)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def fewest(things: Sequence[T], shows: Callable[[frozenset[T]], bool]) -> list[T]:
    """A subset that shows it, of which nothing can be left out alone. ``things`` as a whole must show it."""
    kept = list(things)
    parts = 2
    while len(kept) > 1:
        size = max(1, len(kept) // parts)
        pieces = [kept[start : start + size] for start in range(0, len(kept), size)]
        smaller = next((piece for piece in pieces if shows(frozenset(piece))), None)
        if smaller is not None:
            kept, parts = smaller, 2
            continue
        rests = ([one for one in kept if one not in piece] for piece in pieces)
        smaller = next((rest for rest in rests if len(rest) < len(kept) and shows(frozenset(rest))), None)
        if smaller is not None:
            kept, parts = smaller, max(2, parts - 1)
        elif size == 1:
            return kept
        else:
            parts = min(len(kept), 2 * parts)
    return kept
