"""Cut off the rest of a function, or of an arm of a block, with ``unreachable``: as early as possible, by bisection.

    (module (func nop i32.const 1 drop i32.const 2 drop block i32.const 3 drop end))

becomes, with ``nop`` to stay,

    (module (func nop unreachable))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, ENDS, Edit, Strategy
from fuzz.reduce.operation import Operation
from fuzz.reduce.sites import nodes
from fuzz.reduce.subject import Subject

TIER: Final = CODE
STRATEGY: Final[Strategy] = ENDS


def edits(subject: Subject) -> list[Edit]:
    """One group per arm, the longest arms first; arms that end in ``unreachable`` have only what stands before it."""
    groups: dict[tuple[int, int], list[Edit]] = {}
    for func, index, node, weight in nodes(subject):
        arm = next(close for close in node.frame.closers() if close > index)
        groups.setdefault((func, arm), []).append(Edit((func, index), weight, (func, arm)))
    ordered = sorted(groups.values(), key=lambda group: -sum(edit.weight for edit in group))
    return [edit for group in ordered for edit in group if sum(e.weight for e in group) > 1]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    func, index = min(edit.what for edit in edits)
    operation.surgery(func).truncate(index)
    return operation.finish()
