"""Which types an operator can have: relations between the type of its result and those of its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from generators.rules.clif import Shape, is_int, lane_type, shape, truth_type

VOID: Final = "void"
"""The type of what gives nothing: stores and branches."""


def _int(type_: str) -> bool:
    return not shape(type_).floating


def _same(result: str, args: tuple[str, ...]) -> bool:
    return all(one == result for one in args)


def _scaled(type_: str, by: float) -> str:
    """The vector of lanes that are so many times as wide."""
    parts = shape(type_)
    return Shape(parts.floating, int(parts.bits * by), int(parts.lanes / by)).name if parts.lanes > 1 else ""


def _converts(of: str, to: str) -> bool:
    one, other = shape(of), shape(to)
    lanes = one.lanes == other.lanes and (one.lanes == 1 or one.bits == other.bits)
    return lanes and not one.floating and other.floating and one.bits >= 8


_Check = Callable[[str, tuple[str, ...]], bool]
_CHECKS: Final[dict[str, _Check]] = {
    "ints": lambda r, a: _int(r) and _same(r, a),
    "lanes": lambda r, a: _int(r) and shape(r).lanes > 1 and _same(r, a),
    "same": _same,
    "floats": lambda r, a: shape(r).floating and _same(r, a),
    "scalar": lambda r, a: is_int(r) and _same(r, a),
    "bytes": lambda r, a: r == "i8x16" and _same(r, a),
    "shift": lambda r, a: _int(r) and a[0] == r and (a[1] == r if is_int(r) else a[1] == "i32"),
    "icmp": lambda r, a: _int(a[0]) and a[0] == a[1] and r == truth_type(a[0]),
    "fcmp": lambda r, a: shape(a[0]).floating and a[0] == a[1] and r == truth_type(a[0]),
    "select": lambda r, a: is_int(a[0]) and a[1] == a[2] == r,
    "extend": lambda r, a: is_int(r) and is_int(a[0]) and shape(r).bits > shape(a[0]).bits,
    "reduce": lambda r, a: is_int(r) and is_int(a[0]) and shape(r).bits < shape(a[0]).bits,
    "scalars": lambda r, a: is_int(r) and is_int(a[0]),
    "splat": lambda r, a: shape(r).lanes > 1 and a[0] == lane_type(r),
    "extract": lambda r, a: shape(a[0]).lanes > 1 and r == lane_type(a[0]),
    "insert": lambda r, a: shape(r).lanes > 1 and a[0] == r and a[1] == lane_type(r),
    "from_int": lambda r, a: _converts(a[0], r),
    "to_int": lambda r, a: _converts(r, a[0]) and shape(r).bits >= 32,
    "promote": lambda r, a: (a[0], r) == ("f32", "f64"),
    "demote": lambda r, a: (a[0], r) == ("f64", "f32"),
    "vpromote": lambda r, a: (a[0], r) == ("f32x4", "f64x2"),
    "vdemote": lambda r, a: (a[0], r) == ("f64x2", "f32x4"),
    "widen": lambda r, a: _int(r) and _scaled(a[0], 2) == r and shape(r).bits <= 64,
    "narrow": lambda r, a: _int(r) and a[0] == a[1] and _scaled(a[0], 0.5) == r and shape(r).bits >= 8,
    "maddubs": lambda r, a: r == "i16x8" and a == ("i8x16", "i8x16"),
    "vtest": lambda r, a: r == "i8" and shape(a[0]).lanes > 1 and _int(a[0]),
    "bits": lambda r, a: r == "i32" and shape(a[0]).lanes > 1 and _int(a[0]),
    "cast": lambda r, a: shape(r).whole == shape(a[0]).whole and r != a[0],
    "load": lambda r, _: r != VOID,
    "load8": lambda r, _: r in ("i32", "i64"),
    "load16": lambda r, _: r in ("i32", "i64"),
    "load32": lambda r, _: r == "i64",
    "load8x8": lambda r, _: r == "i16x8",
    "load16x4": lambda r, _: r == "i32x4",
    "load32x2": lambda r, _: r == "i64x2",
    "store": lambda r, a: r == VOID and a[0] != VOID,
    "store8": lambda r, a: r == VOID and a[0] in ("i32", "i64"),
    "store16": lambda r, a: r == VOID and a[0] in ("i32", "i64"),
    "store32": lambda r, a: r == VOID and a[0] == "i64",
    "branch": lambda r, a: r == VOID and is_int(a[0]),
    "const": lambda _r, _a: True,
    "scalar int": lambda r, _: is_int(r),
    "vector": lambda r, _: shape(r).lanes > 1,
}  # fmt: skip


def fits(typing: str, result: str, args: tuple[str, ...]) -> bool:
    """Whether an operator of that typing can give ``result`` from values of these types."""
    if result != VOID and typing not in ("store", "store8", "store16", "store32", "branch"):
        return _CHECKS[typing](result, args)
    return result == VOID and _CHECKS[typing](result, args)
