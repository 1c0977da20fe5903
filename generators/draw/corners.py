"""Operands at the corners of what an instruction does, where two of them have to meet: zeros of either sign, a NaN and
a number, the number that rounds the other way, the least number by minus one.

Each operand by itself is among ``generators.draw.values``; that both come together in one instruction, and that neither
is a constant which a compiler folds, would be rare.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.draw.edges import SHIFTS, conversion_ends
from generators.draw.values import CANONICAL_NAN
from wasm.isa import Op
from wasm.valtypes import F32, F64, NumType

Row = tuple[int, ...]
"""The operands' bit patterns."""

_COMPARED: Final = frozenset(("eq", "ne", "lt", "gt", "le", "ge", "min", "max", "add", "sub", "mul", "div", "copysign"))
_ROUNDED: Final = frozenset(("floor", "ceil", "trunc", "nearest", "sqrt", "abs", "neg"))
_FORMATS: Final[dict[str, tuple[int, int, int]]] = {"f32": (23, 127, 31), "f64": (52, 1023, 63)}
"""By name: bits of the fraction, bias, the sign's place."""


@lru_cache(maxsize=512)
def corners(op: Op) -> tuple[Row, ...]:
    """Rows of operands for a scalar instruction; () if nothing is known of it."""
    type_name, _, word = op.name.partition(".")
    if (
        not op.params
        or len(op.params) > 2
        or not all(isinstance(type_, NumType) and type_.bits <= 64 for type_ in op.params)
    ):
        return ()
    if type_name in _FORMATS and word.startswith("convert_i"):
        return tuple((value,) for value in _ties(int(word[9:11]), _FORMATS[type_name][0], word[-1] == "s"))
    if word.startswith(("trunc_sat_f", "trunc_f")):
        inside, outside = conversion_ends(op.name)
        found = (*inside, *_within(op.name), *(outside if "sat" in word else ()))
        return tuple((value,) for value in found)
    if word == "demote_f64":
        return tuple((value,) for value in _demoted())
    if op.params[0] in CANONICAL_NAN:
        return _floats("f32" if op.params[0] is F32 else "f64", word)
    if op.params[0] in (F32, F64):
        return ()
    return _integers(int(str(op.params[0])[1:]), word, len(op.params))


def _floats(name: str, word: str) -> tuple[Row, ...]:
    fraction, bias, place = _FORMATS[name]
    sign, one, infinity = 1 << place, bias << fraction, 2 * bias + 1 << fraction
    nan = infinity | 1 << fraction - 1
    if word in _COMPARED:
        pairs = [(0, sign), (nan, one), (one, nan), (sign, 0), (infinity, sign | infinity), (one, one), (sign, sign)]
        return (*pairs, (nan, nan), (0, 0), (sign | nan, 0), (sign | one, one), (1, sign | 1), (one, 0), (one, sign))
    if word in _ROUNDED:
        half, three, five = one - (1 << fraction), one | 1 << fraction - 1, one + (1 << fraction) | 1 << fraction - 2
        whole = bias + fraction << fraction
        found = (half, three, five, half - 1, whole - 1, whole - (1 << 1), whole | 1, 0, 1, infinity, nan, one)
        return tuple((value | s,) for value in found for s in (sign, 0))
    return ()


def _ties(width: int, fraction: int, signed: bool) -> tuple[int, ...]:
    """Integers next to halfway between two floats, where a bit that is lost decides, and the ends of the range."""
    top = width - (2 if signed else 1)
    found = [(1 << top + 1) - 1, 1 << top]
    for place in (top, top - 1, fraction + 2):
        if fraction < place <= top:
            step = 1 << place - fraction
            half = (1 << place) + (step >> 1)
            found += [half + 1, half + step - 1]
            # Above an even fraction, where a lost bit makes the difference between down and up.
            found += [half, *(half + 1 + even * step for even in (2, 4, 10, 32, 254))] if place == top else []
            found += [-half - 1] if signed else []
    return tuple(dict.fromkeys(value & (1 << width) - 1 for value in (*found, 0)))


def _within(name: str) -> tuple[int, ...]:
    """Floats in the range of a conversion, on either side of the middle of an unsigned one."""
    fraction, bias, place = _FORMATS[f"f{name.partition('_f')[2][:2]}"]
    width = int(name[1:3])
    signed = name.endswith("_s")
    found = [bias + e << fraction | extra for e in (width - 2, 30, 15) for extra in (0, 1, 1 << fraction - 1)]
    if signed:
        return (*found, *(value | 1 << place for value in found))
    return (*found, *(bias + width - 1 << fraction | extra for extra in (0, 1, 1 << fraction - 1, (1 << fraction) - 1)))


def _demoted() -> tuple[int, ...]:
    """Doubles halfway between two floats, at the ends of the floats, and too small for any."""
    one, half = 1023 << 52, 1 << 28
    largest = 1023 + 127 << 52 | (1 << 23) - 1 << 29
    least, tiny = 1023 - 149 << 52, 1023 - 150 << 52
    found = (one | half, one | half + 1, one | 3 * half, largest, largest | half, largest | half - 1, least, tiny,
             tiny + 1, 1023 - 126 << 52, 1023 - 127 << 52 | half, 1, 0x7FF8 << 48)  # fmt: skip
    return tuple(value | s for value in found for s in (0, 1 << 63))


def _integers(width: int, word: str, count: int) -> tuple[Row, ...]:
    least, most, ones = 1 << width - 1, (1 << width - 1) - 1, (1 << width) - 1
    if count == 1:
        found = [0, 1, least, ones, most, 0x7F, 0x80, 0xFF, 0x17F, 0x7FFF, 0x8000, 0xFFFF, 0x18000]
        found += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x180000000] if width == 64 else []
        return tuple((value,) for value in found)
    if word in SHIFTS or word in ("div_s", "div_u", "rem_u"):
        return ()
    if word == "rem_s":
        return (least, ones), (least, 1), (ones, 1 << 1 | 1), (ones - 6, 3), (7, ones)
    near = ((0, 0), (1, 0), (0, 1), (ones, 1), (1, ones), (most, 1), (ones, ones), (5, 5), (most, most), (least, least))
    return (*near, (least, most), (most, least), (least, 0), (0, least), (least, ones))
