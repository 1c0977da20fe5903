"""Take parameters and results off the ends of signatures, in the whole module at once; exact, by bisection.

    (module (func $f (export "f") (result i32 i32 f64) i32.const 1 i32.const 2 f64.const 3)
      (func call $f drop i32.add drop))

becomes, with ``call`` and ``(result i32`` to stay,

    (module (func $f (export "f") (result i32) i32.const 1) (func call $f drop))

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
