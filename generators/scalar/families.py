"""Families of related instructions: what an expression tree draws from, so that rules which match two of them apply.

A shift of a shift, a mask of a shift, a sum of products: ``NEAR`` says which families meet.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import Weighted, weighted
from generators.config import by_instructions
from generators.draw.edges import FLOATS
from generators.scalar.candidates import Candidate, candidates
from wasm.features import Feature
from wasm.isa import OPS, Op
from wasm.valtypes import NumType

_WORDS: Final = {
    "logic": ("and", "or", "xor"),
    "shifts": ("shl", "shr_s", "shr_u", "rotl", "rotr"),
    "sums": ("add", "sub", "mul", "div"),
    "counts": ("clz", "ctz", "popcnt", "extend8_s", "extend16_s", "extend32_s"),
    "division": ("div_s", "div_u", "rem_s", "rem_u"),
    "signs": ("min", "max", "copysign", "abs", "neg"),
    "rounding": ("ceil", "floor", "trunc", "nearest", "sqrt"),
}
_BY_WORD: Final = {word: family for family, words in _WORDS.items() for word in words}
_WEIGHTS: Final = {
    "logic": 22, "shifts": 20, "sums": 26, "compare": 8, "counts": 8, "convert": 12, "division": 6, "signs": 26,
    "rounding": 12, "vector": 14,
}  # fmt: skip
"""How often a tree starts with each family, or changes to it; simplest first."""

NEAR: Final = {"logic": ("logic", "shifts"), "shifts": ("logic", "shifts", "sums"), "signs": ("signs", "sums")}
"""The families that operands of one come from; it alone if it is not here."""


def family_of(row: Op) -> str:
    """The family that a pure instruction belongs to."""
    if row.feature is Feature.SIMD:
        return "vector"
    word = row.name.partition(".")[2]
    if word in _BY_WORD:
        return _BY_WORD[word]
    return "compare" if word == "eqz" or word[:2] in ("eq", "ne", "lt", "gt", "le", "ge") else "convert"


@by_instructions
def families(features: frozenset[Feature], type_: NumType) -> tuple[Weighted[str], dict[str, tuple[Candidate, ...]]]:
    """The instructions with a result of ``type_`` by family, and a table to draw a family from."""
    members: dict[str, list[Candidate]] = {}
    for candidate in candidates(features, type_):
        members.setdefault(family_of(candidate.op), []).append(candidate)
    table = weighted(*((name, weight) for name, weight in _WEIGHTS.items() if name in members))
    return table, {name: tuple(ones) for name, ones in members.items()}


@lru_cache(maxsize=64)
def comparisons(type_: NumType) -> tuple[Op, ...]:
    """The comparisons of two values of ``type_``; ``eqz`` comes first where there is one."""
    words = "eq ne lt gt le ge" if type_ in FLOATS else "eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
    return tuple(OPS[f"{type_}.{word}"] for word in words.split())
