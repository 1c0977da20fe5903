"""Drop invocations from the case.

    (module (func (export "f") (param i32)) (func (export "g")))
    (invoke "g") (invoke "f" (i32.const 7)) (invoke "g")

becomes, with ``invoke "f"`` to stay,

    (module (func (export "f") (param i32)) (func (export "g")))
    (invoke "f" (i32.const 7))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import BULK, Edit
from fuzz.reduce.subject import Subject, calls_size

TIER: Final = BULK


def edits(subject: Subject) -> list[Edit]:
    return [Edit((k,), calls_size((call,))) for k, call in enumerate(subject.invocations)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone = {edit.what[0] for edit in edits}
    return Subject(subject.module, tuple(call for k, call in enumerate(subject.invocations) if k not in gone))
