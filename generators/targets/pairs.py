"""Every meeting of two instructions, of two on the same operands, of memory and computed addresses: by enumeration.

No case is drawn: case ``n`` is block ``n`` of an enumeration (``generators.enumeration``), a hundred small functions
that have nothing to do with each other. Once through is ``fuzz run --target pairs --cases all``; beyond that it begins
again with other constants and arguments, and so it does for another seed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.enumeration.listing import blocks, case_of, totals
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final[frozenset[Feature]] = frozenset()
WEIGHT: Final = 4.0
COST: Final = 120.0


def count(config: Config) -> int:
    """How many cases it takes to go through all of it once."""
    return len(blocks(config.features))


def meetings(config: Config) -> Counter[str]:
    """How many there are in all, by kind."""
    return totals(config.features)


def enumerated(seed: int, index: int, config: Config) -> Case:
    """Case ``index``: its block, or that of a later round."""
    every = blocks(config.features)
    round_, block = divmod(index, len(every))
    return case_of(config.features, every[block], seed + 1000 * round_)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A few meetings of a block, for those who draw."""
    every = blocks(config.features)
    block = every[source.below(len(every))]
    first, many = source.below(len(block.meetings)), source.between(1, 8)
    return case_of(config.features, replace(block, meetings=block.meetings[first : first + many]), source.below(1000))
