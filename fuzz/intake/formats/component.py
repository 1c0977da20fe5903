"""A binary component: named as such, since it looks like a module and is none."""

from __future__ import annotations

from typing import Final

from fuzz.intake.formats.module import COMPONENT_LAYER, MAGIC
from fuzz.intake.piece import Given, Piece
from oracles.engine import UsageError

WHAT: Final = "a binary component"


def fits(content: bytes) -> bool:
    return content.startswith(MAGIC) and content[6:8] == COMPONENT_LAYER


def read(given: Given) -> list[Piece]:
    raise UsageError(
        f"{given.name} is a component, not a module: take the core modules out of it with "
        "'wasm-tools component unbundle --module-dir DIR' and give one of those"
    )
