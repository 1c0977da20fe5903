"""Shapes that are a tree of operands: what each is after, then an aim as ``generators.aims.own`` writes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.aims.aim import Aim, merged, text
from generators.aims.finding import aims_in
from generators.aims.own import read_list
from generators.shapes.seen import Seen, Shape

LINES: Final = """
wasmtime #10817 | (i32.extend16_s (i32.mul x:i32 (i32.const $0))) |
wasmtime #12318 | (i32.or (i32.shr_u x:i32 (i32.const $0)) (i32.shl y:i32 (i32.const $1))) | 32,0 0,32
wasmtime #12907 | (i32.or (i32.shl x:i32 (i32.const $0)) (i32.shr_u y:i32 (i32.const $1))) | 32,0 0,32
wasmtime #12179 | (i32x4.lt_s v:v128 (i32x4.min_s v:v128 v:v128)) |
wasmtime #11748 | (i32.ctz (i32.const $0)) |
wasmtime #12435 | (f64.copysign x:f64 (f64.load @)) |
wasmtime sink-float-but-dont-trap | (select (f64.load @) x:f64 (f64.ne y:f64 z:f64)) |
wasmtime int-to-float-splat | (f64x2.convert_low_i32x4_u (i32x4.splat x:i32)) |
wasmtime #13462 | (i8x16.all_true (i8x16.eq v:v128 w:v128)) |
wasmtime #13462 | (i32.eqz (v128.any_true (i8x16.ne v:v128 w:v128))) |
wasmtime #13462 | (v128.any_true (v128.and v:v128 w:v128)) |
wasmtime #13462 | (v128.any_true (v128.and v:v128 (v128.not w:v128))) |
wasmtime #11122 | (i32.eqz (i32.and x:i32 (i32.shl (i32.const $0) (i32.const $1)))) |
wasmtime #11122 | (i64.ne (i64.and x:i64 (i64.shl (i64.const $0) (i64.const $1))) (i64.const 0)) |
wasmtime #12501 | (i64.rotl (i64.const $0) (i64.const $1)) |
wasmtime #12956 | (i32x4.add v:v128 (i32x4.splat (i32.const $0))) |
wasmtime almost-extmul | (i64x2.mul (i64x2.extend_low_i32x4_u v:v128) (i64x2.extend_low_i32x4_u w:v128)) |
wasmtime #10886 | (i8x16.shuffle $0 v:v128 (v128.load @)) |
wasmtime #13011 | (f64x2.splat (f64.load @)) |
wasmtime #10393 | (f64x2.replace_lane $0 (v128.const $1) x:f64) |
wasmtime #12369 | (f32x4.relaxed_madd (f32x4.neg v:v128) w:v128 x:v128) |
wasmtime #12369 | (f64x2.relaxed_nmadd v:v128 (f64x2.neg (f64x2.neg w:v128)) x:v128) |
wasmtime #10337 | (i16x8.extadd_pairwise_i8x16_s (v128.const $0)) |
wasmtime #14082 | (i64.extend_i32_u (i64.lt_s x:i64 y:i64)) |
wasmtime #13964 | (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_u v:v128) (i16x8.extend_low_i8x16_s w:v128)) |
wasmtime #13717 | (i32.add (i32x4.extract_lane $0 v:v128) (i32x4.extract_lane $1 v:v128)) |
wasmtime #11931 | (i64.div_s x:i64 (i64.const $0)) | 0x8000000000000000
wasmtime #13099 | (v128.and (i32x4.eq v:v128 w:v128) (i32x4.lt_s v:v128 w:v128)) |
wasmtime #12335 | (i16x8.eq (i16x8.eq v:v128 w:v128) (v128.const $0)) |
wasmtime #12504 | (select (i64.const $0) (i64.const $1) (i32.eq x:i32 y:i32)) |
wasmtime #12014 | (i64.eq (i64.mul x:i64 (i64.extend_i32_s y:i32)) (i64.const 0)) |
wasmtime #13850 | (i32x4.sub v:v128 (i32x4.sub v:v128 w:v128)) |
wasmtime #11555 | (i32.and (i32.or x:i32 y:i32) (i32.or x:i32 (i32.xor y:i32 (i32.const $0)))) |
wasmtime #10236 | (i8x16.max_u v:v128 (v128.const $0)) |
WebKit bbq-const-fold-shift-mask | (i32.shr_u (i32.const $0) (i32.const $1)) |
WebKit b3-reduceStrength-trunc-sshr | (i32.wrap_i64 (i64.shr_s (i64.add x:i64 (i64.const $0)) (i64.const $1))) |
WebKit bitwise-rotate-idioms | (i32.or (i32.shr_u x:i32 y:i32) (i32.shl x:i32 (i32.sub (i32.const $0) y:i32))) | 32 31
WebKit comparison-folding | (i32.eqz (f64.lt x:f64 y:f64)) |
SpiderMonkey 1947697 | (i64.shr_s x:i64 x:i64) |
V8 373179362 | (f32x4.add v:v128 (i8x16.shuffle $0 v:v128 v:v128)) |
V8 384549252 | (i32x4.extract_lane $0 (f64x2.sqrt v:v128)) |
"""


def _aims() -> list[tuple[str, Aim]]:
    found = []
    for line in filter(None, map(str.strip, LINES.splitlines())):
        after, tree, constants = (part.strip() for part in line.split("|"))
        (aim,) = read_list(f"{after} | {tree} | {constants}")
        found.append((after, aim))
    return found


AIMS: Final = tuple(_aims())
_TREES: Final = tuple(aim for _, aim in AIMS)
assert len(merged(_TREES)) == len(AIMS)


@lru_cache(maxsize=4)
def _trees_in(seen: Seen) -> frozenset[int]:
    return frozenset(aims_in(seen.module, _TREES, seen.all_graphs))


def _shape(number: int, after: str, aim: Aim) -> Shape:
    return Shape(text(aim.tree), after, lambda seen: number in _trees_in(seen))


SHAPES: Final = tuple(_shape(number, after, aim) for number, (after, aim) in enumerate(AIMS))
