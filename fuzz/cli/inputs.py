"""Cases that people bring: a module's binary or text, a case file, a bundle; and the calls to make."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oracles.engine import UsageError
from wasm.case import Case, CaseKind, Provenance
from wasm.decode import decode
from wasm.default_calls import default_calls
from wasm.embedding import Entry, Invocation, Value
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes, required_features
from wasm.module import ExternKind, Module
from wasm.validate import validate
from wasm.valtypes import NumType

_CALL: Final = re.compile(r"\s*(?P<name>[^()]*?)\s*(?:\((?P<args>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*\Z")


def parse_invocation(text: str, entry: Entry) -> Invocation:
    """Read ``NAME(i32:24, f64:0x7ff8000000000001)``; the parentheses may be left out. Raises ``UsageError``."""
    call = _CALL.match(text)
    if call is None or not call["name"]:
        raise UsageError(f"{text!r} is no call: write NAME(i32:24, f64:0x7ff8000000000001)")
    words = _split_arguments(call["args"] or "")
    try:
        return Invocation(call["name"], tuple(map(Value.parse, words)), entry)
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


def read_case(path: Path, calls: Sequence[str] = (), entry: Entry = Entry.WRAPPER) -> Case:
    """The case in a file: ``.json`` as ``fuzz generate`` writes it, ``.wat``, ``.mach``, or a binary module.

    Without ``calls``, a case file's own; for a bare module every exported function with interesting arguments. Bytes
    that are no valid module become a case for judging validity. Raises ``UsageError``.
    """
    invocations = tuple(parse_invocation(call, entry) for call in calls)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if path.suffix == ".json":
        try:
            case = Case.from_json(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is no case file: {error}") from None
        return case.with_content(case.content, invocations) if invocations else case
    if path.suffix == CaseKind.MACHINE.suffix:
        return Case(content, invocations, CaseKind.MACHINE)
    if path.suffix == ".wat":
        content = _assembled(path, content)
    try:
        module = decode(content)
        validate(module)
    except WasmError as error:
        if invocations:
            raise UsageError(f"{path} is no valid module, so nothing in it can be called: {error}") from None
        return Case(content, (), CaseKind.BYTES, features_of_bytes(content))
    features = frozenset(feature.value for feature in required_features(module))
    for invocation in invocations:
        _check_call(module, path, invocation)
    return Case(content, invocations or default_calls(module, entry), features=features, provenance=Provenance())


def _check_call(module: Module, path: Path, invocation: Invocation) -> None:
    types = {item.name: module.func_types()[item.index] for item in module.exports if item.kind is ExternKind.FUNC}
    func = types.get(invocation.export)
    if func is None:
        raise UsageError(f"{path} exports no function {invocation.export!r}: it has {', '.join(types) or 'none'}")
    given = tuple(value.type for value in invocation.args)
    wanted = tuple(str(type_) if isinstance(type_, NumType) else "ref" for type_ in func.params)
    if given != wanted:
        raise UsageError(f"{invocation.export} takes ({', '.join(map(str, func.params))}), not ({', '.join(given)})")


def _assembled(path: Path, text: bytes) -> bytes:
    """Text to binary, by the wasmtime package's assembler."""
    try:
        from wasmtime import WasmtimeError, wat2wasm
    except ImportError:
        raise UsageError(f"reading {path} needs the wasmtime package: pip install wasmtime, or give a binary") from None
    try:
        return bytes(wat2wasm(text.decode("utf-8")))
    except (WasmtimeError, UnicodeDecodeError) as error:
        lines = str(error).strip().splitlines()
        raise UsageError(f"{path} does not assemble: {' '.join(line.strip() for line in lines)[:300]}") from None
