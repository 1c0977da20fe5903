"""Instructions that belong together: the code that makes one value and nothing else, and the code that makes none.

    local.get 0  i32.const 1  i32.add  call $two  drop  global.set 0

Spans are ``local.get 0``, ``i32.const 1`` and the three instructions up to ``i32.add``. ``call`` gives two values, so
neither of them is a span's, nor anything that takes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from wasm.isa import Imm, Instr
from wasm.rewrite.index_map import labels_of
from wasm.rewrite.operands import Graph, Slot
from wasm.valtypes import ValType

Span: TypeAlias = tuple[int, int, ValType]
"""(start, end, type): the instructions from ``start`` up to ``end`` leave the stack as it is but for one value more."""


@dataclass(slots=True, eq=False)
class Spans:
    """The spans of a function's reachable code, those that end first standing first.

    ``statements`` has (start, end) of code that leaves the stack as it is. ``starts`` has by slot id where the span
    that makes it begins; -1 for slots that are in no span.
    """

    spans: list[Span]
    statements: list[tuple[int, int]]
    starts: list[int]

    def start(self, slot: Slot) -> int:
        """Where the span that makes a slot begins; -1 if none does."""
        return self.starts[slot.id]


def spans_of(graph: Graph, reachable: list[int]) -> Spans:
    """The spans of a function, of whose nodes ``reachable`` are looked at (``Graph.reachable``).

    A block is in one where it takes nothing from outside but the condition of an ``if``.
    """
    starts = [-1] * graph.slot_count
    made = Spans([], [], starts)
    nodes, spans, statements = graph.nodes, made.spans, made.statements
    openings: dict[int, int] = {}
    for at in reachable:
        node = nodes[at]
        ins, outs = node.ins, node.outs
        start = _start(starts, ins, at) if ins else at
        if node.control:
            if node.opens is not None:
                openings[at] = -1 if node.opens.params else start
                continue
            if node.closes:
                if node.frame.end != at or node.frame.opener < 0:
                    continue
                start = openings[node.frame.opener]
            elif node.transfer:
                outs = []
        if start < 0:
            continue
        if len(outs) == 1:
            slot = outs[0]
            assert slot.type is not None
            starts[slot.id] = start
            spans.append((start, at + 1, slot.type))
        elif not outs:
            statements.append((start, at + 1))
    return made


def _start(starts: list[int], ins: list[Slot], at: int) -> int:
    """Where the code of an instruction and all its operands begins; -1 if that makes something else too."""
    start = at
    for slot in reversed(ins):
        if slot.maker + 1 != start:
            return -1
        start = starts[slot.id]
        if start < 0:
            return -1
    return start


def closed(code: Iterable[Instr]) -> bool:
    """Whether no branch leaves this code, so that it may stand in a block more or less."""
    level = 0
    for instr in code:
        row = instr[0]
        if any(label >= level for label in labels_of(instr)):
            return False
        if Imm.BLOCK_TYPE in row.imms:
            level += 1
        elif row.name == "end":
            level -= 1
    return True
