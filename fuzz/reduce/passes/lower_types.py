"""Lower a number type in the whole module: i64 to i32, f64 to f32, with every instruction, constant and argument.

    (module (func (param i64 f64) (result i64)
      local.get 1 i64.trunc_sat_f64_s i64.const 0x100000007 i64.add i32.wrap_i64 i64.extend_i32_u))

becomes, with ``add`` to stay,

    (module (func (param i32 f32) (result i32) local.get 1 i32.trunc_sat_f32_s i32.const 7 i32.add))
"""

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
