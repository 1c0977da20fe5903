"""A script of the official test suite's form (``.wast``): modules, calls and assertions."""

from __future__ import annotations

from typing import Final

from fuzz.intake.piece import Given, Piece
from fuzz.intake.texts import forms_of, is_script, text_of
from oracles.engine import UsageError

WHAT: Final = "a script"


def fits(content: bytes) -> bool:
    return is_script(forms_of(content))


def read(given: Given) -> list[Piece]:
    if given.wish.invocations:
        raise UsageError(f"{given.name} is a script, which makes its own calls: leave --invoke out")
    return [Piece(given.name, WHAT, script=(text_of(given.content) or "").encode())]
