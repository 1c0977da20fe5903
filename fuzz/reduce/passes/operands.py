"""Replace an instruction by one of its operands of the same type.

    (module (func (param f64) (result f64) local.get 0 f64.sqrt f64.const 1 f64.add))

becomes, with ``local.get`` to stay,

    (module (func (param f64) (result f64) local.get 0))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.effects import is_control
from fuzz.reduce.operation import Operation
from fuzz.reduce.sites import nodes
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    possible = []
    for func, index, node, weight in nodes(subject):
        if len(node.outs) == 1 and node.ins and not is_control(node):
            for k, slot in enumerate(node.ins):
                if slot.type is node.outs[0].type:
                    possible.append(Edit((node.depth, func, index, k), weight + len(node.ins) - 1))
    return sorted(possible, key=lambda edit: edit.what)


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        _, func, index, operand = edit.what
        plan = operation.surgery(func)
        if index not in plan.deleted:
            plan.replace_by_operand(index, operand)
    return operation.finish()
