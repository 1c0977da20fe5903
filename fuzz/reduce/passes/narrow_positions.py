"""Take single parameters and results, anywhere in a signature, out of the whole module.

    (module (func $f (param i32 i64 f32) (result i64) local.get 1)
      (func i32.const 1 i64.const 2 f32.const 3 call $f drop))

becomes, with ``local.get`` and ``call`` and ``(result i64)`` to stay,

    (module (func $f (param i64) (result i64) local.get 0) (func i64.const 2 call $f drop))
"""

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
