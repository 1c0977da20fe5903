"""A function in two: the second half is a function that the first one ends with calling.

    (func $f (param i32) (result i32) A  B)      ->      (func $f (param i32) (result i32) A  local.get 0  call $rest)

The locals that the second half names are its parameters.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS
from wasm.limits import PARAMS
from wasm.module import Module
from wasm.neutral.draws import Draws, pick
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import END, FuncCode, function, in_functions, locals_in
from wasm.rewrite.index_map import local_of, with_local
from wasm.signatures_gc import defaultable
from wasm.valtypes import FuncType

WEIGHT: Final = 3


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """A function in two, where nothing is on its stack and no block is open."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    places = _seams(code)
    if not places:
        return False
    at = pick(draws, places)
    rest = code.body[at:]
    taken = locals_in(rest)
    types = [code.graph.locals[local] for local in taken]
    count = code.graph.param_count
    if len(taken) > PARAMS or any(local >= count and not defaultable(code.graph.locals[local]) for local in taken):
        return False
    own = code.type
    place = {local: number for number, local in enumerate(taken)}
    body = [one if (local := local_of(one)) is None else with_local(one, place[local]) for one in rest[:-1]]
    index = function(code.module, FuncType(tuple(types), own.results), [], body)
    call = OPS["return_call" if draws.below(3) == 0 else "call"]
    code.func.body = [*code.body[:at], *((OPS["local.get"], local) for local in taken), (call, index), END]
    return True


def _seams(code: FuncCode) -> list[int]:
    """Positions outside of all blocks before which no value is made that is taken behind them."""
    nodes = code.graph.nodes
    change = [0] * (len(nodes) + 1)
    for at, node in enumerate(nodes):
        for slot in (*node.ins, *node.abandoned):
            change[slot.maker + 1] += 1
            change[at + 1] -= 1
    found, open_ = [], 0
    reachable = set(code.reachable)
    for at, node in enumerate(nodes):
        open_ += change[at]
        if at and open_ == 0 and node.depth == 1 and at in reachable and at < len(nodes) - 1 and not node.closes:
            found.append(at)
    return found
