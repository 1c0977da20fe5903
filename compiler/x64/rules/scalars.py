"""What the rules for scalars share: names, immediates, traps on flags, addresses from an i32."""

from __future__ import annotations

from typing import Final

from compiler.ir import Inst, ValueId
from compiler.lower import Lowering
from compiler.machine import VReg
from compiler.x64.build import build, pseudo
from wasm.traps import TrapKind
from wasm.valtypes import I64, NumType

BITS: Final = {"i32": 32, "i64": 64}
"""Width of the integer types that a row's name begins with."""
SUFFIX: Final = {"f32": "ss", "f64": "sd"}
"""What the scalar instructions on a float type end with."""


def split(inst: Inst) -> tuple[int, str]:
    """Width in bits and the operation's word of ``i32.add``."""
    type_, _, name = inst.op.name.partition(".")
    return BITS[type_], name


def split_float(inst: Inst) -> tuple[str, str]:
    """Suffix and the operation's word of ``f32.add``: ``ss`` and ``add``."""
    type_, _, name = inst.op.name.partition(".")
    return SUFFIX[type_], name


def signed32(c: Lowering, value: ValueId) -> int | None:
    """A constant that an instruction can hold as a sign-extended 32-bit immediate."""
    bits = c.constant(value)
    if bits is None:
        return None
    width = c.type_of(value).bits
    number = bits - (1 << width) if bits >> width - 1 else bits
    return number if -(1 << 31) <= number < 1 << 31 else None


def alu(c: Lowering, name: str, bits: int, left: VReg, right: ValueId, out: VReg | None = None) -> VReg:
    """``name left, right`` with the shortest form for a constant."""
    number = signed32(c, right) if c.settings.opt != "none" else None
    if number is None:
        return build(c, f"{name}{bits}", left, c.use(right), out=out)
    short = "i8" if -128 <= number < 128 else "i32"
    return build(c, f"{name}{bits}_{short}", left, imm=number, out=out)


def trap_if(c: Lowering, condition: str, kind: TrapKind) -> None:
    """Trap if the flags, just set, meet a condition. Moves that an allocator may put between do not touch flags."""
    pseudo(c, "trap_if", (), (condition, kind))


def zero_extended(c: Lowering, value: ValueId) -> VReg:
    """An i32 as a 64-bit address or index.

    Every instruction that makes, loads or moves an i32 zeroes the upper half of its register (Intel SDM, volume 1,
    3.4.1.1), so the register can be used as it is; without optimization the extension is made all the same.
    """
    type_: NumType = c.type_of(value)
    if type_ is I64:
        return c.use(value)
    known = c.constant(value)
    if known is not None:
        return c.make_constant(I64, known)
    if c.settings.opt != "none":
        return c.use(value)
    wide = c.new(I64)
    build(c, "mov32", c.use(value), out=wide)
    return wide
