"""Rows: vector instructions (spec 5.4.9, prefix 0xFD), relaxed ones included."""

from __future__ import annotations

from wasm.features import Feature
from wasm.isa.row import Access, Imm, op
from wasm.traps import TrapKind as T

_OOB = (T.MEMORY_OOB,)
_SCALAR = {"i8x16": "i32", "i16x8": "i32", "i32x4": "i32", "i64x2": "i64", "f32x4": "f32", "f64x2": "f64"}
_SIMD = Feature.SIMD
_UNARY, _BINARY, _TERNARY, _TEST, _SHIFT = (
    "v128 -> v128", "v128 v128 -> v128", "v128 v128 v128 -> v128", "v128 -> i32", "v128 i32 -> v128",
)  # fmt: skip


def _v(name: str, code: int, signature: str, *imms: Imm, nan: bool = False, access: Access | None = None) -> None:
    traps = _OOB if access else ()
    feature = Feature.RELAXED_SIMD if code >= 0x100 else _SIMD
    const = name == "v128.const"
    op(name, code, signature, *imms, prefix=0xFD, nan=nan, access=access, traps=traps, feature=feature, const=const)


def _run(code: int, signature: str, names: str, nan: bool = False) -> None:
    """Rows with consecutive codes from ``code`` and one signature; ``-`` leaves a code out."""
    for i, name in enumerate(names.split()):
        if name != "-":
            _v(name, code + i, signature, nan=nan)


def _shape(shape: str, names: str) -> str:
    return " ".join("-" if name == "-" else f"{shape}.{name}" for name in names.split())


_v("v128.load", 0, "addr -> v128", Imm.MEMARG, access=Access(16, "load"))
for _i, (_lanes, _sign) in enumerate((n, s) for n in ("8x8", "16x4", "32x2") for s in "su"):
    _v(f"v128.load{_lanes}_{_sign}", 1 + _i, "addr -> v128", Imm.MEMARG,
       access=Access(8, "load", _sign == "s", _lanes.split("x")[0]))  # fmt: skip
