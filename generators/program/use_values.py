"""Using the results that lie on the stack, in ways in which order and each bit matter.

An i32 below an f64, used by the mode ``store``:

    local.set $t  i32.const 4096  local.get $t  f64.store offset=17
    local.set $u  i32.const 4096  local.get $u  i32.store offset=1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.module.function import GET, Function
from wasm.fragment import code, template
from wasm.valtypes import EXTERNREF, F32, F64, I32, I64, V128, NumType, ValType

MODES: Final = weighted(("fold", 34), ("store", 16), ("keep", 14), ("pass", 14), ("two", 12), ("drop", 10))
"""How the results of a call are used.

fold   into the running hash, from the last to the first
store  to memory, one by one; the digest or the exported memory shows them
keep   in locals across another wide call, then folded
pass   as the arguments of another wide call
two    left on the stack below the results of a second wide call: two return areas live at once
drop   all but a few
"""

_APART: Final = 16
"""Bytes from one stored value to the next: the widest is a vector."""

_DROP: Final = code("drop")
_STORE: Final = {
    t: template(f"local.set $t  i32.const $base  local.get $t  {t}.store offset=$offset")
    for t in (I32, I64, F32, F64, V128)
}


def fold_stack(fn: Function, types: Sequence[ValType]) -> int:
    """Fold everything, the top first. Gives the flat index of the last instruction that uses a result."""
    if EXTERNREF in types:
        for type_ in reversed(types):
            fn.take(type_)
    else:
        body = fn.f.body
        for type_ in reversed(types):
            body += fn.fold(type_)
    return fn.here - 1


def store_stack(fn: Function, source: ChoiceSource, types: Sequence[ValType]) -> int:
    """Store numbers to memory, 16 bytes apart, sometimes unaligned; references are folded."""
    shift = source.below(4)
    body = fn.f.body
    base = fn.shell.reserve(_APART * (len(types) + 1))
    for i in range(len(types) - 1, -1, -1):
        type_ = types[i]
        if not isinstance(type_, NumType):
            fn.take(type_)
            continue
        t = fn.temp(type_)
        body += fn.observable(type_)
        body += _STORE[type_](t=t, base=base, offset=_APART * i + shift)
    return fn.here - 1


def drop_stack(fn: Function, source: ChoiceSource, types: Sequence[ValType]) -> int:
    """Drop all but every k-th: what is dropped must still not shift what is kept."""
    step = source.between(3, 64)
    start = source.below(3)
    body = fn.f.body
    for i in range(len(types) - 1, -1, -1):
        if (i + start) % step == 0:
            fn.take(types[i])
        else:
            body += _DROP
    return fn.here - 1


def keep(fn: Function, types: Sequence[ValType]) -> list[int]:
    """Move everything into locals of its own; gives them in order."""
    kept = [fn.f.local(type_) for type_ in types]
    fn.set(*reversed(kept))
    return kept


def fold_locals(fn: Function, types: Sequence[ValType], kept: Sequence[int]) -> int:
    """Fold locals in order. Gives the flat index of the last use."""
    for type_, local in zip(types, kept, strict=True):
        fn.f.body.append((GET, local))
        fn.take(type_)
    return fn.here - 1


def use(
    fn: Function, source: ChoiceSource, mode: str, types: Sequence[ValType], between: Callable[[], None] | None = None
) -> int:
    """Use the results on the stack by ``mode`` (not ``pass`` or ``two``, which are made of calls).

    ``between`` emits what happens while ``keep`` holds them, and instead of their use where there are none. Gives the
    flat index of the last use; without results, that of the next instruction.
    """
    if not types:
        if between is not None:
            between()
        return fn.here
    if mode == "store":
        return store_stack(fn, source, types)
    if mode == "drop":
        return drop_stack(fn, source, types)
    if mode == "keep":
        kept = keep(fn, types)
        if between is not None:
            between()
        return fold_locals(fn, types, kept)
    return fold_stack(fn, types)


def drop_all(fn: Function, types: Sequence[ValType]) -> None:
    """Drop everything."""
    fn += _DROP * len(types)
