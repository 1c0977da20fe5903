"""Delete what stands behind an instruction that never goes on: unreachable code, all of it at once.

    (module (func (result i32) nop unreachable i32.const 1 drop f32.add drop))

becomes, with ``nop`` to stay,

    (module (func (result i32) nop unreachable))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation, lifter_of
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import block_weights
from wasm.rewrite.operands import Frame, Graph

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    lifter = lifter_of(subject.module)
    return [edit for func in range(len(subject.module.funcs)) for edit in _dead(func, lifter.graph(func))]


def _dead(func: int, graph: Graph) -> list[Edit]:
    """The outermost unreachable instructions of a function."""
    possible: list[Edit] = []
    weights = block_weights(graph)
    dead: set[Frame] = set()
    index = 0
    while index < len(graph.nodes):
        node = graph.nodes[index]
        if node.closes:
            dead.discard(node.frame)
        elif node.frame in dead:
            possible.append(Edit((func, index), weights[index]))
            if node.opens is not None:
                index = node.opens.end
        elif node.transfer:
            dead.add(node.frame)
        index += 1
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        operation.surgery(edit.what[0]).delete(edit.what[1])
    return operation.finish()
