"""Time as an oracle: cases that an engine compiles for much longer than others of their size (docs/slow.md).

    usual      an engine's CPU seconds of compiling, per instruction: the least of the medians over modules of about one
               size, up to the case's own; what is fixed per module makes small ones dear, never cheap
    suspicion  a case that took many times that, twice more at its quickest too
    growth     the same functions cut to an eighth, a quarter and half: the power with which the time grows

Only what grows faster than its size is told: a case that is dear throughout is a matter of taste. Times come from
``Observation.cpu``, or in tests from whoever is asked to measure.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import linear_regression, median
from typing import Final, TypeAlias

from fuzz.trial.bench import Bench, Trial
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.module import Module
from wasm.rewrite.prefix import prefix

SAMPLES: Final = 12
"""So many modules of about one size say what is usual for it."""
KEPT: Final = 101
FACTOR: Final = 6.0
LEAST_SECONDS: Final = 0.05
"""Less is nobody's trouble, and mostly noise."""
AGAIN: Final = 2
PARTS: Final = (1, 2, 4, 8)
POWER: Final = 1.4
"""A time that grows with a greater power of the size is a finding. Twice the size takes 2.6 times as long."""
CLEAR: Final = 0.002
"""Shorter times say nothing about growth."""
_PHASE: Final = "compile"

Measure: TypeAlias = Callable[[str, Case], float | None]
"""The CPU seconds that an engine takes to compile a case now; None if it does not say."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Instructions and seconds of the same shape at several sizes, and the power that fits them best."""

    points: tuple[tuple[int, float], ...]
    power: float

    def __str__(self) -> str:
        told = ", ".join(f"{seconds:.3g} s for {size}" for size, seconds in self.points)
        return f"it grows with the power {self.power:.1f} of the size: {told} instructions"


@dataclass(slots=True)
class Usual:
    """What an engine has taken so far: CPU seconds of compiling per instruction, by size (the instructions' number in
    bits), the latest ``KEPT`` of each."""

    sizes: dict[int, deque[float]] = field(default_factory=dict)

    def add(self, instructions: int, seconds: float) -> None:
        known = self.sizes.setdefault(instructions.bit_length(), deque(maxlen=KEPT))
        known.append(seconds / instructions)

    def seconds(self, instructions: int) -> float | None:
        """What so many instructions usually take; None while nobody can tell."""
        fitting = [
            median(known)
            for size, known in self.sizes.items()
            if size <= instructions.bit_length() and len(known) >= SAMPLES
        ]
        return min(fitting) * instructions if fitting else None


@dataclass(slots=True)
class Slowness:
    """Watches the engines of a run. ``told`` are the buckets (family and most frequent row) that were found already."""

    usual: dict[str, Usual] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)

    def look(self, trial: Trial, measure: Measure, families: Mapping[str, str]) -> list[Dissent]:
        """Take a trial's times down; a dissent of kind ``slow`` for each engine to which the case is a cliff."""
        if trial.case.kind is not CaseKind.WASM or not (timed := _times(trial.observations)):
            return []
        try:
            module = decode(trial.case.content)
        except WasmError:
            return []
        count = instructions(module)
        found = []
        for engine, seconds in timed.items():
            usual = self.usual.setdefault(engine, Usual())
            expected = usual.seconds(count) if count else None
            if expected is not None and _too_long(seconds, expected):
                dissent = self._cliff(trial.case, module, engine, families[engine], expected, measure)
                found += [dissent] if dissent is not None else []
            elif count:
                # What is suspicious is not taken for usual.
                usual.add(count, seconds)
        return found

    def _cliff(
        self, case: Case, module: Module, engine: str, family: str, expected: float, measure: Measure
    ) -> Dissent | None:
        key = (family, most_frequent(module))
        if key in self.told:
            return None
        quiet = [seconds for _ in range(AGAIN) if (seconds := measure(engine, case)) is not None]
        if len(quiet) < AGAIN or not _too_long(min(quiet), expected):
            return None
        growth = grown(case, module, engine, measure)
        if growth is None or growth.power < POWER:
            return None
        self.told.add(key)
        best = min(quiet)
        detail = (
            f"{best:.3g} s to compile {instructions(module)} instructions, {best / expected:.0f} times what is usual"
        )
        return Dissent(engine, family, Kind.SLOW, _PHASE, _PHASE, f"{detail}; {growth}", f"mostly {key[1]}")


def grown(case: Case, module: Module, engine: str, measure: Measure) -> Growth | None:
    """How the time grows with the size, each at its quickest of ``AGAIN``; None where too few sizes take long."""
    points = []
    for part in PARTS:
        smaller = prefix(module, part, PARTS[-1])
        content = encode(smaller) if part != PARTS[-1] else case.content
        seconds = [measure(engine, replace(case, content=content, invocations=(), sites=())) for _ in range(AGAIN)]
        clear = [one for one in seconds if one is not None and one >= CLEAR]
        if clear:
            points.append((instructions(smaller), min(clear)))
    power = fitted(points)
    return None if power is None else Growth(tuple(points), power)


def fitted(points: Sequence[tuple[int, float]]) -> float | None:
    """The power of the size with which times grow: the slope of the line that fits best where both are logarithms
    (least squares); None for fewer than three points or sizes."""
    if len(points) < 3 or len({size for size, _ in points}) < 3:
        return None
    return linear_regression(*([math.log(value) for value in values] for values in zip(*points, strict=True))).slope


def instructions(module: Module) -> int:
    """How many stand in a module's functions."""
    return sum(len(func.body) for func in module.funcs)


def most_frequent(module: Module) -> str:
    """The row that stands most often in a module, plumbing aside: by it cliffs are told apart."""
    rows = Counter(op.name for func in module.funcs for op, _ in func.body)
    telling = {name: count for name, count in rows.items() if name not in ("end", "local.get") and "const" not in name}
    return max(telling or rows, key=lambda name: ((telling or rows)[name], name), default="nothing")


def measuring(bench: Bench) -> Measure:
    """By the workers of a bench."""

    def measure(engine: str, case: Case) -> float | None:
        return next(iter(_times(bench.observe(case, [engine])).values()), None)

    return measure


def as_verdict(dissent: Dissent) -> Disagree:
    """The verdict that a finding of this kind has: nobody else is asked."""
    return Disagree((dissent,), (), (dissent.family,))


def _times(observations: Sequence[Observation]) -> dict[str, float]:
    """CPU seconds of compiling, by engine, of those that say."""
    return {
        seen.engine: seconds for seen in observations for part, seconds in seen.cpu if part == _PHASE and seconds > 0
    }


def _too_long(seconds: float, expected: float) -> bool:
    return seconds >= LEAST_SECONDS and seconds > FACTOR * expected
