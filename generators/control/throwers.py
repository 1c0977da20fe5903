"""Functions that return or throw as their first parameter says, and functions that pass calls and exceptions on.

The first parameter is an i32, the *mode*. Its lowest three bits, the *digit*, decide how a call ends: 0 returns, 1
throws the first tag, 2 the second and so on; callers shift it for the next round. Bits 8 to 15 say how deep recursive
functions go. What a function with two tags does, by ifs:

    local.get $mode  i32.const 7  i32.and  i32.const 1  i32.eq
    if  ...  throw 0  end
    local.get $mode  i32.const 7  i32.and  i32.const 2  i32.eq
    if  ...  throw 1  end
    ...                                          ;; the results
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.try_tables import Tags, TryTable, TryTableDrawer, TryTableWriter, settle
from generators.module.function import Function
from generators.program.calls import SPILLED, TAILS, VALUE_BYTES, Callee, Calls
from generators.program.endings import leaving
from generators.program.push_values import push_values
from wasm.fragment import code, template
from wasm.valtypes import I64, FuncType

DIGITS: Final = 8
DIGIT_BITS: Final = 3
DEPTH_SHIFT: Final = 8
DEPTH_MASK: Final = 0xFF << DEPTH_SHIFT
MAX_DEPTH: Final = 60

_GUARDED: Final = 24
"""Values that a frame with try_tables holds beside its parameters and results."""

Ends = tuple[int | None, ...]
"""By the mode's digit: the tag that a call throws, or None if it returns."""


def ends_of(tags: Tags) -> Ends:
    """What a digit asks for: 0 returns, then come the tags, and digits that are left over return too."""
    return (None, *range(tags.count), *[None] * (DIGITS - 1 - tags.count))


@dataclass(frozen=True, slots=True)
class Thrower:
    """A function of (mode, ...) and how its calls end. ``deepest`` is the most that mode may ask of its recursion.

    ``imported``: the host has it, which looks at all bits of its arguments.
    """

    callee: Callee
    ends: Ends
    deepest: int = 0
    imported: bool = False

    @property
    def always(self) -> bool:
        """Whether every call throws."""
        return self.ends[0] is not None


_WAYS: Final = weighted(("if", 60), ("br_table", 40))

_MODE_0: Final = code("i32.const 0")
_DIGIT: Final = template(f"local.get $mode  i32.const {DIGITS - 1}  i32.and")
_IS_DIGIT: Final = template(f"local.get $mode  i32.const {DIGITS - 1}  i32.and  i32.const $digit  i32.eq")
_THROW: Final = template("throw $tag")
_CHECKSUM: Final = template("global.get $checksum")
_DEPTH_LEFT: Final = template(f"local.get $mode  i32.const {DEPTH_MASK}  i32.and")
_ONE_DOWN: Final = template(f"local.get $mode  i32.const {1 << DEPTH_SHIFT}  i32.sub")
_CALL: Final = template("call $func")


def push_arguments(fn: Function, source: ChoiceSource, type_: FuncType, mode: int | None, clean: bool = False) -> None:
    """Arguments: the mode out of a local (0 if there is none), then values of any kind."""
    if mode is not None:
        fn.get(mode)
    else:
        fn += _MODE_0
    push_values(fn, source, type_.params[1:], clean)


def throw_by_mode(fn: Function, source: ChoiceSource, tags: Tags, ends: Ends, mode: int) -> None:
    """Throw the tag that the mode in a local asks for, if any."""
    thrown = [(digit, tag) for digit, tag in enumerate(ends) if tag is not None]
    if not thrown:
        return
    if source.weighted(_WAYS) == "if":
        for digit, tag in thrown:
            fn += _IS_DIGIT(mode=mode, digit=digit)
            with fn.block("if"):
                _throw(fn, source, tags, tag)
        return
    with fn.block() as out:
        blocks = [fn.f.open("block") for _ in thrown]
        # The innermost block ends first: it is the first tag's.
        by_digit = {digit: block for (digit, _), block in zip(thrown, reversed(blocks), strict=True)}
        fn += _DIGIT(mode=mode)
        fn.br_table([by_digit.get(digit, out) for digit in range(DIGITS)], out)
        for _, tag in thrown:
            fn.f.end()
            _throw(fn, source, tags, tag)


