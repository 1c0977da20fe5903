"""A short list of our own: what compilers of WebAssembly are known to combine, whichever they are.

A line is a tree, then constants inside and outside of the conditions: numbers of one choice between commas, choices
between spaces, ``|`` between inside and outside. Where it says ``N`` the line stands for i32 and for i64, and ``BITS``,
``TOP`` and ``ONES`` are the width less one, the highest bit and all bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.aims.aim import Aim, merged, parse

SCALARS: Final = """
rotations from shifts | (N.or (N.shl x:N (N.const $0)) (N.shr_u x:N (N.const $1))) | 7,25 31,1 | 7,24 0,0
rotations from shifts | (N.or (N.shr_u x:N (N.const $1)) (N.shl x:N (N.const $0))) | 7,25 8,24 | 7,26
rotations from variables | (N.or (N.shl x:N y:N) (N.shr_u x:N (N.sub (N.const $0) y:N))) | 0 32 64 | 31
rotations from variables | (N.or (N.shr_u x:N y:N) (N.shl x:N (N.sub (N.const $0) y:N))) | 0 32 64 | 31
shifts there and back | (N.shr_u (N.shl x:N (N.const $0)) (N.const $1)) | 8,8 BITS,BITS 0,0 | 8,7 7,8
shifts there and back | (N.shr_s (N.shl x:N (N.const $0)) (N.const $1)) | 16,16 24,24 | 24,23
shifts there and back | (N.shl (N.shr_u x:N (N.const $0)) (N.const $1)) | 3,3 31,31 | 3,4
shifts of shifts | (N.shl (N.shl x:N (N.const $0)) (N.const $1)) | 3,4 BITS,0 | BITS,1 BITS,BITS
shifts of shifts | (N.shr_s (N.shr_s x:N (N.const $0)) (N.const $1)) | 3,4 | BITS,BITS
shifts of shifts | (N.shr_u (N.shr_u x:N (N.const $0)) (N.const $1)) | 3,4 | BITS,BITS
masked amounts | (N.shl x:N (N.and y:N (N.const $0))) | BITS ONES | 15 7
masked amounts | (N.shr_s x:N (N.and y:N (N.const $0))) | BITS | 15
masked amounts | (N.rotl x:N (N.and y:N (N.const $0))) | BITS | 15
negated amounts | (N.rotl x:N (N.sub (N.const $0) y:N)) | 0 32 64 | 1
negated amounts | (N.shl x:N (N.sub (N.const $0) y:N)) | 0 64 | 31
bit fields | (N.and (N.shr_u x:N (N.const $0)) (N.const $1)) | 5,255 8,1 | 5,254 0,ONES
bit fields | (N.shr_u (N.and x:N (N.const $0)) (N.const $1)) | 0xff00,8 TOP,BITS | 0xff01,8
bit tests | (N.ne (N.and x:N (N.shl (N.const $0) y:N)) (N.const $1)) | 1,0 | 2,0 1,1
bit tests | (N.eqz (N.and x:N (N.shl (N.const $0) (N.const $1)))) | 1,20 1,BITS | 1,0 3,4
bit tests | (N.eqz (N.and x:N (N.const $0))) | 1 TOP 0x80 | 3 0
lowest bits | (N.and x:N (N.sub (N.const $0) x:N)) | 0 | 1
lowest bits | (N.and x:N (N.sub x:N (N.const $0))) | 1 | 2
lowest bits | (N.xor x:N (N.sub x:N (N.const $0))) | 1 | 2
lowest bits | (N.and (N.xor x:N (N.const $0)) y:N) | ONES | 1
complements | (N.add (N.xor x:N (N.const $0)) (N.const $1)) | ONES,1 | ONES,2
complements | (N.sub (N.const $0) (N.xor x:N (N.const $1))) | 0,ONES ONES,ONES | 1,ONES
negations | (N.sub x:N (N.sub (N.const $0) y:N)) | 0 | 1
negations | (N.mul (N.sub (N.const $0) x:N) (N.sub (N.const $0) y:N)) | 0 | 1
products and powers | (N.mul x:N (N.const $0)) | 0 1 ONES 2 3 5 9 8 TOP | 6 7 11
products and powers | (N.add (N.mul x:N (N.const $0)) y:N) | 2 4 8 | 3 16
products of sums | (N.add (N.mul x:N y:N) (N.mul x:N z:N)) |
products of sums | (N.sub (N.mul x:N y:N) z:N) |
addresses | (N.add (N.add x:N (N.const $0)) (N.const $1)) | 1,2 ONES,1 TOP,TOP | 0,0
addresses | (N.add (N.add x:N (N.shl y:N (N.const $0))) (N.const $1)) | 2,8 3,ONES | 4,8
addresses | (N.sub (N.add x:N (N.const $0)) y:N) | 8 TOP | 0
quotients | (N.div_u x:N (N.const $0)) | 1 2 8 3 7 10 ONES TOP 641 | 0
quotients | (N.div_s x:N (N.const $0)) | 1 2 8 3 7 10 TOP 641 | 0 ONES
quotients | (N.rem_u x:N (N.const $0)) | 1 2 8 3 7 10 ONES TOP | 0
quotients | (N.rem_s x:N (N.const $0)) | 1 2 8 3 7 10 TOP ONES | 0
quotients and remainders | (N.sub x:N (N.mul (N.div_u x:N y:N) y:N)) |
quotients and remainders | (N.add (N.mul (N.div_s x:N (N.const $0)) (N.const $1)) (N.rem_s x:N \
  (N.const $2))) | 7,7,7 | 7,8,7
