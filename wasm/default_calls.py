"""Calls for a module that comes without any: each exported function, with interesting arguments."""

from __future__ import annotations

from typing import Final

from wasm.embedding import Entry, Invocation, Value
from wasm.module import ExternKind, Module
from wasm.valtypes import NumType, RefType, ValType

_F32_NAN, _F64_NAN = 0x7FA00001, 0x7FF8000000000001
ARGUMENTS: Final[dict[str, tuple[int, ...]]] = {
    "i32": (0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x12345678),
    "i64": (0, 1, 0xFFFFFFFFFFFFFFFF, 1 << 63, (1 << 63) - 1, 0x123456789ABCDEF0),
    "f32": (0, 0x3F800000, 0x80000000, 0x7F800000, _F32_NAN, 0x40490FDB),
    "f64": (0, 0x3FF0000000000000, 1 << 63, 0x7FF0000000000000, _F64_NAN, 0x400921FB54442D18),
    "v128": (
        0,
        1,
        (1 << 128) - 1,
        1 << 127,
        0x000102030405060708090A0B0C0D0E0F,
        0x3F800000 * 0x1000000010000000100000001,
    ),
}
"""Bit patterns that a bare file's functions are called with; round ``k`` gives parameter i pattern ``(k + i) % 6``."""

ROUNDS: Final = 4


def default_calls(module: Module, entry: Entry = Entry.WRAPPER) -> tuple[Invocation, ...]:
    """Every exported function, ``ROUNDS`` times with interesting arguments (once if it takes none).

    A function with a parameter for which no host has a value (a non-null reference to a concrete type) is left out.
    """
    calls = []
    types = module.func_types()
    for item in module.exports:
        if item.kind is not ExternKind.FUNC:
            continue
        params = types[item.index].params
        for turn in range(ROUNDS if params else 1):
            args = [_argument(type_, turn + i) for i, type_ in enumerate(params)]
            if all(arg is not None for arg in args):
                calls.append(Invocation(item.name, tuple(arg for arg in args if arg is not None), entry))
    return tuple(calls)


def _argument(type_: ValType, turn: int) -> Value | None:
    if isinstance(type_, NumType):
        patterns = ARGUMENTS[type_.name]
        return Value(type_.name, patterns[turn % len(patterns)] & (1 << type_.bits) - 1)
    return _reference(type_, turn)


def _reference(type_: RefType, turn: int) -> Value | None:
    if type_.heap == "extern" and (turn % 2 or not type_.nullable):
        return Value("ref", 0, f"extern:{turn % 16}")
    if type_.heap in ("any", "eq", "i31") and (turn % 2 or not type_.nullable):
        return Value("ref", 0, f"i31:{turn % 6}")
    return Value("ref", 0, "null") if type_.nullable else None
