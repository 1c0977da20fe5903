"""Text of any encoding that people save WebAssembly in, and its top-level forms."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from oracles.engine import UsageError

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|;;[^\n]*|\(;|;\)|\(|\)|[^\s()";]+|;', re.S)


def text_of(content: bytes) -> str | None:
    """The text in bytes, without a byte order mark; None for what is no text."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            content, name = content[len(mark) :], encoding
            break
    else:
        name = "utf-8"
    try:
        text = content.decode(name)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def heads(text: str) -> Iterator[str]:
    """The first word of each top-level form of a text in S-expressions: ``module``, ``assert_return``; "" for a form
    without one. Nothing if the text begins with anything but a form. Comments and strings are skipped (spec 6.3)."""
    depth = comments = 0
    opened = False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word == "(;":
            comments += 1
        elif comments:
            comments -= word == ";)"
        elif word.startswith(";;"):
            continue
        elif word == "(":
            if opened:
                yield ""
            opened = depth == 0
            depth += 1
        elif word == ")":
            if opened:
                yield ""
            opened = False
            depth -= 1
            if depth < 0:
                return
        elif depth == 0:
            return
        elif opened:
            opened = False
            yield word


def forms_of(content: bytes) -> tuple[str, ...]:
    """The heads of the text in bytes; none for what is no text."""
    text = text_of(content)
    return () if text is None else tuple(heads(text))


_FIELDS: Final = frozenset(
    {"module", "component", "type", "rec", "import", "func", "table", "memory", "global", "export", "start", "elem",
     "data", "tag"}
)  # fmt: skip
_OBJECT: Final = re.compile(r'\s*\{\s*(?:"|\})')
_COMMANDS: Final = frozenset({"invoke", "get", "register", "thread", "wait"})


def is_webassembly(forms: tuple[str, ...]) -> bool:
    """Whether forms are WebAssembly's: a module, the fields of one (spec 6.6.13), or a script's commands."""
    return bool(forms) and (forms[0] in _FIELDS or is_script(forms))


def is_json(content: bytes) -> bool:
    """Whether bytes begin as a JSON object does."""
    text = text_of(content)
    return text is not None and _OBJECT.match(text) is not None


def is_script(forms: tuple[str, ...]) -> bool:
    """Whether forms are those of a script (``.wast``) and not of one module: commands, or several modules."""
    modules = forms.count("module")
    return modules > 1 or any(form.startswith("assert_") or form in _COMMANDS for form in forms)


def assembled(name: str, content: bytes) -> bytes:
    """Text to binary, by the wasmtime package's assembler. Raises ``UsageError``."""
    try:
        from wasmtime import WasmtimeError, wat2wasm
    except ImportError:
        raise UsageError(f"reading {name} needs the wasmtime package: pip install wasmtime, or give a binary") from None
    try:
        return bytes(wat2wasm(text_of(content) or ""))
    except WasmtimeError as error:
        lines = str(error).strip().splitlines()
        raise UsageError(f"{name} does not assemble: {' '.join(line.strip() for line in lines)[:300]}") from None
