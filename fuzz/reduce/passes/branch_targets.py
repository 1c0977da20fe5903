"""Drop labels of ``br_table`` and clauses of ``try_table``.

    (module (func (param i32) block block local.get 0 br_table 0 1 0 1 end end))

becomes, with ``br_table`` to stay,

    (module (func (param i32) block block local.get 0 br_table 1 end end))
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
        if node.op.name == "br_table":
            possible += [Edit((func, index, k)) for k in range(len(node.targets) - 1)]
        elif node.op.name == "try_table":
            possible += [Edit((func, index, k), 3) for k in range(len(node.targets))]
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        func, index, k = edit.what
        operation.surgery(func).lost_clauses.setdefault(index, set()).add(k)
    return operation.finish()