for _i, _bits in enumerate((8, 16, 32, 64)):
    _v(f"v128.load{_bits}_splat", 7 + _i, "addr -> v128", Imm.MEMARG, access=Access(_bits // 8, "load", shape="splat"))
    _v(f"v128.load{_bits}_lane", 84 + _i, "addr v128 -> v128", Imm.MEMARG, Imm.LANE,
       access=Access(_bits // 8, "load", shape="lane"))  # fmt: skip
    _v(f"v128.store{_bits}_lane", 88 + _i, "addr v128 ->", Imm.MEMARG, Imm.LANE,
       access=Access(_bits // 8, "store", shape="lane"))  # fmt: skip
_v("v128.load32_zero", 92, "addr -> v128", Imm.MEMARG, access=Access(4, "load", shape="zero"))
_v("v128.load64_zero", 93, "addr -> v128", Imm.MEMARG, access=Access(8, "load", shape="zero"))
_v("v128.store", 11, "addr v128 ->", Imm.MEMARG, access=Access(16, "store"))
_v("v128.const", 12, "-> v128", Imm.V128)
_v("i8x16.shuffle", 13, _BINARY, Imm.LANES)
_v("i8x16.swizzle", 14, _BINARY)
for _i, (_name, _scalar) in enumerate(_SCALAR.items()):
    _v(f"{_name}.splat", 15 + _i, f"{_scalar} -> v128")
_code = 21
for _name, _scalar in _SCALAR.items():
    for _sign in ("_s", "_u") if _name in ("i8x16", "i16x8") else ("",):
        _v(f"{_name}.extract_lane{_sign}", _code, f"v128 -> {_scalar}", Imm.LANE)
        _code += 1
    _v(f"{_name}.replace_lane", _code, f"v128 {_scalar} -> v128", Imm.LANE)
    _code += 1

_COMPARE = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
for _i, _name in enumerate(("i8x16", "i16x8", "i32x4")):
    _run(35 + 10 * _i, _BINARY, _shape(_name, _COMPARE))
for _i, _name in enumerate(("f32x4", "f64x2")):
    _run(65 + 6 * _i, _BINARY, _shape(_name, "eq ne lt gt le ge"))
_run(214, _BINARY, _shape("i64x2", "eq ne lt_s gt_s le_s ge_s"))

_v("v128.not", 77, _UNARY)
_run(78, _BINARY, "v128.and v128.andnot v128.or v128.xor")
_v("v128.bitselect", 82, _TERNARY)
_v("v128.any_true", 83, _TEST)
_v("f32x4.demote_f64x2_zero", 94, _UNARY, nan=True)
_v("f64x2.promote_low_f32x4", 95, _UNARY, nan=True)
_run(103, _UNARY, _shape("f32x4", "ceil floor trunc nearest"), nan=True)
for _name, _code in (("ceil", 116), ("floor", 117), ("trunc", 122), ("nearest", 148)):
    _v(f"f64x2.{_name}", _code, _UNARY, nan=True)

for _name, _base in (("i8x16", 96), ("i16x8", 128), ("i32x4", 160), ("i64x2", 192)):
    _run(_base, _UNARY, _shape(_name, "abs neg"))
    _v(f"{_name}.all_true", _base + 3, _TEST)
    _v(f"{_name}.bitmask", _base + 4, _TEST)
    _run(_base + 11, _SHIFT, _shape(_name, "shl shr_s shr_u"))
    _v(f"{_name}.add", _base + 14, _BINARY)
    _v(f"{_name}.sub", _base + 17, _BINARY)
    if _name != "i8x16":
        _v(f"{_name}.mul", _base + 21, _BINARY)
        _half = {"i16x8": "i8x16", "i32x4": "i16x8", "i64x2": "i32x4"}[_name]
        for _i, (_sign, _part) in enumerate((s, p) for s in "su" for p in ("low", "high")):
            _v(f"{_name}.extend_{_part}_{_half}_{_sign}", _base + 7 + _i, _UNARY)
            _v(f"{_name}.extmul_{_part}_{_half}_{_sign}", _base + 28 + _i, _BINARY)
for _name, _base in (("i8x16", 118), ("i16x8", 150), ("i32x4", 182)):
    _run(_base, _BINARY, _shape(_name, "min_s min_u max_s max_u"))
for _name, _base in (("i8x16", 111), ("i16x8", 143)):
    _run(_base, _BINARY, _shape(_name, "add_sat_s add_sat_u - sub_sat_s sub_sat_u"))
_v("i8x16.popcnt", 98, _UNARY)
_run(101, _BINARY, "i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u")
_run(133, _BINARY, "i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u")
_v("i8x16.avgr_u", 123, _BINARY)
_v("i16x8.avgr_u", 155, _BINARY)
_run(124, _UNARY, "i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u")
_run(126, _UNARY, "i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u")
_v("i16x8.q15mulr_sat_s", 130, _BINARY)
_v("i32x4.dot_i16x8_s", 186, _BINARY)

for _name, _base in (("f32x4", 224), ("f64x2", 236)):
    _run(_base, _UNARY, _shape(_name, "abs neg"))
    _v(f"{_name}.sqrt", _base + 3, _UNARY, nan=True)
    _run(_base + 4, _BINARY, _shape(_name, "add sub mul div min max"), nan=True)
    _run(_base + 10, _BINARY, _shape(_name, "pmin pmax"))
_run(248, _UNARY, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u")
_run(252, _UNARY, "i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero")
_run(254, _UNARY, "f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u")

_v("i8x16.relaxed_swizzle", 0x100, _BINARY)
_run(0x101, _UNARY, "i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u")
_run(0x103, _UNARY, "i32x4.relaxed_trunc_f64x2_s_zero i32x4.relaxed_trunc_f64x2_u_zero")
_run(0x105, _TERNARY, "f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd", nan=True)
_run(0x109, _TERNARY, " ".join(f"{s}.relaxed_laneselect" for s in ("i8x16", "i16x8", "i32x4", "i64x2")))
_run(0x10D, _BINARY, "f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max", nan=True)
_run(0x111, _BINARY, "i16x8.relaxed_q15mulr_s i16x8.relaxed_dot_i8x16_i7x16_s")
_v("i32x4.relaxed_dot_i8x16_i7x16_add_s", 0x113, _TERNARY)
