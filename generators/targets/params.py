"""Calls with 0 to 1,000 parameters of every type, on the stack and in registers, permuted, forwarded and made up.

Parameters that do not fit registers lie in the caller's outgoing area, which a tail call has to move; imports and the
host's own calls carry them through trampolines.
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
WEIGHT: Final = 1.5
COST: Final = 44.0

_SHAPE: Final = Shape(
    results=MIXED,
    params=WIDE,
    results_first=False,
    links=weighted((0, 30), (1, 40), (2, 30)),
    consumers=weighted((1, 70), (2, 30)),
    sink=MIXED,
    host=7,
    imports=5,
)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case around one signature whose parameters are drawn wide."""
    return build(source, config, _SHAPE)
