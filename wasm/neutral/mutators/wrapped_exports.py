"""Exports that lead to functions which call what was exported.

    (export "f" (func $f))      ->      (export "f" (func $outer))  (func $outer (param i32) local.get 0  call $f)

Functions that somebody may hold a reference to stay as they are: a reference is told by the name of its export.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wasm.isa import OPS
from wasm.module import ExternKind, Module
from wasm.neutral.draws import Draws, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import function

WEIGHT: Final = 2
_MOST: Final = 4


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to four functions that are exported."""
    first = len(module.imported(ExternKind.FUNC))
    held = _held(module)
    exported = dict.fromkeys(item.index for item in module.exports if item.kind is ExternKind.FUNC)
    chosen = some(draws, [index for index in exported if index >= first and index not in held], _MOST)
    types = module.func_types()
    outer = {}
    for index in chosen:
        call = OPS["return_call" if draws.below(4) == 0 else "call"]
        given = [(OPS["local.get"], number) for number in range(len(types[index].params))]
        outer[index] = function(module, types[index], [], [*given, (call, index)])
    module.exports = [
        replace(item, index=outer[item.index]) if item.kind is ExternKind.FUNC and item.index in outer else item
        for item in module.exports
    ]
    return module if outer else None


def _held(module: Module) -> set[int]:
    """The functions of which references are made."""
    code = [func.body for func in module.funcs]
    code += [list(expr) for elem in module.elems for expr in elem.init]
    code += [list(item.init) for item in module.globals] + [list(table.init or ()) for table in module.tables]
    return {imm for body in code for op, imm in body if op is OPS["ref.func"]}
