"""Modules that are almost valid, by their bytes or by their types: every engine must agree on which ones are.

The bases are small valid modules: two of three have declarations of every kind and any instruction of the table
(``generators.validity.declarations``), the others come from the other targets. Nothing is ever run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import DEFAULT, Config
from generators.mutation.bases import drawn_case
from generators.validity.declarations import declare
from generators.validity.near_bytes import damaged
from generators.validity.near_types import near_miss
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import features_of_bytes
from wasm.features import Feature
from wasm.module import Module

NEEDS: Final[frozenset[Feature]] = frozenset()
COST: Final = 6.0
KIND: Final = CaseKind.BYTES

_BASES: Final = weighted(("declared", 170), ("drawn", 86))
_CHANGES: Final = weighted(("none", 8), ("types", 140), ("bytes", 108))
_VALUES: Final = 12
"""Parameters and results in bases that other targets make: engines check thousands of small ones in a second."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A module with one near miss, or a few bytes changed."""
    base = source.weighted(_BASES)
    change = source.weighted(_CHANGES)
    module = _base(base, source.fork("base"), config)
    plain = encode(module)
    edits = source.fork("change")
    if change == "types" and not near_miss(edits, config, module):
        change = "none"
    content = encode(module)
    if change == "bytes":
        content = damaged(edits, content)
    features = features_of_bytes(content)
    if features & _left_out(config):  # by chance, or by what a near miss is like
        content, change, features = plain, "none", features_of_bytes(plain)
    return Case(content, kind=CaseKind.BYTES, features=features, labels=frozenset((base, change)))


def _left_out(config: Config) -> frozenset[str]:
    """What cases usually may use and those of this configuration may not."""
    return frozenset(feature.value for feature in DEFAULT.features - config.features)


def _base(kind: str, source: ChoiceSource, config: Config) -> Module:
    if kind == "declared":
        return declare(source, config)
    small = replace(config, max_params=_VALUES, max_results=_VALUES, max_locals=64)
    return decode(drawn_case(source, small).content)
