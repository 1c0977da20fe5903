"""Take blocks, loops, ifs and trys away from around their contents; of an if, either arm.

    (module (func (param i32) local.get 0 if nop else i32.const 1 drop end block br 0 end))

becomes, with ``nop`` to stay,

    (module (func (param i32) nop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.sites import nodes
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    possible = []
    for func, index, node, _ in nodes(subject):
        if node.opens is not None:
            possible += [Edit((arm, node.depth, func, index), 3) for arm in range(len(node.opens.arms) + 1)]
    return sorted(possible, key=lambda edit: edit.what)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        arm, _, func, index = edit.what
        plan = operation.surgery(func)
        if index not in plan.deleted:
            plan.unwrap(index, arm)
    return operation.finish()
