"""A piece of code twice, in the two arms of an ``if`` whose condition is always the same.

    local.get 0  i32.eqz      ->      global.get $never  if (result i32)  i32.const 9  else  local.get 0  i32.eqz  end

The arm that is not taken is the same code, or where that is a value, one that is as good as any.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS
from wasm.module import Module
from wasm.neutral.draws import Draws, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import CONST, ELSE, END, FuncCode, in_functions, never, raised
from wasm.valtypes import NumType

WEIGHT: Final = 3
_MOST: Final = 3
_LONGEST: Final = 100


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to three values or statements of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    fitting = [one for one in code.pieces() if one[1] - one[0] <= _LONGEST and code.plain(one[0], one[1])]
    for start, end, type_ in some(draws, fitting, _MOST):
        inside = raised(code.body[start:end])
        if inside is None:
            continue
        other = inside
        if isinstance(type_, NumType) and draws.below(3) == 0:
            other = [(CONST[type_], draws.below(1 << 31))]
        code.replace(start, end, [*never(code.module, draws), (OPS["if"], type_), *other, ELSE, *inside, END])
    return code.write()
