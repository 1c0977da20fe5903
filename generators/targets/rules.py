"""What compilers' own rules look for: each pattern just inside and just outside its conditions, by enumeration.

``rules`` alone goes through a short list of ours (``generators.aims.own``); ``rules:wasmtime@50.0.1`` through the aims
that ``fuzz rules wasmtime@50.0.1`` derived from that release's rules. Case ``n`` is block ``n``, a hundred small
functions; beyond the last block it begins again with other arguments. ``mixed`` draws from our own list.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from generators.aims.drawing import draw_aim
from generators.aims.listing import Aims, blocks, case_of, totals
from generators.aims.own import own_aims
from generators.aims.store import names_at_hand, read_aims
from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.module.function import Function
from generators.program.parts import Part
from generators.program.program import Program
from generators.scalar.candidates import Nan
from generators.scalar.trees import LOADING, PLAIN, Tree
from generators.scalar.uses import used
from generators.state.memories import Memories
from wasm.case import Case
from wasm.features import Feature

NEEDS: Final[frozenset[Feature]] = frozenset()
WEIGHT: Final = 2.0
COST: Final = 65.0

_PER_AIM: Final = 15
"""In instructions: a part has one or two aims for so much room, and one or two."""
_LARGE: Final = 16
"""More room than for so many times that is no reason for more aims."""
_USES: Final = weighted(("fold", 70), ("store", 15), ("global", 15))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The target on some aims, with the names that a target's file has."""

    aims: Aims
    NEEDS: frozenset[Feature] = NEEDS
    WEIGHT: float = WEIGHT
    COST: float = COST

    @property
    def DATA(self) -> str:  # noqa: N802  # a target's name for it
        """What the cases depend on besides seed and index."""
        return self.aims.digest()

    @property
    def ABOUT(self) -> str:  # noqa: N802
        """What a run's summary says of the aims."""
        return f"aims at {self.aims.rules()} rules of {self.aims.name}"

    def count(self, config: Config) -> int:
        """How many cases it takes to go through all of it once."""
        return len(blocks(self.aims, config.features))

    def meetings(self, config: Config) -> Counter[str]:
        """How many variations there are."""
        return Counter({"variations": totals(self.aims, config.features)})

    def enumerated(self, seed: int, index: int, config: Config) -> Case:
        """Case ``index``: its block, or that of a later round."""
        every = blocks(self.aims, config.features)
        round_, block = divmod(index, len(every))
        return case_of(every[block], seed + 1000 * round_)

    def generate(self, source: ChoiceSource, config: Config) -> Case:
        """A few variations of a block, for those who draw."""
        every = blocks(self.aims, config.features)
        block = every[source.below(len(every))]
        first, many = source.below(len(block.variations)), source.between(1, 8)
        return case_of(block, source.below(1000), block.variations[first : first + many])


_OWN: Final = Chosen(Aims("own", own_aims()))
ABOUT: Final = f"{len(own_aims())} patterns of our own"
count = _OWN.count
meetings = _OWN.meetings
enumerated = _OWN.enumerated
generate = _OWN.generate


def chosen(which: str) -> Chosen:
    """The target on the aims of a release, ``wasmtime@50.0.1``. Raises ``UserError``."""
    return Chosen(read_aims(which))


def variants() -> tuple[str, ...]:
    """The releases whose aims are at hand."""
    return names_at_hand()


def _aims(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Some of our own list on what the function has at hand, half of the time with loads everywhere."""
    if source.one_in(2):
        tree = Tree.within(fn, source, LOADING, room, program.shell.kit(Memories.of).load)
    else:
        tree = Tree.within(fn, source, PLAIN, room)
    fit = min(room // _PER_AIM, _LARGE)
    for _ in range(source.between(1 + fit, 2 + 2 * fit)):
        drawn = draw_aim(tree)
        if drawn is None:
            continue
        type_, local, nan = drawn
        used(tree, source.weighted(_USES), type_, local, nan)
        if nan is Nan.NONE:
            fn.sources.setdefault(type_, []).append(local)


PARTS: Final = (Part("aims", NEEDS, _aims, often=True),)
