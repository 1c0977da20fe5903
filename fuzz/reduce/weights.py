"""How many bytes things take, roughly: what the scheduler expects an edit to save."""

from __future__ import annotations

from functools import lru_cache

from wasm.encode import encode_instrs
from wasm.isa import Imm, Instr
from wasm.module import ExternKind, Func, Module
from wasm.rewrite.operands import Graph
from wasm.rewrite.spaces import Space
from wasm.valtypes import FuncType


@lru_cache(maxsize=65536)
def instr_weight(instr: Instr) -> int:
    return len(encode_instrs((instr,)))


def body_weight(func: Func) -> int:
    return sum(map(instr_weight, func.body)) + 2 * len(func.locals)


def block_weights(graph: Graph) -> list[int]:
    """Each instruction's bytes; an opener counts for its whole block."""
    own = [2 if Imm.CATCHES in node.op.imms else instr_weight((node.op, node.imm)) for node in graph.nodes]
    total = [0]
    for weight in own:
        total.append(total[-1] + weight)
    return [
        own[i] if node.opens is None else total[node.opens.end + 1] - total[i] for i, node in enumerate(graph.nodes)
    ]


def item_weight(module: Module, space: Space, index: int) -> int:
    """Bytes of an item in its section; an import counts for less than its names."""
    match space:
        case Space.FUNC:
            number = index - len(module.imported(ExternKind.FUNC))
            return 3 + body_weight(module.funcs[number]) if number >= 0 else 6
        case Space.TYPE:
            composite = module.flat_types()[index].composite
            return 3 + len(composite.params) + len(composite.results) if isinstance(composite, FuncType) else 4
        case Space.DATA:
            return 4 + len(module.datas[index].init)
        case Space.ELEM:
            return 4 + len(module.elems[index].init)
        case Space.GLOBAL:
            return 5
        case _:
            return 4
