"""Every pure row as native code: compiled alone in a function, run here, and compared with the row's own semantics.

Operands and results travel through the mailbox of the Runtime block. The code runs in this process, so the tests start
another one for it: ``python -m tests.lowering.native_rows --rows 'i8x16.*' --mode pressure --regs 6``. Exit code 1 if
anything differs; a crash is the exit code of a signal.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import random
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from compiler.emit import CodeBuffer, CompiledFunction
from compiler.image import lay_out
from compiler.ir import IR_OPS, Block, Branch, Function, Inst, Return, Target, ValueId
from compiler.layout import ARGS, EXIT_SP, RUNTIME_BYTES, STATUS, STATUS_TRAP, TRAP, InstanceLayout
from compiler.machine import MachineInst
from compiler.pipeline import Settings, Watcher, compile_ssa
from compiler.x64.encode import RBP, RSP, Mem, encode
from compiler.x64.insts import ROWS
from tests.language.semantics_engines import Answer, differences
from tests.language.semantics_operands import Operands, Row, integers, operand_tuples, rows
from tests.lowering.shuffle_patterns import patterns
from wasm.context import ModuleContext
from wasm.isa import OPS
from wasm.module import Module
from wasm.semantics import SEMANTICS, Pure
from wasm.semantics.lanes import repeat
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64, V128, NumType

MODES = ("plain", "twice", "branch", "select", "select_x", "constant", "pressure")
"""A row alone; with one value as both operands; as a branch's condition, or a select's (of integers or vectors); with
one operand constant; or with so many other values alive across it that its operands wait in memory."""
_CONDITIONS = ("branch", "select", "select_x")

_CONTEXT = 1000
"""The mailbox slot that serves as the instance: its first word is the Runtime block's address."""
_RESULTS, _IN, _OUT = 50, 100, 200
"""First mailbox slots of the results, and of the other values before and after; operands begin at 0."""
_CROWD = (V128,) * 16 + (I64,) * 14
_SAVED = (3, RBP, 12, 13, 14, 15)
_TEMP = 10


class Draft:
    """A function under construction: blocks of mailbox accesses around a row."""

    def __init__(self, name: str) -> None:
        self.func = Function(name, (), [], [Block()])
        self.block = self.func.blocks[0]

    def emit(self, name: str, args: tuple[ValueId, ...], imm: object, *types: NumType) -> tuple[ValueId, ...]:
        results = tuple(map(self.func.new_value, types))
        self.block.insts.append(Inst(IR_OPS.get(name) or OPS[name], args, imm, results))
        return results

    def get(self, slot: int, type_: NumType) -> ValueId:
        return self.emit("mailbox.get", (), slot, type_)[0]

    def set(self, slot: int, value: ValueId) -> None:
        self.emit("mailbox.set", (value,), slot)

    def constant(self, type_: NumType, bits: int) -> ValueId:
        return self.emit(f"{type_}.const", (), bits, type_)[0]

    def store(self, slot: int, bits: int) -> int:
        """A new block that stores an i32 and returns; its number."""
        self.block = Block((), [], Return(()))
        self.func.blocks.append(self.block)
        self.set(slot, self.constant(I32, bits))
        return len(self.func.blocks) - 1


def _numbers(types: Sequence[object] | None) -> list[NumType]:
    return [type_ for type_ in types or () if isinstance(type_, NumType)]


def draft(row: Row, mode: str, constants: dict[int, int]) -> Function:
    """The function for a row; ``constants`` has the bits of those operands that are none from the mailbox."""
    made = Draft(row.text)
    args = [
        made.constant(type_, constants[i]) if i in constants else made.get(i, type_)
        for i, type_ in enumerate(_numbers(row.op.params))
    ]
    if mode == "twice":
        args[1] = args[0]
    crowd = [made.get(_IN + i, type_) for i, type_ in enumerate(_CROWD)] if mode == "pressure" else []
    imm = row.immediates[0] if row.immediates else None
    results = made.emit(row.op.name, tuple(args), imm, *_numbers(row.op.results))
    for i, value in enumerate(crowd):
        made.set(_OUT + i, value)
    start = made.block
    if mode == "branch":
        yes, no = made.store(_RESULTS, 1), made.store(_RESULTS, 0)
        start.terminator = Branch(results[0], Target(yes), Target(no))
        return made.func
    if mode.startswith("select"):
        type_ = V128 if mode == "select_x" else I32
        results = made.emit("select", (made.constant(type_, 1), made.constant(type_, 0), results[0]), None, type_)
    for i, value in enumerate(results):
        made.set(_RESULTS + i, value)
    start.terminator = Return(())
    return made.func


