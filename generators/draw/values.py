"""Constants that matter, per type: edges of ranges, powers of two, signed zeros, denormals, infinities, NaN payloads.

All are bit patterns; the simplest stands first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from generators.choices import ChoiceSource, shares
from wasm.isa import OPS, Instr, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType


class Format(NamedTuple):
    """A binary format of IEEE 754: bits of the fraction, the exponent's bias, and the pattern of the sign bit."""

    fraction: int
    bias: int
    sign: int

    @property
    def infinity(self) -> int:
        """The positive infinity's pattern."""
        return self.power(self.bias + 1)

    @property
    def quiet(self) -> int:
        """The highest bit of the fraction: with ``infinity`` it is the canonical NaN."""
        return 1 << self.fraction - 1

    @property
    def ones(self) -> int:
        """All bits of the fraction."""
        return (1 << self.fraction) - 1

    def power(self, exponent: int) -> int:
        """Two to the power of ``exponent``, -bias < exponent <= bias."""
        return self.bias + exponent << self.fraction


FORMATS: Final = {"f32": Format(23, 127, 1 << 31), "f64": Format(52, 1023, 1 << 63)}
"""By the type's name, as instructions have it in theirs."""


def _unsigned(values: Iterable[int], bits: int) -> tuple[int, ...]:
    mask = (1 << bits) - 1
    return tuple(dict.fromkeys(value & mask for value in values))


def _integers(bits: int) -> tuple[int, ...]:
    small = [0, 1, 2, 3, 5, 7, 10, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257]
    negative = [-1, -2, -3, -7, -8, -32, -64, -127, -128, -129, -256, -32768, -32769, -65536]
    medium = [0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x10000, 0x10001, 0xFFFFFF, 0x12345678, 0x55555555, 0xAAAAAAAA]
    edges = [(1 << bits - 1) - 1, 1 << bits - 1, (1 << bits - 1) + 1, (1 << bits) - 2]
    wide = [
        0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 0x100000001, 0xFFFFFFFF80000000,
        0x0123456789ABCDEF, 0x5555555555555555, 0xAAAAAAAAAAAAAAAA, 0x00FF00FF00FF00FF, 1 << 52, 1 << 53, (1 << 53) + 1,
        1 << 62,
    ]  # fmt: skip
    return _unsigned([*small, *negative, *medium, *edges, *(wide if bits == 64 else ())], bits)


def _floats(name: str) -> tuple[int, ...]:
    """Either sign of each: small numbers, denormals, powers of two around the integers' ends, infinity, NaNs."""
    format_ = FORMATS[name]
    power, infinity, quiet, ones = format_.power, format_.infinity, format_.quiet, format_.ones
    one, exact = power(0), (52, 53) if name == "f64" else (22, 21)
    positive = [
        0, one, power(1), one | quiet, power(-1), power(3) | quiet >> 1,
        1, ones, 1 << format_.fraction, infinity - 1, infinity,
        power(23), power(24), power(31), power(32), power(31) - 1, power(32) - 1, power(exact[0]), power(exact[1]),
        power(63), power(64), power(63) - 1, power(64) - 1, one + 1, one - 1,
        infinity | quiet, infinity | 1, infinity | quiet | 1, infinity | ones, infinity | quiet >> 1 | 5,
    ]  # fmt: skip
    return tuple(value | sign for value in positive for sign in (0, format_.sign))


def _vectors() -> tuple[int, ...]:
    """Splats of edges, and vectors whose lanes differ."""
    bytes16 = int.from_bytes(bytes(range(16)), "little")
    vectors = [0, 1, (1 << 128) - 1, bytes16]
    for bits in (8, 16, 32, 64):
        for lane in (1, (1 << bits - 1) - 1, 1 << bits - 1, (1 << bits) - 1, 0x55):
            vectors += [sum(lane << i for i in range(0, 128, bits))]
    for bits in (32, 64):
        edges = _floats(f"f{bits}")
        # A stride of 7 brings together edges of different kinds; each start has a whole vector's lanes behind it.
        for start in range(0, len(edges) - 4, 7):
            lanes = edges[start : start + 128 // bits]
            vectors.append(sum(lane << i * bits for i, lane in enumerate(lanes)))
    return tuple(dict.fromkeys(vectors))


INTERESTING: Final[dict[NumType, tuple[int, ...]]] = {
    I32: _integers(32),
    I64: _integers(64),
    F32: _floats("f32"),
    F64: _floats("f64"),
    V128: _vectors(),
}
"""Bit patterns per type, the simplest first."""

CONST: Final[dict[NumType, Op]] = {type_: OPS[f"{type_}.const"] for type_ in INTERESTING}

CANONICAL_NAN: Final[dict[NumType, int]] = {
    type_: FORMATS[type_.name].infinity | FORMATS[type_.name].quiet for type_ in (F32, F64)
}

_KINDS: Final = shares(("interesting", 8), ("small", 2), ("any", 2))
_SMALL: Final = 1024


def draw_bits(source: ChoiceSource, type_: NumType) -> int:
    """A bit pattern: two times in three an interesting one, else small or any."""
    kind = source.pick(_KINDS)
    if kind == "interesting":
        return source.pick(INTERESTING[type_])
    if kind == "small" and type_ not in CANONICAL_NAN:
        return source.below(_SMALL)
    return source.bits(type_.bits)


def constant(source: ChoiceSource, type_: NumType) -> Instr:
    """A constant instruction."""
    return CONST[type_], draw_bits(source, type_)


_STRIDE: Final = 0x9E3779B97F4A7C15
"""The golden ratio's fraction of 2^64: successive multiples differ in high and low bits alike (as in SplitMix64)."""
_MASK: Final = (1 << 64) - 1


def sequence_bits(type_: NumType, seed: int, index: int) -> int:
    """Constant ``index`` of a long row that one choice stands for. Seed 0 gives 1, 2, 3, ...

    One in four is an interesting value; integers else are scrambled, floats are finite numbers that all differ.
    """
    if not seed:
        return _plain(type_, index + 1)
    word = (seed + index + 1) * _STRIDE & _MASK
    word ^= word >> 29
    if not word & 3:
        edges = INTERESTING[type_]
        return edges[(word >> 8) % len(edges)]
    if type_ is V128:
        return word | (word * _STRIDE & _MASK) << 64
    # The sign and the fraction are the word's; the exponent is one of numbers of ordinary size, never a NaN's.
    if type_ is F64:
        return word & 0x800FFFFFFFFFFFFF | 0x3FF0000000000000 + (word >> 54 << 48 & 0x00F0000000000000)
    if type_ is F32:
        return word & 0x807FFFFF | 0x3F800000
    return word & (1 << type_.bits) - 1


def _plain(type_: NumType, number: int) -> int:
    """A small positive number as a value of the type."""
    format_ = FORMATS.get(type_.name)
    if format_ is None:
        return number
    exponent = number.bit_length() - 1
    return format_.power(exponent) | (number << format_.fraction - exponent) & format_.ones
