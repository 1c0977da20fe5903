"""Constants that do not stand where they are used.

    i32.const 24      ->      global.get $g    or    call $twenty_four    or    global.get $g  i32.const 21  i32.xor
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Module
from wasm.neutral.code import CONST, drawn_function, function, global_of
from wasm.neutral.draws import Draws, some
from wasm.neutral.facts import Facts
from wasm.valtypes import I32, I64, FuncType, NumType

WEIGHT: Final = 4
_MOST: Final = 8
_TYPES: Final = {op: type_ for type_, op in CONST.items()}


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to eight constants of one function."""
    code = drawn_function(module, draws)
    if code is None:
        return None
    places = [at for at, (op, _) in enumerate(code.body) if op in _TYPES]
    for at in some(draws, places, _MOST):
        op, value = code.body[at]
        code.replace(at, at + 1, _hidden(module, _TYPES[op], value, draws))
    return module if code.write() else None


def _hidden(module: Module, type_: NumType, value: int, draws: Draws) -> list[Instr]:
    kind = draws.below(5 if type_ in (I32, I64) else 3)
    if kind < 2:
        return [(OPS["global.get"], global_of(module, type_, value, mutable=bool(kind)))]
    if kind == 2:
        return [(OPS["call"], function(module, FuncType((), (type_,)), [], [(CONST[type_], value)]))]
    full = 1 << type_.bits
    part = draws.below(full)
    other, word = (value ^ part, "xor") if kind == 3 else ((value - part) % full, "add")
    hidden = (OPS["global.get"], global_of(module, type_, part))
    return [hidden, (CONST[type_], other), OPS[f"{type_}.{word}"].bare]
