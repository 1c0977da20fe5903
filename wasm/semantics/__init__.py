"""The pure semantics of every numeric and vector instruction, by name; importing this package fills ``SEMANTICS``."""

from __future__ import annotations

from wasm.semantics import conversions, floats, ints, wide
from wasm.semantics.registry import SEMANTICS, Pure, semantics

__all__ = ["SEMANTICS", "Pure", "conversions", "floats", "ints", "semantics", "wide"]
