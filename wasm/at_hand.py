"""Modules whose bytes were just made, so that who gets the bytes need not decode them.

What is kept must be what ``wasm.decode.decode`` would give, and stay as it is from then on. Bytes are known by being
the same object, never by being equal: whoever writes other bytes into a case, or reads a case from a file, has another
object, and decodes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from wasm.module import Module

_KEPT: Final[deque[tuple[bytes, Module]]] = deque(maxlen=8)


def keep(content: bytes, module: Module) -> None:
    """Remember that these bytes are this module, until eight others were kept."""
    _KEPT.append((content, module))


def at_hand(content: bytes) -> Module | None:
    """The module of these bytes, if it was kept."""
    return next((module for known, module in _KEPT if known is content), None)
