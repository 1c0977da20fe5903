"""Chains of calls of every kind with wide arguments and wide results at once, tail calls and recursion among them.

Results of a wide call become arguments of another, two return areas live at the same time, tables hold several
functions of one type with different answers, and a narrow frame tail-calls a wide one.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import MIXED, WIDE, Config
from generators.control.wide_calls import Shape, build
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
BASE: Final = True
WEIGHT: Final = 2.0
COST: Final = 100.0

_SHAPE: Final = Shape(
    results=WIDE,
    params=MIXED,
    results_first=True,
    links=weighted((1, 30), (2, 30), (3, 25), (4, 15)),
    consumers=weighted((1, 50), (2, 35), (3, 15)),
    sink=MIXED,
    pressure=6,
)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case around one signature whose results, parameters and chains of calls are drawn wide."""
    return build(source, config, _SHAPE)
