"""Which exports are called, with what, and how: related arguments and both ways in.

Calls of one export are related: the same arguments again (only the state differs), or one argument changed. A quarter
and more of the exports without vectors are called both by the host directly and through a second module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, INTERESTING, draw_bits
from wasm.embedding import Entry, Invocation, Value
from wasm.valtypes import EXTERNREF, I32, V128, FuncType, NumType, ValType

_ENTRIES: Final = weighted(
    ((Entry.HOST,), 30), ((Entry.WRAPPER,), 32), ((Entry.HOST, Entry.WRAPPER), 19), ((Entry.WRAPPER, Entry.HOST), 19)
)
_INFINITY: Final = {32: 0x7F800000, 64: 0x7FF0000000000000}
_FEW: Final = 12
"""So many arguments are drawn one by one."""

_STRIDE: Final = 7
"""From one argument's place among the interesting values to the next one's: neighbours differ in more than one bit."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A function that the host can call, and how many different argument lists to call it with."""

    name: str
    type: FuncType
    times: int = 1


def callable_by_host(type_: FuncType) -> bool:
    """Whether the host can make up all arguments: numbers and host tokens."""
    return all(isinstance(param, NumType) or param is EXTERNREF for param in type_.params)


def invocations(source: ChoiceSource, exported: Exported) -> list[Invocation]:
    """The calls of one export. The first list of arguments has an even first i32, the second an odd one."""
    entries = _entries(source, exported.type)
    # JavaScript hosts do not keep a NaN's bits, so a direct call must not depend on them.
    plain = Entry.HOST in entries
    args = draw_arguments(source, exported.type.params, plain)
    calls: list[Invocation] = []
    for i in range(exported.times):
        if i:
            _change(source, args, exported.type.params, plain)
        _select(args, i)
        calls += [Invocation(exported.name, tuple(args), entry) for entry in entries]
    return calls


def selecting(source: ChoiceSource, exported: Exported, selectors: Sequence[int]) -> list[Invocation]:
    """The calls of one export whose first parameter, an i32, takes each of ``selectors`` in turn."""
    calls = invocations(source, exported)
    ways = len(calls) // len(selectors)
    return [replace(call, args=(Value(I32.name, selectors[i // ways]), *call.args[1:])) for i, call in enumerate(calls)]


def _entries(source: ChoiceSource, type_: FuncType) -> tuple[Entry, ...]:
    if V128 in type_.params or V128 in type_.results:
        return (Entry.WRAPPER,)
    if not all(isinstance(t, NumType) for t in (*type_.params, *type_.results)):
        return (Entry.HOST,)
    return source.weighted(_ENTRIES)


def draw_arguments(source: ChoiceSource, params: Sequence[ValType], plain: bool) -> list[Value]:
    """Arguments for ``params``; beyond the first few, one seed stands for all. ``plain``: no NaN."""
    seed = source.bits(16)
    args: list[Value] = []
    for i, type_ in enumerate(params):
        if not isinstance(type_, NumType):
            args.append(Value("ref", 0, f"extern:{i}"))
        elif i < _FEW:
            args.append(_value(type_, draw_bits(source, type_), plain))
        else:
            edges = INTERESTING[type_]
            args.append(_value(type_, edges[(seed + i * _STRIDE) % len(edges)], plain))
    return args


def _value(type_: NumType, bits: int, plain: bool) -> Value:
    """A number for the host; where it must be ``plain``, a NaN becomes the subnormal with its sign and fraction."""
    if plain and type_ in CANONICAL_NAN and bits & ~(1 << type_.bits - 1) > _INFINITY[type_.bits]:
        bits &= ~(_INFINITY[type_.bits])
    return Value(type_.name, bits)


def _change(source: ChoiceSource, args: list[Value], params: Sequence[ValType], plain: bool) -> None:
    """Change one argument, or none."""
    if not params or source.chance(1, 4):
        return
    i = source.below(len(params))
    type_ = params[i]
    if isinstance(type_, NumType):
        args[i] = _value(type_, draw_bits(source, type_), plain)


def _select(args: list[Value], turn: int) -> None:
    """Make the lowest bit of the first i32 the turn's: it selects among callees."""
    for i, arg in enumerate(args):
        if arg.type == I32.name:
            args[i] = Value(I32.name, arg.bits & ~1 | turn & 1)
            return
