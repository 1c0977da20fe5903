"""From a row and its operands' places to bytes (Intel SDM, volume 2, chapter 2)."""

from __future__ import annotations

from typing import Final, NamedTuple

from compiler.x64.row import Row

RSP: Final = 4
RBP: Final = 5
RIP: Final = -2
NO_REGISTER: Final = -1


class Mem(NamedTuple):
    """An address ``[base + idx * scale + disp]``. ``base`` may be ``NO_REGISTER``, or ``RIP`` (then without index).

    ``idx`` is the index register, never rsp; ``scale`` 1, 2, 4 or 8; ``disp`` is signed 32 bits.
    """

    base: int
    disp: int = 0
    idx: int = NO_REGISTER
    scale: int = 1


Place = int | Mem
"""A register's hardware encoding, or an address."""

_SCALE: Final = {1: 0, 2: 1, 4: 2, 8: 3}
_ESCAPE: Final = (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")


def modrm_slots(row: Row) -> tuple[int | None, int | None]:
    """Which of a row's slots stand in ModRM.reg and ModRM.rm (or in the opcode); None where there is none.

    The place that can be memory is rm; between two registers the first is reg. Fixed registers are not encoded.
    """
    encoded = [i for i, slot in enumerate(row.slots) if not slot.is_fixed]
    if not encoded:
        return None, None
    if len(encoded) == 1:
        return None, encoded[0]
    first, second = encoded
    return (second, first) if "m" in row.slots[first].place else (first, second)


class _Form(NamedTuple):
    """What encoding asks of a row, found out once: slots as ``modrm_slots`` gives them, and what they take."""

    row: Row
    digit: int
    reg: int | None
    rm: int | None
    reg_is_byte: bool
    rm_is_byte: bool
    rm_takes_memory: bool


_FORMS: Final[dict[str, _Form]] = {}
"""By name; a row of the same name that is not the same row replaces it."""


def _form(row: Row) -> _Form:
    reg, rm = modrm_slots(row)
    return _Form(
        row,
        row.digit or 0,
        reg,
        rm,
        reg is not None and row.slots[reg].bits == 8,
        rm is not None and row.slots[rm].bits == 8,
        rm is not None and "m" in row.slots[rm].place,
    )


def encode(row: Row, places: tuple[Place, ...], imm: int = 0) -> bytes:
    """The instruction's bytes. ``places`` follow the row's slots; ``imm`` is taken modulo its width.

    Raises ``ValueError`` for a memory place where the row takes a register only, or a displacement over 32 bits.
    """
    form = _FORMS.get(row.name)
    if form is None or form.row is not row:
        form = _FORMS[row.name] = _form(row)
    reg = form.digit
    force_rex = False
    if form.reg is not None:
        place = places[form.reg]
        if isinstance(place, Mem):
            raise ValueError(f"{row.name}: operand {form.reg} takes no memory")
        reg = place
        # spl, bpl, sil and dil exist with a REX prefix only; without one the same codes are ah, ch, dh and bh.
        force_rex = form.reg_is_byte and 4 <= reg < 8
    rm: Place = 0
    if form.rm is not None:
        rm = places[form.rm]
        if isinstance(rm, Mem):
            if not form.rm_takes_memory:
                raise ValueError(f"{row.name}: operand {form.rm} takes no memory")
        elif form.rm_is_byte and 4 <= rm < 8:
            force_rex = True
    tail = _immediate(row, imm)
    if row.in_opcode:
        assert isinstance(rm, int)
        return _head(row, 0, 0, rm >> 3, False) + bytes((row.opcode | rm & 7,)) + tail
    if not row.modrm:
        return _head(row, 0, 0, 0, False) + bytes((row.opcode,)) + tail
    if isinstance(rm, int):
        head = _head(row, reg >> 3, 0, rm >> 3, force_rex)
        return head + bytes((row.opcode, 0xC0 | (reg & 7) << 3 | rm & 7)) + tail
    head = _head(row, reg >> 3, max(rm.idx, 0) >> 3, max(rm.base, 0) >> 3, force_rex)
    return head + bytes((row.opcode,)) + _address(reg & 7, rm) + tail


def _head(row: Row, r: int, x: int, b: int, force_rex: bool) -> bytes:
    rex = 0x40 | row.wide << 3 | r << 2 | x << 1 | b
    prefix = bytes((row.prefix,)) if row.prefix else b""
    return prefix + (bytes((rex,)) if rex != 0x40 or force_rex else b"") + _ESCAPE[row.map]


def _immediate(row: Row, imm: int) -> bytes:
    if not row.imm:
        return b""
    return (imm & (1 << 8 * row.imm) - 1).to_bytes(row.imm, "little")


def _address(reg: int, mem: Mem) -> bytes:
    """ModRM, SIB and displacement of an address."""
    disp = mem.disp
    if not -(1 << 31) <= disp < 1 << 31:
        raise ValueError(f"displacement {disp} is over 32 bits")
    long = disp.to_bytes(4, "little", signed=True)
    if mem.base == RIP:
        return bytes((reg << 3 | 5,)) + long
    if mem.base == NO_REGISTER:
        index = RSP if mem.idx == NO_REGISTER else mem.idx & 7
        return bytes((reg << 3 | 4, _SCALE[mem.scale] << 6 | index << 3 | 5)) + long
    base = mem.base & 7
    # rbp and r13 have no form without a displacement.
    if disp == 0 and base != RBP:
        mode, tail = 0, b""
    elif -128 <= disp < 128:
        mode, tail = 1, disp.to_bytes(1, "little", signed=True)
    else:
        mode, tail = 2, long
    if mem.idx == NO_REGISTER and base != RSP:
        return bytes((mode << 6 | reg << 3 | base,)) + tail
    index = RSP if mem.idx == NO_REGISTER else mem.idx & 7
    return bytes((mode << 6 | reg << 3 | 4, _SCALE[mem.scale] << 6 | index << 3 | base)) + tail
