"""Who is probably wrong: engines' votes by families of independent code (docs/judging.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from oracles.judge.verdict import Dissent, Kind

ANSWERS: Final = frozenset({Kind.VALUE, Kind.TRAP, Kind.EXCEPTION, Kind.STATE, Kind.HOST_CALLS})
"""Kinds that state another answer: these can outvote the reference, and growth or a profile may explain them."""
VALIDITY: Final = frozenset((Kind.ACCEPT, Kind.REJECT))
VOTES: Final = ANSWERS | VALIDITY | {Kind.PROFILE}
"""Kinds by which engines can outvote others, the reference among them; what is left are deaths and limits."""


@dataclass(frozen=True, slots=True)
class Voter:
    """What the judge must know of an engine.

    ``family`` is its family of independent code, ``validator`` what it shares with all tiers of the same engine: the
    code that says what is a module ("": none). ``features`` are the names that it accepts, None for all. ``profile``
    is the key of its relaxed-SIMD profile among the references; ``contradicts`` if answers to its probe fit no choice.
    """

    family: str
    features: frozenset[str] | None = None
    profile: str = ""
    contradicts: bool = False
    validator: str = ""


def families(voters: Mapping[str, Voter], dissents: Sequence[Dissent], agreeing: Sequence[str]) -> dict[str, str]:
    """Each engine's family. Where validity is the question, all tiers of an engine are one, unless they differ."""
    family = {engine: voter.family for engine, voter in voters.items()}
    of = {engine: voter.validator for engine, voter in voters.items() if voter.validator}
    asked = {of.get(d.engine) for d in dissents if d.kind in VALIDITY}
    if asked:
        differ = asked & {of.get(engine) for engine in agreeing}
        family |= {engine: validator for engine, validator in of.items() if validator not in differ}
    return family


def suspects(
    dissents: Sequence[Dissent], agreeing: set[str], same: Callable[[Dissent, Dissent], bool], referred: bool
) -> tuple[str, ...]:
    """Who is probably wrong: one vote per family; a family at odds with itself has none and is suspected.

    Whoever crashed, hung or ran out is. Engines that give one same other answer (``same``) outvote the ``agreeing``
    families if they are more; a tie goes to the agreeing side if it has the reference (``referred``).
    """
    # ``at_odds``: families that stand on both sides, so that their word is worth nothing. ``groups`` are the dissents
    # by what they answer, ``sides`` the families behind each. A family in two groups counts for neither (``split``).
    dissenting = {d.family for d in dissents}
    faithful, at_odds = agreeing - dissenting, agreeing & dissenting
    groups: list[list[Dissent]] = []
    for dissent in (d for d in dissents if d.kind in VOTES):
        group = next((group for group in groups if same(group[0], dissent)), None)
        groups.append([dissent]) if group is None else group.append(dissent)
    sides = [{d.family for d in group} - at_odds for group in groups]
    for i, side in enumerate(sides):
        split = set().union(*(other for k, other in enumerate(sides) if k != i))
        if len(side - split) > len(faithful):
            return tuple(sorted((faithful | dissenting) - (side - split)))
    tied = faithful if not referred and any(len(side) == len(faithful) for side in sides) else set()
    return tuple(sorted(dissenting | tied))
