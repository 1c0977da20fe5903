"""Operands at the corners of what an instruction does, where two of them have to meet: zeros of either sign, a NaN and
a number, the number that rounds the other way, the least number by minus one.

    corners(OPS["f32.min"])[0] == (0, 0x80000000)           # 0.0 and -0.0

Each operand by itself is among ``generators.draw.values``; that both come together in one instruction, and that neither
is a constant which a compiler folds, would be rare.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.draw.edges import SHIFTS, conversion_ends
from generators.draw.values import CANONICAL_NAN, FORMATS, Format
from wasm.isa import Op
from wasm.valtypes import F32, F64, NumType

Corner = tuple[int, ...]
"""A bit pattern for each operand of an instruction."""

_COMPARED: Final = frozenset(("eq", "ne", "lt", "gt", "le", "ge", "min", "max", "add", "sub", "mul", "div", "copysign"))
_ROUNDED: Final = frozenset(("floor", "ceil", "trunc", "nearest", "sqrt", "abs", "neg"))


@lru_cache(maxsize=512)
def corners(op: Op) -> tuple[Corner, ...]:
    """The corners of a scalar instruction, none of which makes it trap; () if nothing is known of it."""
    type_name, _, word = op.name.partition(".")
    if (
        not op.params
        or len(op.params) > 2
        or not all(isinstance(type_, NumType) and type_.bits <= 64 for type_ in op.params)
    ):
        return ()
    if type_name in FORMATS and word.startswith("convert_i"):
        return tuple((value,) for value in _ties(int(word[9:11]), FORMATS[type_name].fraction, word[-1] == "s"))
    if word.startswith(("trunc_sat_f", "trunc_f")):
        inside, outside = conversion_ends(op.name)
        values = (*inside, *_within(op.name), *(outside if "sat" in word else ()))
        return tuple((value,) for value in values)
    if word == "demote_f64":
        return tuple((value,) for value in _demoted())
    if op.params[0] in CANONICAL_NAN:
        return _floats(FORMATS["f32" if op.params[0] is F32 else "f64"], word)
    if op.params[0] in (F32, F64):
        return ()
    return _integers(int(str(op.params[0])[1:]), word, len(op.params))


def _floats(format_: Format, word: str) -> tuple[Corner, ...]:
    sign, infinity = format_.sign, format_.infinity
    one, nan = format_.power(0), infinity | format_.quiet
    if word in _COMPARED:
        pairs = [(0, sign), (nan, one), (one, nan), (sign, 0), (infinity, sign | infinity), (one, one), (sign, sign)]
        return (*pairs, (nan, nan), (0, 0), (sign | nan, 0), (sign | one, one), (1, sign | 1), (one, 0), (one, sign))
    if word in _ROUNDED:
        # Halfway between two integers, and just below: 0.5, 1.5, 2.5; ``whole`` is the first float without a fraction.
        half, three, five = format_.power(-1), one | format_.quiet, format_.power(1) | format_.quiet >> 1
        whole = format_.power(format_.fraction)
        values = (half, three, five, half - 1, whole - 1, whole - 2, whole | 1, 0, 1, infinity, nan, one)
        return tuple((value | s,) for value in values for s in (sign, 0))
    return ()


def _ties(width: int, fraction: int, signed: bool) -> tuple[int, ...]:
    """Integers next to halfway between two floats, where a bit that is lost decides, and the ends of the range."""
    top = width - (2 if signed else 1)
    values = [(1 << top + 1) - 1, 1 << top]
    for place in (top, top - 1, fraction + 2):
        if fraction < place <= top:
            step = 1 << place - fraction
            half = (1 << place) + (step >> 1)
            values += [half + 1, half + step - 1]
            # Above an even fraction, where a lost bit makes the difference between down and up.
            values += [half, *(half + 1 + even * step for even in (2, 4, 10, 32, 254))] if place == top else []
            values += [-half - 1] if signed else []
    return tuple(dict.fromkeys(value & (1 << width) - 1 for value in (*values, 0)))


def _within(name: str) -> tuple[int, ...]:
    """Floats in the range of a conversion, on either side of the middle of an unsigned one."""
    format_ = FORMATS[f"f{name.partition('_f')[2][:2]}"]
    width = int(name[1:3])
    values = [format_.power(e) | extra for e in (width - 2, 30, 15) for extra in (0, 1, format_.quiet)]
    if name.endswith("_s"):
        return (*values, *(value | format_.sign for value in values))
    return (*values, *(format_.power(width - 1) | extra for extra in (0, 1, format_.quiet, format_.ones)))


def _demoted() -> tuple[int, ...]:
    """Doubles halfway between two floats, at the ends of the floats, and too small for any."""
    double, single = FORMATS["f64"], FORMATS["f32"]
    lost = double.fraction - single.fraction
    one, half = double.power(0), 1 << lost - 1
    largest = double.power(single.bias) | single.ones << lost
    normal, least = double.power(-126), double.power(-149)
    tiny, below_normal = double.power(-150), double.power(-127)
    values = (one | half, one | half + 1, one | 3 * half, largest, largest | half, largest | half - 1, least, tiny,
              tiny + 1, normal, below_normal | half, 1, CANONICAL_NAN[F64])  # fmt: skip
    return tuple(value | s for value in values for s in (0, double.sign))


def _integers(width: int, word: str, count: int) -> tuple[Corner, ...]:
    least, most, ones = 1 << width - 1, (1 << width - 1) - 1, (1 << width) - 1
    if count == 1:
        values = [0, 1, least, ones, most, 0x7F, 0x80, 0xFF, 0x17F, 0x7FFF, 0x8000, 0xFFFF, 0x18000]
        values += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x180000000] if width == 64 else []
        return tuple((value,) for value in values)
    if word in SHIFTS or word in ("div_s", "div_u", "rem_u"):
        return ()
    if word == "rem_s":
        return (least, ones), (least, 1), (ones, 3), (ones - 6, 3), (7, ones)
    near = ((0, 0), (1, 0), (0, 1), (ones, 1), (1, ones), (most, 1), (ones, ones), (5, 5), (most, most), (least, least))
    return (*near, (least, most), (most, least), (least, 0), (0, least), (least, ones))
