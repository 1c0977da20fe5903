"""Vectors as 128-bit integers, lane 0 in the lowest bits: taking them apart, and the instructions that move bits.

A v128 is read and written through ``struct`` by lane width; where one operation on the whole integer does the work of
all lanes it is used instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import neg
from struct import Struct

from wasm.semantics.registry import Pure, semantics

ONES = (1 << 128) - 1
SHAPES = {8: 16, 16: 8, 32: 4, 64: 2}
"""Lane width in bits to number of lanes."""

_UNSIGNED = {8: "<16B", 16: "<8H", 32: "<4I", 64: "<2Q"}
_SIGNED = {8: "<16b", 16: "<8h", 32: "<4i", 64: "<2q"}
_FLOAT = {32: "<4f", 64: "<2d"}

Split = Callable[[int], tuple[int, ...]]
Join = Callable[[Iterable[int]], int]


def _splitter(layout: str) -> Callable[[int], tuple[int, ...]]:
    unpack = Struct(layout).unpack
    return lambda v: unpack(v.to_bytes(16, "little"))


def _joiner(layout: str) -> Join:
    pack = Struct(layout).pack
    return lambda lanes: int.from_bytes(pack(*lanes), "little")


SPLIT: dict[int, Split] = {width: _splitter(layout) for width, layout in _UNSIGNED.items()}
"""By lane width: v128 to its lanes as unsigned integers, lane 0 first."""
SPLIT_SIGNED: dict[int, Split] = {width: _splitter(layout) for width, layout in _SIGNED.items()}
"""By lane width: v128 to its lanes as signed integers."""
JOIN: dict[int, Join] = {width: _joiner(layout) for width, layout in _UNSIGNED.items()}
"""By lane width: unsigned lanes, exactly as many as fit, to a v128."""
JOIN_SIGNED: dict[int, Join] = {width: _joiner(layout) for width, layout in _SIGNED.items()}
"""By lane width: signed lanes, exactly as many as fit, to a v128."""


def float_splitter(width: int) -> Callable[[int], tuple[float, ...]]:
    """v128 to its lanes as Python floats; of a NaN only that it is one survives."""
    unpack = Struct(_FLOAT[width]).unpack
    return lambda v: unpack(v.to_bytes(16, "little"))


def float_packer(width: int) -> Callable[..., bytes]:
    """Lanes as Python floats to bytes; raises OverflowError where a finite one rounds to an infinite f32."""
    return Struct(_FLOAT[width]).pack


def repeat(width: int, lane: int) -> int:
    """The v128 with ``lane`` (unsigned, below ``2**width``) in every lane."""
    return ONES // ((1 << width) - 1) * lane


def lanewise_two(width: int, function: Pure) -> Pure:
    """Lift a function of two lanes to vectors."""
    split, join = SPLIT[width], JOIN[width]
    return lambda a, b: join(map(function, split(a), split(b)))


def lanewise_test(width: int, holds: Callable[..., bool], split: Callable[[int], tuple[float, ...]]) -> Pure:
    """Lift a relation to vectors, between lanes as ``split`` gives them; lanes are all zeros or all ones."""
    join = JOIN_SIGNED[width]
    return lambda a, b: join(map(neg, map(holds, split(a), split(b))))


@semantics("v128.not")
def bit_not(a: int) -> int:
    return a ^ ONES


@semantics("v128.and")
def bit_and(a: int, b: int) -> int:
    return a & b


@semantics("v128.andnot")
def bit_and_not(a: int, b: int) -> int:
    return a & ~b


@semantics("v128.or")
def bit_or(a: int, b: int) -> int:
    return a | b


@semantics("v128.xor")
def bit_xor(a: int, b: int) -> int:
    return a ^ b


@semantics("v128.bitselect")
def bit_select(a: int, b: int, mask: int) -> int:
    """Bits of ``a`` where the mask is set, of ``b`` elsewhere."""
    return b ^ (a ^ b) & mask


@semantics("v128.any_true")
def any_true(a: int) -> int:
    return 1 if a else 0


@semantics("i8x16.shuffle")
def shuffle(a: int, b: int, lanes: tuple[int, ...]) -> int:
    """16 bytes picked from the 32 of ``a`` and ``b`` by the immediate lane numbers (0..31)."""
    table = a.to_bytes(16, "little") + b.to_bytes(240, "little")
    return int.from_bytes(bytes(lanes).translate(table), "little")


@semantics("i8x16.swizzle")
def swizzle(a: int, b: int) -> int:
    """Bytes of ``a`` picked by the bytes of ``b``; an index above 15 gives 0."""
    return int.from_bytes(b.to_bytes(16, "little").translate(a.to_bytes(256, "little")), "little")


def _splat(width: int) -> Pure:
    mask = (1 << width) - 1
    every = repeat(width, 1)
    return lambda x: (x & mask) * every


def _extract(width: int) -> Pure:
    mask = (1 << width) - 1
    return lambda a, lane: a >> lane * width & mask


def _extract_signed(width: int) -> Pure:
    """To i32: the sign fills the upper bits."""
    mask = (1 << width) - 1
    half = 1 << (width - 1)
    return lambda a, lane: ((a >> lane * width & mask ^ half) - half) & 0xFFFF_FFFF


def _replace(width: int) -> Pure:
    mask = (1 << width) - 1

    def replace(a: int, x: int, lane: int) -> int:
        shift = lane * width
        return a & ~(mask << shift) | (x & mask) << shift

    return replace


def _register() -> None:
    for shape, width in (("i8x16", 8), ("i16x8", 16), ("i32x4", 32), ("i64x2", 64), ("f32x4", 32), ("f64x2", 64)):
        semantics(f"{shape}.splat")(_splat(width))
        semantics(f"{shape}.replace_lane")(_replace(width))
        if width < 32:
            semantics(f"{shape}.extract_lane_s")(_extract_signed(width))
            semantics(f"{shape}.extract_lane_u")(_extract(width))
        else:
            semantics(f"{shape}.extract_lane")(_extract(width))


_register()
