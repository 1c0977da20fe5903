"""What a run counts: yield, shapes, poison, CPU time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fuzz.records.sums import Sums
from fuzz.records.target_yield import TargetYield


@dataclass(slots=True)
class Stats(Sums):
    """Counts over cases.

    ``cases`` were generated and run by the reference; ``mutants`` of them were run beside (docs/mutants.md), and count
    in ``disagreements``, ``poisons``, ``engine_cases``, ``engine_silent`` and ``engine_cpu`` and nowhere else.
    ``spared`` are further cases, on which engines agreed so much that the reference was not asked (docs/scale.md): they
    count in ``targets``, ``target_cpu``, ``engine_cases``, ``engine_silent`` and ``engine_cpu`` and nowhere else.
    ``wide_cases`` have a call site with more than 20 values, ``many_operands`` one with 240 operands or more.
    ``passed_site`` cases executed the instruction that uses the last result of a site, ``wide_passed_site`` of a wide
    one. In ``nan_cases`` the bits of a free NaN decided something. On ``compared`` cases some engine had a vote that
    counted; ``engine_silent`` has each engine's cases without one.
    ``outcomes`` counts how the reference's invocations ended, ``poisons`` votes that did not count, by reason,
    ``discarded`` cases that were not run, by reason, ``shapes`` the sizes of call sites by range, and
    ``operands_by_kind`` cases by ``kind:operands`` around the limits (240 to 260 operands).
    ``buckets`` counts findings by the key of their signature's bucket, stored or not.
    ``engine_cpu`` is CPU seconds of each engine's workers, ``harness_cpu`` those of the slots and the parent, and
    ``generator_cpu`` those of making cases (of programs that make them too), part of the harness's. ``target_cpu`` has
    by target what its cases took: making them, running them on all engines, comparing; not asking again or minimizing.
    ``yields`` is what each target gave.
    """

    cases: int = 0
    mutants: int = 0
    spared: int = 0
    wide_cases: int = 0
    many_operands: int = 0
    passed_site: int = 0
    wide_passed_site: int = 0
    nan_cases: int = 0
    disagreements: int = 0
    unstable: int = 0
    compared: int = 0
    harness_cpu: float = 0.0
    generator_cpu: float = 0.0
    yields: dict[str, TargetYield] = field(default_factory=dict, metadata={"of": TargetYield})
    targets: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    poisons: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    operands_by_kind: Counter[str] = field(default_factory=Counter)
    engine_cases: Counter[str] = field(default_factory=Counter)
    buckets: Counter[str] = field(default_factory=Counter)
    engine_silent: Counter[str] = field(default_factory=Counter)
    engine_cpu: dict[str, float] = field(default_factory=dict)
    target_cpu: dict[str, float] = field(default_factory=dict)

    @property
    def all_cases(self) -> int:
        """The cases that were run, spared ones among them."""
        return self.cases + self.spared

    def of(self, target: str) -> TargetYield:
        """The counts of one target, made where there are none yet."""
        return self.yields.setdefault(target, TargetYield())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stats:
        """As of ``Sums``, but for ``compared``: before that was counted, every case was."""
        # Two arguments: a dataclass with slots is another class than the one that a bare super() would see.
        return super(Stats, cls).from_json({"compared": data.get("cases", 0), **data})


_RANGES: Final = (0, 1, 4, 6, 8, 16, 20, 32, 63, 127, 239, 252, 258, 511, 999, 1000, 5000, 20000, 65535)


def size_range(count: int) -> str:
    """The range of a histogram that a number of values falls in, as ``21..32``."""
    low = 0
    for high in _RANGES:
        if count <= high:
            return str(high) if low == high else f"{low}..{high}"
        low = high + 1
    return f"{low}.."
