"""Narrowing: cases are made without what the engine whose turn it is lacks, so that there is somebody to run them.

Each engine of a bench has its turns among the cases of a target, equally many. A case is made without what the engine
whose turn it is lacks, and all engines that can run it do. So one engine alone has cases for itself only, no case is
made that nobody can run, and beside engines that have everything the youngest features stay in their share of cases. A
target that an engine can never run, since its subject is what the engine lacks, is none of its turns; what no engine of
the run can is left out, as turns that allotment does not give (``fuzz.records.epoch``).

What an enumeration lists goes by its features: there every case is made without what all of its engines lack.

What hosts do that not every engine's does, to act (``wasm.hostmix``) and to link modules, is lacked as features are
(``wasm.features.Hosting``). Neither enumerations nor cases about validity have any of it.

A case depends on its target, its index and the engines alone; its version says what it was made without, as that of a
steered case does (``generators.registry.avoided``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fuzz.trial.bench import Bench
from generators.peer import peer_names
from generators.registry import kind_of, load_target
from wasm.case import CaseKind
from wasm.features import Hosting, Lack

_STEP: Final = 0xBB67AE85
"""The fraction of the square root of 3, in 32 bits: see ``fuzz.records.epoch``, which has that of 2."""

_SOME: Final = 5
"""So many targets that are left out are named; there may be more of other distributions."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A target that no engine of the bench can run, and which of its needs one of them or another lacks, by name."""

    target: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What each engine of a bench lacks of what cases have: (id, kinds of cases that it takes, lacks)."""

    engines: tuple[tuple[str, frozenset[CaseKind], frozenset[Lack]], ...] = ()

    @staticmethod
    def of(bench: Bench) -> Narrowing:
        """What the engines say of themselves."""
        return Narrowing(tuple((name, seat.capabilities.kinds, seat.lacks) for name, seat in bench.seats.items()))

    def avoid_for(self, target: str, index: int) -> tuple[str, ...]:
        """The names of what case ``index`` of a target is made without (``Config.avoid``), sorted."""
        able = self._able(target)
        if not any(able):
            return ()
        if _is_enumerated(target):
            return _names(frozenset.intersection(*able))
        return _names(able[((index + 1) * _STEP & 0xFFFFFFFF) * len(able) >> 32])

    def left_out(self, targets: Sequence[str]) -> tuple[LeftOut, ...]:
        """Those of these targets that no engine can run."""
        return tuple(
            LeftOut(target, _names(_needs(target) & frozenset().union(*self._lacking(target))))
            for target in dict.fromkeys(targets)
            if self._lacking(target) and not self._able(target)
        )

    def lines(self, targets: Sequence[str]) -> Iterator[str]:
        """What is made narrower for whom, for a reader."""
        able = [lacks for _, kinds, lacks in self.engines if CaseKind.WASM in kinds]
        for name, kinds, lacks in self.engines:
            if not lacks or CaseKind.WASM not in kinds:
                continue
            turns = sum(other >= lacks for other in able)
            share = "all" if turns == len(able) else f"{turns} of {len(able)}"
            yield f"{name} lacks {', '.join(_names(lacks))}: {share} cases are made without these"
        gone = self.left_out(targets)
        named = ", ".join(f"{one.target} ({', '.join(one.needs)})" for one in gone[:_SOME])
        if gone:
            more = f" and {len(gone) - _SOME} more" if len(gone) > _SOME else ""
            yield f"left out, since no engine has what they are about: {named}{more}"

    def _lacking(self, target: str) -> list[frozenset[Lack]]:
        """What each engine that takes a target's kind of cases lacks of what these may have."""
        kind = kind_of(target)
        if kind is CaseKind.MACHINE:
            return []
        never = frozenset(Hosting) if kind is CaseKind.BYTES or _is_enumerated(target) else frozenset()
        return [lacks - never for _, kinds, lacks in self.engines if kind in kinds]

    def _able(self, target: str) -> list[frozenset[Lack]]:
        """The same of the engines that have what the target is about."""
        return [lacks for lacks in self._lacking(target) if not lacks & _needs(target)]


def _is_enumerated(target: str) -> bool:
    return target not in peer_names() and load_target(target).enumerated is not None


def _needs(target: str) -> frozenset[Lack]:
    return frozenset() if target in peer_names() else load_target(target).asks


def _names(lacks: frozenset[Lack]) -> tuple[str, ...]:
    return tuple(sorted(one.value for one in lacks))
