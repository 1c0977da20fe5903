"""Rows: scalar numeric instructions (spec 5.4.8) and wide arithmetic."""

from __future__ import annotations

from wasm.features import Feature
from wasm.isa.row import Imm, op
from wasm.traps import TrapKind as T

_EXTENDED = Feature.EXTENDED_CONST

for _type, _imm, _code in (
    ("i32", Imm.I32, 0x41),
    ("i64", Imm.I64, 0x42),
    ("f32", Imm.F32, 0x43),
    ("f64", Imm.F64, 0x44),
):
    op(f"{_type}.const", _code, f"-> {_type}", _imm, const=True)


def _ints(t: str, tests: int, arithmetic: int) -> None:
    """Comparisons from ``tests``, arithmetic from ``arithmetic``, in the order that both widths share."""
    op(f"{t}.eqz", tests, f"{t} -> i32")
    for i, name in enumerate(["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]):
        op(f"{t}.{name}", tests + 1 + i, f"{t} {t} -> i32")
    for i, name in enumerate(("clz", "ctz", "popcnt")):
        op(f"{t}.{name}", arithmetic + i, f"{t} -> {t}")
    binary = [
        "add",
        "sub",
        "mul",
        "div_s",
        "div_u",
        "rem_s",
        "rem_u",
        "and",
        "or",
        "xor",
        "shl",
        "shr_s",
        "shr_u",
        "rotl",
        "rotr",
    ]
    traps = {
        "div_s": (T.DIV_BY_ZERO, T.INT_OVERFLOW),
        "div_u": (T.DIV_BY_ZERO,),
        "rem_s": (T.DIV_BY_ZERO,),
        "rem_u": (T.DIV_BY_ZERO,),
    }
    for i, name in enumerate(binary):
        # Extended constant expressions allow these three (spec 3.4.13); the validator asks for the feature there.
        const = name in ("add", "sub", "mul")
        op(f"{t}.{name}", arithmetic + 3 + i, f"{t} {t} -> {t}", traps=traps.get(name, ()), const=const)


def _floats(t: str, tests: int, arithmetic: int) -> None:
    for i, name in enumerate(["eq", "ne", "lt", "gt", "le", "ge"]):
        op(f"{t}.{name}", tests + i, f"{t} {t} -> i32")
    for i, name in enumerate(["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"]):
        op(f"{t}.{name}", arithmetic + i, f"{t} -> {t}", nan=i > 1)
    for i, name in enumerate(["add", "sub", "mul", "div", "min", "max", "copysign"]):
        op(f"{t}.{name}", arithmetic + 7 + i, f"{t} {t} -> {t}", nan=name != "copysign")


_ints("i32", 0x45, 0x67)
_ints("i64", 0x50, 0x79)
_floats("f32", 0x5B, 0x8B)
_floats("f64", 0x61, 0x99)

_BAD = (T.BAD_CONVERSION, T.INT_OVERFLOW)
op("i32.wrap_i64", 0xA7, "i64 -> i32")
for _int, _base in (("i32", 0xA8), ("i64", 0xAE)):
    for _i, (_float, _sign) in enumerate((f, s) for f in ("f32", "f64") for s in "su"):
        op(f"{_int}.trunc_{_float}_{_sign}", _base + _i, f"{_float} -> {_int}", traps=_BAD)
op("i64.extend_i32_s", 0xAC, "i32 -> i64")
op("i64.extend_i32_u", 0xAD, "i32 -> i64")
for _float, _base in (("f32", 0xB2), ("f64", 0xB7)):
    for _i, (_int, _sign) in enumerate((n, s) for n in ("i32", "i64") for s in "su"):
        op(f"{_float}.convert_{_int}_{_sign}", _base + _i, f"{_int} -> {_float}")
op("f32.demote_f64", 0xB6, "f64 -> f32", nan=True)
op("f64.promote_f32", 0xBB, "f32 -> f64", nan=True)
for _i, (_to, _from) in enumerate((("i32", "f32"), ("i64", "f64"), ("f32", "i32"), ("f64", "i64"))):
    op(f"{_to}.reinterpret_{_from}", 0xBC + _i, f"{_from} -> {_to}")
for _i, _name in enumerate(("i32.extend8", "i32.extend16", "i64.extend8", "i64.extend16", "i64.extend32")):
    op(f"{_name}_s", 0xC0 + _i, f"{_name[:3]} -> {_name[:3]}")
_saturating = [(n, f, s) for n in ("i32", "i64") for f in ("f32", "f64") for s in "su"]
for _i, (_int, _float, _sign) in enumerate(_saturating):
    op(f"{_int}.trunc_sat_{_float}_{_sign}", _i, f"{_float} -> {_int}", prefix=0xFC)

_WIDE = Feature.WIDE_ARITHMETIC
op("i64.add128", 19, "i64 i64 i64 i64 -> i64 i64", prefix=0xFC, feature=_WIDE)
op("i64.sub128", 20, "i64 i64 i64 i64 -> i64 i64", prefix=0xFC, feature=_WIDE)
op("i64.mul_wide_s", 21, "i64 i64 -> i64 i64", prefix=0xFC, feature=_WIDE)
op("i64.mul_wide_u", 22, "i64 i64 -> i64 i64", prefix=0xFC, feature=_WIDE)
