"""A case as recognisers see it: its modules' functions as graphs, and questions about operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from wasm.case import Case
from wasm.decode import decode
from wasm.module import Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph, Node
from wasm.valtypes import FuncType

_CONSTANTS: Final = ("i32.const", "i64.const")


class Seen:
    """One module of a case."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.all_graphs = ModuleGraphs(module)
        self.first = self.all_graphs.first
        self.rows_of = [frozenset(op.name for op, _ in func.body) for func in module.funcs]
        self.rows: frozenset[str] = frozenset().union(*self.rows_of)

    @cached_property
    def types(self) -> list[FuncType]:
        """Of all functions, imported ones first."""
        return list(self.module.func_types())

    def rows_in(self, function: int) -> frozenset[str]:
        """The rows of a function by its index, none of an imported one."""
        return self.rows_of[function - self.first] if function >= self.first else frozenset()

    def graphs(self, *needed: str) -> Iterator[Graph]:
        """Of the functions that have one of these rows."""
        wanted = set(needed)
        for index, rows in enumerate(self.rows_of):
            if not rows.isdisjoint(wanted):
                yield self.all_graphs.graph(index)

    def nodes(self, *names: str) -> Iterator[tuple[Graph, Node]]:
        """The instructions of these names."""
        if self.rows.isdisjoint(names):
            return
        for graph in self.graphs(*names):
            for node in graph.nodes:
                if node.op.name in names:
                    yield graph, node

    def accesses(self, kind: str = "") -> Iterator[tuple[Graph, Node]]:
        """The instructions that access a memory, or the loads, or the stores."""
        for index, func in enumerate(self.module.funcs):
            if any(op.access is not None for op, _ in func.body):
                graph = self.all_graphs.graph(index)
                for node in graph.nodes:
                    if node.op.access is not None and kind in ("", node.op.access.kind):
                        yield graph, node


@lru_cache(maxsize=16)
def _places(graph: Graph) -> dict[int, int]:
    return {id(node): at for at, node in enumerate(graph.nodes)}


def place(graph: Graph, node: Node) -> int:
    """The index of an instruction in its function."""
    return _places(graph)[id(node)]


def maker(graph: Graph, node: Node, position: int) -> Node | None:
    """The instruction that gives operand ``position``, counted from the end if it is negative."""
    try:
        return graph.nodes[node.ins[position].maker]
    except IndexError:
        return None


def made_by(graph: Graph, node: Node, position: int, *names: str) -> bool:
    """Whether one of these instructions gives an operand."""
    found = maker(graph, node, position)
    return found is not None and found.op.name in names


def constant(graph: Graph, node: Node, position: int) -> int | None:
    """The number that an operand is, if it is one."""
    found = maker(graph, node, position)
    return found.imm if found is not None and found.op.name in _CONSTANTS else None


def argument(node: Node) -> Any:
    """The memory argument of an access."""
    return node.imm[0] if isinstance(node.imm, tuple) and not hasattr(node.imm, "offset") else node.imm


def local_of(graph: Graph, node: Node, position: int) -> int | None:
    """The local that an operand is read from, or kept in."""
    found = maker(graph, node, position)
    return found.imm if found is not None and found.op.name in ("local.get", "local.tee") else None


@dataclass(frozen=True, slots=True)
class Shape:
    """``after`` names what it is read off: an issue's number, a test's name."""

    name: str
    after: str
    seen: Callable[[Seen], bool]


def modules_of(case: Case) -> list[Seen]:
    """Its modules, the last one its own."""
    return [Seen(decode(content)) for content in case.contents]
