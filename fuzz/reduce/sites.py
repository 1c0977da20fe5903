"""Where passes over code look: the instructions of all functions, outermost first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fuzz.reduce.contract import Edit
from fuzz.reduce.operation import lifter_of
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import block_weights
from wasm.isa import Imm
from wasm.module import Func
from wasm.rewrite.operands import Node

_ENDS = frozenset({"end", "delegate"})
_CLOSERS = _ENDS | {"else", "catch", "catch_all"}


def nodes(subject: Subject) -> Iterator[tuple[int, int, Node, int]]:
    """Every instruction but the ends of blocks: (defined function, index, node, bytes)."""
    lifter = lifter_of(subject.module)
    for func in range(len(subject.module.funcs)):
        graph = lifter.graph(func)
        weights = block_weights(graph)
        for index, node in enumerate(graph.nodes):
            if not node.closes:
                yield func, index, node, weights[index]


def every_instruction(subject: Subject, wanted: Callable[[Node], bool] | None = None) -> list[Edit]:
    """An edit (depth, function, index) for every instruction; those at one depth stand together."""
    possible = [
        Edit((node.depth, func, index), weight)
        for func, index, node, weight in nodes(subject)
        if wanted is None or wanted(node)
    ]
    return sorted(possible, key=lambda edit: edit.what)


def frames(func: Func) -> list[tuple[int, ...]]:
    """Each instruction by itself, a block by the places of its opener, its dividers and its end; in order.

    Of a body that is decoded, valid or not.
    """
    marked: list[list[int]] = []
    nested: list[list[int]] = []
    for i, (op, _) in enumerate(func.body[:-1]):
        if Imm.BLOCK_TYPE in op.imms:
            nested.append([i])
            marked.append(nested[-1])
        elif op.name in _CLOSERS:
            (nested.pop() if op.name in _ENDS else nested[-1]).append(i)
        else:
            marked.append([i])
    return [tuple(marks) for marks in marked]
