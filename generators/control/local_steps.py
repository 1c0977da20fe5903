"""Steps on live values that are about locals: chains of tees, old values on the stack, nulls, writes that never run.

They stand beside those of ``generators.control.pressure``. ``stale``, for instance:

    local.get 300                      ;; the old value waits on the stack
    i64.const 77  local.set 300
    local.set 300                      ;; and comes back
"""

from __future__ import annotations

from typing import Final

from generators.choices import Weighted, weighted
from generators.control import pressure
from generators.control.live_values import LiveValues, Step
from generators.draw.values import CONST, draw_bits
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_clean
from wasm.fragment import Code, Template, code, template
from wasm.valtypes import I32, I64, NumType, RefType, ValType

_MOST: Final = 12
"""So many locals at most are in one chain, or on the stack."""

_TEE: Final = template("local.tee $local")
_CHANGE_BY: Final[dict[ValType, tuple[Template, ...]]] = {
    t: tuple(template(f"{t}.const $bits  {t}.{word}") for word in ("add", "xor", "mul")) for t in (I32, I64)
}


def chain(live: LiveValues, _depth: int) -> None:
    """One value into many locals by tees, at times changed between two."""
    fn, source = live.fn, live.source
    i = source.below(len(live.locals))
    type_ = live.types[i]
    same = live.of(type_)
    start = source.below(len(same))
    targets = [same[(start + k) % len(same)] for k in range(source.between(1, min(len(same), _MOST)))]
    if isinstance(type_, NumType):
        emit_clean(fn, source, type_, source.between(1, 2))
    else:
        fn += (live.get(i),)
    changed = type_ in _CHANGE_BY and source.chance(1, 2)
    for target in targets[:-1]:
        fn += _TEE(local=live.locals[target])
        if changed:
            assert isinstance(type_, NumType)
            bits = draw_bits(source, type_)
            fn += source.pick(_CHANGE_BY[type_])(bits=bits)
    fn += (live.set(targets[-1]),)


def stale(live: LiveValues, depth: int) -> None:
    """Locals are written while their old values lie on the stack: a compiler that delays reads must not see the new."""
    fn, source = live.fn, live.source
    held = live.hold(source.between(1, min(len(live.locals), _MOST)))
    if source.chance(1, 2):
        for i in held[:: source.between(1, 2)]:
            type_ = live.types[i]
            if isinstance(type_, NumType):
                fn += ((CONST[type_], draw_bits(source, type_)), live.set(i))
    else:
        source.weighted(LOCAL_STEPS if depth else _MOVES)(live, 0)
    if source.chance(1, 2):
        for i in reversed(held):
            fn.take(live.types[i])
    else:
        live.release(held)


_SUCCESSOR: Final[dict[ValType, Template]] = {
    t: template(f"local.get $i  local.get $i  {t}.const $bits  {t}.add  local.tee $i") for t in (I32, I64)
}
_WITH_SUCCESSOR: Final[dict[ValType, tuple[Code, ...]]] = {
    t: tuple(code(f"{t}.{word}") for word in ("sub", "rotl", "mul", "xor")) for t in (I32, I64)
}


def both(live: LiveValues, depth: int) -> None:
    """A value and its successor in one operation: ``local.get``, ``local.tee`` of the same local, then both at once."""
    fn, source = live.fn, live.source
    integers = live.of(I32, I64)
    if not integers:
        chain(live, depth)
        return
    for _ in range(source.between(1, 4)):
        i = source.pick(integers)
        type_ = live.types[i]
        assert isinstance(type_, NumType)
        j = source.pick(live.of(type_))
        fn += _SUCCESSOR[type_](i=live.locals[i], bits=draw_bits(source, type_))
        fn += (*source.pick(_WITH_SUCCESSOR[type_]), live.set(j))


_NULL: Final = template("ref.null $heap")
_IS_NULL: Final = code("ref.is_null")


def nullify(live: LiveValues, depth: int) -> None:
    """References become null and not null again: stack maps must follow."""
    fn, source = live.fn, live.source
    nullable = [i for i, type_ in enumerate(live.types) if isinstance(type_, RefType) and type_.nullable]
    if not nullable:
        both(live, depth)
        return
    chosen = list(dict.fromkeys(source.pick(nullable) for _ in range(source.between(1, 6))))
    for i in chosen:
        type_ = live.types[i]
        assert isinstance(type_, RefType)
        fn += (*_NULL(heap=type_.heap), live.set(i))
    # Until they are set again, nothing may take a reference out of them.
    known, fn.sources = fn.sources, {t: v for t, v in fn.sources.items() if not isinstance(t, RefType)}
    emit_clean(fn, source, I64, 2)
    fn += fn.fold(I64)
    for i in chosen:
        fn += (live.get(i), *_IS_NULL, *fn.fold(I32))
        push_values(fn, source, (live.types[i],))
        fn += (live.set(i),)
    fn.sources = known


_SKIP: Final = code("br 0")
_TEE_AND_DROP: Final = template("local.tee $local  drop")


def dead(live: LiveValues, _depth: int) -> None:
    """Writes that nothing reaches."""
    fn, source = live.fn, live.source
    i = source.below(len(live.locals))
    with fn.block():
        fn += _SKIP
        if source.chance(1, 2):
            fn += (live.set(i),)
        else:
            fn += (live.get(i), *_TEE_AND_DROP(local=live.locals[i]))


_MOVES: Final[Weighted[Step]] = weighted((chain, 100), (both, 80), (pressure.stack, 76))
LOCAL_STEPS: Final[Weighted[Step]] = weighted(
    (chain, 40), (stale, 36), (both, 30), (nullify, 14), (dead, 6), (pressure.change, 20), (pressure.fixed, 6),
    (pressure.call, 34), (pressure.stack, 14), (pressure.guarded, 14), (pressure.loop, 22), (pressure.carry, 6),
    (pressure.branch, 22), (pressure.table, 8), (pressure.early, 8), (pressure.bulk, 4), (pressure.checksum, 8),
)  # fmt: skip
