"""Lowering rules: integer vectors but for shifts, and conversions between integer lanes."""

from __future__ import annotations

from typing import Final

from compiler.ir import Inst
from compiler.lower import Lowering, lowers
from compiler.machine import VReg
from compiler.x64.build import build
from compiler.x64.vectors import INT_SHAPES, LETTER, WIDTH, every, ones, zeros

_BINARY: Final = {
    **{f"{s}.{name}": f"p{name}{letter}" for s, letter in LETTER.items() for name in ("add", "sub")},
    "i16x8.mul": "pmullw",
    "i32x4.mul": "pmulld",
    **{f"{s}.{name}_s": f"p{name}s{LETTER[s]}" for s in INT_SHAPES[:3] for name in ("min", "max")},
    **{f"{s}.{name}_u": f"p{name}u{LETTER[s]}" for s in INT_SHAPES[:3] for name in ("min", "max")},
    **{f"{s}.{name}_sat_s": f"p{name}s{LETTER[s]}" for s in INT_SHAPES[:2] for name in ("add", "sub")},
    **{f"{s}.{name}_sat_u": f"p{name}us{LETTER[s]}" for s in INT_SHAPES[:2] for name in ("add", "sub")},
    "i8x16.avgr_u": "pavgb",
    "i16x8.avgr_u": "pavgw",
    "i8x16.narrow_i16x8_s": "packsswb",
    "i8x16.narrow_i16x8_u": "packuswb",
    "i16x8.narrow_i32x4_s": "packssdw",
    "i16x8.narrow_i32x4_u": "packusdw",
    "i32x4.dot_i16x8_s": "pmaddwd",
    **{f"{s}.eq": f"pcmpeq{letter}" for s, letter in LETTER.items()},
    **{f"{s}.gt_s": f"pcmpgt{letter}" for s, letter in LETTER.items()},
    "v128.and": "pand",
    "v128.or": "por",
    "v128.xor": "pxor",
}
"""Rows that are one instruction. packus* take their sources as signed, as the spec's narrow_u does."""


@lowers(*_BINARY)
def _binary(c: Lowering, inst: Inst) -> None:
    left, right = map(c.use, inst.args)
    build(c, _BINARY[inst.op.name], left, right, out=inst.results[0])


@lowers("v128.andnot")
def _and_not(c: Lowering, inst: Inst) -> None:
    """pandn complements its first operand, andnot the second."""
    kept, cleared = map(c.use, inst.args)
    build(c, "pandn", cleared, kept, out=inst.results[0])


@lowers("v128.not")
def _not(c: Lowering, inst: Inst) -> None:
    build(c, "pxor", c.use(inst.args[0]), ones(c), out=inst.results[0])


@lowers("v128.bitselect", *(f"{s}.relaxed_laneselect" for s in INT_SHAPES))
def _bitselect(c: Lowering, inst: Inst) -> None:
    """``no ^ ((yes ^ no) & mask)``; the deterministic laneselect goes by each bit as well."""
    yes, no, mask = map(c.use, inst.args)
    difference = build(c, "pand", build(c, "pxor", yes, no), mask)
    build(c, "pxor", difference, no, out=inst.results[0])


@lowers(*(f"{s}.lt_s" for s in INT_SHAPES))
def _less(c: Lowering, inst: Inst) -> None:
    left, right = map(c.use, inst.args)
    build(c, f"pcmpgt{_letter(inst)}", right, left, out=inst.results[0])


def _letter(inst: Inst) -> str:
    return LETTER[inst.op.name.partition(".")[0]]


@lowers(*(f"{s}.ne" for s in INT_SHAPES), "i64x2.le_s", "i64x2.ge_s")
def _complement(c: Lowering, inst: Inst) -> None:
    """The complement of the comparison that there is an instruction for."""
    left, right = map(c.use, inst.args)
    name = inst.op.name.partition(".")[2]
    if name == "ge_s":
        left, right = right, left
    opposite = build(c, f"pcmp{'eq' if name == 'ne' else 'gt'}{_letter(inst)}", left, right)
    build(c, "pxor", opposite, ones(c), out=inst.results[0])


@lowers(*(f"{s}.{name}_{sign}" for s in INT_SHAPES[:3] for name in ("le", "ge") for sign in "su"))
def _at_most(c: Lowering, inst: Inst) -> None:
    """left <= right where left is the lesser of both, left >= right where right is."""
    left, right = map(c.use, inst.args)
    name, sign = inst.op.name.partition(".")[2].split("_")
    lesser = build(c, f"pmin{sign}{_letter(inst)}", left, right)
    build(c, f"pcmpeq{_letter(inst)}", lesser, left if name == "le" else right, out=inst.results[0])


