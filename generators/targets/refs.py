"""References of every type, null or not, through locals, globals, tables, labels, exceptions and wide calls.

Host tokens end in a table that the host reads; functions are called to tell them apart; with GC, objects are folded.
A third of the cases has no GC, and a few no typed references, so that engines without them have work too.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import Config
from generators.program.program import VECTORS
from generators.refs.call_statements import called, function_value
from generators.refs.flow_statements import carried, labelled, thrown
from generators.refs.programs import build, part_of
from generators.refs.statements import converted, nullness, selected, through_global, through_table, value
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.REFERENCE_TYPES})
BASE: Final = True
WEIGHT: Final = 1.0
COST: Final = 66.0

_WITHOUT: Final[tuple[tuple[Feature, ...], ...]] = shares(
    ((), 9), ((Feature.GC,), 5), ((Feature.GC, Feature.FUNCTION_REFERENCES), 2)
)  # fmt: skip
"""Features that a module must do without."""
_COUNTS: Final = tuple(round(10 ** (i / 255)) for i in range(256))
"""How many statements: 1 to 10, log-uniform."""
_STATEMENTS: Final = weighted(
    (value, 26), (nullness, 40), (called, 64), (function_value, 28), (through_global, 32), (through_table, 44),
    (carried, 20), (labelled, 20), (selected, 12), (thrown, 20), (converted, 14),
)  # fmt: skip


_HOSTED: Final = 6
"""In how many of 16 cases the host collects garbage, and does other things to references."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three exported functions."""
    count = source.pick(_COUNTS)
    config = config.without(*source.pick(_WITHOUT))
    if source.chance(9, 16):
        config = config.without(*VECTORS)
    return build(source, config, _STATEMENTS, count, _HOSTED)


PARTS: Final = (
    part_of("null", nullness),
    part_of("row", called),
    part_of("function", function_value, Feature.FUNCTION_REFERENCES),
    part_of("global", through_global),
    part_of("table", through_table),
    part_of("rounds", carried),
    part_of("label", labelled),
    part_of("thrown", thrown, Feature.EXCEPTIONS),
)
