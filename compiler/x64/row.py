"""One row per x86-64 instruction form: its bytes and its operands' constraints come from the same place.

    row("add32", "rw:r32 r:rm32", "03 /r")

The format lists what a machine instruction's operands are, in order: an access (``r`` read, ``w`` written, ``rw`` both:
one use, and at the end of the operand list a definition that reuses its register), and a place: ``r8 r16 r32 r64`` an
integer register, ``x`` a vector register, ``rm8 .. rm64`` an integer register or a spill slot, ``xm32 xm64 xm128`` a
vector register or a slot, ``m`` an address (one or two uses of registers, and an ``Amode`` in the immediate), or a
fixed register: ``rax rcx rdx``.

The encoding is written as in the manuals (Intel SDM, volume 2, 3.1.1.1): prefixes, ``W`` for REX.W, opcode bytes,
``/r`` or ``/digit``, ``+r`` for a register in the opcode, ``ib iw id io`` for an immediate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_REGISTERS = ("r8", "r16", "r32", "r64", "x", "rax", "rcx", "rdx")
_MEMORY = ("rm8", "rm16", "rm32", "rm64", "xm32", "xm64", "xm128", "m")
PLACES: Final = frozenset((*_REGISTERS, *_MEMORY))
ACCESSES: Final = frozenset(("r", "w", "rw"))
_IMM_BYTES: Final = {"ib": 1, "iw": 2, "id": 4, "io": 8}


@dataclass(frozen=True, slots=True)
class Slot:
    """One operand of a row: how it is accessed and where it may be."""

    access: str
    place: str

    @property
    def is_vector(self) -> bool:
        return self.place[0] == "x"

    @property
    def takes_memory(self) -> bool:
        """Whether a spill slot can be encoded in its place."""
        return "m" in self.place and self.place != "m"

    @property
    def is_fixed(self) -> bool:
        return self.place in ("rax", "rcx", "rdx")

    @property
    def bits(self) -> int:
        """Width of an integer register place; 128 for a vector register."""
        if self.is_vector:
            return 128
        digits = self.place.lstrip("rm")
        return int(digits) if digits.isdecimal() else 64


@dataclass(frozen=True, slots=True)
class Row:
    """A row. ``map`` is 0 for one-byte opcodes, 1 for 0F, 2 for 0F 38, 3 for 0F 3A.

    ``digit`` is the opcode extension in ModRM.reg or None; ``in_opcode``: a register in the opcode's low bits.
    ``modrm`` says whether there is a ModRM byte. ``imm`` is the immediate's size in bytes.
    """

    name: str
    slots: tuple[Slot, ...]
    prefix: int
    wide: bool
    map: int
    opcode: int
    modrm: bool
    digit: int | None
    in_opcode: bool
    imm: int


ROWS: Final[dict[str, Row]] = {}


def row(name: str, format_: str, encoding: str) -> Row:
    """Add a row. Raises ``ValueError`` for a name that is taken or words that are none of the above."""
    if name in ROWS:
        raise ValueError(f"{name} is in the table already")
    slots = []
    for word in format_.split():
        access, _, place = word.partition(":")
        if access not in ACCESSES or place not in PLACES:
            raise ValueError(f"{name}: {word!r} is no operand")
        slots.append(Slot(access, place))
    made = ROWS[name] = _encoding(name, tuple(slots), encoding)
    return made


def _encoding(name: str, slots: tuple[Slot, ...], encoding: str) -> Row:
    prefix, wide, map_, digit, modrm, in_opcode, imm = 0, False, 0, None, False, False, 0
    code: list[int] = []
    for word in encoding.split():
        if word == "W":
            wide = True
        elif word == "/r":
            modrm = True
        elif word[0] == "/":
            modrm, digit = True, int(word[1:])
        elif word == "+r":
            in_opcode = True
        elif word in _IMM_BYTES:
            imm = _IMM_BYTES[word]
        elif not code and word in ("66", "F2", "F3"):
            prefix = int(word, 16)
        else:
            code.append(int(word, 16))
    if len(code) > 1 and code[0] == 0x0F:
        map_ = {0x38: 2, 0x3A: 3}.get(code[1], 1) if len(code) > 2 else 1
    elif len(code) != 1:
        raise ValueError(f"{name}: {encoding!r} is no encoding")
    return Row(name, slots, prefix, wide, map_, code[-1], modrm, digit, in_opcode, imm)
