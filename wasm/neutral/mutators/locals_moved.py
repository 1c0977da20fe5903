"""The locals of a function in another order.

(local i32 i64 f32)  local.set 0      ->      (local f32 i32 i64)  local.set 1
"""

from __future__ import annotations

from typing import Final

from wasm.module import Module
from wasm.neutral.draws import Draws
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import FuncCode, in_functions
from wasm.rewrite.index_map import local_of, runs, with_local

WEIGHT: Final = 2
_MOST: Final = 2_000


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """All locals of a function that are no parameters."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    count = code.graph.param_count
    own = code.graph.locals[count:]
    if not 2 <= len(own) <= _MOST:
        return False
    left = list(range(len(own)))
    order = [left.pop(draws.below(len(left))) for _ in range(len(own))]
    place = {count + old: count + new for new, old in enumerate(order)}
    code.func.locals = runs([own[old] for old in order])
    code.func.body = [
        one if (local := local_of(one)) is None or local < count else with_local(one, place[local])
        for one in code.body
    ]  # fmt: skip
    return True
