"""A machine function for the register allocators, in the text form of ``compiler.machine_text``."""

from __future__ import annotations

import re
from typing import Final

from compiler.machine_text import parse_case
from fuzz.intake.piece import Given, Piece
from fuzz.intake.texts import text_of
from oracles.engine import UsageError
from wasm.case import Case, CaseKind

WHAT: Final = "a machine function"
_FIRST: Final = re.compile(r"(?:\s|;[^\n]*\n)*(?:registers|scratch|function) ")


def fits(content: bytes) -> bool:
    text = text_of(content)
    return text is not None and _FIRST.match(text) is not None


def read(given: Given) -> list[Piece]:
    if given.wish.invocations:
        raise UsageError(f"{given.name} is a machine function, which is not called: leave --invoke out")
    text = text_of(given.content) or ""
    try:
        parse_case(text)
    except ValueError as error:
        raise UsageError(f"{given.name} is no machine function: {error}") from None
    return [Piece(given.name, WHAT, Case(text.encode(), (), CaseKind.MACHINE))]
