"""What rules are written in: the types and operators of Cranelift's intermediate language, as far as WebAssembly makes
them. General knowledge of its documentation (cranelift/docs/ir.md), written down once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

TYPES: Final = (
    "i32", "i64", "i8x16", "i16x8", "f64", "f32", "i32x4", "i64x2", "f64x2", "f32x4", "i8", "i16",
)  # fmt: skip
"""The types that WebAssembly's instructions are translated to; in the order in which a rule is tried on them."""
FOREIGN: Final = ("i128", "f16", "f128")
"""Types that no instruction of ours is translated to."""

_SHAPE: Final = re.compile(r"([if])(\d+)(?:x(\d+))?\Z")


@dataclass(frozen=True, slots=True)
class Shape:
    """A type's parts: ``bits`` of a lane, ``lanes`` 1 for a scalar."""

    floating: bool
    bits: int
    lanes: int

    @property
    def name(self) -> str:
        return f"{'f' if self.floating else 'i'}{self.bits}{f'x{self.lanes}' if self.lanes > 1 else ''}"

    @property
    def whole(self) -> int:
        return self.bits * self.lanes


def shape(type_: str) -> Shape:
    found = _SHAPE.match(type_)
    if found is None:
        raise ValueError(f"{type_} is no type")
    return Shape(found[1] == "f", int(found[2]), int(found[3] or 1))


def is_type(name: str) -> bool:
    return _SHAPE.match(name) is not None


def is_int(type_: str) -> bool:
    """Whether this is a scalar integer."""
    parts = shape(type_)
    return not parts.floating and parts.lanes == 1


def lane_type(type_: str) -> str:
    parts = shape(type_)
    return Shape(parts.floating, parts.bits, 1).name


def truth_type(type_: str) -> str:
    """What a comparison of two of these gives: i8, or lanes of ones and zeros."""
    parts = shape(type_)
    return "i8" if parts.lanes == 1 else Shape(False, parts.bits, parts.lanes).name


