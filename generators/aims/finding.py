"""Aims that stand in a module, whoever made it: the pattern in the code itself, with constants that are its own.

``i32.or`` of an ``i32.shl`` and an ``i32.shr_u`` of one local by constants 7 and 25 is the aim of a rotation; by 7 and
24 it is that aim too, outside. A value that goes through a local between two instructions of a pattern hides it here,
as it does from a compiler's matcher that sees no further than one use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from generators.aims.aim import Address, Aim, Apply, Open, Tree
from wasm.isa import Imm
from wasm.module import Func, Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Graph, Node, Slot

_KEEPING: Final = ("local.get", "local.tee")


def aims_in(module: Module, aims: Sequence[Aim], graphs: ModuleGraphs | None = None) -> set[int]:
    """The numbers of those aims that some function has with one of their choices of constants, inside or outside; any
    constants will do for an aim that lists none. ``graphs`` are the module's, if somebody has them already."""
    by_row: dict[str, list[tuple[int, Aim]]] = {}
    for number, aim in enumerate(aims):
        assert isinstance(aim.tree, Apply)
        by_row.setdefault(aim.tree.row, []).append((number, aim))
    graphs = ModuleGraphs(module) if graphs is None else graphs
    found: set[int] = set()
    for index, func in enumerate(module.funcs):
        if not _may_have(func, by_row):
            continue
        graph = graphs.graph(index)
        for node in graph.nodes:
            found |= {number for number, aim in by_row.get(node.op.name, ()) if _is(graph, node, aim)}
    return found


def _may_have(func: Func, rows: Iterable[str]) -> bool:
    return not {op.name for op, _ in func.body}.isdisjoint(rows)


def _is(graph: Graph, node: Node, aim: Aim) -> bool:
    constants: dict[int, int] = {}
    if not _fits(graph, node, aim.tree, constants, {}):
        return False
    choices = (*aim.inside, *aim.outside)
    return choices == ((),) or any(
        all(values[number] == value for number, value in constants.items()) for values in choices
    )


def _fits(graph: Graph, node: Node, tree: Tree, constants: dict[int, int], leaves: dict[str, object]) -> bool:
    assert isinstance(tree, Apply)
    if node.op.name != tree.row or len(node.ins) != len(tree.args):
        return False
    given = () if not node.op.imms else node.imm if len(node.op.imms) > 1 else (node.imm,)
    for kind, imm in zip((kind for kind in node.op.imms if kind is not Imm.MEMARG), tree.imms, strict=True):
        value = given[node.op.imms.index(kind)]
        number = int.from_bytes(bytes(value), "little") if kind is Imm.LANES else value
        if isinstance(imm, Open):
            constants[imm.number] = number
        elif imm != number:
            return False
    return all(_operand(graph, slot, arg, constants, leaves) for slot, arg in zip(node.ins, tree.args, strict=True))


def _operand(graph: Graph, slot: Slot, arg: Tree, constants: dict[int, int], leaves: dict[str, object]) -> bool:
    maker = graph.nodes[slot.maker]
    if isinstance(arg, Apply):
        return _fits(graph, maker, arg, constants, leaves)
    if isinstance(arg, Address):
        return True
    same: object = slot.id
    if maker.op.name in _KEEPING:
        same = "local", maker.imm
    elif maker.op.name.endswith(".const"):
        same = maker.op.name, maker.imm
    return leaves.setdefault(arg.name, same) == same
