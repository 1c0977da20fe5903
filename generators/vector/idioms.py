"""Combinations of vector instructions that compilers match as one: widening products, averages, masks, blends.

An idiom is written in postfix form: instruction names, capital letters for vectors (the same letter is the same
vector), ``const`` for any vector constant, ``zero``, ``ones``, ``sign32`` ... for special ones, ``amount`` for a shift
amount and ``number`` for a scalar.
"""

from __future__ import annotations

from typing import Final

from generators.config import by_instructions
from generators.vector.values import LANE_BITS, splat
from wasm.features import Feature
from wasm.isa import OPS, Op
from wasm.valtypes import V128, NumType

Node = str | tuple[object, ...]
"""A letter or word, a constant ``(V128, bits)`` (bits None: any), or ``(row, operand, ...)``."""

_CONSTANTS: Final[dict[str, int | None]] = {
    "const": None,
    "zero": 0,
    "ones": (1 << 128) - 1,
    **{f"sign{bits}": splat(bits, 1 << bits - 1) for bits in LANE_BITS},
    **{f"rest{bits}": splat(bits, (1 << bits - 1) - 1) for bits in LANE_BITS},
    **{f"one{bits}": splat(bits, 1) for bits in LANE_BITS},
}

_WIDE: Final = {"i16x8": "i8x16", "i32x4": "i16x8", "i64x2": "i32x4"}
_INTS: Final = ("i8x16", "i16x8", "i32x4", "i64x2")
_FLOATS: Final = ("f32x4", "f64x2")


def _integer_idioms() -> list[str]:
    texts = []
    for wide, half in _WIDE.items():
        for sign in "su":
            low, high = f"{wide}.extend_low_{half}_{sign}", f"{wide}.extend_high_{half}_{sign}"
            texts += [
                f"A {low} B {low} {wide}.mul", f"A {high} B {high} {wide}.mul", f"A {low} B {high} {wide}.mul",
                f"A {low} A {high} {wide}.add", f"A {low} B {wide}.add", f"A {low} amount {wide}.shl",
                f"A B {wide}.extmul_low_{half}_{sign} C {wide}.add",
            ]  # fmt: skip
            if wide != "i64x2":
                pairs = f"{wide}.extadd_pairwise_{half}_{sign}"
                texts += [f"A {pairs} B {wide}.add", f"A B {half}.mul {pairs}" if half != "i8x16" else f"A {pairs}"]
                texts.append(f"A amount {wide}.shr_{sign} B amount {wide}.shr_{sign} {half}.narrow_{wide}_{sign}")
    texts.append("A B i32x4.dot_i16x8_s C i32x4.add")
    texts.append("A i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_u B i32x4.add")
    texts.append("A i8x16.popcnt i16x8.extadd_pairwise_i8x16_u")
    for shape, bits in zip(_INTS, LANE_BITS, strict=True):
        texts += [
            f"zero A {shape}.sub", f"A ones {shape}.sub", f"A one{bits} {shape}.add", f"A zero {shape}.eq",
            f"zero A {shape}.gt_s", f"A zero {shape}.lt_s", f"A B {shape}.eq v128.not", f"A B {shape}.ne v128.not",
            f"zero A {shape}.sub A A zero {shape}.lt_s v128.bitselect",
            f"A number {shape}.splat {shape}.add", f"A number {shape}.splat B {shape}.sub v128.xor",
            f"A amount {shape}.shl amount {shape}.shr_s", f"A amount {shape}.shr_u B amount {shape}.shl v128.or",
            f"A sign{bits} v128.and", f"A {shape}.neg {shape}.abs", f"A B C D {shape}.gt_s v128.bitselect",
        ]  # fmt: skip
        if shape != "i64x2":
            texts += [
                f"A B A B {shape}.lt_s v128.bitselect", f"A B {shape}.max_u B {shape}.eq",
                f"A B A B {shape}.gt_u v128.bitselect", f"A B {shape}.min_s C {shape}.max_s",
            ]  # fmt: skip
    return texts


def _float_idioms() -> list[str]:
    texts = []
    for shape, bits in zip(_FLOATS, (32, 64), strict=True):
        texts += [
            f"A B {shape}.mul C {shape}.add", f"A B {shape}.mul C {shape}.sub", f"C A B {shape}.mul {shape}.sub",
            f"A {shape}.neg B {shape}.mul", f"A {shape}.neg B {shape}.add", f"A {shape}.abs {shape}.neg",
            f"A B A B {shape}.lt v128.bitselect", f"B A A B {shape}.gt v128.bitselect", f"A B {shape}.eq v128.not",
            f"A rest{bits} v128.and B sign{bits} v128.and v128.or", f"A sign{bits} v128.xor", f"A A {shape}.ne",
            f"A {shape}.sqrt one{bits} {shape}.div", f"A {shape}.trunc B {shape}.sub", f"zero A {shape}.sub",
            f"A const {shape}.mul", f"A const {shape}.div", f"A number {shape}.splat {shape}.mul",
            f"A B {shape}.min C {shape}.max", f"A B {shape}.pmin C {shape}.pmax", f"A B {shape}.lt C D v128.bitselect",
        ]  # fmt: skip
    texts += [
        "A f32x4.floor i32x4.trunc_sat_f32x4_s", "A i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_u",
        "A i32x4.trunc_sat_f64x2_s_zero f64x2.convert_low_i32x4_s", "A f64x2.promote_low_f32x4 f32x4.demote_f64x2_zero",
        "A f32x4.convert_i32x4_s const f32x4.mul i32x4.trunc_sat_f32x4_s", "A f32x4.demote_f64x2_zero B f32x4.add",
        "A f64x2.convert_low_i32x4_u B f64x2.mul",
    ]  # fmt: skip
    return texts


