"""Take single parameters and results, anywhere in a signature, out of the whole module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.narrowing import narrow, positions
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return positions(subject)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return narrow(subject, edits)
