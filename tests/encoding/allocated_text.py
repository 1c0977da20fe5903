"""Allocated machine functions read back from text, and their code as text without offsets.

``compiler.machine_text.print_machine`` prints an answer of an allocator; nothing but these tests has to read one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from compiler.emit import NO_INST, CompiledFunction
from compiler.machine import (
    Allocation,
    Allocations,
    Edit,
    MachineFunc,
    Move,
    PReg,
    ProgPoint,
    RegClass,
    SpillSlot,
)
from compiler.machine_text import inst_text, parse_machine
from compiler.x64.build import RowImm
from compiler.x64.disassembly import Disassembler, Line
from compiler.x64.insts import ROWS
from compiler.x64.rules.control import CallImm, TailImm
from wasm.traps import TrapKind
from wasm.valtypes import NUM_TYPES, V128

_EDIT = re.compile(r"\s+; (\S+) <- (\S+) (\w+)$")
_PLACE = re.compile(r"=((?:int|float):\d+|\[\d+\])")
_KIND = re.compile(r"<TrapKind\.(\w+): '[^']*'>")
_TYPES = {type_.name: type_ for type_ in NUM_TYPES}
_NAMES: dict[str, Any] = {**_TYPES, "CallImm": CallImm, "TailImm": TailImm, "TrapKind": TrapKind}


def parse_allocated(text: str) -> tuple[MachineFunc, Allocations]:
    """A function with ``=place`` behind each operand, moves as ``; place <- place type`` before the instruction that
    follows, and immediates behind ``;``. Nothing is verified.
    """
    lines, operands, imms, edits = [], [], [], []
    words = 0
    for line in text.splitlines():
        edit = _EDIT.match(line)
        if edit:
            move = Move(_place(edit[2]), _place(edit[1]), _TYPES[edit[3]])
            edits.append(Edit(ProgPoint(len(operands), 0), move))
            continue
        head, _, note = line.partition(" ; ")
        if line.startswith("  "):
            operands.append(tuple(map(_place, _PLACE.findall(head))))
            imms.append(_immediate(head.split()[0], note))
        lines.append(_PLACE.sub("", head))
    func = parse_machine("\n".join(lines))
    for inst, allocs, imm in zip((i for block in func.blocks for i in block.insts), operands, imms, strict=True):
        assert len(inst.operands) == len(allocs), inst.name
        inst.imm = imm
        for operand, place in zip(inst.operands, allocs, strict=True):
            if isinstance(place, SpillSlot):
                words = max(words, place.word + (2 if func.vregs[operand.vreg] is V128 else 1))
    for made in edits:
        for place in (made.move.source, made.move.target):
            if isinstance(place, SpillSlot):
                words = max(words, place.word + (2 if made.move.type is V128 else 1))
    return func, Allocations(operands, edits, words)


def _place(word: str) -> Allocation:
    if word[0] == "[":
        return SpillSlot(int(word[1:-1]))
    cls, _, number = word.partition(":")
    return PReg(RegClass(cls), int(number))


def _immediate(name: str, note: str) -> Any:
    """The immediate that prints as ``note``."""
    if name in ROWS:
        fields = {key: int(value, 0) for key, _, value in (word.partition("=") for word in note.split())}
        return RowImm(**fields, indexed="scale" in fields)
    if note.isidentifier() and note not in _NAMES and note not in ("True", "False"):
        return note
    return eval(_KIND.sub(r"TrapKind.\1", note), _NAMES) if note else None


def code_text(func: MachineFunc, answer: Allocations, code: CompiledFunction, disassemble: Disassembler) -> str:
    """Each instruction with its code below. Places that code leads to have names instead of offsets: a block's, ``L0``
    and so on inside, ``exit0`` behind the function. So a longer instruction changes nothing but itself.
    """
    return "\n".join(_function_lines(func, answer, code, disassemble)) + "\n"


def stub_text(code: CompiledFunction, disassemble: Disassembler) -> str:
    """A stub's code in the same manner."""
    return "\n".join(_Names(code, disassemble, {}, {}, len(code.code)).lines(0, len(code.code))) + "\n"


