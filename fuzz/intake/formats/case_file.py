"""JSON that this project wrote: a case (``fuzz generate``), or a bundle's ``finding.json`` by itself."""

from __future__ import annotations

import json
from typing import Final

from fuzz.intake.bundles import FINDING, piece_of_files
from fuzz.intake.piece import Given, Piece
from fuzz.intake.texts import is_json, text_of
from oracles.engine import UsageError
from wasm.case import Case

WHAT: Final = "a case file"


def fits(content: bytes) -> bool:
    return is_json(content)


def read(given: Given) -> list[Piece]:
    try:
        data = json.loads(text_of(given.content) or "")
        if "verdict" in data and "case" in data:
            return [piece_of_files(given.name, {FINDING: given.content}, given.wish)]
        case = Case.from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{given.name} is no case file: {error}") from None
    if given.wish.invocations:
        case = case.with_content(case.content, given.wish.invocations)
    return [Piece(given.name, WHAT, case)]
