"""Faults of vector lowering rules."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Entry, Rewrite

_LOWER = Area.LOWER
_LANES: Final = "compiler.x64.rules.simd_lanes"
_INT: Final = "compiler.x64.rules.simd_ints"
_SHIFT: Final = "compiler.x64.rules.simd_shifts"

FAULTS: Final = (
    Fault(
        "i64x2-shr-s-of-constant", _LOWER,
        "i64x2.shr_s by a constant keeps the sign where it was",
        "CVE-2023-41880 (i64x2.shr_s with a constant)",
        (Rewrite(f"{_SHIFT}:_shift_signed_64", "1 << 63 - amount.constant", "1 << 63"),),
    ),
    Fault(
        "vector-shift-not-masked", _LOWER,
        "a vector shift by a register does not take the amount modulo the lane's width",
        "wasmtime #12318's kind: a shift by the width",
        (Rewrite(f"{_SHIFT}:_Amount.__init__", "imm=width - 1", "imm=127"),),
    ),
    Fault(
        "byte-shift-into-neighbour", _LOWER,
        "bits of a byte lane shifted left stay in its neighbour",
        "class: byte shifts by 16-bit lanes",
        (Rewrite(f"{_SHIFT}:_shift_bytes", "0xFF << amount.constant & 0xFF if left", "0xFF if left"),),
    ),
    Fault(
        "swizzle-out-of-range", _LOWER,
        "indices from 16 on take the lane of their low four bits",
        "CVE-2022-31104 (i8x16.swizzle on x86-64)",
        (Rewrite(f"{_LANES}:_swizzle", "every(c, 8, 0x70)", "every(c, 8, 0)"),),
    ),
    Fault(
        "shuffle-of-equal-operands", _LOWER,
        "a shuffle of one vector with itself takes zeros for the lanes of the second operand",
        "CVE-2023-27477 (i8x16.select with equal operands), wasmtime #4322",
        (Rewrite(f"{_LANES}:_shuffle", "lanes = [lane & 15 for lane in lanes]", "lanes = list(lanes)"),),
    ),
    Fault(
        "shuffle-blend-mirrored", _LOWER,
        "the word blend takes the other operand",
        "class: blend masks",
        (Rewrite(f"{_LANES}:_combination", "if word >= 8)", "if word < 8)"),),
    ),
    Fault(
        "extract-lane-high-float", _LOWER,
        "extract_lane of f64x2 gives lane 0",
        "class: lane immediates (wasmtime #4807's pass)",
        (Rewrite(f"{_LANES}:_extract_float", "else _HIGH_HALF", "else _LOW_HALF"),),
    ),
    Fault(
        "unsigned-compare-equal", _LOWER,
        "unsigned less-than of lanes holds for equal ones",
        "class: comparisons by min and max",
        (Rewrite(f"{_INT}:_unsigned_order", 'f"pmaxu{letter}"', 'f"pminu{letter}"'),),
    ),
    Fault(
        "q15-saturation", _LOWER,
        "q15mulr_sat_s of -1 by -1 is -1",
        "wasmtime and V8 both special-case pmulhrsw's one overflow",
        (Rewrite(f"{_INT}:_q15mulr", "every(c, 16, 0x8000)", "every(c, 16, 0x8001)"),),
    ),
    Fault(
        "i64x2-mul-cross", _LOWER,
        "i64x2.mul forgets one of the two cross products",
        "class: 64-bit products of 32-bit ones",
        (Rewrite(f"{_INT}:_mul64", 'build(c, "paddq", first, second)', "first"),),
    ),
    Fault(
        "bitmask-of-words", _LOWER,
        "i16x8.bitmask has ones above its eight bits",
        "wasmtime #4807 (v128.any_true and bitmask lowering)",
        (Rewrite(f"{_INT}:_bitmask", 'build(c, "packsswb", value, zeros(c))', 'build(c, "packsswb", value, value)'),),
    ),
    Fault(
        "float-vector-compare-nan", _LOWER,
        "f32x4.ge and f64x2.ge hold where a lane is a NaN",
        "wasmtime #8131 (bitselect and eq), class: predicates of cmpps",
        (Entry("compiler.x64.rules.simd_floats:_COMPARE", "ge", (5, False)),),
    ),
    Fault(
        "extmul-high-low", _LOWER,
        "extmul_high of 16-bit lanes multiplies the low half",
        "class: halves of widening operations",
        (Rewrite(f"{_INT}:_extmul_words", 'if part == "low" else "punpckhwd"', 'if part == "low" else "punpcklwd"'),),
    ),
)  # fmt: skip
"""What SIMD advisories are made of."""
