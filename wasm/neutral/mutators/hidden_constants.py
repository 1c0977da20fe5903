"""Constants that do not stand where they are used.

i32.const 24      ->      global.get $g    or    call $twenty_four    or    global.get $g  i32.const 21  i32.xor
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Module
from wasm.neutral.draws import Draws, many
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import CONST, FuncCode, function, global_of, in_functions
from wasm.valtypes import I32, I64, FuncType, NumType

WEIGHT: Final = 4
_FEW: Final = 8
_TYPES: Final = {op: type_ for type_, op in CONST.items()}


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Some or all constants of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    places = [at for at, (op, _) in enumerate(code.body) if op in _TYPES]
    for at in many(draws, places, _FEW):
        op, value = code.body[at]
        code.replace(at, at + 1, _hidden(code.module, _TYPES[op], value, draws))
    return code.write()


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