quotients and remainders | (N.eqz (N.rem_u x:N (N.const $0))) | 8 3 10 | 1
comparisons joined | (i32.and (N.ge_s x:N (N.const $0)) (N.lt_s x:N (N.const $1))) | 0,10 TOP,0 | 10,0
comparisons joined | (i32.or (N.lt_u x:N y:N) (N.eq x:N y:N)) |
comparisons joined | (i32.and (N.lt_s x:N y:N) (N.gt_s x:N y:N)) |
comparisons joined | (i32.or (N.eqz x:N) (N.eqz y:N)) |
comparisons joined | (i32.and (N.ne x:N (N.const $0)) (N.ne y:N (N.const $1))) | 0,0 | 0,1
ranges by one comparison | (N.lt_u (N.sub x:N (N.const $0)) (N.const $1)) | 48,10 1,ONES | 48,0
signs | (N.shr_u (N.xor x:N y:N) (N.const $0)) | BITS | 1
signs | (N.lt_s (N.xor x:N y:N) (N.const $0)) | 0 | 1
comparisons of comparisons | (i32.eqz (N.lt_s x:N y:N)) |
comparisons of comparisons | (i32.eqz (i32.eqz (N.eqz x:N))) |
comparisons of comparisons | (i32.eq (N.lt_u x:N y:N) (i32.const $0)) | 0 1 | 2
comparisons of comparisons | (i32.xor (N.le_s x:N y:N) (i32.const $0)) | 1 | 3
comparisons of sums | (N.eq (N.add x:N (N.const $0)) (N.const $1)) | 1,2 TOP,TOP | 0,0
comparisons of sums | (N.lt_s (N.add x:N (N.const $0)) (N.const $1)) | 1,10 TOP,0 | 0,0
comparisons of sums | (N.lt_u (N.add x:N y:N) x:N) |
comparisons of themselves | (N.le_u x:N x:N) |
choices | (select x:N y:N (N.lt_s x:N y:N)) |
choices | (select y:N x:N (N.gt_u x:N y:N)) |
choices | (select (N.const $0) (N.const $1) (N.eqz x:N)) | 1,0 0,1 ONES,0 8,4 | 3,5
choices | (select x:N (N.const $0) (N.eq x:N (N.const $1))) | 0,0 7,7 | 7,8
choices | (select x:N (N.sub (N.const $0) x:N) (N.ge_s x:N (N.const $1))) | 0,0 | 0,1 1,0
choices | (N.add x:N (select (N.const $0) (N.const $1) c:i32)) | 1,0 | 2,0
choices | (select (N.add x:N (N.const $0)) x:N c:i32) | 1 | 2
choices | (select (select x:N y:N c:i32) y:N c:i32) |
absolute values | (N.sub (N.xor x:N (N.shr_s x:N (N.const $0))) (N.shr_s x:N (N.const $1))) | BITS,BITS | BITS,1
zeros | (N.clz (N.and x:N (N.const $0))) | ONES 1 | TOP
zeros | (N.shr_u (N.clz x:N) (N.const $0)) | 5 6 | 4
zeros | (N.ctz (N.shl (N.const $0) x:N)) | 1 | 3
sets of bits | (N.eq (N.popcnt x:N) (N.const $0)) | 1 | 2
distribution | (N.or (N.and x:N y:N) (N.and x:N z:N)) |
distribution | (N.xor (N.and x:N y:N) (N.and z:N y:N)) |
distribution | (N.or (N.and x:N m:N) (N.and y:N (N.xor m:N (N.const $0)))) | ONES | 1
distribution | (N.and (N.or x:N y:N) (N.or x:N (N.xor y:N (N.const $0)))) | ONES | 1
absorption | (N.and x:N (N.or x:N y:N)) |
absorption | (N.xor (N.xor x:N y:N) x:N) |
loads combined | (N.add (N.load @) x:N) |
loads combined | (N.and x:N (N.load @)) |
loads combined | (N.sub x:N (N.load @)) |
loads combined | (N.eq (N.load @) (N.const $0)) | 0 1 ONES | TOP
loads combined | (N.store @ (N.add (N.load @) x:N)) |
loads combined | (N.store @ (N.or (N.load @) (N.const $0))) | 1 TOP | 0
loads narrowed | (N.and (N.load8_u @) (N.const $0)) | 255 | 127 511
loads narrowed | (N.and (N.load @) (N.const $0)) | 255 0xffff | 256
loads extended | (N.extend8_s (N.load8_u @)) |
loads extended | (N.shr_s (N.shl (N.load16_u @) (N.const $0)) (N.const $1)) | 16,16 | 15,16
stores narrowed | (N.store8 @ (N.and x:N (N.const $0))) | 255 | 127
stores narrowed | (N.store16 @ (N.shr_u x:N (N.const $0))) | 8 16 | 0
extensions | (N.extend8_s (N.and x:N (N.const $0))) | 255 | 127
extensions | (N.extend16_s (N.extend8_s x:N)) |
"""
OTHERS: Final = """
wraps and extensions | (i32.wrap_i64 (i64.add (i64.extend_i32_s x:i32) (i64.extend_i32_u y:i32))) |
wraps and extensions | (i64.extend_i32_u (i32.wrap_i64 x:i64)) |
wraps and extensions | (i64.shr_u (i64.extend_i32_u x:i32) (i64.const $0)) | 32 31 | 0
wraps and extensions | (i64.shl (i64.extend_i32_s x:i32) (i64.const $0)) | 32 3 | 33
wraps and extensions | (i64.and (i64.extend_i32_s x:i32) (i64.const $0)) | 0xffffffff | 0x1ffffffff
wraps and extensions | (i64.mul (i64.extend_i32_s x:i32) (i64.extend_i32_s y:i32)) |
wraps and extensions | (i32.wrap_i64 (i64.shr_s (i64.add x:i64 (i64.const $0)) (i64.const $1))) | 2048,12 | 2048,33
wraps and extensions | (i32.extend16_s (i32.mul x:i32 (i32.const $0))) | 0xffffe0ff 0x8000 | 0x10000
wraps and extensions | (i64.eq (i64.mul x:i64 (i64.extend_i32_s y:i32)) (i64.const $0)) | 0 | 1
high halves | (i32.wrap_i64 (i64.shr_u (i64.mul (i64.extend_i32_u x:i32) (i64.extend_i32_u y:i32)) \
  (i64.const $0))) | 32 | 31
