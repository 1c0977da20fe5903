"""Lowering rules: single lanes, splats, swizzles and shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compiler.ir import Inst
from compiler.lower import Lowering, lowers
from compiler.machine import VReg
from compiler.x64.build import build
from compiler.x64.vectors import every, zeros
from wasm.valtypes import V128

_LOW_HALF: Final = 0b01_00_01_00
_HIGH_HALF: Final = 0b11_10_11_10
"""pshufd: 64 bits of the source, twice."""


@lowers("i8x16.splat")
def _splat8(c: Lowering, inst: Inst) -> None:
    """A byte shuffle by zeros takes byte 0 everywhere."""
    lane = build(c, "movd_to_x", c.use(inst.args[0]))
    build(c, "pshufb", lane, zeros(c), out=inst.results[0])


@lowers("i16x8.splat")
def _splat16(c: Lowering, inst: Inst) -> None:
    lane = build(c, "pshuflw", build(c, "movd_to_x", c.use(inst.args[0])), imm=0)
    build(c, "pshufd", lane, imm=0, out=inst.results[0])


@lowers("i32x4.splat", "i64x2.splat")
def _splat_integer(c: Lowering, inst: Inst) -> None:
    letter, imm = ("d", 0) if inst.op.name[1:3] == "32" else ("q", _LOW_HALF)
    lane = build(c, f"mov{letter}_to_x", c.use(inst.args[0]))
    build(c, "pshufd", lane, imm=imm, out=inst.results[0])


@lowers("f32x4.splat")
def _splat_f32(c: Lowering, inst: Inst) -> None:
    build(c, "pshufd", c.use(inst.args[0]), imm=0, out=inst.results[0])


@lowers("f64x2.splat")
def _splat_f64(c: Lowering, inst: Inst) -> None:
    build(c, "movddup", c.use(inst.args[0]), out=inst.results[0])


@lowers(*(f"{s}.extract_lane_{sign}" for s in ("i8x16", "i16x8") for sign in "su"))
def _extract_small(c: Lowering, inst: Inst) -> None:
    letter, bits = ("b", 8) if inst.op.name.startswith("i8") else ("w", 16)
    value = c.use(inst.args[0])
    if inst.op.name.endswith("_u"):
        build(c, f"pextr{letter}", value, imm=inst.imm, out=inst.results[0])
    else:
        build(c, f"movsx{bits}_32", build(c, f"pextr{letter}", value, imm=inst.imm), out=inst.results[0])


@lowers("i32x4.extract_lane", "i64x2.extract_lane")
def _extract_integer(c: Lowering, inst: Inst) -> None:
    letter = "d" if inst.op.name[1:3] == "32" else "q"
    value = c.use(inst.args[0])
    if inst.imm == 0:
        build(c, f"mov{letter}_from_x", value, out=inst.results[0])
    else:
        build(c, f"pextr{letter}", value, imm=inst.imm, out=inst.results[0])


@lowers("f32x4.extract_lane", "f64x2.extract_lane")
def _extract_float(c: Lowering, inst: Inst) -> None:
    """The lane goes to the bottom; what is above it does not matter in a scalar."""
    value = c.use(inst.args[0])
    if inst.imm == 0:
        build(c, "movaps", value, out=inst.results[0])
    else:
        imm = inst.imm if inst.op.name.startswith("f32") else _HIGH_HALF
        build(c, "pshufd", value, imm=imm, out=inst.results[0])


@lowers(*(f"{s}.replace_lane" for s in ("i8x16", "i16x8", "i32x4", "i64x2")))
def _replace_integer(c: Lowering, inst: Inst) -> None:
    letter = {"i8": "b", "i1": "w", "i3": "d", "i6": "q"}[inst.op.name[:2]]
    vector, lane = map(c.use, inst.args)
    build(c, f"pinsr{letter}", vector, lane, imm=inst.imm, out=inst.results[0])


@lowers("f32x4.replace_lane")
def _replace_f32(c: Lowering, inst: Inst) -> None:
    vector, lane = map(c.use, inst.args)
    build(c, "insertps", vector, lane, imm=inst.imm << 4, out=inst.results[0])


@lowers("f64x2.replace_lane")
def _replace_f64(c: Lowering, inst: Inst) -> None:
    vector, lane = map(c.use, inst.args)
    build(c, "movlhps" if inst.imm else "movsd", vector, lane, out=inst.results[0])


@lowers("i8x16.swizzle", "i8x16.relaxed_swizzle")
def _swizzle(c: Lowering, inst: Inst) -> None:
    """pshufb gives 0 for an index with its top bit set: adding 0x70 with saturation sets it from 16 on."""
    vector, indices = map(c.use, inst.args)
    build(c, "pshufb", vector, build(c, "paddusb", indices, every(c, 8, 0x70)), out=inst.results[0])


# Shuffles.

_DOUBLED: Final = {1: "bw", 2: "wd", 4: "dq", 8: "qdq"}


@lowers("i8x16.shuffle")
def _shuffle(c: Lowering, inst: Inst) -> None:
    """One instruction if the pattern is one's own, else byte shuffles of both operands, joined."""
    first, second = inst.args
    lanes: Sequence[int] = inst.imm
    if first == second:
        lanes = [lane & 15 for lane in lanes]
    elif all(lane >= 16 for lane in lanes):
        first, second, lanes = second, first, [lane - 16 for lane in lanes]
    single = first == second or all(lane < 16 for lane in lanes)
    left = c.use(first)
    right = left if single else c.use(second)
    if c.settings.opt != "none" and _one_instruction(c, left, right, lanes, single, inst.results[0]):
        return
    if single:
        build(c, "pshufb", left, _byte_mask(c, lanes, 0), out=inst.results[0])
        return
    picked = build(c, "pshufb", left, _byte_mask(c, lanes, 0))
    build(c, "por", picked, build(c, "pshufb", right, _byte_mask(c, lanes, 16)), out=inst.results[0])


