"""JavaScript (or HTML, or C) with a module's bytes in it: as numbers, as base64, or as an escaped string.

Engines' own regression tests look like this, and so do reports. What the script does with the module is not read: its
exported functions are called as for any bare module, and a note says so.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from fuzz.intake.modules import piece_of
from fuzz.intake.piece import Given, Piece
from fuzz.intake.texts import forms_of, is_json, is_webassembly, text_of
from oracles.engine import UsageError

WHAT: Final = "a module in a script"

_NUMBER: Final = r"(?:0x[0-9a-fA-F]{1,2}|[0-9]{1,3})"
_BLANK: Final = r"(?:\s|//[^\n]*|/\*.*?\*/)*"
_START: Final = _BLANK + rf"{_BLANK},{_BLANK}".join(("0(?:x0{1,2})?", "(?:0x61|97)", "(?:0x73|115)", "(?:0x6[dD]|109)"))
_NUMBERS: Final = re.compile(rf"[\[({{]({_START}{_BLANK}(?:,{_BLANK}{_NUMBER}{_BLANK})*,?{_BLANK})[\])}}]", re.S)
_BASE64: Final = re.compile(r"AGFzb[A-Za-z0-9+/_-]*(?:\s*\\?\s*[A-Za-z0-9+/_-]+)*={0,2}")
_HEX: Final = re.compile(r"\b0061736[dD](?:[0-9a-fA-F]{2}){4,}")
_ESCAPED: Final = re.compile(r"""(["'`])((?:\\x00|\\0|\\u0000)asm(?:\\x[0-9a-fA-F]{2}|\\[^x]|[^\\])*?)\1""", re.S)
_ESCAPES: Final = {"n": 10, "r": 13, "t": 9, "b": 8, "f": 12, "v": 11, "0": 0}
_BUILDER: Final = re.compile(r"\bWasmModuleBuilder\b")


def fits(content: bytes) -> bool:
    if is_json(content) or is_webassembly(forms_of(content)):
        return False
    text = text_of(content)
    return text is not None and (next(_modules(text), None) is not None or _BUILDER.search(text) is not None)


def read(given: Given) -> list[Piece]:
    text = text_of(given.content) or ""
    found = list(dict.fromkeys(_modules(text)))
    if not found:
        raise UsageError(
            f"{given.name} builds its module with WasmModuleBuilder: let it print the bytes "
            "(builder.toArray()) and give those"
        )
    note = "what the script does with the module is not read: its exports are called with a few arguments"
    many = len(found) > 1
    return [
        piece_of(given.within(f"module {number}" if many else "", content), content, WHAT, (note,))
        for number, content in enumerate(found)
    ]


def _modules(text: str) -> Iterator[bytes]:
    for listed in _NUMBERS.finditer(text):
        numbers = re.findall(_NUMBER, re.sub(r"//[^\n]*|/\*.*?\*/", "", listed[1], flags=re.S))
        values = [int(number, 0) if number[:2] == "0x" else int(number) for number in numbers]
        if max(values) < 256:
            yield bytes(values)
    for encoded in _BASE64.finditer(text):
        try:
            letters = re.sub(r"[\s\\]", "", encoded[0]).rstrip("=").replace("-", "+").replace("_", "/")
            yield base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
        except binascii.Error:
            continue
    for digits in _HEX.finditer(text):
        yield bytes.fromhex(digits[0])
    for quoted in _ESCAPED.finditer(text):
        yield bytes(_unescaped(quoted[2]))


def _unescaped(text: str) -> Iterator[int]:
    for token in re.finditer(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)|(.)", text, re.S):
        if token[1] or token[2]:
            yield int(token[1] or token[2], 16) & 0xFF
        elif token[3]:
            yield _ESCAPES.get(token[3], ord(token[3]) & 0xFF)
        else:
            yield ord(token[4]) & 0xFF
