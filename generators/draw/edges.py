"""Constants chosen for the instruction that they are an operand of, and related to the constants before them.

A shift looks at its amount modulo the width, a mask is recognised by its runs of ones, a multiplication by its distance
from a power of two, a conversion traps from one float to the next. Code generators have rules for each.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.values import CANONICAL_NAN, FORMATS, INTERESTING, draw_bits
from wasm.isa import Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

FLOATS: Final = (F32, F64)
INTEGERS: Final = (I32, I64)
SHIFTS: Final = frozenset(("shl", "shr_s", "shr_u", "rotl", "rotr"))
_MASKED: Final = frozenset(("and", "or", "xor"))


@lru_cache(maxsize=2)
def _amounts(width: int) -> tuple[int, ...]:
    """Amounts of shifts: what vanishes, what is one too few or too many, whole bytes, far too much."""
    often = (0, width, 1, width - 1, width // 2, width + 1)
    far = (2 * width, 2 * width - 1, (1 << width) - 1, 1 << width - 1, 0xFF, 0x100)
    rare = (8, 16, 24, 31, 32, 33, 3, 7, 63, 64, *far)
    return (*often, *often[:2] * 3, *often, *rare)


@lru_cache(maxsize=2)
def _masks(width: int) -> tuple[int, ...]:
    """Runs of ones from either end, single bits and holes, and bytes of ones."""
    ones = (1 << width) - 1
    low = [(1 << k) - 1 for k in (1, 5, 7, 8, 15, 16, 31, 32, 33, 63) if k < width]
    runs = [0xFF00, 0xFF0000, 0x7F80, 0xFFF000, 0xF0F0F0F0, 0x00FF00FF, 0x7FFFFFFE]
    return tuple(dict.fromkeys((ones, *low, *(ones ^ m for m in low), *runs, 1, 1 << width - 1, 1 << width // 2)))


@lru_cache(maxsize=2)
def _factors(width: int) -> tuple[int, ...]:
    """Powers of two and their neighbours, factors of address arithmetic, and their negatives."""
    powers = [1 << k for k in (1, 2, 3, 4, 7, 8, 15, 16, 30, 31, 32, 33, 62, 63) if k < width]
    factors = [*powers, *(p - 1 for p in powers), *(p + 1 for p in powers), 3, 5, 6, 9, 10, 11, 100]
    ones = (1 << width) - 1
    return tuple(dict.fromkeys(value & ones for factor in factors for value in (factor, -factor)))


@lru_cache(maxsize=2)
def _terms(width: int) -> tuple[int, ...]:
    """Around the ends of the immediates of real machines: 8, 12, 16, 24 and 32 bits, of either sign."""
    ends = [1, 127, 128, 255, 256, 4095, 4096, 4097, 0xFFF000, 0x1000000, 32767, 32768, 65535, 65536]
    ends += [(1 << 31) - 1, 1 << 31, (1 << 31) + 1]
    if width == 64:
        ends += [(1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63]
    ones = (1 << width) - 1
    return tuple(dict.fromkeys(value & ones for e in ends for value in (e, -e)))


_HOW_FAR: Final = shares(("listed", 7), ("related", 7), ("within", 2))
"""Where an amount to shift by comes from. Two that make up the width are a rotation, or a shift of a pair."""

_RELATIONS: Final = weighted(
    ("same", 3), ("complement", 14), ("negative", 2), ("inverse", 2), ("next", 2), ("before", 2)
)


class Constants:
    """The constants of one function: each may be related to one of those before it.

    Amounts of shifts are kept apart from other constants: an amount's complement is what it lacks of the width.
    """

    __slots__ = ("_recent", "_source")

    def __init__(self, source: ChoiceSource) -> None:
        self._source = source
        self._recent: dict[tuple[NumType, bool], list[int]] = {}

    def operand(self, op: Op, position: int, type_: NumType) -> int:
        """A bit pattern for the operand of ``op`` at ``position``."""
        word = op.name.partition(".")[2]
        amount = position == 1 and word in SHIFTS
        bits = self._amount(type_) if amount else self._drawn(word, type_)
        self._recent.setdefault((type_, amount), []).append(bits)
        return bits

    def plain(self, type_: NumType) -> int:
        """A bit pattern for no instruction in particular."""
        if type_ is not V128 and self._source.one_in(16):
            return self._related(type_, False)
        return draw_bits(self._source, type_)

    def amount(self, type_: NumType) -> int:
        """A number of bits to shift by, as one that code generators may look at more closely."""
        source = self._source
        return source.pick(_amounts(type_.bits)) if source.chance(3, 4) else source.below(type_.bits)

    def _amount(self, type_: NumType) -> int:
        """An amount to shift by."""
        source = self._source
        match source.pick(_HOW_FAR):
            case "listed":
                return source.pick(_amounts(type_.bits))
            case "related":
                return self._related(type_, True)
        return source.below(type_.bits)

    def _drawn(self, word: str, type_: NumType) -> int:
        source = self._source
        if type_ is V128 or type_ in CANONICAL_NAN or not source.chance(7, 8):
            return draw_bits(source, type_)
        if source.one_in(4):
            return self._related(type_, False)
        if word in _MASKED:
            return source.pick(_masks(type_.bits))
        if word == "mul":
            return source.pick(_factors(type_.bits))
        if word in ("add", "sub"):
            return source.pick(_terms(type_.bits))
        return draw_bits(source, type_)

    def _related(self, type_: NumType, amount: bool) -> int:
        source = self._source
        recent = self._recent.get((type_, amount))
        if not recent:
            return draw_bits(source, type_)
        base = recent[-1 - (source.below(min(4, len(recent))) if source.one_in(3) else 0)]
        how = source.weighted(_RELATIONS)
        if how == "same":
            return base
        changed = {
            "complement": type_.bits - base, "negative": -base, "inverse": ~base, "next": base + 1, "before": base - 1,
        }[how]  # fmt: skip
        return changed & (1 << type_.bits) - 1


@lru_cache(maxsize=2)
def divisors(type_: NumType) -> tuple[int, ...]:
    """Constants by which any number can be divided: neither 0 nor -1."""
    minus_one = (1 << type_.bits) - 1
    values = (*INTERESTING[type_], *_factors(type_.bits))
    return tuple(value for value in dict.fromkeys(values) if value not in (0, minus_one))


@lru_cache(maxsize=16)
def conversion_ends(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For ``i32.trunc_f64_s`` and its kind: bit patterns just inside the range, and just outside, NaNs among them.

    Inside is (spec 4.3.3, trunc): above -2^(N-1) - 1 and below 2^(N-1), unsigned above -1 and below 2^N.
    """
    width, signed = int(name[1:3]), name.endswith("_s")
    format_ = FORMATS[f"f{name.partition('_f')[2][:2]}"]
    sign, power, infinity = format_.sign, format_.power, format_.infinity
    top = power(width - (1 if signed else 0))
    if not signed:
        lowest_out = sign | power(0)
        lowest = lowest_out - 1
    elif width - 1 <= format_.fraction:
        # -2^(N-1) - 1 is a float: fraction bit ``width - 1`` places below the leading one.
        lowest_out = sign | top | 1 << format_.fraction - (width - 1)
        lowest = lowest_out - 1
    else:
        lowest = sign | top
        lowest_out = lowest + 1
    half = power(-1)
    inside = (top - 1, lowest, 0, sign, half, sign | half, sign | power(0) - 1, 1, sign | 1)
    outside = (top, lowest_out, infinity, sign | infinity, infinity | format_.quiet, sign | infinity | 1, top + 1)
    return inside, outside
