"""What conditions of rules compute: functions of numbers and types, as their names in the prelude promise.

A number is a Python integer, as its ISLE type reads it; a type is its name; ``FREE`` is anything: what depends on the
machine, or a float whose value no condition looks at. None says that a partial function has no value here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from generators.rules.clif import COMPLEMENT, SWAPPED, Shape, is_int, lane_type, shape

Value = Any


class Free:
    """Equal to anything."""

    def __repr__(self) -> str:
        return "FREE"


FREE: Final = Free()


class NotKnown(Exception):
    """A function whose meaning is the compiler's own code."""


_ARITHMETIC: Final = re.compile(r"([ui])(8|16|32|64|128)_(\w+)\Z")
_MACHINE: Final = re.compile(r"(has|use)_\w+\Z")
_FLOATS: Final = re.compile(r"f(16|32|64|128)_\w+\Z")


def wrap(value: int, signed: bool, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> bits - 1 else value


def ones(type_: str) -> int:
    return (1 << min(64, shape(type_).whole)) - 1


def signed(type_: str, value: int) -> int:
    return wrap(value, True, min(64, shape(type_).bits))


def _power(value: int) -> bool:
    return value > 0 and value & value - 1 == 0


def _trailing(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return (value & -value).bit_length() - 1 if value else bits


def _quotient(a: int, b: int) -> int | None:
    if b == 0:
        return None
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _remainder(a: int, b: int) -> int | None:
    return None if b == 0 else a - b * (_quotient(a, b) or 0)


_COMPARED: Final[dict[str, Callable[[int, int], bool]]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "gt": lambda a, b: a > b,
    "lt_eq": lambda a, b: a <= b, "le": lambda a, b: a <= b, "gt_eq": lambda a, b: a >= b, "ge": lambda a, b: a >= b,
}  # fmt: skip
_TESTS: Final[dict[str, Callable[[int, int], bool]]] = {
    "is_power_of_two": lambda a, _: _power(a), "is_zero": lambda a, _: a == 0, "is_non_zero": lambda a, _: a != 0,
    "is_odd": lambda a, _: a & 1 == 1, "not_neg1": lambda a, _: a != -1,
}  # fmt: skip
_BINARY: Final[dict[str, Callable[[int, int], int | None]]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": _quotient,
    "sdiv": _quotient, "udiv": _quotient, "rem": _remainder, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b, "min": min, "max": max,
}  # fmt: skip
_SAME: Final = ("cast_unsigned", "cast_signed", "as_u64", "as_i64", "into", "from", "truncate_into", "unwrap_into")


def arithmetic(name: str, args: list[int]) -> Value:
    """``u64_wrapping_add`` and its kin. Raises ``NotKnown``."""
    found = _ARITHMETIC.match(name)
    if found is None:
        raise NotKnown(name)
    is_signed, bits, what = found[1] == "i", int(found[2]), found[3]
    checked = what.startswith("checked_")
    wrapping = what.startswith("wrapping_")
    plain = what.removeprefix("checked_").removeprefix("wrapping_")
    first, second = (*args, 0, 0)[:2]
    if plain in _COMPARED:
        return _COMPARED[plain](first, second)
    if plain in _TESTS:
        return _TESTS[plain](first, second)
    if plain in _BINARY:
        value = _BINARY[plain](first, second)
    elif plain == "not":
        value = ~first
    elif plain == "neg":
        value = -first
    elif plain in ("shl", "shr"):
        if not wrapping and not 0 <= second < bits:
            return None
        by = second & bits - 1
        value = first << by if plain == "shl" else first >> by
        return wrap(value, is_signed, bits)
    elif plain == "trailing_zeros":
        return _trailing(first, bits)
    elif plain == "leading_zeros":
        return bits - (first & (1 << bits) - 1).bit_length()
    elif plain == "ilog2":
        return first.bit_length() - 1 if first > 0 else None
    else:
        return _converted(plain, first, is_signed, bits)
    if value is None:
        return None
    wrapped = wrap(value, is_signed, bits)
    return None if checked and wrapped != value else wrapped


def _converted(plain: str, value: int, is_signed: bool, bits: int) -> int:
    """``i64_cast_unsigned``, ``u8_as_u64``, ``u64_as_u32``: the target's type stands behind, if it is another."""
    for word in _SAME:
        if plain == word or plain.startswith(f"{word}_"):
            target = re.search(r"([ui])(8|16|32|64|128)\Z", plain)
            if target is not None:
                return wrap(value, target[1] == "i", int(target[2]))
            return wrap(value, {"cast_unsigned": False, "cast_signed": True}.get(word, is_signed), bits)
    found = re.match(r"as_([ui])(\d+)\Z", plain)
    if found is None:
        raise NotKnown(plain)
    return wrap(value, found[1] == "i", int(found[2]))


def _imm64(name: str, type_: str, args: list[int]) -> Value:
    """Arithmetic on constants of a type: ``imm64_add`` and its kin, on raw bits."""
    bits = min(64, shape(type_).bits)
    a, b = (*(one & (1 << bits) - 1 for one in args), 0, 0)[:2]
    s, t = wrap(a, True, bits), wrap(b, True, bits)
    by = b & bits - 1
    match name:
        case "sdiv":
            value = _quotient(s, t)
            return None if value is None or value >> bits - 1 not in (0, -1) else value & (1 << bits) - 1
        case "udiv":
            return None if b == 0 else a // b
        case "srem":
            value = _remainder(s, t)
            return None if value is None else value & (1 << bits) - 1
        case "urem":
            return None if b == 0 else a % b
        case "rotl" | "rotr":
            left = by if name == "rotl" else -by % bits
            return (a << left | a >> bits - left) & (1 << bits) - 1
        case "clz":
            return bits - a.bit_length()
        case "ctz":
            return _trailing(a, bits)
        case "ilog2":
            return a.bit_length() - 1 if a else None
        case "abs":
            return abs(s) & (1 << bits) - 1
    plain = {
        "add": a + b, "sub": a - b, "mul": a * b, "and": a & b, "or": a | b, "xor": a ^ b, "not": ~a, "neg": -a,
        "umin": min(a, b), "umax": max(a, b), "smin": min(s, t), "smax": max(s, t), "shl": a << by, "ushr": a >> by,
        "sshr": s >> by,
    }.get(name)  # fmt: skip
    if plain is None:
        raise NotKnown(f"imm64_{name}")
    return plain & (1 << bits) - 1


def of_type(name: str, args: list[Value]) -> Value:
    """Functions of types. Raises ``NotKnown``."""
    first = args[0] if args else None
    if isinstance(first, Free):
        return FREE
    if name == "ty_equal":
        return args[0] == args[1]
    if not isinstance(first, str):
        raise NotKnown(name)
    parts = shape(first)
    match name:
        case "ty_bits" | "ty_bits_u64" | "ty_bits_u16":
            return parts.whole
        case "ty_bytes":
            return parts.whole // 8
        case "ty_mask" | "ty_umax":
            return ones(first)
        case "ty_umin":
            return 0
        case "ty_smin":
            return 1 << min(64, parts.whole) - 1
        case "ty_smax":
            return ones(first) >> 1
        case "ty_lane_mask":
            return (1 << parts.bits) - 1
        case "ty_lane_count":
            return parts.lanes
        case "lane_type":
            return lane_type(first)
        case "ty_half_width":
            half = Shape(parts.floating, parts.bits // 2, parts.lanes).name
            return half if parts.bits > 8 else None
        case "ty_half_lanes":
            return Shape(parts.floating, parts.bits, parts.lanes // 2).name if parts.lanes > 1 else None
    check = TYPE_CHECKS.get(name)
    if check is None:
        raise NotKnown(name)
    return first if check(first) else None


def _scalar(type_: str, *bits: int) -> bool:
    return is_int(type_) and shape(type_).bits in bits


def _vector(type_: str, whole: int) -> bool:
    return shape(type_).lanes > 1 and shape(type_).whole == whole


TYPE_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "fits_in_16": lambda t: shape(t).lanes == 1 and shape(t).whole <= 16,
    "fits_in_32": lambda t: shape(t).lanes == 1 and shape(t).whole <= 32,
    "fits_in_64": lambda t: shape(t).lanes == 1 and shape(t).whole <= 64,
    "lane_fits_in_32": lambda t: shape(t).lanes > 1 and shape(t).bits <= 32,
    "int_fits_in_32": lambda t: _scalar(t, 8, 16, 32),
    "ty_int": lambda t: not shape(t).floating and shape(t).lanes == 1,
    "ty_scalar": lambda t: shape(t).lanes == 1,
    "ty_16": lambda t: shape(t).whole == 16,
    "ty_32": lambda t: shape(t).whole == 32,
    "ty_64": lambda t: shape(t).whole == 64,
    "ty_128": lambda t: shape(t).whole == 128,
    "ty_32_or_64": lambda t: shape(t).whole in (32, 64),
    "ty_8_or_16": lambda t: shape(t).whole in (8, 16),
    "ty_16_or_32": lambda t: shape(t).whole in (16, 32),
    "ty_int_ref_64": lambda t: _scalar(t, 64),
    "ty_int_ref_16_to_64": lambda t: _scalar(t, 16, 32, 64),
    "ty_int_ref_scalar_64": lambda t: _scalar(t, 8, 16, 32, 64),
    "ty_int_ref_scalar_64_extract": lambda t: _scalar(t, 8, 16, 32, 64),
    "ty_int_bool_ref_scalar_64": lambda t: _scalar(t, 8, 16, 32, 64),
    "ty_scalar_float": lambda t: shape(t).floating and shape(t).lanes == 1,
    "ty_float_or_vec": lambda t: shape(t).floating or shape(t).lanes > 1,
    "ty_vector_float": lambda t: shape(t).floating and shape(t).lanes > 1,
    "ty_vector_not_float": lambda t: not shape(t).floating and shape(t).lanes > 1,
    "ty_vector": lambda t: shape(t).lanes > 1,
    "ty_vec64": lambda t: _vector(t, 64),
    "ty_vec64_ctor": lambda t: _vector(t, 64),
    "ty_vec128": lambda t: _vector(t, 128),
    "ty_int_vec128": lambda t: _vector(t, 128) and not shape(t).floating,
    "ty_vec128_int": lambda t: _vector(t, 128) and not shape(t).floating,
    "ty_vec64_int": lambda t: _vector(t, 64) and not shape(t).floating,
    "ty_dyn_vec64": lambda _: False,
    "ty_dyn_vec128": lambda _: False,
    "ty_dyn64_int": lambda _: False,
    "ty_dyn128_int": lambda _: False,
    "not_vec32x2": lambda t: t != "i32x2",
    "not_i64x2": lambda t: t != "i64x2",
    "ty_addr64": lambda t: t == "i64",
    "a vector register": lambda t: shape(t).floating or shape(t).lanes > 1,
    "an integer register": lambda t: is_int(t) and shape(t).bits <= 64,
}  # fmt: skip
"""Extractors that give the type itself where it is one of theirs."""


def _conditions(name: str, args: list[Value]) -> Value:
    cc = args[0]
    match name:
        case "intcc_swap_args" | "intcc_reverse" | "floatcc_swap_args":
            return SWAPPED.get(cc)
        case "intcc_complement" | "intcc_inverse":
            return COMPLEMENT.get(cc)
        case "intcc_without_eq":
            return cc.replace("OrEqual", "")
        case "intcc_unsigned":
            return cc.replace("Signed", "Unsigned") if cc.startswith("Signed") else cc
        case "signed_cond_code":
            return cc if cc.startswith("Signed") else None
        case "unsigned_cond_code":
            return cc if not cc.startswith("Signed") else None
        case "floatcc_unordered":
            return cc.startswith("Unordered") or cc == "NotEqual"
    raise NotKnown(name)


def call(name: str, args: list[Value]) -> Value:
    """The value of a function that the prelude declares; None if it has none. Raises ``NotKnown``."""
    if _MACHINE.match(name) and not args:
        return FREE
    if _FLOATS.match(name):
        return FREE
    if any(isinstance(one, Free) for one in args):
        return FREE
    if name.startswith("imm64_") and args and isinstance(args[0], str):
        if name == "imm64_masked":
            return args[1] & ones(args[0])
        if name == "imm64_icmp":
            return FREE
        return _imm64(name.removeprefix("imm64_"), args[0], args[1:])
    match name:
        case "imm64":
            return args[0]
        case "i64_sextend_u64" | "i64_sextend_imm64":
            return signed(args[0], args[1])
        case "u64_uextend_imm64":
            return args[1] & ones(args[0])
        case "imm64_power_of_two":
            return args[0].bit_length() - 1 if _power(args[0]) else None
        case "checked_add_with_type":
            return args[1] + args[2] if args[1] + args[2] <= ones(args[0]) else None
        case "add_overflows_with_type":
            return args[1] + args[2] > ones(args[0])
        case "safe_divisor_from_imm64":
            value = signed(args[0], args[1])
            return args[1] if value not in (0, -1) else None
        case "shift_masked_imm" | "shift_amount_masked":
            return args[1] & shape(args[0]).bits - 1
    if name.startswith(("intcc_", "floatcc_", "signed_cond", "unsigned_cond")):
        return _conditions(name, args)
    if all(isinstance(one, int) for one in args):
        return arithmetic(name, args)
    return of_type(name, args)


def extract(name: str, value: Value) -> list[Value] | None:
    """What an extractor of a number gives, outermost argument first; None where it does not match. Raises
    ``NotKnown``."""
    if isinstance(value, Free):
        return [FREE]
    match name:
        case "u64_from_imm64" | "u32_from_ieee32" | "u64_from_ieee64" | "u16_from_ieee16" | "offset32_to_i32":
            return [value]
        case "u8_from_uimm8" | "uimm8" | "u128_from_constant" | "u128_from_immediate":
            return [value] if name != "uimm8" or value < 256 else None
        case "nonzero_u64_from_imm64":
            return [value] if value else None
        case "imm64_power_of_two":
            return [value.bit_length() - 1] if _power(value) else None
        case "u64_from_bool":
            return [int(value)]
    found = re.match(r"([ui])(8|16|32|64|128)_(\w+)\Z", name)
    if found is None:
        raise NotKnown(name)
    bits, what = int(found[2]), found[3]
    low = -(1 << bits - 1) if found[1] == "i" else 0
    if what.startswith("from_"):
        return [value] if low <= value < low + (1 << bits) else None
    match what:
        case "extract_non_zero":
            return [value] if value else None
        case "when_non_zero":
            return [] if value else None
        case "is_zero":
            return [bool(value == 0)]
        case "extract_power_of_two":
            return [value] if _power(value) else None
        case "replicated_u64" | "replicated_u32" | "replicated_u16" | "replicated_u8":
            half = bits // 2
            one = value & (1 << half) - 1
            return [one] if value == one << half | one else None
        case "low_bits":
            return [value & (1 << bits // 2) - 1]
        case "high_bits":
            return [value >> bits // 2]
    raise NotKnown(name)
