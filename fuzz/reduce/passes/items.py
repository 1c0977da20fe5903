"""Drop items that are in use, with every instruction, export and segment that names them.

    (module (memory 1) (global $g (mut i32) i32.const 1)
      (func nop i32.const 0 i32.load global.set $g))

becomes, with ``nop`` to stay,

    (module (func nop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import BULK, Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import item_weight
from wasm.rewrite.spaces import Space, space_sizes

TIER: Final = BULK
_SPACES: Final = (Space.DATA, Space.ELEM, Space.TABLE, Space.MEMORY, Space.TAG, Space.GLOBAL, Space.FUNC)


def edits(subject: Subject) -> list[Edit]:
    sizes = space_sizes(subject.module)
    return [
        Edit((space, index), item_weight(subject.module, space, index))
        for space in _SPACES
        for index in range(sizes[space])
    ]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    operation.remove((edit.what[0], edit.what[1]) for edit in edits)
    return operation.finish()
