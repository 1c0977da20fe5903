"""Chains and nests of every instruction, 10 to 100,000 long: what a compiler recurses over, or visits again and again.

No case is drawn: case ``n`` is the ``n``-th of an enumeration, the shortest first (``generators.enumeration.depth``).
Once through is ``fuzz run --target depth --cases all``.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.enumeration.depth import case_of_depth, depths
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final[frozenset[Feature]] = frozenset()
WEIGHT: Final = 0.5
COST: Final = 400.0


def count(config: Config) -> int:
    """How many cases it takes to go through all of it once."""
    return len(depths(config.features))


def meetings(config: Config) -> Counter[str]:
    """How many there are in all, by kind."""
    return Counter("chains" if item.shape != "blocks" else "nests" for item in depths(config.features))


def enumerated(seed: int, index: int, config: Config) -> Case:
    """Case ``index``, or that of a later round."""
    every = depths(config.features)
    return case_of_depth(every[index % len(every)], seed + index // len(every))


def generate(source: ChoiceSource, config: Config) -> Case:
    """A short one, for those who draw."""
    every = [item for item in depths(config.features) if item.length <= 100]
    return case_of_depth(every[source.below(len(every))], source.below(1000))
