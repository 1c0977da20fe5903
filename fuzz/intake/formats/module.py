"""A binary module, valid or not: ``\\0asm`` and a version that is no component's (spec 5.5.16)."""

from __future__ import annotations

from typing import Final

from fuzz.intake.modules import piece_of
from fuzz.intake.piece import Given, Piece

WHAT: Final = "a binary module"
MAGIC: Final = b"\0asm"
COMPONENT_LAYER: Final = b"\x01\0"
"""Bytes 6 and 7: the layer. A core module has 0 there (the component model's binary format)."""


def fits(content: bytes) -> bool:
    return content.startswith(MAGIC) and content[6:8] != COMPONENT_LAYER


def read(given: Given) -> list[Piece]:
    return [piece_of(given, given.content, WHAT)]
