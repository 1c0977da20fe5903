"""Values that go through an operation which leaves them as they are.

    i32.mul      ->      i32.mul  global.get $zero  i32.xor

What is added is 0, or all ones for ``and``, and stands in a global: neither folds away with what is around it.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS
from wasm.module import Module
from wasm.neutral.draws import Draws, many, pick
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import FuncCode, global_of, in_functions
from wasm.valtypes import I32, I64, V128

WEIGHT: Final = 3
_FEW: Final = 4
_WORDS: Final = {
    I32: ("i32.xor", "i32.or", "i32.add", "i32.sub", "i32.shl", "i32.shr_s", "i32.rotl", "i32.and"),
    I64: ("i64.xor", "i64.or", "i64.add", "i64.sub", "i64.shl", "i64.shr_u", "i64.rotr", "i64.and"),
    V128: ("v128.xor", "v128.or", "v128.andnot", "v128.and"),
}


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Some or all values of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    for _, end, type_ in many(draws, [one for one in code.spans.spans if one[2] in _WORDS], _FEW):
        word = pick(draws, _WORDS[type_])  # type: ignore[index]
        value = (1 << type_.bits) - 1 if word.endswith(".and") else 0  # type: ignore[union-attr]
        code.replace(end, end, [(OPS["global.get"], global_of(code.module, type_, value)), OPS[word].bare])  # type: ignore[arg-type]
    return code.write()
