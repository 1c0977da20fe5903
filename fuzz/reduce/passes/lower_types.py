"""Lower a number type in the whole module: i64 to i32, f64 to f32, with every instruction, constant and argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.retyping import LOWER, lower_types, uses_type
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return [Edit((old,), 4) for old in LOWER if uses_type(subject, old)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return lower_types(subject, {edit.what[0] for edit in edits})
