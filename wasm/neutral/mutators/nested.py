"""Pieces of code in blocks more, and in loops that go round once.

local.get 0  global.set 0      ->      block  loop  local.get 0  global.set 0  end  end
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Module
from wasm.neutral.draws import Draws, pick, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import END, FuncCode, in_functions, never, raised

WEIGHT: Final = 2
_MOST: Final = 4


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to four values or statements of a function; a loop may have a branch back that is not taken."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    fitting = [one for one in code.pieces() if code.plain(one[0], one[1])]
    for start, end, type_ in some(draws, fitting, _MOST):
        inside = raised(code.body[start:end])
        if inside is None:
            continue
        word = pick(draws, ("block", "loop", "loop"))
        back: list[Instr] = []
        if word == "loop" and draws.below(2):
            back = [*never(code.module, draws), (OPS["br_if"], 0)]
        code.replace(start, end, [(OPS[word], type_), *back, *inside, END])
    return code.write()
