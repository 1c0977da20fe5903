"""Make single parameters and results i32, in the whole module.

    (module (func $f (param f32 v128) (result i64) i64.const 5)
      (func f32.const 1 v128.const i64x2 1 2 call $f drop))

becomes, with ``call`` to stay,

    (module (func $f (param i32 i32) (result i32) i32.const 0) (func i32.const 0 i32.const 0 call $f drop))

Not left to the end: among equal positions, which one goes makes no difference, and the cache answers for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.retyping import as_i32, retypable
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return [Edit(place, 1) for place in retypable(subject)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return as_i32(subject, {edit.what for edit in edits})
