"""Steps on many live values: they change, move, hold and merge them, and need certain registers in between.

A step is a function of ``LiveValues`` and of how deep other steps may stand inside of it. ``branch``, for instance,
with a step of moves on its other side:

    local.get $acc  i64.const 31  i64.shr_u  i32.wrap_i64  i32.const 4  i32.and
    if
      local.get 5  local.get 6  i32.const 1  i32.or  i32.div_u  local.set 6
    else
      local.get 5  local.get 6  local.set 5  local.set 6
    end
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import Weighted, weighted
from generators.control.live_values import LiveValues, Step
from generators.control.throwers import push_arguments
from generators.program.push_values import push_values
from generators.program.use_values import fold_locals, use
from generators.scalar.expressions import emit_clean
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.valtypes import F32, F64, I32, I64, NumType, ValType

_MOST_HELD: Final = 20
"""So many values at most lie on the stack below the arguments of a call."""

# One value and another


def change(live: LiveValues, _depth: int) -> None:
    """Some values get new ones, computed from others: any instruction, with its temporaries."""
    fn, source = live.fn, live.source
    for _ in range(source.between(1, 6)):
        i = source.below(len(live.locals))
        type_ = live.types[i]
        if isinstance(type_, NumType):
            emit_clean(fn, source, type_, source.between(1, 3))
            fn += (live.set(i),)
        else:
            _select_reference(live, i)


_SELECT: Final = template("select_t (result $type)")


def _select_reference(live: LiveValues, i: int) -> None:
    """One of two references, by the hash."""
    j = live.source.pick(live.of(live.types[i]))
    live.fn.f.body += (live.get(j), live.get(i))
    live.small(live.source.between(1, 3))
    live.fn.f.body += (*_SELECT(type=live.types[i]), live.set(i))


def _fixed_code(type_: NumType, word: str) -> Code:
    """An operation, and before it what makes any divisor one that does not trap: odd, and positive for ``div_s``."""
    guard = ""
    if word == "div_s":
        # The quotient fits.
        guard = f"{type_}.const {(1 << type_.bits - 1) - 1}  {type_}.and"
    if word.startswith(("div", "rem")):
        guard = f"{guard}  {type_}.const 1  {type_}.or"
    return code(f"{guard}  {type_}.{word}")


_FIXED_WORDS: Final = (
    "shl", "shr_s", "shr_u", "rotl", "rotr", "mul", "div_u", "div_s", "rem_u", "rem_s", "div_s", "rem_s",
)  # fmt: skip
_FIXED: Final[dict[ValType, tuple[Code, ...]]] = {
    type_: tuple(_fixed_code(type_, word) for word in _FIXED_WORDS) for type_ in (I32, I64)
}
_WIDE: Final = (code("i64.mul_wide_s"), code("i64.mul_wide_u"))


def fixed(live: LiveValues, depth: int) -> None:
    """Divisions, shifts and products of live integers: results and operands in certain registers."""
    fn, source = live.fn, live.source
    integers = live.of(I32, I64)
    if not integers:
        rounded(live, depth)
        return
    for _ in range(source.between(1, 5)):
        i = source.pick(integers)
        j = source.pick(live.of(live.types[i]))
        operation = source.pick(_FIXED[live.types[i]])
        fn += (live.get(i), live.get(j), *operation, live.set(source.pick((i, j))))
    longs = live.of(I64)
    if live.config.allows(Feature.WIDE_ARITHMETIC) and len(longs) > 1:
        i, j = source.pick(longs), source.pick(longs)
        fn += (live.get(i), live.get(j), *source.pick(_WIDE), live.set(j), live.set(i))


_ROUNDED: Final[dict[ValType, tuple[Code, ...]]] = {
    t: tuple(code(f"{t}.{word}") for word in ("ceil", "floor", "trunc", "nearest")) for t in (F32, F64)
}


def rounded(live: LiveValues, depth: int) -> None:
    """Rounding: library calls in compilers for processors without an instruction for it."""
    fn, source = live.fn, live.source
    floats = live.of(F32, F64)
    if not floats:
        change(live, depth)
        return
    for _ in range(source.between(1, 4)):
        i = source.pick(floats)
        type_ = live.types[i]
        fn += (live.get(i), *source.pick(_ROUNDED[type_]), *fn.canonical(type_), live.set(i))


# Calls


def call(live: LiveValues, depth: int) -> None:
    """A call with everything live across it; its results replace values, or are used in one of the other ways."""
    fn, source, program = live.fn, live.source, live.program
    if not live.around.callees:
        bulk(live, depth)
        return
    callee, imported = source.pick(live.around.callees)
    kinds = program.calls.kinds()
    how = "import" if imported else source.pick(("direct", "indirect", "ref" if "ref" in kinds else "direct"))
    hold = bool(depth) and source.chance(1, 2)
    held = live.hold(source.between(0, min(len(live.locals), _MOST_HELD))) if hold else []
    push_values(fn, source, callee.type.params, clean=imported)
    program.calls.call(fn, source, "direct" if imported else how, callee)
    _use(live, callee.type.results)
    live.release(held)
    if live.sure:
        program.passed(fn, callee, how)


def guarded(live: LiveValues, depth: int) -> None:
    """A call that throws at times, under a try_table: the handler finds the values as they were at the call."""
    thrower, tags = live.around.thrower, live.around.tags
    if thrower is None or tags is None:
        call(live, depth)
        return
    fn, source = live.fn, live.source
    type_, payload = thrower.callee.type, tags.payloads[-1]
    mode = fn.temp(I32)
    live.small(0xFF)
    fn.set(mode)
    with live.unsure(), fn.block("block", (), type_.results) as out:
        with fn.block("block", (), payload) as handler:
            with fn.try_table([("catch", tags.count - 1, handler)], (), type_.results):
                push_arguments(fn, source, type_, mode)
                if source.chance(1, 2):
                    # Arguments wait on the stack while values change.
                    _inner(live)
                live.program.calls.call(fn, source, "direct", thrower.callee)
            fn.br(out)
        _use(live, payload)
        if source.chance(1, 2):
            _inner(live)
        push_values(fn, source, type_.results)
    _use(live, type_.results)


def _use(live: LiveValues, results: Sequence[ValType]) -> None:
    """Results on the stack become live values, or are used in one of the other ways."""
    if live.source.chance(1, 2):
        live.replace(results)
    else:
        mode = live.source.pick(("fold", "store", "drop", "keep"))
        use(live.fn, live.source, mode, results, lambda: fixed(live, 0))


_BULK: Final = ("grow", "fill", "copy")
_BULK_BYTES: Final = 64
_GROW: Final = template("i32.const $pages  memory.grow")
_FILL: Final = template(
    f"local.set $t  i32.const $to  local.get $t  local.get $t  i32.const {_BULK_BYTES - 1}  i32.and  memory.fill"
)
_COPY: Final = template(
    f"""
    local.set $t
    i32.const $to  local.get $t  i32.const 127  i32.and  local.get $t  i32.const {_BULK_BYTES - 1}  i32.and  memory.copy
    """
)


def bulk(live: LiveValues, _depth: int) -> None:
    """Operations that are calls of the engine's own functions: fill, copy, grow, sizes."""
    fn, source = live.fn, live.source
    operation = source.pick(_BULK)
    to = fn.shell.reserve(_BULK_BYTES)
    if operation == "grow" or not live.config.allows(Feature.BULK_MEMORY):
        fn += (*_GROW(pages=source.below(2)), *fn.fold(I32))
        return
    emit_clean(fn, source, I32, 1)
    fn += (_FILL if operation == "fill" else _COPY)(t=fn.temp(I32), to=to)


