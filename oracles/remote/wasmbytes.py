"""The few pieces of the binary format (spec 5) that the linking modules are put together from, as bytes.

Wrappers and import peers are made for every other case and copy encoded types from the module that they serve, so they
are written as bytes at once instead of through the module model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

HEADER: Final = b"\0asm\1\0\0\0"
END: Final = b"\x0b"
LOAD: Final = {"i": b"\x28\x02", "l": b"\x29\x03", "f": b"\x2a\x02", "d": b"\x2b\x03", "v": b"\xfd\x00\x04"}
STORE: Final = {"i": b"\x36\x02", "l": b"\x37\x03", "f": b"\x38\x02", "d": b"\x39\x03", "v": b"\xfd\x0b\x04"}
"""Opcode and natural alignment of the full-width access of each number kind; the offset follows."""
SPLIT: Final = {0x63, 0x64}


def leb(value: int) -> bytes:
    """Unsigned LEB128."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sleb(value: int) -> bytes:
    """Signed LEB128."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def i32_const(value: int) -> bytes:
    """``i32.const`` of the low 32 bits."""
    value &= 0xFFFFFFFF
    return b"\x41" + sleb(value - (value >> 31 << 32))


def i64_const(value: int) -> bytes:
    """``i64.const`` of the low 64 bits."""
    value &= (1 << 64) - 1
    return b"\x42" + sleb(value - (value >> 63 << 64))


def name(text: str) -> bytes:
    data = text.encode("utf-8")
    return leb(len(data)) + data


def vector(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return leb(len(items)) + b"".join(items)


def section(number: int, items: Iterable[bytes]) -> bytes:
    """A section that holds a vector; nothing where the vector is empty."""
    items = list(items)
    if not items:
        return b""
    body = vector(items)
    return bytes((number,)) + leb(len(body)) + body


def type_section(count: int, copied: bytes, added: Iterable[bytes]) -> bytes:
    """The type section of another module (its vector's ``count`` and bytes) with types added behind."""
    added = list(added)
    body = leb(count + len(added)) + copied + b"".join(added)
    return b"\x01" + leb(len(body)) + body


def code(locals_: Iterable[tuple[int, bytes]], body: bytes) -> bytes:
    """A code entry; ``locals_`` are runs of encoded types, ``body`` comes without its ``end``."""
    inside = vector(leb(count) + type_ for count, type_ in locals_) + body + END
    return leb(len(inside)) + inside


def runs(types: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """Encoded types as runs for ``code``."""
    found: list[tuple[int, bytes]] = []
    for type_ in types:
        if found and found[-1][1] == type_:
            found[-1] = (found[-1][0] + 1, type_)
        else:
            found.append((1, type_))
    return found


def heap_of(type_: bytes) -> bytes:
    """The heap type inside an encoded reference type, as ``ref.null`` wants it."""
    return type_[1:] if type_[0] in SPLIT else type_


def split_types(encoded: bytes) -> tuple[list[bytes], list[bytes]]:
    """Parameters and results of an encoded function type, each as its own bytes."""
    pos, found = 1, []
    for _ in range(2):
        count = shift = 0
        while True:
            count |= (encoded[pos] & 0x7F) << shift
            shift += 7
            pos += 1
            if encoded[pos - 1] < 0x80:
                break
        one: list[bytes] = []
        for _ in range(count):
            start = pos
            if encoded[pos] in SPLIT:
                pos += 1
                while encoded[pos] & 0x80:
                    pos += 1
            pos += 1
            one.append(encoded[start:pos])
        found.append(one)
    return found[0], found[1]


def nullable(type_: bytes) -> bytes:
    """The type a local may have while it holds values of ``type_``: non-nullable references have no default."""
    return b"\x63" + type_[1:] if type_[0] == 0x64 else type_