_BITS: Final = [
    "A B v128.not v128.and", "A v128.not B v128.andnot", "A ones v128.xor", "A zero v128.or", "A B v128.xor B v128.xor",
    "A B v128.and A B v128.andnot v128.or", "A B const v128.bitselect", "zero A B v128.bitselect",
    "A zero B v128.bitselect", "ones A B v128.bitselect", "A B A v128.bitselect", "A A B v128.bitselect",
    "A const i8x16.swizzle", "A B const i8x16.min_u i8x16.swizzle", "zero A i8x16.swizzle", "A A i8x16.swizzle",
    "A zero i8x16.shuffle", "zero A i8x16.shuffle", "A A i8x16.shuffle", "A B i8x16.shuffle C i8x16.shuffle",
    "A i8x16.extract_lane_u i8x16.splat", "A i16x8.extract_lane_s i16x8.splat", "A i32x4.extract_lane i32x4.splat",
    "A i64x2.extract_lane i64x2.splat", "A f32x4.extract_lane f32x4.splat", "A f64x2.extract_lane f64x2.splat",
    "A B i32x4.extract_lane i32x4.replace_lane", "A B f32x4.extract_lane f32x4.replace_lane",
    "A B f64x2.extract_lane f64x2.replace_lane", "A B i8x16.extract_lane_s i16x8.replace_lane",
    "zero number i32x4.replace_lane", "zero number f64x2.replace_lane", "zero number f32x4.replace_lane",
    "A number i8x16.replace_lane number i8x16.replace_lane", "A i8x16.bitmask i32x4.splat",
    "A B i32x4.eq v128.any_true i32x4.splat", "A B i8x16.eq i8x16.all_true i8x16.splat",
    "A zero i64x2.ne i64x2.all_true i32x4.splat",
    "A B v128.and v128.any_true i16x8.splat", "A i64x2.bitmask i64.extend_i32_u i64x2.splat",
]  # fmt: skip

_RELAXED: Final = [
    "A B C f32x4.relaxed_madd D f32x4.add", "A B C f64x2.relaxed_nmadd f64x2.neg",
    "A B C D i32x4.gt_s i32x4.relaxed_laneselect", "A B C D i8x16.eq i8x16.relaxed_laneselect",
    "A const i8x16.relaxed_swizzle", "A B rest8 v128.and C i32x4.relaxed_dot_i8x16_i7x16_add_s",
    "A B rest8 v128.and i16x8.relaxed_dot_i8x16_i7x16_s", "A f32x4.floor i32x4.relaxed_trunc_f32x4_s",
]  # fmt: skip


def parse(text: str) -> Node:
    """The node of a postfix form. Raises ``ValueError`` if it is not exactly one value."""
    stack: list[Node] = []
    for word in text.split():
        if word in _CONSTANTS:
            stack.append((V128, _CONSTANTS[word]))
        elif word in OPS:
            row = OPS[word]
            count = len(row.params or ())
            if len(stack) < count:
                raise ValueError(f"{word} lacks operands in {text!r}")
            operands = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            stack.append((row, *operands))
        else:
            stack.append(word)
    if len(stack) != 1:
        raise ValueError(f"{text!r} leaves {len(stack)} values")
    return stack[0]


def _rows(node: object) -> list[Op]:
    """The instructions of an idiom, the outermost first."""
    if not isinstance(node, tuple):
        return []
    first = [node[0]] if isinstance(node[0], Op) else []
    return first + [row for operand in node[1:] for row in _rows(operand)]


_ALL: Final = tuple(parse(text) for text in (*_BITS, *_integer_idioms(), *_float_idioms(), *_RELAXED))


@by_instructions
def idioms(features: frozenset[Feature], result: NumType) -> tuple[Node, ...]:
    """The idioms that give a value of this type and need none but these features."""
    fitting = []
    for node in _ALL:
        rows = _rows(node)
        if rows[0].results == (result,) and all(row.feature is None or row.feature in features for row in rows):
            fitting.append(node)
    return tuple(fitting)
