"""Delete instructions, whole blocks first; results that are still wanted become constants.

    (module (func (result i32) i32.const 1 drop i32.const 2 i32.const 3 i32.add nop))

becomes, with ``nop`` to stay,

    (module (func (result i32) i32.const 0 nop))

Level by level from the outside in (hierarchical delta debugging, Misherghi and Su 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.sites import every_instruction
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return every_instruction(subject)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        _, func, index = edit.what
        operation.surgery(func).delete(index)
    return operation.finish()