high halves | (i64.or (i64.shl (i64.extend_i32_u x:i32) (i64.const $0)) (i64.extend_i32_u y:i32)) | 32 | 31
tests of halves | (i32.wrap_i64 (i64.and x:i64 (i64.const $0))) | 1 0xffffffff | 0x100000001
bytes swapped | (i32.or (i32.shl (i32.and x:i32 (i32.const $0)) (i32.const 8)) (i32.and \
  (i32.shr_u x:i32 (i32.const 8)) (i32.const $1))) | 0xff00ff,0xff00ff | 0xff00ff,0xff00fe
floats negated | (f64.mul (f64.neg x:f64) (f64.neg y:f64)) |
floats negated | (f64.sub (f64.neg x:f64) y:f64) |
floats negated | (f32.add x:f32 (f32.neg y:f32)) |
signs of floats | (f64.abs (f64.neg x:f64)) |
signs of floats | (f32.copysign (f32.abs x:f32) (f32.neg y:f32)) |
sums of products | (f64.add (f64.mul x:f64 y:f64) z:f64) |
sums of products | (f32.sub x:f32 (f32.mul y:f32 z:f32)) |
bits of floats | (i64.and (i64.reinterpret_f64 x:f64) (i64.const $0)) | 0x7fffffffffffffff | 0x8000000000000000
bits of floats | (f32.reinterpret_i32 (i32.load @)) |
widths of floats | (f32.demote_f64 (f64.promote_f32 x:f32)) |
widths of floats | (f32.demote_f64 (f64.sqrt (f64.promote_f32 x:f32))) |
conversions | (f64.convert_i32_u (i32.shr_u x:i32 (i32.const $0))) | 1 | 0
conversions | (f32.convert_i64_u (i64.extend_i32_u x:i32)) |
conversions | (i32.trunc_sat_f64_s (f64.convert_i32_s x:i32)) |
conversions | (f64.add (f64.convert_i32_s (i32.load @)) x:f64) |
comparisons of floats | (select (f64.load @) x:f64 (f64.ne y:f64 z:f64)) |
comparisons of floats | (select x:f64 y:f64 (f64.lt x:f64 y:f64)) |
comparisons of floats | (i32.or (f32.lt x:f32 y:f32) (f32.gt x:f32 y:f32)) |
comparisons of floats | (i32.eqz (f64.le x:f64 y:f64)) |
splats | (f64x2.convert_low_i32x4_u (i32x4.splat x:i32)) |
splats | (i32x4.add (i32x4.splat x:i32) v:v128) |
splats | (i16x8.mul (i16x8.splat (i32.const $0)) v:v128) | 2 0xffff 8 | 3
splats | (i32x4.add (i32x4.splat x:i32) (i32x4.splat y:i32)) |
lanes | (i32x4.extract_lane $0 (i32x4.splat x:i32)) | 0 3 |
lanes | (i32x4.extract_lane $0 (i32x4.replace_lane $1 v:v128 x:i32)) | 2,2 | 2,3
lanes | (i8x16.extract_lane_u $0 (i8x16.shuffle $1 v:v128 w:v128)) | 0,0x0f0e0d0c0b0a09080706050403020100 |
lanes | (f64x2.replace_lane $0 v:v128 (f64.load @)) | 0 1 |
masks of lanes | (v128.and (i32x4.lt_s v:v128 w:v128) (i32x4.ne v:v128 w:v128)) |
masks of lanes | (v128.and (i32x4.eq v:v128 w:v128) (i32x4.lt_s v:v128 w:v128)) |
masks of lanes | (i16x8.eq (i16x8.eq v:v128 w:v128) (v128.const $0)) | 0 0xffffffffffffffffffffffffffffffff | 1
masks of lanes | (i32x4.lt_s v:v128 (i32x4.min_s v:v128 v:v128)) |
masks of lanes | (v128.not (i8x16.eq v:v128 w:v128)) |
masks of lanes | (v128.bitselect v:v128 w:v128 (i16x8.gt_s v:v128 w:v128)) |
masks of lanes | (v128.bitselect v:v128 w:v128 (f32x4.lt v:v128 w:v128)) |
masks of lanes | (v128.or (v128.and v:v128 m:v128) (v128.andnot w:v128 m:v128)) |
tests of lanes | (i32.eqz (v128.any_true (i8x16.ne v:v128 w:v128))) |
tests of lanes | (v128.any_true (v128.and v:v128 (v128.not w:v128))) |
tests of lanes | (i32.eqz (v128.any_true (i32x4.eq v:v128 w:v128))) |
tests of lanes | (i32x4.all_true (i32x4.ne v:v128 (v128.const $0))) | 0 | 1
tests of lanes | (i32.ne (i8x16.bitmask v:v128) (i32.const $0)) | 0 0xffff | 1
shifts of lanes | (i8x16.shr_s (i8x16.shl v:v128 (i32.const $0)) (i32.const $1)) | 4,4 7,7 | 4,3
shifts of lanes | (i64x2.shr_s v:v128 (i32.const $0)) | 63 32 31 0 | 64
shifts of lanes | (v128.or (i32x4.shl v:v128 (i32.const $0)) (i32x4.shr_u v:v128 (i32.const $1))) | 7,25 | 7,24
wide products | (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_u v:v128) (i16x8.extend_low_i8x16_s w:v128)) |
sums of lanes | (i32.add (i32x4.extract_lane $0 v:v128) (i32x4.extract_lane $1 v:v128)) | 0,1 2,3 | 0,0
sums of lanes | (f32x4.add v:v128 (i8x16.shuffle $0 v:v128 v:v128)) | 0x07060504030201000f0e0d0c0b0a0908 |
sums of lanes | (i32x4.sub v:v128 (i32x4.sub v:v128 w:v128)) |
wide products | (i32x4.add (i32x4.dot_i16x8_s v:v128 w:v128) x:v128) |
wide products | (i32x4.mul (i32x4.extend_low_i16x8_s v:v128) (i32x4.extend_low_i16x8_s w:v128)) |
wide products | (i16x8.add (i16x8.extadd_pairwise_i8x16_u v:v128) x:v128) |
narrowings | (i8x16.narrow_i16x8_u (i16x8.shr_u v:v128 (i32.const $0)) (i16x8.shr_u w:v128 \
  (i32.const $1))) | 8,8 | 7,8
