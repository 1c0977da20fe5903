"""Values that go through an operation which leaves them as they are.

    i32.mul      ->      i32.mul  global.get $zero  i32.xor

What is added is 0, or all ones for ``and``, and stands in a global: neither folds away with what is around it.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS
from wasm.module import Module
from wasm.neutral.code import drawn_function, global_of
from wasm.neutral.draws import Draws, pick, some
from wasm.neutral.facts import Facts
from wasm.valtypes import I32, I64, V128

WEIGHT: Final = 3
_MOST: Final = 4
_WORDS: Final = {
    I32: ("i32.xor", "i32.or", "i32.add", "i32.sub", "i32.shl", "i32.shr_s", "i32.rotl", "i32.and"),
    I64: ("i64.xor", "i64.or", "i64.add", "i64.sub", "i64.shl", "i64.shr_u", "i64.rotr", "i64.and"),
    V128: ("v128.xor", "v128.or", "v128.andnot", "v128.and"),
}


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to four values of one function."""
    code = drawn_function(module, draws)
    if code is None:
        return None
    for _, end, type_ in some(draws, [one for one in code.spans.spans if one[2] in _WORDS], _MOST):
        word = pick(draws, _WORDS[type_])  # type: ignore[index]
        value = (1 << type_.bits) - 1 if word.endswith(".and") else 0  # type: ignore[union-attr]
        code.replace(end, end, [(OPS["global.get"], global_of(module, type_, value)), OPS[word].bare])  # type: ignore[arg-type]
    return module if code.write() else None
