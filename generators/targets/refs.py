"""References of every type, null or not, through locals, globals, tables, labels, calls, exceptions and wide rows.

Host tokens end in a table that the host reads; functions are called to tell them apart; with GC, objects are folded.
A third of the cases has no GC, and a few no typed references, so that engines without them have work too.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.program.program import VECTORS
from generators.refs.programs import build, part_of
from generators.refs.statements import (
    called,
    carried,
    converted,
    function_value,
    held,
    labelled,
    nullness,
    switched,
    tabled,
    thrown,
    value,
)
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.REFERENCE_TYPES})
WEIGHT: Final = 1.0

_COUNTS: Final = tuple(round(10 ** (i / 255)) for i in range(256))
_STATEMENTS: Final = weighted(
    (value, 26), (nullness, 40), (called, 64), (function_value, 28), (held, 32), (tabled, 44), (carried, 20),
    (labelled, 20), (switched, 12), (thrown, 20), (converted, 14),
)  # fmt: skip


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three exported functions."""
    count = _COUNTS[source.below(256)]
    kind = source.below(16)
    if kind >= 9:
        config = config.without(Feature.GC)
    if kind >= 14:
        config = config.without(Feature.FUNCTION_REFERENCES)
    if source.below(16) >= 7:
        config = config.without(*VECTORS)
    return build(source, config, _STATEMENTS, count)


PARTS: Final = (
    part_of("null", nullness),
    part_of("row", called),
    part_of("function", function_value, Feature.FUNCTION_REFERENCES),
    part_of("global", held),
    part_of("table", tabled),
    part_of("rounds", carried),
    part_of("label", labelled),
    part_of("thrown", thrown, Feature.EXCEPTIONS),
)