def _throw(fn: Function, source: ChoiceSource, tags: Tags, tag: int) -> None:
    push_values(fn, source, tags.payloads[tag])
    fn += _THROW(tag=tags.base + tag)


def leaf(
    calls: Calls, source: ChoiceSource, tags: Tags, type_: FuncType, ends: Ends, export: str | None = None,
    mode: int = 0,
) -> Thrower:  # fmt: skip
    """A function that folds all its parameters, then throws or makes up results, as its parameter ``mode`` says."""
    shell = calls.shell
    f = shell.builder.func(type_.params, type_.results, export=export)
    fn = Function.of(shell, f, source)
    fn.seed(source.bits(32) + f.index)
    if source.chance(1, 2):
        fn += _CHECKSUM(checksum=shell.checksum)
        fn += fn.fold(I64)
    fn.take_params()
    fn.close_vectors()
    published = source.chance(1, 2)
    if published:
        fn.publish()
    throw_by_mode(fn, source, tags, ends, mode)
    with leaving(fn, source):
        if not push_values(fn, source, type_.results) and not published:
            fn.publish()
    return Thrower(Callee(f.index, f.type_index, type_), ends)


_LINK_TRIES: Final = weighted((0, 70), (1, 150), (2, 36))
"""How many try_tables a link has around its call."""


def link(calls: Calls, source: ChoiceSource, tags: Tags, thrower: Thrower, kind: str, room: int) -> Thrower:
    """A function that calls ``thrower`` by ``kind``, perhaps under try_tables, and hands on what comes back.

    The callee of a tail call throws past this function's handlers (spec 4.4.10: its frame is gone). ``room`` is how
    many values handlers may handle.
    """
    callee, shell = thrower.callee, calls.shell
    type_, tail = callee.type, kind in TAILS
    deepest = thrower.deepest
    if kind == "recursive":
        deepest = min(MAX_DEPTH, shell.config.max_stack_bytes // 2 // (VALUE_BYTES * (callee.weight + _GUARDED)))
    # A narrow function that tail-calls a wide one needs more stack for arguments than it was given.
    params = type_.params[: source.between(1, 4)] if tail and source.chance(1, 3) else type_.params
    f = shell.builder.func(params, type_.results)
    fn = Function.of(shell, f, source)
    fn.seed(source.bits(16))
    forward = params == type_.params and source.chance(2, 3)
    fn.take_params(1 if forward else len(params))
    tries = _draw_tries(source, tags, type_, kind, room)

    def body(_: TryTable | None) -> None:
        if kind == "recursive":
            _descend(fn, type_, callee.func)
            return
        if forward:
            fn.get(*range(len(type_.params)))
        else:
            push_arguments(fn, source, type_, 0)
        calls.call(fn, source, kind, callee)

    with nullcontext() if tail else leaving(fn, source):
        if tries:
            TryTableWriter(fn, source, tags, type_.results).emit(tries, body)
        else:
            body(None)
    ends = thrower.ends
    if not tail:
        ends = tuple(None if tag is None else settle(tries, tag)[0] for tag in ends)
    pending = (*callee.pending, (kind, type_))
    made = Callee(f.index, f.type_index, f.type, pending, callee.frame_values + callee.weight + SPILLED)
    return Thrower(made, ends, deepest)


def _draw_tries(source: ChoiceSource, tags: Tags, type_: FuncType, kind: str, room: int) -> list[TryTable]:
    """The try_tables of a link, outermost first."""
    tries: list[TryTable] = []
    drawer = TryTableDrawer(tags, source, type_.results, room)
    for _ in range(source.weighted(_LINK_TRIES)):
        tries.append(drawer.draw(tries, False))
    if kind == "recursive":
        # Every call must do the same to an exception, however often: nothing may change its tag.
        for handler in (handler for one in tries for handler in one.handlers):
            handler.action = "results" if handler.action == "other" else handler.action
    return tries


def _descend(fn: Function, type_: FuncType, func: int) -> None:
    """Call oneself until the mode's depth is used up, then ``func``."""
    fn += _DEPTH_LEFT(mode=0)
    with fn.block("if", (), type_.results):
        fn += _ONE_DOWN(mode=0)
        fn.get(*range(1, len(type_.params)))
        fn += _CALL(func=fn.f.index)
        fn.else_()
        fn.get(*range(len(type_.params)))
        fn += _CALL(func=func)