def compiled(
    row: Row, mode: str, settings: Settings, constants: dict[int, int], watch: Watcher | None = None
) -> CompiledFunction:
    module = Module()
    func = draft(row, mode, constants)
    return compile_ssa(func, ModuleContext.of(module), InstanceLayout.of(module), settings, watch)


def machine_code(row: Row, mode: str, settings: Settings, constants: dict[int, int] | None = None) -> list[MachineInst]:
    """The machine instructions that a row's function is lowered to."""
    found: list[MachineInst] = []

    def watch(stage: str, result: Any) -> None:
        if stage == "machine":
            found.extend(inst for block in result.blocks for inst in block.insts)

    compiled(row, mode, settings, constants or {}, watch)
    return found


def _runtime(buffer: CodeBuffer) -> None:
    buffer.code += b"\x49\xba"  # mov r10, imm64
    buffer.reloc("runtime")


def _entry() -> CompiledFunction:
    """From C, (context, code): keep what C wants kept, note sp for the exit, call."""
    buffer = CodeBuffer()
    for register in _SAVED:
        buffer.code += encode(ROWS["push"], (register,))
    buffer.code += encode(ROWS["lea64"], (RSP, Mem(RSP, -8)))
    _runtime(buffer)
    buffer.code += encode(ROWS["mov64_store"], (Mem(_TEMP, EXIT_SP), RSP))
    buffer.code += encode(ROWS["call_reg"], (6,)) + b"\xe9"
    buffer.reloc("exit")
    return buffer.finish("entry", 0, [])


def _exit() -> CompiledFunction:
    buffer = CodeBuffer()
    _runtime(buffer)
    buffer.code += encode(ROWS["mov64_load"], (RSP, Mem(_TEMP, EXIT_SP)))
    buffer.code += encode(ROWS["lea64"], (RSP, Mem(RSP, 8)))
    for register in reversed(_SAVED):
        buffer.code += encode(ROWS["pop"], (register,))
    buffer.code += encode(ROWS["ret"], ())
    return buffer.finish("exit", 0, [])


def _thunk() -> CompiledFunction:
    """Nothing here calls the runtime."""
    return CompiledFunction("thunk", encode(ROWS["ud2"], ()))


