"""Calls as people write them: ``NAME(i32:24, f64:0x7ff8000000000001)``, checked against what a module exports."""

from __future__ import annotations

import re
from typing import Final

from oracles.engine import UsageError
from wasm.embedding import Entry, Invocation, Value
from wasm.errors import nearest
from wasm.module import ExternKind, Module
from wasm.valtypes import FuncType, NumType, ValType

_CALL: Final = re.compile(r"\s*(?P<name>[^()]*?)\s*(?:\((?P<args>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*\Z")


def parse_invocation(text: str, entry: Entry) -> Invocation:
    """Read ``NAME(i32:24, f64:0x7ff8000000000001)``; the parentheses may be left out. Raises ``UsageError``."""
    found = _CALL.match(text)
    if found is None or not found["name"]:
        raise UsageError(f"{text!r} is no call: write NAME(i32:24, f64:0x7ff8000000000001)")
    words = _split_arguments(found["args"] or "")
    try:
        return Invocation(found["name"], tuple(map(Value.parse, words)), entry)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _split_arguments(text: str) -> list[str]:
    """Split at commas outside parentheses, which references to structs have."""
    words, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            words.append(text[start:i])
            start = i + 1
    words.append(text[start:])
    return [word.strip() for word in words if word.strip()]


def check_call(module: Module, path: str, invocation: Invocation) -> None:
    """Raises ``UsageError`` for a call that the module at ``path`` has no function for."""
    types = {item.name: module.func_types()[item.index] for item in module.exports if item.kind is ExternKind.FUNC}
    found = types.get(invocation.export)
    if found is None:
        hint = nearest(invocation.export, types)
        raise UsageError(f"{path} exports no function {invocation.export!r}{hint}: it has {', '.join(types) or 'none'}")
    given = tuple(value.type for value in invocation.args)
    wanted = tuple(str(type_) if isinstance(type_, NumType) else "ref" for type_ in found.params)
    if given != wanted:
        raise UsageError(f"{invocation.export} takes ({', '.join(map(str, found.params))}), not ({', '.join(given)})")


def signature_text(type_: FuncType) -> str:
    """A function type in a line, long lists cut short."""
    return f"({_types(type_.params)}) -> ({_types(type_.results)})"


def _types(types: tuple[ValType, ...]) -> str:
    shown = " ".join(map(str, types[:12]))
    return shown if len(types) <= 12 else f"{shown} ... {len(types)} in all"
