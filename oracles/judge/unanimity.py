"""Whether engines agree so much that the reference need not be asked (``fuzz run --sparing``, docs/scale.md).

That is no verdict: nothing was held against the reference. All that is claimed of such a case is that engines that
share no code did the same, bit for bit, and nothing that the specification leaves to an engine alone. Where they did
anything else, the reference is asked, and ``oracles.judge.compare`` judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from oracles.judge.vote import Voter
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Returned, Threw, Trapped, Unsupported
from wasm.features import Feature

FAMILIES: Final = 3
"""So many engines without code in common have to agree."""

_DETERMINED: Final = (Returned, Trapped, Threw)


def families(voters: Iterable[Voter]) -> int:
    """How many engines without code in common these are: tiers of one share its decoder and its runtime, so that they
    count once (``Voter.validator``)."""
    return len({voter.validator or voter.family for voter in voters})


def unanimous(case: Case, observations: Sequence[Observation], voters: Mapping[str, Voter]) -> bool:
    """Whether at least ``FAMILIES`` engines without code in common, and whoever else took the case, did the same.

    An engine that lacks a feature of the case says nothing about it; one that gave up, died or cannot show everything
    is a reason to ask the reference, and so is one whose probe contradicts itself, on a case with relaxed SIMD.
    """
    if case.kind is not CaseKind.WASM:
        return False
    took = [seen for seen in observations if not isinstance(seen.instantiation, Unsupported)]
    if families(voters[seen.engine] for seen in took) < FAMILIES:
        return False
    relaxed = Feature.RELAXED_SIMD.value in case.features
    if relaxed and any(voters[seen.engine].contradicts for seen in took):
        return False
    first = took[0]
    if not _determined(case, first):
        return False
    return all(replace(seen, engine=first.engine) == first for seen in took[1:])


def _determined(case: Case, seen: Observation) -> bool:
    """Whether everything was shown, and ended in a way that the specification determines."""
    calls = len(case.invocations) if seen.instantiated else 0
    endings = (*seen.before, seen.instantiation, *seen.outcomes)
    whole = not seen.blind and len(seen.outcomes) == calls
    return whole and all(isinstance(ending, _DETERMINED) for ending in endings)
