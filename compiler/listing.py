"""Machine code beside the machine instructions that it was made from, with their allocation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from compiler.emit import NO_INST, CompiledFunction
from compiler.machine import Allocations, MachineFunc
from compiler.machine_text import inst_text, move_text
from compiler.x64.disassembly import Disassembler, Line

_BYTES: Final = 16
"""Bytes in a row where there is no disassembler."""


def listing(
    func: MachineFunc, answer: Allocations, code: CompiledFunction, disassemble: Disassembler | None
) -> Iterator[str]:
    """The lines of a listing: blocks, instructions and edits as ``print_machine`` has them, each followed by its code.

    Offsets are from the function's start. Without a disassembler the code is in hexadecimal, and the last line says
    what to install.
    """
    starts = [offset for offset, _ in code.lines] + [len(code.code)]
    chunks = {number: (starts[i], starts[i + 1]) for i, (_, number) in enumerate(code.lines)}
    edits: dict[int, tuple[list[str], list[str]]] = {}
    for edit in answer.edits:
        edits.setdefault(edit.point.inst, ([], []))[edit.point.after].append(f"    ; {move_text(edit.move)}")
    printer = _Printer(func, code, disassemble)
    yield f"function {func.name} ; {len(code.code)} bytes, frame {code.frame}"
    yield from printer.code(0, starts[0])
    number = 0
    for index, block in enumerate(func.blocks):
        params = " ".join(f"v{param}:{func.vregs[param]}" for param in block.params)
        yield f"block {index}" + (f" ({params})" if params else "")
        for inst in block.insts:
            before, after = edits.get(number, ([], []))
            yield from before
            yield f"  {inst_text(inst, func, answer.operands[number])}"
            yield from after
            yield from printer.code(*chunks[number])
            number += 1
    yield "exits"
    yield from printer.code(*chunks[NO_INST])
    if disassemble is None:
        yield "; for instructions instead of bytes: pip install iced-x86 (or capstone)"


class _Printer:
    def __init__(self, func: MachineFunc, code: CompiledFunction, disassemble: Disassembler | None) -> None:
        self.bytes, self.disassemble = code.code, disassemble
        self.patched = {reloc.offset: _target(reloc.kind, reloc.target) for reloc in code.relocs}
        starts = {number: offset for offset, number in code.lines}
        self.blocks: dict[int, str] = {}
        number = 0
        for index, block in enumerate(func.blocks):
            # A block without code of its own begins where the next one does: the later name is the one that matters.
            self.blocks[starts[number]] = f"block {index}"
            number += len(block.insts)

    def code(self, start: int, end: int) -> Iterator[str]:
        """The code between two offsets."""
        chunk = self.bytes[start:end]
        if self.disassemble is None:
            for at in range(0, len(chunk), _BYTES):
                yield f"      {start + at:05x}  {chunk[at : at + _BYTES].hex(' ')}"
            return
        for line in self.disassemble(chunk, start):
            yield f"      {line.offset:05x}  {line.text}{self._note(line)}"

    def _note(self, line: Line) -> str:
        """What a target or an immediate that the image fills in stands for."""
        for offset in range(line.offset, line.offset + line.size):
            if offset in self.patched:
                return f"  ; {self.patched[offset]}"
        block = None if line.target is None else self.blocks.get(line.target)
        return f"  ; {block}" if block else ""


def _target(kind: str, target: int) -> str:
    return f"function {target}" if kind == "call" else kind