@lowers(*(f"{s}.{name}_u" for s in INT_SHAPES[:3] for name in ("lt", "gt")))
def _unsigned_order(c: Lowering, inst: Inst) -> None:
    """left < right where left is not the greater of both, left > right where right is not."""
    left, right = map(c.use, inst.args)
    name, letter = inst.op.name.partition(".")[2], _letter(inst)
    greater = build(c, f"pmaxu{letter}", left, right)
    opposite = build(c, f"pcmpeq{letter}", greater, left if name == "lt_u" else right)
    build(c, "pxor", opposite, ones(c), out=inst.results[0])


@lowers(*(f"{s}.abs" for s in INT_SHAPES))
def _abs(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[0])
    if _letter(inst) != "q":
        build(c, f"pabs{_letter(inst)}", value, out=inst.results[0])
        return
    sign = build(c, "pcmpgtq", zeros(c), value)
    build(c, "psubq", build(c, "pxor", value, sign), sign, out=inst.results[0])


@lowers(*(f"{s}.neg" for s in INT_SHAPES))
def _neg(c: Lowering, inst: Inst) -> None:
    build(c, f"psub{_letter(inst)}", zeros(c), c.use(inst.args[0]), out=inst.results[0])


@lowers("i64x2.mul")
def _mul64(c: Lowering, inst: Inst) -> None:
    """low * low + ((high * low + low * high) << 32)"""
    left, right = map(c.use, inst.args)
    first = build(c, "pmuludq", build(c, "psrlq_i", left, imm=32), right)
    second = build(c, "pmuludq", build(c, "psrlq_i", right, imm=32), left)
    cross = build(c, "psllq_i", build(c, "paddq", first, second), imm=32)
    build(c, "paddq", build(c, "pmuludq", left, right), cross, out=inst.results[0])


@lowers("i8x16.popcnt")
def _popcnt(c: Lowering, inst: Inst) -> None:
    """A table of the sixteen half bytes, looked up for both halves of each byte."""
    value, nibbles = c.use(inst.args[0]), every(c, 8, 0x0F)
    table = c.make_constant(c.type_of(inst.results[0]), sum(i.bit_count() << 8 * i for i in range(16)))
    low = build(c, "pand", value, nibbles)
    high = build(c, "pand", build(c, "psrlw_i", value, imm=4), nibbles)
    counts = build(c, "pshufb", table, low)
    build(c, "paddb", counts, build(c, "pshufb", table, high), out=inst.results[0])


# Widening.

_HALVES: Final = {"i16x8": ("i8x16", "bw"), "i32x4": ("i16x8", "wd"), "i64x2": ("i32x4", "dq")}
_UPPER_HALF: Final = 0xEE
"""pshufd: the upper two words of 32 bits, twice."""


def _extend(c: Lowering, value: VReg, part: str, sign: str, pair: str, out: VReg | None = None) -> VReg:
    if part == "high":
        value = build(c, "pshufd", value, imm=_UPPER_HALF)
    return build(c, f"pmov{'s' if sign == 's' else 'z'}x{pair}", value, out=out)


_PARTS: Final = tuple((part, sign) for part in ("low", "high") for sign in "su")


@lowers(*(f"{s}.extend_{part}_{half}_{sign}" for s, (half, _) in _HALVES.items() for part, sign in _PARTS))
def _extension(c: Lowering, inst: Inst) -> None:
    shape, _, name = inst.op.name.partition(".")
    _, part, _, sign = name.split("_")
    _extend(c, c.use(inst.args[0]), part, sign, _HALVES[shape][1], inst.results[0])


def _extmuls(shape: str) -> tuple[str, ...]:
    return tuple(f"{shape}.extmul_{part}_{_HALVES[shape][0]}_{sign}" for part, sign in _PARTS)


def _split(inst: Inst) -> tuple[str, str]:
    """Part and sign of ``extmul_low_i8x16_s``."""
    words = inst.op.name.split("_")
    return words[1], words[3]


@lowers(*_extmuls("i16x8"))
def _extmul_bytes(c: Lowering, inst: Inst) -> None:
    part, sign = _split(inst)
    left, right = (_extend(c, c.use(arg), part, sign, "bw") for arg in inst.args)
    build(c, "pmullw", left, right, out=inst.results[0])


