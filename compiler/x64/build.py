"""Machine instructions from rows: operands with the constraints that the row's format implies."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from compiler.abi import RAX, RCX, RDX
from compiler.lower import Lowering
from compiler.machine import (
    ANY,
    REG,
    MachineInst,
    Operand,
    PReg,
    VReg,
    define,
    fixed,
    reuse,
    use,
)
from compiler.x64.insts import ROWS
from compiler.x64.row import Slot
from wasm.valtypes import I32, I64, V128, NumType


class Address(NamedTuple):
    """``[base + idx * scale + disp]``, with virtual registers."""

    base: VReg
    disp: int = 0
    idx: VReg | None = None
    scale: int = 1


class RowImm(NamedTuple):
    """What emission needs beside a row's operands: the immediate, and the constant part of its address."""

    imm: int = 0
    disp: int = 0
    scale: int = 1
    indexed: bool = False

    def __str__(self) -> str:
        words = [f"imm={self.imm:#x}"] if self.imm else []
        words += [f"disp={self.disp:#x}"] if self.disp else []
        words += [f"scale={self.scale}"] if self.indexed else []
        return " ".join(words)


Argument: TypeAlias = VReg | Address

_FIXED: dict[str, PReg] = {"rax": RAX, "rcx": RCX, "rdx": RDX}
_MEMORY_BITS = {"rm8": 8, "rm16": 16, "rm32": 32, "rm64": 64, "xm32": 32, "xm64": 64, "xm128": 128}


def result_type(slot: Slot) -> NumType:
    """The type of a temporary for a written place; a vector register is kept whole."""
    if slot.is_vector:
        return V128
    return I64 if slot.bits == 64 else I32


def build(c: Lowering, name: str, *args: Argument, imm: int = 0, out: VReg | None = None) -> VReg:
    """Emit a row's instruction. ``args`` are for the slots that it reads, in their order.

    Returns the register that it writes: ``out``, or a new one; -1 for a row that writes none.
    """
    row = ROWS[name]
    given = iter(args)
    operands: list[Operand] = []
    tied: tuple[int, Slot] | None = None
    written = -1
    more = RowImm(imm)
    for slot in row.slots:
        if slot.access == "w":
            written = c.new(result_type(slot)) if out is None else out
            operands.append(define(written))
            continue
        value = next(given)
        if isinstance(value, Address):
            operands.append(use(value.base))
            if value.idx is not None:
                operands.append(use(value.idx))
            more = RowImm(imm, value.disp, value.scale, value.idx is not None)
        elif slot.is_fixed:
            operands.append(use(value, fixed(_FIXED[slot.place])))
        elif slot.access == "rw":
            tied = (len(operands), slot)
            operands.append(use(value))
        else:
            operands.append(_read(c, slot, value))
    if tied is not None:
        position, slot = tied
        written = c.new(result_type(slot)) if out is None else out
        operands.append(define(written, reuse(position)))
    c.emit(MachineInst(name, tuple(operands), more))
    return written


def _read(c: Lowering, slot: Slot, value: VReg) -> Operand:
    """A spill slot may stand in for the register only if it is as wide as what the instruction reads."""
    wide_enough = slot.takes_memory and c.type_of(value).bits >= _MEMORY_BITS[slot.place]
    return use(value, ANY if wide_enough else REG)


def pseudo(
    c: Lowering, name: str, operands: tuple[Operand, ...], imm: object = None, clobbers: tuple[PReg, ...] = ()
) -> None:
    """Emit an instruction that has an emission function of its own (``compiler.x64.pseudo``)."""
    c.emit(MachineInst(name, operands, imm, clobbers))