def _byte_mask(c: Lowering, lanes: Sequence[int], start: int) -> VReg:
    """pshufb's mask for the lanes from ``start`` on; others become 0."""
    picks = bytes(lane - start if start <= lane < start + 16 else 0x80 for lane in lanes)
    return c.make_constant(V128, int.from_bytes(picks, "little"))


def _one_instruction(c: Lowering, left: VReg, right: VReg, lanes: Sequence[int], single: bool, out: VReg) -> bool:
    """Emit the pattern as one instruction if there is one. With ``single`` all lanes are the left operand's."""
    if list(lanes) == list(range(16)):
        build(c, "movaps", left, out=out)
        return True
    if single:
        return _permutation(c, left, lanes, out) or _interleaving(c, left, left, lanes, True, out)
    return _interleaving(c, left, right, lanes, False, out) or _combination(c, left, right, lanes, out)


def _grouped(lanes: Sequence[int], size: int) -> list[int] | None:
    """The pattern in groups of ``size`` bytes, if it moves only whole ones."""
    groups = [lanes[i] // size for i in range(0, 16, size)]
    whole = [group * size + i for group in groups for i in range(size)]
    return groups if whole == list(lanes) else None


def _selector(picks: Sequence[int]) -> int:
    """The immediate of pshufd and its kin: two bits for each lane."""
    return sum((pick & 3) << 2 * i for i, pick in enumerate(picks))


def _permutation(c: Lowering, value: VReg, lanes: Sequence[int], out: VReg) -> bool:
    doublewords = _grouped(lanes, 4)
    if doublewords is not None:
        build(c, "pshufd", value, imm=_selector(doublewords), out=out)
        return True
    words = _grouped(lanes, 2)
    if words is not None:
        low, high = words[:4], words[4:]
        if high == [4, 5, 6, 7] and max(low) < 4:
            build(c, "pshuflw", value, imm=_selector(low), out=out)
            return True
        if low == [0, 1, 2, 3] and min(high) >= 4:
            build(c, "pshufhw", value, imm=_selector(high), out=out)
            return True
    start = lanes[0]
    if list(lanes) == [(start + i) % 16 for i in range(16)]:
        build(c, "palignr", value, value, imm=start, out=out)
        return True
    return False


def _interleaving(c: Lowering, left: VReg, right: VReg, lanes: Sequence[int], single: bool, out: VReg) -> bool:
    """punpckl and punpckh of every width, with the operands either way round."""
    sources = ((left, 0, right, 0 if single else 16), (right, 16, left, 0))
    for first, first_base, second, second_base in sources[: 1 if single else 2]:
        for size, letters in _DOUBLED.items():
            for half, start in (("l", 0), ("h", 8)):
                steps = range(start, start + 8, size)
                bases = [base + step for step in steps for base in (first_base, second_base)]
                if list(lanes) == [base + i for base in bases for i in range(size)]:
                    build(c, f"punpck{half}{letters}", first, second, out=out)
                    return True
    return False


def _combination(c: Lowering, left: VReg, right: VReg, lanes: Sequence[int], out: VReg) -> bool:
    """palignr, pblendw and shufps: bytes, words and doublewords of both operands."""
    start = lanes[0]
    if list(lanes) == [(start + i) % 32 for i in range(16)]:
        high, low = (right, left) if start < 16 else (left, right)
        build(c, "palignr", high, low, imm=start % 16, out=out)
        return True
    words = _grouped(lanes, 2)
    if words is not None and all(word % 8 == i for i, word in enumerate(words)):
        build(c, "pblendw", left, right, imm=sum(1 << i for i, word in enumerate(words) if word >= 8), out=out)
        return True
    doublewords = _grouped(lanes, 4)
    if doublewords is None:
        return False
    sides = [pick >= 4 for pick in doublewords]
    if sides[0] == sides[1] != sides[2] == sides[3]:
        first, second = (right, left) if sides[0] else (left, right)
        build(c, "shufps", first, second, imm=_selector(doublewords), out=out)
        return True
    return False
