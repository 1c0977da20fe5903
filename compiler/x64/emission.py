"""From an allocated machine function to bytes: frame, moves, rows, and pseudo instructions.

The frame, from high addresses to low; rbp is 16-aligned:

    [rbp+16 ..]  arguments in memory, popped by this function
    [rbp+8]      return address
    [rbp]        the caller's rbp
    [rbp-S ..]   S bytes of spill slots; word w at rbp - S + 8w
    [.. -A]      the return area of calls made from here
    [.. -T]      staged arguments of tail calls, and room for the longer argument list above them
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from compiler.abi import FSCRATCH, SCRATCH, TEMP
from compiler.emit import NO_INST, CodeBuffer, CompiledFunction
from compiler.layout import STACK_LIMIT, STATUS, STATUS_STACK, STATUS_TRAP, TRAP
from compiler.machine import (
    Allocation,
    Allocations,
    MachineFunc,
    MachineInst,
    Move,
    OperandKind,
    PReg,
    SpillSlot,
)
from compiler.x64.build import RowImm
from compiler.x64.constants import int_constant, vector_constant
from compiler.x64.encode import NO_REGISTER, RBP, RSP, Mem, Place, encode
from compiler.x64.insts import CONDITIONS, ROWS
from wasm.traps import TrapKind
from wasm.valtypes import F32, F64, I32, I64, V128, NumType

Found: TypeAlias = tuple[Allocation, ...]
PseudoEmitter: TypeAlias = "Callable[[Emitter, MachineInst, Found], None]"
PSEUDO: Final[dict[str, PseudoEmitter]] = {}
"""Emission functions of instructions that are no rows, by name."""

TRAP_NUMBERS: Final = {kind: number for number, kind in enumerate(TrapKind)}

_LOAD: Final = {I32: "mov32_load", I64: "mov64_load", F32: "movss_load", F64: "movsd_load", V128: "movdqu_load"}
_STORE: Final = {I32: "mov32_store", I64: "mov64_store", F32: "movss_store", F64: "movsd_store", V128: "movdqu_store"}
_COPY: Final = {I32: "mov32", I64: "mov64", F32: "movaps", F64: "movaps", V128: "movaps"}


def emits(*names: str) -> Callable[[PseudoEmitter], PseudoEmitter]:
    """Register the emission function of pseudo instructions."""

    def register(function: PseudoEmitter) -> PseudoEmitter:
        for name in names:
            if name in PSEUDO or name in ROWS:
                raise ValueError(f"{name} is emitted already")
            PSEUDO[name] = function
        return function

    return register


class Emitter:
    """The state of one function's emission, and the assembler that pseudo instructions use."""

    def __init__(self, func: MachineFunc, answer: Allocations, area: int, staging: int, grows: int) -> None:
        self.func, self.answer = func, answer
        self.buffer = CodeBuffer()
        self.spill = -(-answer.slots // 2) * 16
        self.area = area
        # A tail call to a longer argument list writes below rbp; what waits at the bottom must lie below that.
        self.frame = self.spill + area + staging + (grows + 32 if staging or grows else 0)
        # A block that only jumps is its target: nothing is emitted for it.
        self.goes_to = _skip_jumps(func, answer)
        own = [self.buffer.label() for _ in func.blocks]
        self.labels = [own[target] for target in self.goes_to]
        self.following = -1
        self.stubs: list[tuple[int, Callable[[], None]]] = []
        self._leaves: dict[tuple[int, int | None], int] = {}

    # The assembler.

    def asm(self, name: str, *places: Place, imm: int = 0) -> None:
        """One row's instruction."""
        self.buffer.code += encode(ROWS[name], places, imm)

    def jump(self, label: int, condition: str | None = None) -> None:
        if condition is None:
            self.buffer.code.append(0xE9)
        else:
            self.buffer.code += bytes((0x0F, 0x80 + CONDITIONS.index(condition)))
        self.buffer.rel32(label)

    def slot(self, slot: SpillSlot) -> Mem:
        return Mem(RBP, 8 * slot.word - self.spill)

    def place(self, found: Allocation) -> Place:
        return found.hw if isinstance(found, PReg) else self.slot(found)

    def area_at(self, offset: int) -> Mem:
        return Mem(RBP, offset - self.spill - self.area)

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

    def runtime(self) -> Mem:
        """Load the Runtime block's address into the temporary; the result is its first byte."""
        self.buffer.code += b"\x49\xba"  # mov r10, imm64
        self.buffer.reloc("runtime")
        return Mem(TEMP.hw)

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
            self.stubs.append((label, lambda: self.leave(status, trap)))
        return label

    def trap_label(self, kind: TrapKind) -> int:
        """The label of this function's exit for a kind of trap."""
        return self.leave_label(STATUS_TRAP, TRAP_NUMBERS[kind])

    # The function.

    def run(self, name: str) -> CompiledFunction:
        edits: dict[tuple[int, int], list[Move]] = {}
        for edit in self.answer.edits:
            edits.setdefault((edit.point.inst, edit.point.after), []).append(edit.move)
        lines = []
        number = 0
        self._prologue()
        emitted = [index for index, target in enumerate(self.goes_to) if index == target]
        after = dict(zip(emitted, [*emitted[1:], -1], strict=True))
        for index, block in enumerate(self.func.blocks):
            if index not in after:
                lines.append((len(self.buffer.code), number))
                number += 1
                continue
            self.following = after[index]
            self.buffer.place(self.labels[index])
            for inst in block.insts:
                lines.append((len(self.buffer.code), number))
                for move in edits.get((number, 0), ()):
                    self.move(move)
                self._inst(inst, self.answer.operands[number])
                for move in edits.get((number, 1), ()):
                    self.move(move)
                number += 1
        lines.append((len(self.buffer.code), NO_INST))
        for label, write in self.stubs:
            self.buffer.place(label)
            write()
        return self.buffer.finish(name, self.frame, lines)

    def _prologue(self) -> None:
        """Open the frame; the limit is compared before sp moves, so that a huge frame cannot jump a guard page."""
        self.asm("push", RBP)
        self.asm("mov64", RBP, RSP)
        runtime = self.runtime()
        self.asm("lea64", SCRATCH.hw, Mem(RSP, -self.frame))
        self.asm("cmp64_load", SCRATCH.hw, runtime._replace(disp=STACK_LIMIT))
        self.jump(self.leave_label(STATUS_STACK), "b")
        if self.frame:
            self.asm("mov64", RSP, SCRATCH.hw)

    def _inst(self, inst: MachineInst, found: Found) -> None:
        special = PSEUDO.get(inst.name)
        if special is not None:
            special(self, inst, found)
            return
        row = ROWS[inst.name]
        imm: RowImm = inst.imm
        places: list[Place] = []
        position = 0
        for slot in row.slots:
            if slot.place == "m":
                base, idx = found[position], NO_REGISTER
                assert isinstance(base, PReg)
                position += 1
                if imm.indexed:
                    register = found[position]
                    assert isinstance(register, PReg)
                    idx = register.hw
                    position += 1
                places.append(Mem(base.hw, imm.disp, idx, imm.scale))
            else:
                places.append(self.place(found[position]))
                position += 1
        self.buffer.code += encode(row, tuple(places), imm.imm)

    def next_is(self, block: int) -> bool:
        """Whether control falls into the block, or what it goes to, without a jump."""
        return self.goes_to[block] == self.following


def _skip_jumps(func: MachineFunc, answer: Allocations) -> list[int]:
    """For each block the one that its label stands for: chains of lone jumps without moves are followed to the end."""
    moved = {edit.point.inst for edit in answer.edits}
    number = 0
    onward: list[int] = []
    for index, block in enumerate(func.blocks):
        lone = index > 0 and len(block.insts) == 1 and block.insts[0].name == "jmp" and number not in moved
        onward.append(block.edges[0].block if lone else index)
        number += len(block.insts)
    found = []
    for index in range(len(onward)):
        target, seen = index, {index}
        while onward[target] != target:
            target = onward[target]
            if target in seen:  # blocks that jump in a circle: an endless loop, which stays as it is
                target = index
                break
            seen.add(target)
        found.append(target)
    return found


def definitions(inst: MachineInst, found: Found) -> list[Allocation]:
    """Where an instruction's definitions are, in order."""
    return [place for operand, place in zip(inst.operands, found, strict=True) if operand.kind is OperandKind.DEF]


def hw(found: Allocation) -> int:
    """The register's number of an operand that is constrained to one."""
    assert isinstance(found, PReg)
    return found.hw


def emit_function(
    func: MachineFunc, answer: Allocations, area: int = 0, staging: int = 0, grows: int = 0
) -> CompiledFunction:
    """Bytes for an allocated function. ``area`` and ``staging`` are the lowering's; ``grows`` is by how much the
    longest tail-called argument list exceeds this function's own.
    """
    import compiler.x64.pseudo  # noqa: F401  (registers the pseudo instructions)

    return Emitter(func, answer, area, staging, grows).run(func.name)
