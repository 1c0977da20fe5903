"""Vector constants: the shortest instructions that put a pattern into a vector register, without a constant pool."""

from __future__ import annotations

from typing import Final, NamedTuple

from compiler.abi import TEMP
from compiler.x64.encode import Place
from compiler.x64.vectors import ONES, repeated


class Step(NamedTuple):
    """A row's name with its places and immediate. None of the rows used here changes the flags."""

    name: str
    places: tuple[Place, ...]
    imm: int = 0


def _shifted_ones() -> dict[int, tuple[str, int]]:
    """Masks of all widths: ones, shifted within each lane; the row and the amount by bit pattern."""
    by_pattern: dict[int, tuple[str, int]] = {}
    for letter, width in (("w", 16), ("d", 32), ("q", 64)):
        full = (1 << width) - 1
        for count in range(1, width):
            by_pattern.setdefault(repeated(width, full >> count), (f"psrl{letter}_i", count))
            by_pattern.setdefault(repeated(width, full << count & full), (f"psll{letter}_i", count))
    return by_pattern


_SHIFTED_ONES: Final = _shifted_ones()


def int_constant(hw: int, bits: int) -> Step:
    """A 64-bit pattern into an integer register; one below 2^32 clears the upper half."""
    if bits < 1 << 32:
        return Step("mov32_imm", (hw,), bits)
    if bits >= (1 << 64) - (1 << 31):
        return Step("mov64_imm32", (hw,), bits)
    return Step("mov64_imm64", (hw,), bits)


def vector_constant(hw: int, bits: int) -> list[Step]:
    """A pattern of up to 128 bits; what is above a scalar's own bits is zero. Changes emission's temporary."""
    if bits == 0:
        return [Step("xorps", (hw, hw))]
    all_ones = Step("pcmpeqd", (hw, hw))
    if bits == ONES:
        return [all_ones]
    shifted = _SHIFTED_ONES.get(bits)
    if shifted is not None:
        return [all_ones, Step(shifted[0], (hw,), shifted[1])]
    temp = TEMP.hw
    low, high = bits & (1 << 64) - 1, bits >> 64
    if bits == repeated(32, low & 0xFFFF_FFFF):
        return [
            int_constant(temp, low & 0xFFFF_FFFF),
            Step("movd_to_x", (hw, temp)),
            Step("pshufd", (hw, hw), 0),
        ]
    steps = [int_constant(temp, low), Step("movq_to_x", (hw, temp))]
    if low == high:
        steps.append(Step("punpcklqdq", (hw, hw)))
    elif high:
        steps += [int_constant(temp, high), Step("pinsrq", (hw, temp), 1)]
    return steps
