"""Time and memory as oracles: cases that an engine compiles for much longer than others of their size, or with far
more memory (docs/slow.md).

    usual      what an engine takes to compile, per instruction: the least of the medians over modules of about one
               size, up to the case's own; what is fixed per module makes small ones dear, never cheap
    suspicion  a case that took many times that, twice more at its least too
    growth     the same functions cut to an eighth, a quarter and half: the power with which it grows

Only what grows faster than its size is told: a case that is dear throughout is a matter of taste. Times come from
``Observation.cpu``, memory from ``Observation.peak``, or in tests from whoever is asked to measure.
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
AGAIN: Final = 2
PARTS: Final = (1, 2, 4, 8)
POWER: Final = 1.4
"""What grows with a greater power of the size is a finding. Twice the size takes 2.6 times as much."""
_PHASE: Final = "compile"
_MIB: Final = 1 << 20

Measure: TypeAlias = Callable[[str, Case], float | None]
"""What an engine takes to compile a case now; None if it does not say."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is watched. Less than ``least`` is nobody's trouble, and mostly noise; less than ``clear`` says nothing
    about growth. ``about`` stands before the row in a signature. What is kept from case to case makes the next one look
    cheap if it is ``afresh`` that counts: then each question goes to workers that have run nothing."""

    about: str
    least: float
    clear: float
    afresh: bool
    told: Callable[[float], str]
    of: Callable[[Observation], float | None]


def _seconds(seen: Observation) -> float | None:
    return sum(seconds for part, seconds in seen.cpu if part == _PHASE) or None


TIME: Final = Quantity("", 0.05, 0.002, False, lambda seconds: f"{seconds:.3g} s", _seconds)
"""CPU seconds of compiling, as workers report them."""
MEMORY: Final = Quantity("memory, ", 64.0 * _MIB, 4.0 * _MIB, True, lambda size: f"{size / _MIB:.3g} MiB",
                         lambda seen: seen.peak)  # fmt: skip
"""Bytes by which a worker's resident set rises at most, often none. What calls take is in it, which makes what is usual
greater; none of the questions has calls."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Instructions of the same shape at several sizes and what each takes, and the power that fits them best."""

    points: tuple[tuple[int, float], ...]
    power: float
    quantity: Quantity = TIME

    def __str__(self) -> str:
        told = ", ".join(f"{self.quantity.told(taken)} for {size}" for size, taken in self.points)
        return f"it grows with the power {self.power:.1f} of the size: {told} instructions"


@dataclass(slots=True)
class Usual:
    """What an engine has taken so far per instruction, by size (the instructions' number in bits), the latest ``KEPT``
    of each."""

    sizes: dict[int, deque[float]] = field(default_factory=dict)

    def add(self, instructions: int, taken: float) -> None:
        known = self.sizes.setdefault(instructions.bit_length(), deque(maxlen=KEPT))
        known.append(taken / instructions)

    def of(self, instructions: int) -> float | None:
        """What so many instructions usually take; None while nobody can tell."""
        fitting = [
            median(known)
            for size, known in self.sizes.items()
            if size <= instructions.bit_length() and len(known) >= SAMPLES
        ]
        return min(fitting) * instructions if fitting else None


@dataclass(slots=True)
class Slowness:
    """Watches one quantity of the engines of a run. ``told`` are the buckets (family and most frequent row) that were
    found already."""

    quantity: Quantity = TIME
    usual: dict[str, Usual] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)

    def look(self, trial: Trial, measure: Measure, families: Mapping[str, str]) -> list[Dissent]:
        """Take down what a trial took; a dissent of kind ``slow`` for each engine to which the case is a cliff."""
        if trial.case.kind is not CaseKind.WASM or not (all_taken := self._taken(trial.observations)):
            return []
        try:
            module = decode(trial.case.content)
        except WasmError:
            return []
        count = instructions(module)
        found = []
        for engine, taken in all_taken.items():
            usual = self.usual.setdefault(engine, Usual())
            expected = usual.of(count) if count else None
            if expected is not None and self._too_much(taken, expected):
                dissent = self._cliff(trial.case, module, engine, families[engine], expected, measure)
                found += [dissent] if dissent is not None else []
            elif count:
                # What is suspicious is not taken for usual.
                usual.add(count, taken)
        return found

    def _taken(self, observations: Sequence[Observation]) -> dict[str, float]:
        """What each engine took, of those that say."""
        return {seen.engine: taken for seen in observations if (taken := self.quantity.of(seen)) is not None}

    def _too_much(self, taken: float, expected: float) -> bool:
        return taken >= self.quantity.least and taken > FACTOR * expected

    def _cliff(
        self, case: Case, module: Module, engine: str, family: str, expected: float, measure: Measure
    ) -> Dissent | None:
        key = (family, most_frequent(module))
        if key in self.told:
            return None
        quiet = [taken for _ in range(AGAIN) if (taken := measure(engine, _uncalled(case))) is not None]
        if len(quiet) < AGAIN or not self._too_much(min(quiet), expected):
            return None
        growth = grown(case, module, engine, measure, self.quantity)
        if growth is None or growth.power < POWER:
            return None
        self.told.add(key)
        best, usual = min(quiet), max(expected, self.quantity.clear)
        detail = (
            f"{self.quantity.told(best)} to compile {instructions(module)} instructions, "
            f"{best / usual:.0f} times what is usual"
        )
        return Dissent(engine, family, Kind.SLOW, _PHASE, _PHASE, f"{detail}; {growth}",
                       f"{self.quantity.about}mostly {key[1]}")  # fmt: skip


def _uncalled(case: Case) -> Case:
    return replace(case, invocations=(), sites=())


def grown(case: Case, module: Module, engine: str, measure: Measure, quantity: Quantity = TIME) -> Growth | None:
    """How a quantity grows with the size, each the least of ``AGAIN``; None where too few sizes take much."""
    points = []
    for part in PARTS:
        smaller = prefix(module, part, PARTS[-1])
        content = encode(smaller) if part != PARTS[-1] else case.content
        taken = [measure(engine, replace(_uncalled(case), content=content)) for _ in range(AGAIN)]
        clear = [one for one in taken if one is not None and one >= quantity.clear]
        if clear:
            points.append((instructions(smaller), min(clear)))
    power = fitted(points)
    return None if power is None else Growth(tuple(points), power, quantity)


def fitted(points: Sequence[tuple[int, float]]) -> float | None:
    """The power of the size with which something grows: the slope of the line that fits best where both are logarithms
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


def measuring(bench: Bench, quantity: Quantity = TIME) -> Measure:
    """By the workers of a bench."""

    def measure(engine: str, case: Case) -> float | None:
        if quantity.afresh:
            bench.fresh()
        return next((quantity.of(seen) for seen in bench.observe(case, [engine])), None)

    return measure


def as_verdict(dissent: Dissent) -> Disagree:
    """The verdict that a finding of this kind has: nobody else is asked."""
    return Disagree((dissent,), (), (dissent.family,))
