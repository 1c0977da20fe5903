"""The pure semantics of every numeric and vector instruction, by name; importing this package fills ``SEMANTICS``."""

from __future__ import annotations

from wasm.semantics import conversions, float_lanes, floats, fma, integer_lanes, ints, lanes, relaxed, wide
from wasm.semantics.registry import SEMANTICS, Pure, semantics

__all__ = [
    "SEMANTICS",
    "Pure",
    "conversions",
    "float_lanes",
    "floats",
    "fma",
    "integer_lanes",
    "ints",
    "lanes",
    "relaxed",
    "semantics",
    "wide",
]
