"""What a run may use, and the meter that counts it. All limits are the interpreter's own and deterministic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oracles.stops import Exhaustion, MemoryExhaustion

BLOCK: Final = 65_536
"""Bytes per block of a memory's backing store, and per block that an observation hashes."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits for everything that a store does until they are renewed.

    ``steps``: each function entry costs the number of instructions in its body outside loops, each arrival at a loop's
    head the number inside that loop and outside the loops in it; so steps bound the instructions executed from above
    and are the same in both tiers. Bulk instructions cost one step per 256 bytes or 16 elements more.
    ``depth``: frames in use at once, where a frame counts one more for every 64 values that its function makes.
    ``pages``: size of any memory in units of 64 KiB; growing beyond gives -1, starting beyond gives OutOfMemory.
    ``touched``: 64 KiB blocks of all memories that hold data. ``cells``: references and fields in tables and
    aggregates that were ever allocated, eight more per object; beyond either the outcome is OutOfMemory.
    """

    steps: int = 50_000_000
    depth: int = 20_000
    pages: int = 1 << 18
    touched: int = 4096
    cells: int = 1 << 25


class Meter:
    """The counters of one store. ``fuel`` counts down from the budget's steps; the others count up.

    ``observed`` says that a bit that the specification leaves open has decided something since it was last cleared.
    """

    __slots__ = ("budget", "cells", "deepest", "depth", "fuel", "observed", "pages", "relaxed", "touched")

    def __init__(self, budget: Budget) -> None:
        self.touched = self.cells = self.pages = 0
        self.observed = self.relaxed = False
        self.renew(budget)

    def renew(self, budget: Budget) -> None:
        """Start counting steps and depth anew under a budget; what is allocated stays counted."""
        self.budget, self.fuel, self.depth, self.deepest = budget, budget.steps, budget.depth, 0

    @property
    def steps(self) -> int:
        return self.budget.steps - max(self.fuel, 0)

    def spend(self, steps: int) -> None:
        """Pay for bulk work. Raises ``Exhaustion``."""
        self.fuel -= steps
        if self.fuel < 0:
            raise Exhaustion("fuel")

    def touch(self) -> None:
        """Account for one more block of memory. Raises ``MemoryExhaustion``."""
        self.touched += 1
        if self.touched > self.budget.touched:
            raise MemoryExhaustion(f"more than {self.budget.touched} blocks of 64 KiB are in use")

    def allocate(self, cells: int) -> None:
        """Account for ``cells`` references or fields. Raises ``MemoryExhaustion``."""
        self.cells += cells
        if self.cells > self.budget.cells:
            raise MemoryExhaustion(f"more than {self.budget.cells} references and fields were allocated")
