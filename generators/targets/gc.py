"""Structs, arrays and i31 in lattices of subtypes: fields, bulk, casts of every form; every bit is folded.

Types come in recursion groups with chains of subtypes up to 60 deep; objects out of a table have types that no compiler
knows. Functions of one instruction trap at ends, on null and by casts, after all else was seen.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.program.program import VECTORS
from generators.refs.array_statements import bulk
from generators.refs.call_statements import called, function_value
from generators.refs.cast_statements import cast
from generators.refs.flow_statements import carried, labelled, thrown
from generators.refs.object_statements import equal, linked, made, pooled, read, small, written
from generators.refs.programs import build, part_of
from generators.refs.statements import converted, nullness, selected, through_global, through_table
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final = frozenset(
    {
        Feature.MULTI_VALUE,
        Feature.REFERENCE_TYPES,
        Feature.FUNCTION_REFERENCES,
        Feature.BULK_MEMORY,
        Feature.GC,
    }
)
COST: Final = 57.0
BASE: Final = True

_COUNTS: Final = tuple(round(14 ** (i / 255)) for i in range(256))
"""How many statements: 1 to 14, log-uniform."""
_STATEMENTS: Final = weighted(
    (made, 30), (read, 26), (written, 30), (cast, 44), (bulk, 30), (linked, 14), (equal, 12), (small, 10),
    (pooled, 16), (function_value, 10), (called, 8), (through_global, 6), (through_table, 8), (carried, 6),
    (labelled, 4), (selected, 4), (nullness, 6), (converted, 6), (thrown, 4),
)  # fmt: skip


_HOSTED: Final = 10
"""In how many of 16 cases the host collects garbage, and does other things to references."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three exported functions."""
    count = source.pick(_COUNTS)
    if source.chance(10, 16):
        config = config.without(*VECTORS)
    return build(source, config, _STATEMENTS, count, _HOSTED)


PARTS: Final = tuple(
    part_of(name, statement, Feature.FUNCTION_REFERENCES, Feature.BULK_MEMORY, Feature.GC)
    for name, statement in (
        ("object", made),
        ("write", written),
        ("cast", cast),
        ("bulk", bulk),
        ("list", linked),
        ("equal", equal),
        ("small", small),
        ("pool", pooled),
    )
)
