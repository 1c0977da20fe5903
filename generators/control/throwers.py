"""Functions that return or throw as their first parameter says, and functions that pass calls and exceptions on.

The first parameter is an i32, the *mode*. Its lowest three bits decide how a call ends: 0 returns, 1 throws the first
tag, 2 the second and so on; callers shift it for the next round. Bits 8 to 15 say how deep recursive functions go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.guards import Guard, GuardDrawer, Protector, Tags, settle
from generators.module.function import BARE, GET, I32_CONST, Function
from generators.program.calls import TAILS, Callee, Calls, close_exit, open_exit
from generators.program.push_values import push_values
from wasm.isa import OPS
from wasm.valtypes import I64, FuncType

MODES: Final = 8
MODE_BITS: Final = 3
DEPTH_SHIFT: Final = 8
DEPTH_MASK: Final = 0xFF << DEPTH_SHIFT
MAX_DEPTH: Final = 60

Ends = tuple[int | None, ...]
"""By the mode's lowest three bits: the tag that a call throws, or None if it returns."""


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


def push_arguments(fn: Function, source: ChoiceSource, type_: FuncType, mode: int | None, clean: bool = False) -> None:
    """Arguments: the mode out of a local (0 if there is none), then values of any kind."""
    fn.f.body.append((GET, mode) if mode is not None else (I32_CONST, 0))
    push_values(fn, source, type_.params[1:], clean)


def throw_by_mode(fn: Function, source: ChoiceSource, tags: Tags, ends: Ends, mode: int) -> None:
    """Throw the tag that the mode in a local asks for, if any."""
    f = fn.f
    thrown = [(digit, tag) for digit, tag in enumerate(ends) if tag is not None]
    if not thrown:
        return
    if source.weighted(_WAYS) == "if":
        for digit, tag in thrown:
            f.body += ((GET, mode), (I32_CONST, MODES - 1), BARE["i32.and"], (I32_CONST, digit), BARE["i32.eq"])
            f.open("if")
            push_values(fn, source, tags.payloads[tag])
            f.body.append((OPS["throw"], tags.base + tag))
            f.end()
        return
    out = f.open("block")
    labels = [f.open("block") for _ in thrown]
    by_digit = {digit: label for (digit, _), label in zip(thrown, reversed(labels), strict=True)}
    f.body += ((GET, mode), (I32_CONST, MODES - 1), BARE["i32.and"])
    f.br_table([by_digit.get(digit, out) for digit in range(MODES)], out)
    for _, tag in thrown:
        f.end()
        push_values(fn, source, tags.payloads[tag])
        f.body.append((OPS["throw"], tags.base + tag))
    f.end()


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
        f.body += ((OPS["global.get"], shell.checksum), *fn.fold(I64))
    for i, param in enumerate(type_.params):
        f.body.append((GET, i))
        fn.take(param)
    fn.close_vectors()
    published = source.chance(1, 2)
    if published:
        fn.publish()
    throw_by_mode(fn, source, tags, ends, mode)
    close = open_exit(f, source, type_.results)
    if not push_values(fn, source, type_.results) and not published:
        fn.publish()
    close_exit(f, *close)
    return Thrower(Callee(f.index, f.type_index, type_), ends)


_LINK_GUARDS: Final = weighted((0, 70), (1, 150), (2, 36))


def link(calls: Calls, source: ChoiceSource, tags: Tags, thrower: Thrower, kind: str, room: int) -> Thrower:
    """A function that calls ``thrower`` by ``kind``, perhaps under guards, and hands on what comes back.

    The callee of a tail call throws past this function's handlers (spec 4.4.10: its frame is gone). ``room`` is how
    many values handlers may handle.
    """
    callee, shell = thrower.callee, calls.shell
    type_ = callee.type
    deepest = thrower.deepest
    if kind == "recursive":
        deepest = min(MAX_DEPTH, shell.config.max_stack_bytes // 2 // (16 * (callee.weight + 24)))
    # A narrow frame that tail-calls a wide function needs more stack for arguments than it was given.
    params = type_.params[: 1 + source.below(4)] if kind in TAILS and source.chance(1, 3) else type_.params
    f = shell.builder.func(params, type_.results)
    fn = Function.of(shell, f, source)
    fn.seed(source.bits(16))
    forward = params == type_.params and source.chance(2, 3)
    for i, param in enumerate(params if not forward else params[:1]):
        f.body.append((GET, i))
        fn.take(param)
    guards: list[Guard] = []
    drawer = GuardDrawer(tags, source, type_.results, room)
    for _ in range(source.weighted(_LINK_GUARDS)):
        guards.append(drawer.draw(guards, False))
    if kind == "recursive":
        # Every frame must do the same to an exception, however often: nothing may change its tag.
        for handler in (handler for guard in guards for handler in guard.handlers):
            handler.action = "results" if handler.action == "other" else handler.action

    def body(_: Guard | None) -> None:
        if kind == "recursive":
            _descend(fn, type_, callee.func)
            return
        if forward:
            f.body += [(GET, i) for i in range(len(type_.params))]
        else:
            push_arguments(fn, source, type_, 0)
        calls.call(fn, source, kind, callee)

    close = open_exit(f, source, type_.results) if kind not in TAILS else None
    if guards:
        Protector(fn, source, tags, type_.results).emit(guards, body)
    else:
        body(None)
    if close is not None:
        close_exit(f, *close)
    ends = thrower.ends
    if kind not in TAILS:
        ends = tuple(None if tag is None else settle(guards, tag)[0] for tag in ends)
    pending = (*callee.pending, (kind, type_))
    found = Callee(f.index, f.type_index, f.type, pending, callee.frame_values + callee.weight + 8)
    return Thrower(found, ends, deepest)


def _descend(fn: Function, type_: FuncType, func: int) -> None:
    """Call oneself until the mode's depth is used up, then ``func``."""
    f = fn.f
    f.body += ((GET, 0), (I32_CONST, DEPTH_MASK), BARE["i32.and"])
    f.open("if", (), type_.results)
    f.body += ((GET, 0), (I32_CONST, 1 << DEPTH_SHIFT), BARE["i32.sub"])
    f.body += [(GET, i) for i in range(1, len(type_.params))]
    f.emit("call", f.index)
    f.else_()
    f.body += [(GET, i) for i in range(len(type_.params))]
    f.emit("call", func)
    f.end()