INTCCS: Final = {
    "Equal": "eq", "NotEqual": "ne", "SignedLessThan": "lt_s", "SignedGreaterThanOrEqual": "ge_s",
    "SignedGreaterThan": "gt_s", "SignedLessThanOrEqual": "le_s", "UnsignedLessThan": "lt_u",
    "UnsignedGreaterThanOrEqual": "ge_u", "UnsignedGreaterThan": "gt_u", "UnsignedLessThanOrEqual": "le_u",
}  # fmt: skip
"""Conditions on integers, with our table's word for each."""
FLOATCCS: Final = {
    "Equal": "eq", "NotEqual": "ne", "LessThan": "lt", "LessThanOrEqual": "le", "GreaterThan": "gt",
    "GreaterThanOrEqual": "ge",
}  # fmt: skip
"""Those conditions on floats that WebAssembly has."""
SWAPPED: Final = {
    "Equal": "Equal", "NotEqual": "NotEqual", "SignedLessThan": "SignedGreaterThan",
    "SignedGreaterThanOrEqual": "SignedLessThanOrEqual", "SignedGreaterThan": "SignedLessThan",
    "SignedLessThanOrEqual": "SignedGreaterThanOrEqual", "UnsignedLessThan": "UnsignedGreaterThan",
    "UnsignedGreaterThanOrEqual": "UnsignedLessThanOrEqual", "UnsignedGreaterThan": "UnsignedLessThan",
    "UnsignedLessThanOrEqual": "UnsignedGreaterThanOrEqual", "LessThan": "GreaterThan", "GreaterThan": "LessThan",
    "LessThanOrEqual": "GreaterThanOrEqual", "GreaterThanOrEqual": "LessThanOrEqual",
}  # fmt: skip
COMPLEMENT: Final = {
    "Equal": "NotEqual", "NotEqual": "Equal", "SignedLessThan": "SignedGreaterThanOrEqual",
    "SignedGreaterThanOrEqual": "SignedLessThan", "SignedGreaterThan": "SignedLessThanOrEqual",
    "SignedLessThanOrEqual": "SignedGreaterThan", "UnsignedLessThan": "UnsignedGreaterThanOrEqual",
    "UnsignedGreaterThanOrEqual": "UnsignedLessThan", "UnsignedGreaterThan": "UnsignedLessThanOrEqual",
    "UnsignedLessThanOrEqual": "UnsignedGreaterThan",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operator:
    """``args`` are kinds, one letter each:

    v a value; c, f a condition on integers, on floats; k a constant; l a lane; m a shuffle's mask; and what no
    condition looks at: F flags of an access, a an address, o an offset, x anything else.

    ``typing`` names the relation between its types (``generators.rules.typings``).
    """

    args: str
    typing: str


def _operators() -> dict[str, Operator]:
    found: dict[str, Operator] = {}

    def add(words: str, args: str, typing: str) -> None:
        found.update({word: Operator(args, typing) for word in words.split()})

    add("iadd isub imul sdiv udiv srem urem smin umin smax umax smulhi umulhi avg_round", "vv", "ints")
    add("sadd_sat uadd_sat ssub_sat usub_sat sqmul_round_sat iadd_pairwise", "vv", "lanes")
    add("band bor bxor band_not bor_not bxor_not", "vv", "same")
    add("fadd fsub fmul fdiv fmin fmax fcopysign fmin_pseudo fmax_pseudo", "vv", "floats")
    add("fneg fabs sqrt ceil floor trunc nearest", "v", "floats")
    add("fma", "vvv", "floats")
    add("bnot", "v", "same")
    add("ineg iabs popcnt", "v", "ints")
    add("clz ctz cls bitrev bswap", "v", "scalar")
    add("bitselect", "vvv", "same")
    add("swizzle x86_pshufb", "vv", "bytes")
    add("ishl ushr sshr rotl rotr", "vv", "shift")
    add("icmp", "cvv", "icmp")
    add("fcmp", "fvv", "fcmp")
    add("select", "vvv", "select")
    add("uextend sextend", "v", "extend")
    add("ireduce", "v", "reduce")
    add("bmask", "v", "scalars")
    add("splat scalar_to_vector", "v", "splat")
    add("extractlane", "vl", "extract")
    add("insertlane", "vvl", "insert")
    add("shuffle", "vvm", "bytes")
    add("fcvt_from_sint fcvt_from_uint", "v", "from_int")
    add("fcvt_to_sint fcvt_to_uint", "v", "to_int")
    add("fcvt_to_sint_sat fcvt_to_uint_sat", "v", "to_int")
    add("x86_cvtt2dq", "v", "to_int")
    add("fpromote", "v", "promote")
    add("fdemote", "v", "demote")
    add("fvpromote_low", "v", "vpromote")
    add("fvdemote", "v", "vdemote")
    add("swiden_low swiden_high uwiden_low uwiden_high", "v", "widen")
    add("snarrow unarrow uunarrow", "vv", "narrow")
    add("x86_pmaddubsw", "vv", "maddubs")
    add("vany_true vall_true", "v", "vtest")
    add("vhigh_bits", "v", "bits")
    add("bitcast", "Fv", "cast")
    add("load", "Fao", "load")
    add("uload8 sload8", "Fao", "load8")
    add("uload16 sload16", "Fao", "load16")
    add("uload32 sload32", "Fao", "load32")
    add("sload8x8 uload8x8", "Fao", "load8x8")
    add("sload16x4 uload16x4", "Fao", "load16x4")
    add("sload32x2 uload32x2", "Fao", "load32x2")
    add("store", "Fvao", "store")
    add("istore8", "Fvao", "store8")
    add("istore16", "Fvao", "store16")
    add("istore32", "Fvao", "store32")
    add("brif", "vxx", "branch")
    return found


OPERATORS: Final = _operators()
CONSTS: Final = {"iconst": "scalar int", "f32const": "f32", "f64const": "f64", "vconst": "vector"}
"""Constants are one operator of ours, ``const``, whose type says which of these it is."""
FOREIGN_OPS: Final = {
    "iconcat": "128-bit integers", "isplit": "128-bit integers", "f16const": "f16", "f128const": "f128",
    "uadd_overflow": "operations that tell of overflow", "sadd_overflow": "operations that tell of overflow",
    "usub_overflow": "operations that tell of overflow", "ssub_overflow": "operations that tell of overflow",
    "umul_overflow": "operations that tell of overflow", "smul_overflow": "operations that tell of overflow",
    "uadd_overflow_trap": "checks of bounds that the compiler makes itself", "trapz": "traps that the compiler makes",
    "trapnz": "traps that the compiler makes", "trap": "traps that the compiler makes",
    "select_spectre_guard": "checks of bounds that the compiler makes itself",
    "uadd_overflow_cin": "operations with a carry", "sadd_overflow_cin": "operations with a carry",
    "usub_overflow_bin": "operations with a carry", "ssub_overflow_bin": "operations with a carry",
    "atomic_load": "atomic accesses", "atomic_store": "atomic accesses", "atomic_rmw": "atomic accesses",
    "atomic_cas": "atomic accesses", "fence": "atomic accesses", "call": "calls", "call_indirect": "calls",
    "return": "control flow", "return_call": "calls", "return_call_indirect": "calls", "jump": "control flow",
    "br_table": "control flow", "try_call": "calls", "try_call_indirect": "calls", "func_addr": "addresses of symbols",
    "symbol_value": "addresses of symbols", "tls_value": "addresses of symbols", "stack_addr": "the stack's addresses",
    "get_frame_pointer": "the stack's addresses", "get_stack_pointer": "the stack's addresses",
    "get_return_address": "the stack's addresses", "stack_switch": "switches of stacks",
    "get_pinned_reg": "pinned registers", "set_pinned_reg": "pinned registers", "debugtrap": "traps of a debugger",
    "extract_vector": "vectors of dynamic size", "nop": "instructions that do nothing",
    "dummy_use": "instructions that do nothing", "sequence_point": "instructions that do nothing",
    "get_exception_handler_address": "addresses of handlers", "blendv": "blends", "x86_blendv": "blends",
    "resumable_trap": "traps of a debugger", "resumable_trapnz": "traps of a debugger", "bint": "booleans",
    "bconst": "booleans", "null": "references", "is_null": "references", "is_invalid": "references",
    "patchable_call": "calls", "landing_pad": "control flow", "ifcmp": "flags", "trapif": "flags", "vsplit": "vectors "
    "in parts", "vconcat": "vectors in parts", "bextend": "booleans", "breduce": "booleans",
}  # fmt: skip
"""Operators that no instruction of WebAssembly is translated to here, by what they are about."""
