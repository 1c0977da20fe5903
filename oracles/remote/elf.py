"""The machine code of functions in an ELF file of 64 bits (System V ABI, "Object Files"), by their symbols' names."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SYMTAB: Final = 2
_FUNCTION: Final = 2


class NotElf(ValueError):
    """The bytes are no ELF file of 64 bits, or a broken one."""


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int
    address: int


def functions(data: bytes) -> dict[str, bytes]:
    """The code of every function symbol with a size. Raises ``NotElf``."""
    try:
        return dict(_functions(data))
    except NotElf:
        raise
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise NotElf(f"it is no ELF file that can be read: {error}") from None


def _functions(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data[:5] != b"\x7fELF\2":
        raise NotElf("it is no ELF file of 64 bits")
    sections = _sections(data)
    for section in sections:
        if section.kind != _SYMTAB:
            continue
        names = sections[section.link]
        for at in range(section.offset, section.offset + section.size, 24):
            name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", data, at)
            if info & 15 != _FUNCTION or not size or not 0 < index < len(sections):
                continue
            start = names.offset + name
            code = sections[index].offset + value - sections[index].address
            yield data[start : data.index(b"\0", start)].decode(), data[code : code + size]


def _sections(data: bytes) -> list[_Section]:
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    if size < 64:
        raise NotElf("it has no table of sections")
    if not count and table:  # too many for the header: the first section says how many
        (count,) = struct.unpack_from("<Q", data, table + 32)
    found = []
    for number in range(count):
        _, kind, _, address, offset, length, link = struct.unpack_from("<IIQQQQI", data, table + number * size)
        found.append(_Section(kind, offset, length, link, address))
    return found
