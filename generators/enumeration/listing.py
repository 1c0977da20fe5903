"""All meetings in one order, by blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Final, TypeVar

from generators.enumeration.addresses import addresses, write_address
from generators.enumeration.pairs import features_of_pair, pairs, write_pair
from generators.enumeration.triples import triples, write_triple
from generators.enumeration.writing import Module
from wasm.case import INDEPENDENT, Case
from wasm.features import Feature

BLOCK: Final = 100
"""Meetings of one module."""
KINDS: Final = {"p": "pairs", "t": "triples", "a": "addresses", "r": "variations"}
"""By the first letter of a function's name, which its number follows. Variations are those of aims
(``generators.aims``)."""
_GOLDEN: Final = 0.6180339887498949

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Block:
    """Meetings of one module, as (letter of the kind, number in the kind's list), and the features that they need."""

    features: frozenset[Feature]
    meetings: tuple[tuple[str, int], ...]


@lru_cache(maxsize=8)
def blocks(features: frozenset[Feature]) -> tuple[Block, ...]:
    """All meetings that some features allow. What needs the same features stands together, so that an engine without
    vectors goes through all scalars; else neighbours in a block, and in the list of blocks, are far apart in the lists
    of meetings: a short run meets something of everything."""
    features = _sensible(features)
    groups: dict[frozenset[Feature], list[tuple[str, int]]] = {}
    for letter, number, needed in _meetings(features):
        groups.setdefault(needed, []).append((letter, number))
    found = []
    for needed, group in groups.items():
        mixed = strided(group)
        found += [Block(needed, tuple(mixed[at : at + BLOCK])) for at in range(0, len(mixed), BLOCK)]
    return tuple(strided(found))


def _sensible(features: frozenset[Feature]) -> frozenset[Feature]:
    """Without vectors there are no relaxed ones either."""
    return features if Feature.SIMD in features else features - {Feature.RELAXED_SIMD}


def _meetings(features: frozenset[Feature]) -> Iterable[tuple[str, int, frozenset[Feature]]]:
    for number, pair in enumerate(pairs(features)):
        # A sink that takes vectors falls back to another where there are none.
        yield "p", number, _closed(features_of_pair(pair)) & features
    for number, triple in enumerate(triples(features)):
        yield "t", number, _closed({triple.first.feature, triple.second.feature})
    for number, address in enumerate(addresses(features)):
        yield "a", number, _closed({address.op.feature})


def _closed(needed: Iterable[Feature | None]) -> frozenset[Feature]:
    """Relaxed vector instructions come with vectors."""
    found = frozenset(feature for feature in needed if feature is not None)
    return found | {Feature.SIMD} if Feature.RELAXED_SIMD in found else found


def strided(items: Sequence[_Item]) -> list[_Item]:
    """A permutation that takes neighbours far apart: steps of the golden section."""
    count = len(items)
    stride = max(1, int(count * _GOLDEN))
    while gcd(stride, count) != 1:
        stride += 1
    return [items[position * stride % count] for position in range(count)]


def totals(features: frozenset[Feature]) -> Counter[str]:
    """How many meetings there are, by kind."""
    return Counter(KINDS[letter] for block in blocks(features) for letter, _ in block.meetings)


def met(case: Case) -> Counter[str]:
    """How many meetings a case of this enumeration has, by kind; none for others."""
    if INDEPENDENT not in case.labels:
        return Counter()
    return Counter(KINDS[name[0]] for name in {call.export for call in case.invocations})


def case_of(features: frozenset[Feature], block: Block, variation: int) -> Case:
    """The module of meetings that these features allow. Other variations have other constants and arguments."""
    features = _sensible(features)
    module = Module(block.features, variation)
    for letter, number in block.meetings:
        if letter == "p":
            write_pair(module, number, pairs(features)[number])
        elif letter == "t":
            write_triple(module, number, triples(features)[number])
        else:
            write_address(module, number, addresses(features)[number])
    return module.case()
