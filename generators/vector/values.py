"""Vector constants, shuffle masks and amounts of shifts that instruction selection has rules for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.values import INTERESTING
from wasm.valtypes import F32, F64, I32, I64, V128

LANE_BITS: Final = (8, 16, 32, 64)
_LANE_BYTES: Final = (1, 2, 4, 8)
_ALL: Final = (1 << 128) - 1

Mask = tuple[int, ...]
"""Sixteen lane indices, 0 to 31."""


def splat(bits: int, lane: int) -> int:
    """The lane's bit pattern in every lane."""
    return sum((lane & (1 << bits) - 1) << i for i in range(0, 128, bits))


def _special(source: ChoiceSource) -> int:
    return source.pick((0, _ALL))


def _sign(source: ChoiceSource) -> int:
    """Sign bits, or all but them: what neg, abs and copysign are made of."""
    bits = source.pick(LANE_BITS)
    signs = splat(bits, 1 << bits - 1)
    return signs ^ _ALL if source.one_in(2) else signs


def _edge_splat(source: ChoiceSource) -> int:
    bits = source.pick(LANE_BITS)
    small = (1, 2, 3, bits - 1, bits, bits + 1, (1 << bits - 1) - 1, (1 << bits) - 2, 0x55, 0xF0, 0x7F, 0x80)
    return splat(bits, source.pick(small))


def _float_splat(source: ChoiceSource) -> int:
    type_ = source.pick((F32, F64))
    return splat(type_.bits, source.pick(INTERESTING[type_]))


def _float_lanes(source: ChoiceSource) -> int:
    type_ = source.pick((F32, F64))
    return sum(source.pick(INTERESTING[type_]) << i for i in range(0, 128, type_.bits))


def _int_lanes(source: ChoiceSource) -> int:
    type_ = source.pick((I32, I64))
    return sum(source.pick(INTERESTING[type_]) << i for i in range(0, 128, type_.bits))


