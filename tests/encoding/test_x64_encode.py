"""Every row, every register and every form of address, against a foreign disassembler (iced-x86).

The text that the disassembler prints is compared with the text that the row's name and places imply. The whole sweep is
over two million encodings: `FUZZ_FULL_SWEEP=1 pytest tests/encoding`; without the variable each row is sampled.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import pytest
from iced_x86 import Decoder, Formatter, FormatterSyntax

from compiler.x64.encode import NO_REGISTER, RIP, Mem, Place, encode
from compiler.x64.insts import ROWS
from compiler.x64.row import Row, Slot

FULL = bool(os.environ.get("FUZZ_FULL_SWEEP"))

R64 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{i}" for i in range(8, 16))]
R32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", *(f"r{i}d" for i in range(8, 16))]
R16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", *(f"r{i}w" for i in range(8, 16))]
R8 = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", *(f"r{i}b" for i in range(8, 16))]
NAMES = {8: R8, 16: R16, 32: R32, 64: R64, 128: [f"xmm{i}" for i in range(16)]}
DISPS = (0, 1, -1, 127, 128, -128, -129, 0x7FFFFFFF, -0x80000000)
IMMS = {0: (0,), 1: (0, 1, 7, 127, 128, 255), 2: (0, 8, 0xFFF8), 4: (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)}
IMMS[8] = (0, 1, 1 << 63, (1 << 64) - 1)

ALIASES = {"cdq64": "cqo", "call_reg": "call", "jmp_reg": "jmp"}


def mnemonic(row: Row) -> str:
    if row.name in ALIASES:
        return ALIASES[row.name]
    word = row.name.split("_")[0]
    return re.sub(r"(?<=[a-z])(8|16|32|64|1)$", "", word)


def memories(full: bool) -> list[Mem]:
    disps = DISPS if full else (0, 127, -129)
    found = [Mem(base, disp) for base in range(16) for disp in disps]
    scales = (1, 2, 4, 8) if full else (1, 8)
    indexes = [i for i in range(16) if i != 4] if full else [0, 5, 12]
    found += [
        Mem(base, disp, index, scale)
        for base in (range(16) if full else (0, 4, 5, 13))
        for index in indexes
        for scale in scales
        for disp in (disps if full else (0, 128))
    ]
    found += [Mem(NO_REGISTER, disp, index, 4) for index in indexes for disp in (0, 64)]
    found += [Mem(NO_REGISTER, 0x1000), Mem(RIP, 0), Mem(RIP, -5)]
    return found


FEW, MANY = memories(False), memories(True)


def place_text(slot: Slot, place: Place, size: int) -> str:
    if isinstance(place, int):
        return NAMES[slot.bits][place]
    if place.base == RIP:
        return f"[{(size + place.disp) & (1 << 64) - 1:x}h]"
    words = [] if place.base == NO_REGISTER else [R64[place.base]]
    if place.idx != NO_REGISTER:
        words.append(R64[place.idx] + ("" if place.scale == 1 and words else f"*{place.scale}"))
    text = "+".join(words)
    if place.disp or not words:
        sign = "-" if place.disp < 0 and words else "+" if words else ""
        text += f"{sign}{abs(place.disp):x}h"
    return f"[{text}]"


def normal(text: str) -> str:
    """One spelling for what the disassembler prints: no sizes, no spaces, hexadecimal without leading zeros."""
    text = re.sub(r"\b(byte|word|dword|qword|xmmword|ptr|rel)\b|\s", "", text)
    text = re.sub(r"\b0+([0-9a-f]+h)", r"\1", text)
    return re.sub(r"(?<=[\[+\-,])(\d)(?=[\],]|$)", r"\1h", text)


def sweep(row: Row) -> Iterator[tuple[tuple[Place, ...], int]]:
    """Operands of one row: all registers in all slots, then all addresses, then all immediates."""
    free = [i for i, slot in enumerate(row.slots) if not slot.is_fixed]
    registers = [range(16) if slot.place != "m" else (Mem(0),) for slot in (row.slots[i] for i in free)]
    imm = IMMS[row.imm][-1]

    def fill(values: tuple[Place, ...]) -> tuple[Place, ...]:
        places: list[Place] = [0] * len(row.slots)
        for i, value in zip(free, values, strict=True):
            places[i] = value
        return tuple(places)

    for values in itertools.product(*registers):
        yield fill(values), imm
        if FULL and row.imm == 1:
            yield fill(values), 7
    for position, i in enumerate(free):
        if "m" not in row.slots[i].place:
            continue
        for k, mem in enumerate(MANY if FULL else FEW):
            # The register beside the address takes all values in turn.
            pair: list[Place] = [k % 16] * len(free)
            pair[position] = mem
            yield fill(tuple(pair)), imm
    for value in range(256) if FULL and row.imm == 1 else IMMS[row.imm]:
        yield fill(tuple(Mem(0) if slot.place == "m" else 9 for slot in (row.slots[i] for i in free))), value


def expected(row: Row, places: tuple[Place, ...], size: int) -> str:
    words = []
    for slot, place in zip(row.slots, places, strict=True):
        if slot.is_fixed:
            words.append("cl")
        else:
            words.append(place_text(slot, place, size))
    text = f"{mnemonic(row)} {','.join(words)}"
    return normal(text.strip())


def immediate_of(instruction: object, row: Row) -> int:
    return instruction.immediate(instruction.op_count - 1) & (1 << 8 * row.imm) - 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_row(name: str) -> None:
    row = ROWS[name]
    formatter = Formatter(FormatterSyntax.INTEL)
    formatter.uppercase_hex = False
    formatter.use_pseudo_ops = False
    formatter.space_after_operand_separator = False
    formatter.leading_zeros = False
    formatter.rip_relative_addresses = False
    formatter.show_symbol_address = False
    formatter.small_hex_numbers_in_decimal = False
    for places, imm in sweep(row):
        code = encode(row, places, imm)
        instruction = Decoder(64, code).decode()
        assert len(instruction) == len(code), f"{name} {places}: {code.hex()}"
        text = formatter.format_mnemonic(instruction)
        if instruction.op_count:
            operands = [formatter.format_operand(instruction, i) for i in range(instruction.op_count)]
            if row.imm:
                operands.pop()
                assert immediate_of(instruction, row) == imm & (1 << 8 * row.imm) - 1, f"{name} {places} {imm:#x}"
            text += " " + ",".join(operands)
        assert normal(text) == expected(row, places, len(code)).replace(" ", ""), f"{name} {places}: {code.hex()}"


def test_the_sweep_is_as_long_as_it_says() -> None:
    count = sum(1 for row in ROWS.values() for _ in sweep(row))
    assert count > (1_000_000 if FULL else 50_000)
    print(count)
