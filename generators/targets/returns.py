"""Calls with 0 to 1,000 results of every type, through every kind of call, with every result used.

The first result that does not fit a register goes to a return area, the last ones may travel in registers again, and
each is an operand of the call instruction.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import NARROW, WIDE, Config
from generators.control.wide_calls import Shape, build
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
BASE: Final = True
WEIGHT: Final = 2.5
COST: Final = 54.0

_SHAPE: Final = Shape(
    results=WIDE,
    params=NARROW,
    results_first=True,
    links=weighted((0, 40), (1, 40), (2, 20)),
    consumers=weighted((1, 70), (2, 30)),
    sink=NARROW,
)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case around one signature whose results are drawn wide."""
    return build(source, config, _SHAPE)