narrowings | (i8x16.narrow_i16x8_s (i16x8.extend_low_i8x16_s v:v128) (i16x8.extend_high_i8x16_s v:v128)) |
loads of lanes | (i8x16.swizzle (v128.load @) v:v128) |
loads of lanes | (i16x8.add (v128.load8x8_s @) v:v128) |
loads of lanes | (f32x4.mul (v128.load32_splat @) v:v128) |
loads of lanes | (v128.xor (v128.load @) v:v128) |
absolute values of lanes | (i32x4.max_s v:v128 (i32x4.neg v:v128)) |
averages | (i8x16.avgr_u (v128.not v:v128) (v128.not w:v128)) |
saturation | (i8x16.sub_sat_u v:v128 (i8x16.sub_sat_u v:v128 w:v128)) |
"""


def read_list(text: str) -> tuple[Aim, ...]:
    """The aims of lines as above. Raises ``BadAim``."""
    found: list[Aim] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        family, tree, *rest = (part.strip() for part in line.split("|"))
        inside, outside = (_choices(part) for part in (*rest, "", "")[:2])
        found.append(Aim(parse(tree), inside or ((),), outside, (f"own: {family}",)))
    return merged(found)


def _choices(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(number, 0) for number in choice.split(",")) for choice in text.split())


def _for(bits: int) -> str:
    numbers = {"BITS": bits - 1, "TOP": 1 << bits - 1, "ONES": (1 << bits) - 1}
    text = SCALARS
    for word, number in numbers.items():
        text = text.replace(word, str(number))
    return text.replace("(N.", f"(i{bits}.").replace(":N", f":i{bits}")


@lru_cache(maxsize=1)
def own_aims() -> tuple[Aim, ...]:
    """All of them, i32 first."""
    return merged((*read_list(_for(32)), *read_list(_for(64)), *read_list(OTHERS)))
