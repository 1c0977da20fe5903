"""All variations of some aims in one order, by blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from generators.aims.aim import Aim, digest
from generators.aims.writing import Variation, features_of, variations, write_variation
from generators.enumeration.listing import BLOCK, strided
from generators.enumeration.writing import Module
from wasm.case import Case
from wasm.features import Feature


@dataclass(frozen=True, eq=False)
class Aims:
    """A list of aims; ``name`` is where it is from. Compared by identity: whoever reads one keeps it."""

    name: str
    aims: tuple[Aim, ...]

    def digest(self) -> str:
        return digest(self.aims)

    def rules(self) -> int:
        """How many rules these are the aims of."""
        return len({rule for aim in self.aims for rule in aim.rules})


@dataclass(frozen=True, slots=True)
class Block:
    """Variations of one module, with their numbers in the whole list."""

    features: frozenset[Feature]
    variations: tuple[tuple[int, Variation], ...]


@lru_cache(maxsize=8)
def blocks(aims: Aims, features: frozenset[Feature]) -> tuple[Block, ...]:
    """The blocks that some features allow. What needs vectors stands apart, so that an engine without them has all
    others; a short run meets something of every rule file."""
    groups: dict[frozenset[Feature], list[tuple[int, Variation]]] = {}
    number = 0
    for aim in aims.aims:
        needed = features_of(aim)
        for variation in variations(aim):
            if needed <= features:
                groups.setdefault(needed, []).append((number, variation))
            number += 1
    found = []
    for needed, group in groups.items():
        mixed = strided(group)
        found += [Block(needed, tuple(mixed[at : at + BLOCK])) for at in range(0, len(mixed), BLOCK)]
    return tuple(strided(found))


def totals(aims: Aims, features: frozenset[Feature]) -> int:
    """How many variations there are."""
    return sum(len(block.variations) for block in blocks(aims, features))


def case_of(block: Block, variation: int, chosen: Sequence[tuple[int, Variation]] = ()) -> Case:
    """The module of a block, or of some of its variations. Another ``variation`` has other arguments."""
    module = Module(block.features, variation)
    for number, item in chosen or block.variations:
        write_variation(module, number, item)
    return module.case()
