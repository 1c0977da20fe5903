"""Types of wide signatures: the mixes that stress how registers and stack slots are handed out.

A signature of any width is a handful of choices (a pattern, one or two types, a count), never one choice per value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.operands import is_float
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, V128, NumType, ValType

_SCALARS: Final = weighted((I32, 30), (I64, 26), (F64, 24), (F32, 20))
_WITH_VECTORS: Final = weighted((I32, 28), (I64, 24), (F64, 20), (F32, 16), (V128, 12))
_INTS: Final = weighted((I32, 50), (I64, 50))
_FLOATS: Final = weighted((F64, 55), (F32, 45))
_FLOATS_AND_VECTORS: Final = weighted((F64, 40), (F32, 30), (V128, 30))

_PATTERNS: Final = weighted(
    ("uniform", 22), ("suffix", 22), ("alternating", 16), ("scattered", 20), ("filled", 10), ("sprinkled", 10)
)

_SCATTER: Final = 0x9E3779B1
"""An odd multiplier whose products' middle bits look like no order (Knuth's multiplicative hash)."""


def draw_type(source: ChoiceSource, config: Config) -> NumType:
    """One number or vector type."""
    return source.weighted(_WITH_VECTORS if config.allows(Feature.SIMD) else _SCALARS)


def _of_class(source: ChoiceSource, config: Config, floats: bool) -> NumType:
    if not floats:
        return source.weighted(_INTS)
    return source.weighted(_FLOATS_AND_VECTORS if config.allows(Feature.SIMD) else _FLOATS)


def draw_types(
    source: ChoiceSource, config: Config, count: int, references: Sequence[ValType] = ()
) -> tuple[ValType, ...]:
    """``count`` types in one of the patterns below; one time in eight with some of ``references`` among them.

    uniform      one type
    suffix       one type, then 1 to 8 of the other register class: the tail travels in registers, the middle does not
    alternating  2 to 4 types in turn
    scattered    2 to 5 types in no order
    filled       6 to 9 of one class, 7 to 9 of the other, then the first again: both register files run out
    sprinkled    one type with a v128 at every k-th place: alignment inside the return area
    """
    if not count:
        return ()
    types = _numbers(source, config, count, source.weighted(_PATTERNS))
    if references and source.one_in(8):
        step, start = source.between(1, 8), source.below(8)
        kinds = [source.pick(references) for _ in range(source.between(1, 3))]
        for i in range(min(start, count - 1), count, step):
            types[i] = kinds[i // step % len(kinds)]
    return tuple(types)


def _numbers(source: ChoiceSource, config: Config, count: int, pattern: str) -> list[ValType]:
    first = draw_type(source, config)
    if pattern == "suffix":
        tail = _of_class(source, config, not is_float(first))
        length = min(source.between(1, 8), count)
        return [*[first] * (count - length), *[tail] * length]
    if pattern == "alternating":
        turn = [first, *(draw_type(source, config) for _ in range(source.between(1, 3)))]
        return [turn[i % len(turn)] for i in range(count)]
    if pattern == "scattered":
        mix = [first, *(draw_type(source, config) for _ in range(source.between(1, 4)))]
        seed = source.bits(16)
        return [mix[((seed + i) * _SCATTER >> 16) % len(mix)] for i in range(count)]
    if pattern == "filled":
        ints, floats = source.between(6, 9), source.between(7, 9)
        low, high = _of_class(source, config, False), _of_class(source, config, True)
        head: list[ValType] = [*[low] * ints, *[high] * floats]
        if source.one_in(2):
            head.reverse()
        return [*head, *[first] * (count - len(head))][:count]
    types: list[ValType] = [first] * count
    if pattern == "sprinkled" and config.allows(Feature.SIMD):
        step, start = source.between(2, 17), source.below(8)
        types[start::step] = [V128] * len(range(start, count, step))
    return types
