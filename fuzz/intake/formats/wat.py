"""A module's text: ``(module ...)``, or its fields without that (spec 6.6.13)."""

from __future__ import annotations

from typing import Final

from fuzz.intake.modules import piece_of
from fuzz.intake.piece import Given, Piece
from fuzz.intake.texts import assembled, forms_of, is_script, is_webassembly
from oracles.engine import UsageError

WHAT: Final = "a module's text"


def fits(content: bytes) -> bool:
    forms = forms_of(content)
    return is_webassembly(forms) and not is_script(forms)


def read(given: Given) -> list[Piece]:
    if "component" in forms_of(given.content):
        raise UsageError(f"{given.name} is the text of a component, not of a module: give one of its core modules")
    return [piece_of(given, assembled(given.name, given.content), WHAT)]
