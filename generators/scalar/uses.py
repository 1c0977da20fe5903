"""What becomes of a tree's value: stored, put into a global, folded.

The three ways to use local 5:

    i32.const 4096  local.get 5  i64.store16          # "store": all of it, or its low bits
    local.get 5  global.set 2                         # "global"
    local.get 5  ...  local.set $acc                  # "fold"
"""

from __future__ import annotations

from typing import Final

from generators.draw.values import CANONICAL_NAN
from generators.scalar.candidates import Nan
from generators.scalar.expressions import settle
from generators.scalar.trees import Tree
from wasm.fragment import Code, code, template
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

_STORES: Final[dict[NumType, tuple[Code, ...]]] = {
    I32: tuple(code(f"i32.store{bits} align=1") for bits in ("", "8", "16")),
    I64: tuple(code(f"i64.store{bits} align=1") for bits in ("", "8", "16", "32")),
    F32: (code("f32.store align=1"),),
    F64: (code("f64.store align=1"),),
}
_STORE_BYTES: Final = 8
"""As many as the widest of these writes."""

_TO_STORE: Final = template("i32.const $at  local.get $value")
_VALUE: Final = template("local.get $value")
_TO_GLOBAL: Final = template("global.set $at")


def used(tree: Tree, how: str, type_: NumType, local: int, nan: Nan) -> None:
    """Use a local's value: ``store`` all of it or its low bits, put it into a ``global``, or fold it."""
    fn = tree.fn
    if how == "store" and type_ in _STORES:
        fn += _TO_STORE(at=fn.shell.reserve(_STORE_BYTES), value=local)
        settle(fn, nan, type_, Nan.NONE)
        fn += tree.source.pick(_STORES[type_])
    elif how == "global":
        fn += _VALUE(value=local)
        settle(fn, nan, type_, Nan.NONE)
        fn += _TO_GLOBAL(at=fn.shell.global_(type_, 0))
    else:
        fn += _VALUE(value=local)
        folded(tree, type_, nan)


def folded(tree: Tree, type_: NumType, nan: Nan) -> None:
    """Fold the value on the stack into the function's hash; a vector's lanes too."""
    settle(tree.fn, nan, type_, Nan.NONE)
    if type_ is V128 or type_ not in CANONICAL_NAN:
        tree.fn.take(type_)
        return
    tree.fn += tree.fn.fold(type_)