def _single_lane(source: ChoiceSource) -> int:
    """One lane of ones or of one value, all others zero; or the opposite."""
    bits = source.pick(LANE_BITS)
    at = source.below(128 // bits) * bits
    lane = source.pick(((1 << bits) - 1, 1, 1 << bits - 1))
    return lane << at ^ (_ALL if source.one_in(4) else 0)


def _lane_mask(source: ChoiceSource) -> int:
    """Each lane all ones or all zeros: a comparison's result."""
    bits = source.pick(LANE_BITS)
    chosen = source.bits(16)
    return sum(((1 << bits) - 1) << i * bits for i in range(128 // bits) if chosen >> i & 1)


def _index_bytes(source: ChoiceSource) -> int:
    """Byte indices, some of them out of range: what swizzle takes."""
    mask = draw_mask(source)
    indices = sum((index & 15) << 8 * i for i, index in enumerate(mask))
    if source.one_in(2):
        at = 8 * source.below(16)
        indices = indices & ~(0xFF << at) | source.pick((16, 0x7F, 0x80, 0x8F, 0xFF)) << at
    return indices


def _any(source: ChoiceSource) -> int:
    return source.bits(128)


def _table(source: ChoiceSource) -> int:
    return source.pick(INTERESTING[V128])


_CONSTANTS: Final = weighted(
    (_special, 22), (_table, 14), (_edge_splat, 20), (_sign, 14), (_single_lane, 14), (_lane_mask, 12),
    (_float_splat, 12), (_float_lanes, 14), (_int_lanes, 14), (_index_bytes, 10), (_any, 8),
)  # fmt: skip


def draw_vector(source: ChoiceSource) -> int:
    """A vector constant."""
    return source.weighted(_CONSTANTS)(source)


# Masks


def _lanes(width: int, lanes: list[int]) -> Mask:
    """Byte indices from indices of lanes that are ``width`` bytes wide."""
    return tuple(lane * width + i for lane in lanes for i in range(width))


def _identity(source: ChoiceSource) -> Mask:
    first = source.pick((0, 16))
    return tuple(range(first, first + 16))


def _broadcast(source: ChoiceSource) -> Mask:
    width = source.pick(_LANE_BYTES)
    return _lanes(width, [source.below(32 // width)] * (16 // width))


def _interleave(source: ChoiceSource) -> Mask:
    """Lanes of the low or high halves in turn (punpckl/h, zip1/2)."""
    width = source.pick(_LANE_BYTES)
    count = 16 // width
    start = source.pick((0, count // 2))
    pair = source.pick(((0, count), (count, 0)))
    return _lanes(width, [start + i // 2 + pair[i % 2] for i in range(count)])


def _unzip(source: ChoiceSource) -> Mask:
    """Even or odd lanes of both (pack, uzp1/2)."""
    width = source.pick(_LANE_BYTES)
    odd = source.below(2)
    return _lanes(width, [2 * i + odd for i in range(16 // width)])


def _transpose(source: ChoiceSource) -> Mask:
    """Even or odd lanes of both, interleaved (trn1/2)."""
    width = source.pick(_LANE_BYTES)
    odd, count = source.below(2), 16 // width
    return _lanes(width, [i // 2 * 2 + odd + count * (i % 2) for i in range(count)])


def _rotate(source: ChoiceSource) -> Mask:
    """Consecutive bytes out of both (palignr, ext), or of one turned round."""
    start = source.below(17)
    around = source.pick((32, 16))
    return tuple((start + i) % around for i in range(16))


def _reverse(source: ChoiceSource) -> Mask:
    """Lanes in reverse order within larger ones (rev16, rev32, rev64, pshufd)."""
    width = source.pick(_LANE_BYTES)
    group = max(2, min(16 // width, 2 << source.below(4)))
    return _lanes(width, [i // group * group + group - 1 - i % group for i in range(16 // width)])


def _permute(source: ChoiceSource) -> Mask:
    """Any lanes of 2, 4 or 8 bytes (pshufd, shufps, pshuflw, pblendw)."""
    width = source.pick((4, 8, 2, 4))
    return _lanes(width, [source.below(32 // width) for _ in range(16 // width)])


def _blend(source: ChoiceSource) -> Mask:
    """Each lane from one or the other, in its place."""
    width = source.pick(_LANE_BYTES)
    chosen = source.bits(16)
    count = 16 // width
    return _lanes(width, [i + count * (chosen >> i & 1) for i in range(count)])


def _half_words(source: ChoiceSource) -> Mask:
    """Four words shuffled, the other four in place (pshuflw, pshufhw)."""
    high = source.below(2)
    moved = [source.below(4) + 4 * high for _ in range(4)]
    kept = [4 * (1 - high) + i for i in range(4)]
    return _lanes(2, kept + moved if high else moved + kept)


def _arbitrary(source: ChoiceSource) -> Mask:
    return tuple(byte & 31 for byte in source.bytes(16))


_MASKS: Final[tuple[Callable[[ChoiceSource], Mask], ...]] = weighted(
    (_identity, 12), (_broadcast, 18), (_interleave, 24), (_unzip, 18), (_transpose, 14), (_rotate, 22), (_reverse, 18),
    (_permute, 40), (_blend, 20), (_half_words, 12), (_arbitrary, 12),
)  # fmt: skip


def draw_mask(source: ChoiceSource) -> Mask:
    """Lane indices of a shuffle; one time in eight a special form with one index changed, which must not match."""
    mask = source.weighted(_MASKS)(source)
    if source.one_in(8):
        at = source.below(16)
        mask = (*mask[:at], source.below(32), *mask[at + 1 :])
    return mask


def draw_shift(source: ChoiceSource, bits: int) -> int:
    """A shift amount for lanes of ``bits``: within the lane, at its width, past it, negative, any."""
    match source.pick(_SHIFTS):
        case "within":
            return source.below(bits)
        case "edge":
            edges = (bits - 1, bits, bits + 1, 2 * bits, 2 * bits + 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 255, 256)
            return source.pick(edges)
    return source.bits(32)


_SHIFTS: Final = shares(("within", 4), ("edge", 3), ("any", 1))


def lane_count(shape: str) -> int:
    """The lanes of a shape: 16 of ``i8x16``."""
    return int(shape.partition("x")[2])