class Native:
    """Compiled functions in executable memory, with a Runtime block of their own."""

    def __init__(self, functions: Sequence[CompiledFunction], crowded: bool = False) -> None:
        self.runtime = mmap.mmap(-1, RUNTIME_BYTES)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.runtime))
        entry = len(functions)
        image = lay_out(dict(enumerate([*functions, _entry()])), (_thunk(), _exit()), address)
        access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        self.code = mmap.mmap(-1, len(image.code), prot=access)
        self.code[:] = image.code
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.code))
        self.starts = [base + image.entries[i] for i in range(len(functions))]
        self.enter = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(base + image.entries[entry])
        self.context = address + ARGS + 16 * _CONTEXT
        self._write(_CONTEXT, address)
        self.crowded = crowded

    def _write(self, slot: int, bits: int) -> None:
        at = ARGS + 16 * slot
        self.runtime[at : at + 16] = bits.to_bytes(16, "little")

    def _read(self, slot: int, count: int = 1) -> bytes:
        at = ARGS + 16 * slot
        return self.runtime[at : at + 16 * count]

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.runtime[offset : offset + 8], "little")

    def call(self, index: int, operands: Operands, sizes: Sequence[int]) -> Answer:
        """One call; ``sizes`` are the results' in bytes."""
        for slot, bits in enumerate(operands):
            self._write(slot, bits)
        self.runtime[STATUS : STATUS + 8] = bytes(8)
        self.enter(self.context, self.starts[index])
        status = self._word(STATUS)
        if status == STATUS_TRAP:
            return frozenset((tuple(TrapKind)[self._word(TRAP)],))
        assert status == 0, f"left with status {status}"
        return tuple(int.from_bytes(self._read(_RESULTS + i)[:size], "little") for i, size in enumerate(sizes))

    def run(self, index: int, row: Row, batch: Sequence[Operands]) -> list[Answer]:
        """The answers for a batch of operands (``semantics_engines.Engine``)."""
        sizes = [type_.bits // 8 for type_ in _numbers(row.op.results)]
        before = b""
        if self.crowded:
            source = random.Random(row.text)
            before = b"".join(source.randbytes(t.bits // 8).ljust(16, b"\0") for t in _CROWD)
            at = ARGS + 16 * _IN
            self.runtime[at : at + len(before)] = before
        answers = []
        for operands in batch:
            answers.append(self.call(index, operands, sizes))
            if self.crowded and not isinstance(answers[-1], frozenset):
                assert self._read(_OUT, len(_CROWD)) == before, f"{row.text}: other values changed"
        return answers


def chosen_rows(pattern: str, mode: str, lanes: int) -> list[Row]:
    """The rows that a mode has something to say about."""
    found = [row for row in rows(lanes) if re.fullmatch(pattern, row.op.name)]
    if re.fullmatch(pattern, "i8x16.shuffle"):
        op = OPS["i8x16.shuffle"]
        found += [Row(op, (lane,), f"i8x16.shuffle {' '.join(map(str, lane))}") for lane in patterns()]
    if mode == "twice":
        return [row for row in found if len(set((row.op.params or ())[:2])) < len((row.op.params or ())[:2])]
    if mode in _CONDITIONS:
        return [row for row in found if row.op.results == (I32,)]
    if mode == "constant":
        return [row for row in found if len(row.op.params or ()) > 1]
    return found


def _branch_meaning(row: Row) -> Pure:
    meaning = SEMANTICS[row.op.name]
    return lambda *operands: int(meaning(*operands) != 0)


def _literals(row: Row) -> list[int]:
    """Constants that emission has short forms for, and their neighbours; for one row of each type."""
    if row.op.name == "v128.xor":
        masks = [repeat(width, bits) for width in (8, 16, 32, 64) for bits in integers(width)]
        halves = [1 << 64, (1 << 64) - 1, 1 << 127 | 5, 0x0123_4567_89AB_CDEF, 0x89AB_CDEF_0123_4567 << 64]
        return [*dict.fromkeys([0, *masks, *halves, *(mask ^ 1 << 77 for mask in masks[::9])])]
    if row.op.name in ("i32.xor", "i64.xor"):
        return integers(int(row.op.name[1:3]))
    return []


def _works(found: Sequence[Row], mode: str, count: int) -> Iterator[tuple[Row, dict[int, int], list[Operands]]]:
    """What to compile, and the operands to run it on."""
    for row in found:
        tuples = list(operand_tuples(row, count))
        if mode == "twice":
            tuples = [(operands[0], operands[0], *operands[2:]) for operands in tuples]
        if mode != "constant":
            yield row, {}, tuples
            continue
        for i in range(len(row.op.params or ())):
            few = dict.fromkeys(operands[i] for operands in tuples[-2:])
            for bits, runs in [*((bits, 20) for bits in few), *((bits, 2) for bits in _literals(row))]:
                yield row, {i: bits}, [(*operands[:i], bits, *operands[i + 1 :]) for operands in tuples[:runs]]


def compare(found: Sequence[Row], mode: str, settings: Settings, count: int) -> tuple[int, list[str]]:
    """How many operand tuples were run, and all differences."""
    works = list(_works(found, mode, count))
    native = Native([compiled(row, mode, settings, constants) for row, constants, _ in works], mode == "pressure")
    errors: list[str] = []
    for index, (row, _, tuples) in enumerate(works):
        meaning = _branch_meaning(row) if mode in _CONDITIONS else None
        errors += map(str, differences(native, index, row, tuples, meaning))
    return sum(len(tuples) for _, _, tuples in works), errors


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=".*", help="regular expression for the rows' names")
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--opt", choices=("none", "speed"), default="speed")
    parser.add_argument("--regs", type=int, default=12)
    parser.add_argument("--regalloc", default="single_pass")
    parser.add_argument("--spill", action="store_true", help="every value in memory between instructions")
    parser.add_argument("--count", type=int, default=60, help="operand tuples per row")
    parser.add_argument("--lanes", type=int, default=16, help="immediates per row that has any")
    given = parser.parse_args(arguments)
    settings = Settings(regalloc=given.regalloc, opt=given.opt, regs=given.regs, spill_all=given.spill)
    found = chosen_rows(given.rows, given.mode, given.lanes)
    ran, errors = compare(found, given.mode, settings, given.count)
    print(*errors[:50], sep="\n")
    print(f"{len(found)} rows, {ran} runs, {len(errors)} differences")
    return 1 if errors or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
