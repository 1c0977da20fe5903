"""Take parameters and results off the ends of signatures, in the whole module at once; exact, by bisection.

Function, callers, tables, tail calls and tags change together; block types follow their contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, ENDS, Edit, Strategy
from fuzz.reduce.narrowing import narrow, positions
from fuzz.reduce.subject import Subject

TIER: Final = CODE
STRATEGY: Final[Strategy] = ENDS


def edits(subject: Subject) -> list[Edit]:
    return positions(subject)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return narrow(subject, edits)
