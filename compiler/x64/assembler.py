"""The assembler: rows, jumps, loads, stores and exits, written into a buffer of code.

``Assembler`` is what every piece of code needs, the hand-written stubs too. ``FunctionAssembler`` knows one allocated
function: where its frame's parts are, which label each block has, and which exits are to be written behind it. It is
what pseudo instructions (``compiler.x64.pseudo``) write with; ``compiler.x64.emission`` drives both.

The frame, from high addresses to low; rbp is 16-aligned:

    [rbp+16 ..]  arguments in memory, popped by this function
    [rbp+8]      return address
    [rbp]        the caller's rbp
    [rbp-S ..]   S bytes of spill slots; word w at rbp - S + 8w
    [.. -A]      the return area of calls made from here
    [.. -T]      staged arguments of tail calls, and room for the longer argument list above them
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from compiler.abi import FSCRATCH, SCRATCH, TEMP
from compiler.emit import CodeBuffer
from compiler.layout import STATUS, STATUS_TRAP, TRAP
from compiler.machine import Allocation, MachineInst, Move, OperandKind, PReg, SpillSlot
from compiler.x64.constants import int_constant, vector_constant
from compiler.x64.encode import RBP, Mem, Place, encode
from compiler.x64.insts import CONDITIONS, ROWS
from wasm.traps import TrapKind
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

Allocs: TypeAlias = tuple[Allocation, ...]
"""Where each operand of an instruction is, in the operands' order."""

PseudoEmitter: TypeAlias = "Callable[[FunctionAssembler, MachineInst, Allocs], None]"
PSEUDO: Final[dict[str, PseudoEmitter]] = {}
"""Emission functions of instructions that are no rows, by name."""

TRAP_NUMBERS: Final = {kind: number for number, kind in enumerate(TrapKind)}

_LOAD: Final = {I32: "mov32_load", I64: "mov64_load", F32: "movss_load", F64: "movsd_load", V128: "movdqu_load"}
_STORE: Final = {I32: "mov32_store", I64: "mov64_store", F32: "movss_store", F64: "movsd_store", V128: "movdqu_store"}
_COPY: Final = {I32: "mov32", I64: "mov64", F32: "movaps", F64: "movaps", V128: "movaps"}


def emits(*names: str) -> Callable[[PseudoEmitter], PseudoEmitter]:
    """Register the emission function of pseudo instructions. Raises ``ValueError`` for a name that has one."""

    def register(function: PseudoEmitter) -> PseudoEmitter:
        for name in names:
            if name in PSEUDO or name in ROWS:
                raise ValueError(f"{name} is emitted already")
            PSEUDO[name] = function
        return function

    return register


def hw(allocation: Allocation) -> int:
    """The number of a register, of an operand that is constrained to one."""
    assert isinstance(allocation, PReg)
    return allocation.hw


def definitions(inst: MachineInst, allocs: Allocs) -> list[Allocation]:
    """Where an instruction's definitions are, in order."""
    return [place for operand, place in zip(inst.operands, allocs, strict=True) if operand.kind is OperandKind.DEF]


class Assembler:
    """Writes instructions behind each other. Labels are the buffer's (``compiler.emit.CodeBuffer``)."""

    def __init__(self) -> None:
        self.buffer = CodeBuffer()

    def asm(self, name: str, *places: Place, imm: int = 0) -> None:
        """One row's instruction."""
        self.buffer.code += encode(ROWS[name], places, imm)

    def jump(self, label: int, condition: str | None = None) -> None:
        """To a label, if the flags meet the condition. Always the long form: a label may still be unplaced."""
        if condition is None:
            self.buffer.code.append(0xE9)
        else:
            self.buffer.code += bytes((0x0F, 0x80 + CONDITIONS.index(condition)))
        self.buffer.rel32(label)

    def runtime(self) -> Mem:
        """Load the Runtime block's address into the temporary; the result is its first byte."""
        self.buffer.code += b"\x49\xba"  # mov r10, imm64
        self.buffer.reloc("runtime")
        return Mem(TEMP.hw)