# Moves


def stack(live: LiveValues, depth: int) -> None:
    """Values on the stack below other code, then moved at once: a parallel move with cycles."""
    held = live.hold(live.source.between(1, len(live.locals)))
    if depth:
        _inner(live, depth - 1)
    live.release(held)


def checksum(live: LiveValues, _depth: int) -> None:
    """The values so far, into the hash: uses in the middle, so that intervals end and begin again."""
    start = live.source.below(len(live.locals))
    end = start + live.source.between(1, 8)
    fold_locals(live.fn, live.types[start:end], live.locals[start:end])


# Control


def loop(live: LiveValues, depth: int) -> None:
    """Values carried round a loop in permuted locals, changed on the way."""
    with live.fn.repeat(live.rounds()):
        for _ in range(live.source.between(1, 3)):
            _inner(live)
        if depth and not live.source.chance(3, 4):
            loop(live, 0)
        live.permute()


def carry(live: LiveValues, _depth: int) -> None:
    """A loop with the values as its parameters and results, turned by one in each round."""
    fn = live.fn
    room = min(live.config.max_params, live.config.max_results)
    width = min(live.source.between(1, len(live.locals)), room)
    types, locals_ = live.types[:width], live.locals[:width]
    turned = list(locals_)
    for type_ in dict.fromkeys(types):
        same = [i for i in range(width) if types[i] == type_]
        for i, j in zip(same, [*same[1:], same[0]], strict=True):
            turned[i] = locals_[j]
    count = live.rounds()
    fn.get(*locals_)
    with fn.repeat(count, types, types):
        fn.set(*reversed(locals_))
        _inner(live)
        fn.get(*turned)
    fn.set(*reversed(locals_))


