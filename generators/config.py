"""What a generator may use, and how it draws sizes. From outside, a ``Config`` is narrowed to what engines accept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from generators.choices import ChoiceSource, spread
from wasm import limits
from wasm.features import ALL, WASM3, Feature

OPERAND_ZONES: Final = ((250, 262), (510, 514))
"""A drawn size in one of these ranges is meant in operands of a direct call; an addressed one has one more."""

_SIZE_STEPS: Final = 4096
"""Entries of a table of sizes: the most alternatives of a choice of two bytes."""


def _log_uniform(low: int, high: int, count: int) -> list[int]:
    return [round(low * (high / low) ** ((i + 0.5) / count)) for i in range(count)]


def _uniform(low: int, high: int, count: int) -> list[int]:
    return [low + i * (high - low + 1) // count for i in range(count)]


def _table(*parts: list[int]) -> tuple[int, ...]:
    return spread(sorted(size for part in parts for size in part), _SIZE_STEPS)


def _spikes(values: tuple[int, ...], count: int) -> list[int]:
    return [values[i * len(values) // count] for i in range(count)]


_EDGES: Final = (4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 20, 21, 31, 32, 33, 63, 64, 65)
_BIG_EDGES: Final = (127, 128, 129, 240, 241, 242, 243, 249)
_HUGE_EDGES: Final = (510, 511, 511, 512, 512, 513, 513, 514, 600, 999, 1000, 1000)

WIDE: Final = _table(
    [0] * 30,
    _log_uniform(1, 64, 1110),
    _uniform(7, 33, 420),
    _spikes(_EDGES, 160),
    _log_uniform(65, 249, 50),
    _spikes(_BIG_EDGES, 80),
    [250, 251] * 8,
    _uniform(252, 258, 168),
    [259, 260, 261, 262] * 9,
    [300, 400] * 2,
    _spikes(_HUGE_EDGES, 60),
    _log_uniform(500, 1000, 10),
)
"""Sizes of a case's main signature, in order. One choice picks one, so a smaller choice is a smaller size."""

MIXED: Final = _table(
    [0] * 300,
    _log_uniform(1, 24, 1100),
    _spikes(_EDGES, 250),
    _log_uniform(25, 251, 120),
    _uniform(252, 258, 90),
    _spikes(_HUGE_EDGES, 20),
)
"""Sizes of the side of a signature that the target is not about."""

NARROW: Final = _table(
    [0] * 700, [1] * 500, [2] * 400, [3] * 350, [4] * 300, _uniform(5, 12, 600), _uniform(13, 24, 60)
)
"""Sizes of ordinary signatures: mostly within the registers."""


@dataclass(frozen=True, slots=True)
class Config:
    """Features that may be used, and limits in values, pages and bytes.

    Threads are among them for their memories and instructions: a case has one thread.

    ``overflows`` is in how many of 1,000 cases recursion may run into the stack's end on purpose. ``seeds`` is a folder
    of cases for the target ``mutate`` to start from, besides the project's own. ``avoid`` names what cases are made
    without, sorted: instructions that a known bug needs, as far as that is possible (``wasm.rewrite.avoid``), sizes, as
    ``results<254``, features that an engine lacks, with all that builds on them, and what its host does not do
    (``wasm.features.Hosting``).
    """

    features: frozenset[Feature] = field(default=WASM3 | {Feature.THREADS})
    max_params: int = limits.PARAMS
    max_results: int = limits.RESULTS
    max_locals: int = limits.LOCALS
    max_pages: int = 64
    max_stack_bytes: int = 256 * 1024
    overflows: int = 4
    seeds: Path | None = None
    avoid: tuple[str, ...] = ()

    def allows(self, *features: Feature) -> bool:
        """Whether all of these features may be used."""
        return self.features.issuperset(features)

    def without(self, *features: Feature) -> Config:
        """The same, less some features."""
        return replace(self, features=self.features.difference(features))

    def only(self, names: frozenset[str]) -> Config:
        """The same, narrowed to the features of these names."""
        return replace(self, features=frozenset(f for f in self.features if f.value in names))


DEFAULT: Final = Config()
EVERYTHING: Final = Config(features=ALL - {Feature.LEGACY_EXCEPTIONS})


_OF_INSTRUCTIONS: Final = frozenset({Feature.SIMD, Feature.RELAXED_SIMD})
_Args = TypeVarTuple("_Args")
_Rows = TypeVar("_Rows")


def by_instructions(
    make: Callable[[frozenset[Feature], *_Args], _Rows],
) -> Callable[[frozenset[Feature], *_Args], _Rows]:
    """Remember what a function of features and more gives, where only the vector features make a difference.

    Programs draw their features one by one, so that nearly every set of them is a new one.
    """
    known: dict[tuple[object, ...], _Rows] = {}

    def remembered(features: frozenset[Feature], /, *rest: *_Args) -> _Rows:
        key = features & _OF_INSTRUCTIONS, *rest
        if key not in known:
            known[key] = make(features & _OF_INSTRUCTIONS, *rest)
        return known[key]

    return remembered


def draw_size(source: ChoiceSource, table: tuple[int, ...], limit: int) -> int:
    """A size from a table of this module, at most ``limit``."""
    return min(table[source.below(_SIZE_STEPS)], limit)


def in_zone(size: int) -> bool:
    """Whether a drawn size counts operands instead of values."""
    return any(low <= size <= high for low, high in OPERAND_ZONES)
