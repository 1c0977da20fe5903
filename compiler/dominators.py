"""The dominator tree of a control-flow graph, given as the successors of each block; block 0 is the entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Successors: TypeAlias = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Dominators:
    """``order`` is a reverse postorder of the reachable blocks; ``idom`` the tree; ``predecessors`` has one entry per
    edge. ``enter`` and ``leave`` are preorder intervals, which make ``dominates`` two comparisons.
    """

    order: list[int]
    idom: dict[int, int]
    predecessors: list[list[int]]
    enter: dict[int, int]
    leave: dict[int, int]

    def dominates(self, above: int, below: int) -> bool:
        """Whether every path to ``below`` passes ``above``; nothing unreachable dominates a reachable block."""
        if above not in self.enter:
            return False
        return self.enter[above] <= self.enter[below] <= self.leave[above]


def reverse_postorder(successors: Successors) -> list[int]:
    """The reachable blocks, each before its successors but for back edges."""
    order: list[int] = []
    seen = {0}
    stack = [(0, iter(successors[0]))]
    while stack:
        block, rest = stack[-1]
        for target in rest:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(successors[target])))
                break
        else:
            order.append(block)
            stack.pop()
    return order[::-1]


def dominators(successors: Successors) -> Dominators:
    """Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001)."""
    order = reverse_postorder(successors)
    position = {block: i for i, block in enumerate(order)}
    preds: list[list[int]] = [[] for _ in successors]
    for block in order:
        for target in successors[block]:
            preds[target].append(block)
    idom = {order[0]: order[0]}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            new = -1
            for pred in preds[block]:
                if pred not in idom:
                    continue
                if new < 0:
                    new = pred
                    continue
                a = pred
                while a != new:
                    while position[a] > position[new]:
                        a = idom[a]
                    while position[new] > position[a]:
                        new = idom[new]
            if idom.get(block) != new:
                idom[block] = new
                changed = True
    enter, leave = _intervals(order, idom)
    return Dominators(order, idom, preds, enter, leave)


def _intervals(order: list[int], idom: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    children: dict[int, list[int]] = {block: [] for block in order}
    for block in order[1:]:
        children[idom[block]].append(block)
    enter: dict[int, int] = {}
    leave: dict[int, int] = {}
    stack = [(order[0], False)]
    while stack:
        block, done = stack.pop()
        if done:
            leave[block] = len(enter) - 1
            continue
        enter[block] = len(enter)
        stack.append((block, True))
        stack += [(child, False) for child in children[block]]
    return enter, leave
