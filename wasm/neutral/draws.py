"""Where the choices of a mutant come from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Draws(Protocol):
    """Numbers to decide by, one after the other."""

    def below(self, count: int) -> int:
        """One of 0 to ``count`` - 1; ``count`` is 1 or more."""


class Drawn:
    """Choices from a few words and numbers: the same ones give the same choices on every machine and Python."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256(" ".join(map(str, key)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest[:8], "little"))

    def below(self, count: int) -> int:
        # ``random()`` is the one method whose numbers Python promises to keep.
        return int(self._random.random() * count)


def pick(draws: Draws, items: Sequence[_T]) -> _T:
    """One of the items, of which there is at least one."""
    return items[draws.below(len(items))]


def some(draws: Draws, items: Sequence[_T], most: int) -> list[_T]:
    """Between one and ``most`` different items (fewer where there are fewer), in the order of the sequence."""
    if not items:
        return []
    left = list(range(len(items)))
    chosen = [left.pop(draws.below(len(left))) for _ in range(min(1 + draws.below(most), len(items)))]
    return [items[at] for at in sorted(chosen)]


def many(draws: Draws, items: Sequence[_T], few: int, most: int = 400) -> list[_T]:
    """A few of the items, or about half, or all of them, but no more than ``most``: what is wrong about one thing shows
    where that one is changed, and what is wrong about two together where one of them stays."""
    kind = draws.below(3)
    if kind == 0:
        return some(draws, items, few)
    return [item for item in items[:most] if kind == 1 or draws.below(2)]
