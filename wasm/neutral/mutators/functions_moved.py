"""The functions of a module in another order.

(func $f) (func $g call $f)      ->      (func $g call $f) (func $f)
"""

from __future__ import annotations

from typing import Final

from wasm.module import ExternKind, Module
from wasm.neutral.draws import Draws
from wasm.neutral.facts import Facts
from wasm.rewrite.index_map import map_module
from wasm.rewrite.spaces import Space

WEIGHT: Final = 2


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """All functions that are no imports."""
    if len(module.funcs) < 2:
        return None
    first = len(module.imported(ExternKind.FUNC))
    left = list(range(len(module.funcs)))
    order = [left.pop(draws.below(len(left))) for _ in range(len(module.funcs))]
    place = {first + old: first + new for new, old in enumerate(order)}
    made = map_module(module, lambda space, index: place.get(index, index) if space is Space.FUNC else index)
    made.funcs = [made.funcs[old] for old in order]
    return made
