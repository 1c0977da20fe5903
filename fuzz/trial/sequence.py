"""Bugs that need a history: cases that show one only after others ran in the same process.

A type that is not registered any more, a heap that was used before: such a bug is among the most serious there are, and
alone in a fresh process its case is right. So the cases that its worker ran before it are run again in a fresh process,
and of these the ones that are needed are kept, as few as can be (ddmin, Zeller and Hildebrandt 2002).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from fuzz.trial.bench import Bench, Trial
from fuzz.trial.ddmin import fewest
from wasm.case import Case

SURE: Final = 2
"""A history is believed if the case shows so many times of so many after it."""

Holds = Callable[[Sequence[Case]], bool]


def needed_history(
    bench: Bench, history: Sequence[Case], case: Case, shows: Callable[[Trial], bool], seconds: float
) -> tuple[Case, ...]:
    """The earlier cases without which a case does not show something; none if it does not show it even after all of
    them. ``seconds`` bounds the search for fewer, after which the fewest so far are the answer."""

    def holds(before: Sequence[Case]) -> bool:
        return shows(bench.run_after(before, case))

    if not history or not all(holds(history) for _ in range(SURE)):
        return ()
    deadline = time.monotonic() + seconds
    return tuple(fewest(_shortest_end(history, holds, deadline), holds, deadline))


def _shortest_end(history: Sequence[Case], holds: Holds, deadline: float) -> Sequence[Case]:
    """The last 1, 2, 4, ... cases, as soon as they are enough: what matters was mostly not long ago."""
    length = 1
    while length < len(history) and time.monotonic() < deadline:
        if holds(history[-length:]):
            return history[-length:]
        length *= 2
    return history
