"""What becomes of a tree's value: stored, put into a global, folded."""

from __future__ import annotations

from typing import Final

from generators.draw.values import CANONICAL_NAN
from generators.module.function import GET, I32_CONST
from generators.scalar.expressions import Nan, settle
from generators.scalar.trees import Tree
from wasm.isa import OPS, MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

_STORES: Final[dict[NumType, tuple[Op, ...]]] = {
    I32: tuple(OPS[f"i32.store{bits}"] for bits in ("", "8", "16")),
    I64: tuple(OPS[f"i64.store{bits}"] for bits in ("", "8", "16", "32")),
    F32: (OPS["f32.store"],),
    F64: (OPS["f64.store"],),
}


def used(tree: Tree, how: str, type_: NumType, local: int, nan: Nan) -> None:
    """Use a local's value: ``store`` all of it or its low bits, put it into a ``global``, or fold it."""
    fn, body = tree.fn, tree.fn.f.body
    if how == "store" and type_ in _STORES:
        body += ((I32_CONST, fn.shell.reserve(8)), (GET, local))
        settle(fn, nan, type_, Nan.NONE)
        body.append((tree.source.pick(_STORES[type_]), MemArg(0, 0)))
    elif how == "global":
        body.append((GET, local))
        settle(fn, nan, type_, Nan.NONE)
        body.append((OPS["global.set"], fn.shell.global_(type_, 0)))
    else:
        body.append((GET, local))
        folded(tree, type_, nan)


def folded(tree: Tree, type_: NumType, nan: Nan) -> None:
    """Fold the value on the stack into the function's hash; a vector's lanes too."""
    settle(tree.fn, nan, type_, Nan.NONE)
    if type_ is V128 or type_ not in CANONICAL_NAN:
        tree.fn.take(type_)
        return
    tree.fn.f.body += tree.fn.fold(type_)