def _function_lines(
    func: MachineFunc, answer: Allocations, code: CompiledFunction, disassemble: Disassembler
) -> Iterator[str]:
    ends = [offset for offset, _ in code.lines] + [len(code.code)]
    chunks = {number: (ends[i], ends[i + 1]) for i, (_, number) in enumerate(code.lines)}
    blocks, tables = {}, {}
    number = 0
    for index, block in enumerate(func.blocks):
        blocks[chunks[number][0]] = f"block{index}"
        for inst in block.insts:
            if inst.name == "br_table":
                end = chunks[number][1]
                tables[end - 4 * (len(inst.imm) - 1)] = end
            number += 1
    names = _Names(code, disassemble, blocks, tables, chunks[NO_INST][0])
    yield f"frame {code.frame}"
    yield from names.lines(0, ends[0])
    number = 0
    for index, block in enumerate(func.blocks):
        yield f"block{index}"
        for inst in block.insts:
            yield f"  {inst_text(inst, func, answer.operands[number])}"
            yield from names.lines(*chunks[number])
            number += 1
    yield "exits"
    yield from names.lines(*chunks[NO_INST])
    for site in code.call_sites:
        handlers = " ".join(f"{'all' if tag is None else tag}:{names.of[to]}" for tag, to in site.handlers)
        yield f"protected call: {handlers}"


_ADDRESS = re.compile(r"\[0x([0-9a-f]+)\]")
"""An address relative to rip, as its target."""


class _Names:
    """The names of a function's places, and its code with them. ``tables`` are jump tables, by start: their end."""

    def __init__(
        self,
        code: CompiledFunction,
        disassemble: Disassembler,
        blocks: dict[int, str],
        tables: dict[int, int],
        exits: int,
    ) -> None:
        self.code, self.tables = code, tables
        self.patched = {
            reloc.offset: f"function {reloc.target}" if reloc.kind == "call" else reloc.kind for reloc in code.relocs
        }
        starts = [0, *(at for table in tables.items() for at in table), len(code.code)]
        self.code_lines: list[Line] = []
        for start, end in zip(starts[::2], starts[1::2], strict=True):
            self.code_lines += disassemble(code.code[start:end], start)
        targets = {site for call in code.call_sites for _, site in call.handlers}
        for line in self.code_lines:
            if not self._patch(line):
                targets |= {line.target} - {None} | {int(at, 16) for at in _ADDRESS.findall(line.text)}
        inner = sorted(targets - set(blocks))
        self.of = dict(blocks)
        for name, of_kind in (("L", [at for at in inner if at < exits]), ("exit", [at for at in inner if at >= exits])):
            self.of.update({at: f"{name}{i}" for i, at in enumerate(of_kind)})

    def _patch(self, line: Line) -> str:
        """What the image fills into an instruction."""
        return next((self.patched[at] for at in range(line.offset, line.offset + line.size) if at in self.patched), "")

    def lines(self, start: int, end: int) -> Iterator[str]:
        for line in self.code_lines:
            if start <= line.offset < end:
                name = self.of.get(line.offset, "block")
                if not name.startswith("block"):
                    yield f"    {name}"
                yield f"      {self._text(line)}"
        for table, behind in self.tables.items():
            if start <= table < end:
                yield f"    {self.of[table]}"
                for at in range(table, behind, 4):
                    distance = int.from_bytes(self.code.code[at : at + 4], "little", signed=True)
                    yield f"      {self.of[table + distance]} - {self.of[table]}"

    def _text(self, line: Line) -> str:
        patch = self._patch(line)
        mnemonic, _, operands = line.text.partition(" ")
        if patch:
            return f"{mnemonic} {patch}" if line.target is not None else f"{mnemonic} {operands.split(',')[0]}, {patch}"
        if line.target is not None:
            return f"{mnemonic} {self.of[line.target]}"
        return _ADDRESS.sub(lambda match: f"[{self.of[int(match[1], 16)]}]", line.text)
