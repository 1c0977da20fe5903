"""What the rules for vector instructions share: constants of all lanes, and shapes by name."""

from __future__ import annotations

from typing import Final

from compiler.lower import Lowering
from compiler.machine import VReg
from wasm.valtypes import V128

ONES: Final = (1 << 128) - 1
WIDTH: Final = {"i8x16": 8, "i16x8": 16, "i32x4": 32, "i64x2": 64, "f32x4": 32, "f64x2": 64}
"""Lane width in bits by shape."""
LETTER: Final = {"i8x16": "b", "i16x8": "w", "i32x4": "d", "i64x2": "q"}
"""The packed integer instructions' letter by shape."""
INT_SHAPES: Final = tuple(LETTER)


def repeated(width: int, lane: int) -> int:
    """The vector with ``lane`` (unsigned, below ``2**width``) in each lane."""
    return ONES // ((1 << width) - 1) * lane


def every(c: Lowering, width: int, lane: int) -> VReg:
    """A register with ``lane`` in each lane."""
    return c.make_constant(V128, repeated(width, lane))


def zeros(c: Lowering) -> VReg:
    return c.make_constant(V128, 0)


def ones(c: Lowering) -> VReg:
    return c.make_constant(V128, ONES)


def known(c: Lowering, value: int) -> int | None:
    """A constant operand that may be folded; ``opt=none`` folds nothing."""
    return None if c.settings.opt == "none" else c.constant(value)