def branch(live: LiveValues, depth: int) -> None:
    """Values changed on one side only: each merge is a choice between registers."""
    fn, source = live.fn, live.source
    _condition(live)
    with live.unsure(), fn.block("if"):
        _inner(live, max(0, depth - 1))
        if source.chance(1, 2):
            fn.else_()
            if source.chance(1, 2):
                live.permute()
            else:
                _inner(live)


def _condition(live: LiveValues) -> None:
    if live.source.chance(1, 2):
        live.small(1 << live.source.below(4))
    else:
        emit_clean(live.fn, live.source, I32, 1)


def table(live: LiveValues, _depth: int) -> None:
    """A br_table into three ends, each of which finds the values in other places."""
    fn = live.fn
    with fn.block() as outer:
        with fn.block() as middle:
            with fn.block() as inner:
                live.small(3)
                fn.br_table((inner, middle, outer), inner)
            live.permute()
            if live.source.chance(1, 2):
                fn.br(outer)
        with live.unsure():
            _inner(live)


_LEAVE: Final = code("br_if 0")


def early(live: LiveValues, depth: int) -> None:
    """A block left early with many values on the stack."""
    fn = live.fn
    width = min(live.source.between(1, len(live.locals)), live.config.max_results)
    types = live.types[:width]
    with fn.block("block", (), types):
        fn.get(*live.locals[:width])
        _condition(live)
        fn += _LEAVE
        if depth:
            with live.unsure():
                _inner(live)
    # The last value of a type goes to the first local of that type: the values are reversed within each type.
    places: dict[ValType, list[int]] = {}
    for type_, local in zip(reversed(types), reversed(live.locals[:width]), strict=True):
        places.setdefault(type_, []).append(local)
    fn.set(*(places[type_].pop() for type_ in reversed(types)))


# Which step comes how often


def _inner(live: LiveValues, depth: int = 0) -> None:
    """A step inside of another."""
    live.source.weighted(_INNER)(live, depth)


_INNER: Final[Weighted[Step]] = weighted(
    (change, 50), (fixed, 60), (rounded, 14), (call, 70), (bulk, 12), (checksum, 10)
)
STEPS: Final[Weighted[Step]] = weighted(
    (change, 40), (fixed, 40), (rounded, 8), (call, 60), (stack, 30), (guarded, 24), (loop, 34), (carry, 20),
    (branch, 24), (table, 12), (early, 12), (bulk, 10), (checksum, 8),
)  # fmt: skip