class FunctionAssembler(Assembler):
    """The assembler of one function. ``slots`` are words of its spill slots; ``area``, ``staging`` and ``grows`` as
    ``compiler.x64.emission.emit_function`` has them. ``goes_to[b]`` is the block whose code block b's label leads to.
    """

    def __init__(self, slots: int, area: int, staging: int, grows: int, goes_to: Sequence[int]) -> None:
        super().__init__()
        self.spill = -(-slots // 2) * 16
        self.area = area
        # A tail call to a longer argument list writes below rbp; what waits at the bottom must lie below that.
        self.frame = self.spill + area + staging + (grows + 32 if staging or grows else 0)
        self.goes_to = goes_to
        own = [self.buffer.label() for _ in goes_to]
        self.labels = [own[target] for target in goes_to]
        # The block whose code is written next: control falls into it. -1 behind the last one.
        self.following = -1
        # Code that is jumped to and stands behind the function: (label, what writes it).
        self.out_of_line: list[tuple[int, Callable[[], None]]] = []
        self._leaves: dict[tuple[int, int | None], int] = {}

    def next_is(self, block: int) -> bool:
        """Whether control falls into the block, or what it goes to, without a jump."""
        return self.goes_to[block] == self.following

    # Places.

    def slot(self, slot: SpillSlot) -> Mem:
        return Mem(RBP, 8 * slot.word - self.spill)

    def place(self, allocation: Allocation) -> Place:
        return allocation.hw if isinstance(allocation, PReg) else self.slot(allocation)

    def area_at(self, offset: int) -> Mem:
        return Mem(RBP, offset - self.spill - self.area)

    # Values.

    def load(self, type_: NumType, target: Allocation, source: Mem) -> None:
        """Memory to a register, or by a scratch register to a slot."""
        scratch = SCRATCH if type_ in (I32, I64) else FSCRATCH
        preg = target if isinstance(target, PReg) else scratch
        self.asm(_LOAD[type_], preg.hw, source)
        if isinstance(target, SpillSlot):
            self.asm(_STORE[type_], self.slot(target), scratch.hw)

    def store(self, type_: NumType, target: Mem, source: Allocation) -> None:
        """A register, or by a scratch register a slot, to memory."""
        scratch = SCRATCH if type_ in (I32, I64) else FSCRATCH
        if isinstance(source, SpillSlot):
            self.asm(_LOAD[type_], scratch.hw, self.slot(source))
            source = scratch
        self.asm(_STORE[type_], target, source.hw)

    def move(self, move: Move) -> None:
        source, target = move.source, move.target
        if isinstance(target, SpillSlot):
            self.store(move.type, self.slot(target), source)
        elif isinstance(source, SpillSlot):
            self.load(move.type, target, self.slot(source))
        else:
            self.asm(_COPY[move.type], target.hw, source.hw)

    def constant(self, type_: NumType, target: PReg, bits: int) -> None:
        """A bit pattern into a register; flags are left alone."""
        steps = [int_constant(target.hw, bits)] if type_ in (I32, I64) else vector_constant(target.hw, bits)
        for name, places, imm in steps:
            self.asm(name, *places, imm=imm)

    # Ways out.

    def call_thunk(self, request_number: int) -> None:
        """Call the runtime: its number goes in edi."""
        self.asm("mov32_imm", 7, imm=request_number)
        self.buffer.code.append(0xE8)
        self.buffer.reloc("thunk")

    def leave(self, status: int, trap: int | None = None) -> None:
        """Store why compiled code is left, and go."""
        runtime = self.runtime()
        if trap is not None:
            self.asm("mov64_store_i32", runtime._replace(disp=TRAP), imm=trap)
        self.asm("mov64_store_i32", runtime._replace(disp=STATUS), imm=status)
        self.buffer.code.append(0xE9)
        self.buffer.reloc("exit")

    def leave_label(self, status: int, trap: int | None = None) -> int:
        """The label of this function's exit for a status and kind of trap; written once, behind the function."""
        label = self._leaves.get((status, trap))
        if label is None:
            label = self._leaves[(status, trap)] = self.buffer.label()
            self.out_of_line.append((label, lambda: self.leave(status, trap)))
        return label

    def trap_label(self, kind: TrapKind) -> int:
        """The label of this function's exit for a kind of trap."""
        return self.leave_label(STATUS_TRAP, TRAP_NUMBERS[kind])
