"""How deep a module's expressions are nested, for an engine that makes trees of them and recurses over these.

    i32.const 1  i32.const 2  i32.add      2: an operand in an operation
    call $two                              two values, on the stack
    global.set 0                           takes the upper one, and does nothing to the lower one ...
    i32.eqz                                ... which is kept in a block with that: 1 + (1 + (1 + ...))

A value with something done above it on the stack becomes a block that sets a local, does that and gets the local
(Binaryen's ``IRBuilder``). So of a call with 200 results whose values are used up one by one, each use is nested in
the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasm.isa import OPS
from wasm.module import Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph

_CALLS: Final = frozenset((OPS["call"], OPS["return_call"]))


def nesting(module: Module) -> int:
    """How deep a valid module's expressions are nested, added up along the chain of direct calls that is deepest; what
    call each other are added once, all of them."""
    graphs = ModuleGraphs(module)
    own, callees = [], []
    for func in range(len(module.funcs)):
        graph = graphs.graph(func)
        own.append(_Tree().height(graph))
        called = {node.imm - graphs.first for node in graph.nodes if node.op in _CALLS}
        callees.append(sorted(callee for callee in called if callee >= 0))
    whole: dict[int, int] = {}
    for group in _groups(callees):
        below = {callee for func in group for callee in callees[func]} - set(group)
        deep = sum(own[func] for func in group) + max((whole[callee] for callee in below), default=0)
        whole.update(dict.fromkeys(group, deep))
    return max(whole.values(), default=0)


def _groups(callees: list[list[int]]) -> Iterator[list[int]]:
    """The functions, those together that call each other, each group after those that it calls (Tarjan's)."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    for root in range(len(callees)):
        path = [] if root in order else [(root, iter(callees[root]))]
        while path:
            func, rest = path[-1]
            if func not in order:
                order[func] = lowest[func] = len(order)
                waiting.append(func)
            for callee in rest:
                if callee not in order:
                    path.append((callee, iter(callees[callee])))
                    break
                if callee in lowest:
                    lowest[func] = min(lowest[func], order[callee])
            else:
                path.pop()
                low = lowest[func]
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], low)
                if low == order[func]:
                    group = [waiting.pop()]
                    while group[-1] != func:
                        group.append(waiting.pop())
                    for member in group:
                        del lowest[member]
                    yield group


class _Tree:
    """A function's code, as an expression is made of it: heights alone. ``stack`` is the innermost block's, with the
    height of each expression and whether it is a value; ``deepest`` the greatest height of what it is rid of."""

    def __init__(self) -> None:
        self.stack: list[tuple[int, bool]] = []
        self.deepest = 0
        self.outer: list[tuple[list[tuple[int, bool]], int, int]] = []

    def height(self, graph: Graph) -> int:
        """That of a whole function."""
        for at, node in enumerate(graph.nodes):
            height = 1 + max([self._pop() for _ in node.ins], default=0)
            if node.opens is not None:
                self.outer.append((self.stack, self.deepest, height))
                self.stack, self.deepest = [], 0
                self._push(1, len(node.outs))
            elif not node.closes:
                self._push(height, 0 if node.transfer else len(node.outs))
            else:
                self.deepest = max([self.deepest, height, *(other for other, _ in self.stack)])
                self.stack = []
                if node.frame.end != at:
                    self._push(1, len(node.outs))
                elif self.outer:
                    inside = self.deepest
                    self.stack, self.deepest, opener = self.outer.pop()
                    self._push(max(1 + inside, opener), len(node.outs))
        return 1 + self.deepest

    def _push(self, height: int, values: int) -> None:
        """What an instruction gives: of several values the lowest holds the instruction, and the others are gets."""
        if values > 1:
            self.stack.append((height + 2, True))
            self.stack += [(2, True)] * (values - 1)
        else:
            self.stack.append((height, values == 1))

    def _pop(self) -> int:
        """A value, and what was done above it. In unreachable code there may be none."""
        done = 0
        while self.stack:
            height, value = self.stack.pop()
            if value:
                return max(height, done and 1 + max(height + 1, done))
            done = max(done, height)
        self.deepest = max(self.deepest, done)
        return 1
