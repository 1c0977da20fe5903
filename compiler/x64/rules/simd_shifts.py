"""Lowering rules: shifts of integer vectors. The amount counts modulo the lane width (spec 4.3.5)."""

from __future__ import annotations

from typing import Final

from compiler.ir import Inst, ValueId
from compiler.lower import Lowering, lowers
from compiler.machine import VReg
from compiler.x64.build import build
from compiler.x64.vectors import INT_SHAPES, LETTER, ONES, WIDTH, every, known, repeated, zeros
from wasm.valtypes import V128

_WAY: Final = {"shl": "psll", "shr_s": "psra", "shr_u": "psrl"}


class _Amount:
    """A shift's amount: a constant, or a register that holds it in its lowest lane."""

    def __init__(self, c: Lowering, value: ValueId, width: int) -> None:
        self.c = c
        bits = known(c, value)
        self.constant = None if bits is None else bits % width
        # ``and`` with the width's mask comes before the transfer: the instructions take any amount as it stands.
        self.scalar: VReg = -1 if bits is not None else build(c, "and32_i8", c.use(value), imm=width - 1)
        self.vector: VReg = -1 if bits is not None else build(c, "movd_to_x", self.scalar)

    def shift(self, name: str, value: VReg, out: VReg | None = None) -> VReg:
        if self.constant is not None:
            return build(self.c, f"{name}_i", value, imm=self.constant, out=out)
        return build(self.c, name, value, self.vector, out=out)

    def plus(self, more: int) -> _Amount:
        """The amount increased, which must not overflow the lane that it is used for."""
        if self.constant is not None:
            self.constant += more
        else:
            self.vector = build(self.c, "movd_to_x", build(self.c, "add32_i8", self.scalar, imm=more))
        return self


@lowers(*(f"{s}.{name}" for s in INT_SHAPES[1:] for name in _WAY if (s, name) != ("i64x2", "shr_s")))
def _shift(c: Lowering, inst: Inst) -> None:
    shape, _, name = inst.op.name.partition(".")
    value = c.use(inst.args[0])
    _Amount(c, inst.args[1], WIDTH[shape]).shift(f"{_WAY[name]}{LETTER[shape]}", value, inst.results[0])


@lowers("i64x2.shr_s")
def _shift_signed_64(c: Lowering, inst: Inst) -> None:
    """A logical shift, whose shifted sign bit is then extended: ``(x ^ sign) - sign``."""
    value, amount = c.use(inst.args[0]), _Amount(c, inst.args[1], 64)
    if amount.constant is not None:
        sign = every(c, 64, 1 << 63 - amount.constant)
    else:
        sign = amount.shift("psrlq", every(c, 64, 1 << 63))
    flipped = build(c, "pxor", amount.shift("psrlq", value), sign)
    build(c, "psubq", flipped, sign, out=inst.results[0])


@lowers("i8x16.shl", "i8x16.shr_u")
def _shift_bytes(c: Lowering, inst: Inst) -> None:
    """A shift of 16-bit lanes, and a mask for what came in from the neighbour."""
    left = inst.op.name == "i8x16.shl"
    value, amount = c.use(inst.args[0]), _Amount(c, inst.args[1], 8)
    way = "psllw" if left else "psrlw"
    if amount.constant is not None:
        mask = every(c, 8, 0xFF << amount.constant & 0xFF if left else 0xFF >> amount.constant)
    else:
        # The lowest byte of a lane of ones shifted the same way, in every byte.
        start = c.make_constant(V128, ONES if left else repeated(16, 0x00FF))
        mask = build(c, "pshufb", amount.shift(way, start), zeros(c))
    build(c, "pand", amount.shift(way, value), mask, out=inst.results[0])


@lowers("i8x16.shr_s")
def _shift_bytes_signed(c: Lowering, inst: Inst) -> None:
    """Each byte as the upper half of a 16-bit lane: shifted by 8 more, it has its sign, and fits."""
    value, amount = c.use(inst.args[0]), _Amount(c, inst.args[1], 8).plus(8)
    low = amount.shift("psraw", build(c, "punpcklbw", value, value))
    high = amount.shift("psraw", build(c, "punpckhbw", value, value))
    build(c, "packsswb", low, high, out=inst.results[0])
