"""Clear the lowest and the highest bits of constants, as many as possible, by bisection.

    (module (func i64.const 0xffff drop))

becomes, with ``i64.const & 0x300`` to stay,

    (module (func i64.const 0x300 drop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.constants import constants, with_constants
from fuzz.reduce.contract import ENDS, POLISH, Edit, Strategy
from fuzz.reduce.subject import Subject

TIER: Final = POLISH
STRATEGY: Final[Strategy] = ENDS


def edits(subject: Subject) -> list[Edit]:
    """An edit (place, value, bit) for each bit that is set, the highest first; one group per constant."""
    return [
        Edit((place, value, bit), 1, place)
        for place, value, _ in constants(subject)
        if place[3] != "align"
        for bit in range(value.bit_length() - 1, -1, -1)
        if value >> bit & 1
    ]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    place, value, _ = edits[0].what
    for edit in edits:
        value &= ~(1 << edit.what[2])
    return with_constants(subject, {place: value})
