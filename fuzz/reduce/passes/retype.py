"""Make single parameters and results i32, in the whole module, where what uses them can do with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import POLISH, Edit
from fuzz.reduce.retyping import as_i32, retypable
from fuzz.reduce.subject import Subject

TIER: Final = POLISH


def edits(subject: Subject) -> list[Edit]:
    return [Edit(place, 1) for place in retypable(subject)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return as_i32(subject, {edit.what for edit in edits})