@lowers(*_extmuls("i32x4"))
def _extmul_words(c: Lowering, inst: Inst) -> None:
    """Lower and upper halves of all eight products, interleaved."""
    part, sign = _split(inst)
    left, right = map(c.use, inst.args)
    low = build(c, "pmullw", left, right)
    high = build(c, "pmulhw" if sign == "s" else "pmulhuw", left, right)
    build(c, "punpcklwd" if part == "low" else "punpckhwd", low, high, out=inst.results[0])


@lowers(*_extmuls("i64x2"))
def _extmul_doublewords(c: Lowering, inst: Inst) -> None:
    """pmuldq and pmuludq multiply the lanes 0 and 2."""
    part, sign = _split(inst)
    lanes = 0b01_01_00_00 if part == "low" else 0b11_11_10_10
    left, right = (build(c, "pshufd", c.use(arg), imm=lanes) for arg in inst.args)
    build(c, "pmuldq" if sign == "s" else "pmuludq", left, right, out=inst.results[0])


@lowers("i16x8.extadd_pairwise_i8x16_s", "i16x8.extadd_pairwise_i8x16_u")
def _extadd_bytes(c: Lowering, inst: Inst) -> None:
    """pmaddubsw multiplies unsigned by signed bytes and adds pairs; with 1 on the other side nothing saturates."""
    value, unit = c.use(inst.args[0]), every(c, 8, 1)
    left, right = (unit, value) if inst.op.name.endswith("_s") else (value, unit)
    build(c, "pmaddubsw", left, right, out=inst.results[0])


@lowers("i32x4.extadd_pairwise_i16x8_s")
def _extadd_words_s(c: Lowering, inst: Inst) -> None:
    build(c, "pmaddwd", c.use(inst.args[0]), every(c, 16, 1), out=inst.results[0])


@lowers("i32x4.extadd_pairwise_i16x8_u")
def _extadd_words_u(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[0])
    odd = build(c, "psrld_i", value, imm=16)
    even = build(c, "pblendw", value, zeros(c), imm=0b1010_1010)
    build(c, "paddd", even, odd, out=inst.results[0])


# Fixed point and dot products.


@lowers("i16x8.q15mulr_sat_s", "i16x8.relaxed_q15mulr_s")
def _q15mulr(c: Lowering, inst: Inst) -> None:
    """pmulhrsw gives 0x8000 for -1 * -1 and for nothing else; its complement is what the spec saturates to."""
    left, right = map(c.use, inst.args)
    product = build(c, "pmulhrsw", left, right)
    overflow = build(c, "pcmpeqw", every(c, 16, 0x8000), product)
    build(c, "pxor", product, overflow, out=inst.results[0])


def _dot_bytes(c: Lowering, inst: Inst, out: VReg | None = None) -> VReg:
    """Signed products of bytes, pairs added with saturation: the odd and the even bytes apart, as 16-bit lanes."""
    left, right = map(c.use, inst.args[:2])
    products = []
    for even in (True, False):
        sides = [build(c, "psllw_i", side, imm=8) if even else side for side in (left, right)]
        first, second = (build(c, "psraw_i", side, imm=8) for side in sides)
        products.append(build(c, "pmullw", first, second))
    return build(c, "paddsw", *products, out=out)


@lowers("i16x8.relaxed_dot_i8x16_i7x16_s")
def _relaxed_dot(c: Lowering, inst: Inst) -> None:
    _dot_bytes(c, inst, inst.results[0])


@lowers("i32x4.relaxed_dot_i8x16_i7x16_add_s")
def _relaxed_dot_add(c: Lowering, inst: Inst) -> None:
    addend = c.use(inst.args[2])
    pairs = build(c, "pmaddwd", _dot_bytes(c, inst), every(c, 16, 1))
    build(c, "paddd", pairs, addend, out=inst.results[0])


@lowers(*(f"{s}.bitmask" for s in INT_SHAPES))
def _bitmask(c: Lowering, inst: Inst) -> None:
    value = c.use(inst.args[0])
    width = WIDTH[inst.op.name.partition(".")[0]]
    if width == 16:
        # Saturation keeps the signs; the zeros become the upper half of the mask.
        value = build(c, "packsswb", value, zeros(c))
    build(c, {32: "movmskps", 64: "movmskpd"}.get(width, "pmovmskb"), value, out=inst.results[0])
