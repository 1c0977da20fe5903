"""Constant vectors whose lanes are corners of the instruction that they are operands of: each lane another one."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.corners import Corner, corners
from wasm.isa import OPS, Op
from wasm.valtypes import V128

_WIDTHS: Final = {"i8x16": 8, "i16x8": 16, "i32x4": 32, "i64x2": 64, "f32x4": 32, "f64x2": 64}
_SCALAR: Final = {"i32x4": "i32", "i64x2": "i64", "f32x4": "f32", "f64x2": "f64"}
_ALIKE: Final = {"pmin": "min", "pmax": "max", "relaxed_min": "min", "relaxed_max": "max"}
_LANES: Final = ("shuffle", "swizzle", "extract_lane", "extract_lane_s", "extract_lane_u", "replace_lane")
_CONVERSIONS: Final = {
    "i32x4.trunc_sat_f32x4_s": ("i32.trunc_sat_f32_s", 32), "i32x4.trunc_sat_f32x4_u": ("i32.trunc_sat_f32_u", 32),
    "i32x4.trunc_sat_f64x2_s_zero": ("i32.trunc_sat_f64_s", 64),
    "i32x4.trunc_sat_f64x2_u_zero": ("i32.trunc_sat_f64_u", 64),
    "f32x4.convert_i32x4_s": ("f32.convert_i32_s", 32), "f32x4.convert_i32x4_u": ("f32.convert_i32_u", 32),
    "f64x2.convert_low_i32x4_s": ("f64.convert_i32_s", 32), "f64x2.convert_low_i32x4_u": ("f64.convert_i32_u", 32),
    "f32x4.demote_f64x2_zero": ("f32.demote_f64", 64),
}  # fmt: skip


@lru_cache(maxsize=512)
def lane_corners(op: Op) -> tuple[int, tuple[Corner, ...]]:
    """The width of the operands' lanes in bits, and corners for one lane of each.

    For an instruction of one or two vectors, or of one and a number; (0, ()) if nothing is known of it.
    """
    shape, _, word = op.name.partition(".")
    params = op.params or ()
    if shape not in _WIDTHS or not params or params[0] is not V128 or len(params) > 2 or word.endswith(_LANES):
        return 0, ()
    if op.name in _CONVERSIONS:
        name, width = _CONVERSIONS[op.name]
        return width, corners(OPS[name])
    for inner, width in _WIDTHS.items():
        if f"_{inner}" in word:
            # What widens or narrows works on lanes of the shape that it is named after last.
            return (width, _ends(width)) if inner[0] == "i" else (0, ())
    width = _WIDTHS[shape]
    if shape in _SCALAR:
        scalar = OPS.get(f"{_SCALAR[shape]}.{_ALIKE.get(word, word)}")
        alike = corners(scalar) if scalar is not None else ()
        if alike and len(alike[0]) == len(params):
            return width, alike
    return (width, _ends(width)) if shape[0] == "i" else (0, ())


@lru_cache(maxsize=4)
def _ends(width: int) -> tuple[Corner, ...]:
    """Pairs at the ends of an integer lane, where sums, products and narrower lanes saturate."""
    least, most, ones = 1 << width - 1, (1 << width - 1) - 1, (1 << width) - 1
    half = 1 << width // 2
    near = ((least, least), (ones, 1), (most, 1), (least, ones), (most, most), (ones, ones), (least, most), (0, least))
    return (*near, (half - 1, half), (half >> 1, 1), (ones - (half >> 1), ones), (half, half >> 1), (5, 3), (3, 5))


def draw_vectors(source: ChoiceSource, width: int, lanes: tuple[Corner, ...], count: int) -> list[int]:
    """Patterns of ``count`` vectors with lanes of ``width`` bits that meet, lane by lane, in one of the corners."""
    chosen = [source.pick(lanes) for _ in range(128 // width)]
    return [sum(corner[i % len(corner)] << place * width for place, corner in enumerate(chosen)) for i in range(count)]
