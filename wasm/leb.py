"""LEB128 integers (spec 5.2.2) and a bounds-checked cursor over bytes, on which the whole decoder stands."""

from __future__ import annotations

from typing import Final

from wasm.errors import Malformed
from wasm.limits import NAME_BYTES

_ONE_BYTE: Final = tuple(bytes([n]) for n in range(128))


def unsigned(value: int) -> bytes:
    """The shortest unsigned LEB128 form. Raises ``ValueError`` for a negative number."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if value < 0:
        raise ValueError(f"{value} has no unsigned encoding: indices, counts and bit patterns are never negative")
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """The shortest signed LEB128 form of a (mathematical) integer."""
    if -64 <= value < 64:
        return _ONE_BYTE[value & 0x7F]
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


class Reader:
    """A cursor over ``data``; every method raises Malformed instead of reading past its end.

    ``base`` is the offset of ``data[0]`` in the module, for messages. ``uses_data`` is set once an instruction that
    names a data segment has been read: such a module must have a data count section (spec 5.5.16).
    """

    __slots__ = ("base", "data", "pos", "uses_data")

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data, self.base = data, base
        self.pos = 0
        self.uses_data = False

    def fail(self, message: str, at: int | None = None, *, limit: bool = False) -> Malformed:
        """The error to raise for position ``at`` (default: where the cursor stands)."""
        return Malformed(message, self.base + (self.pos if at is None else at), limit=limit)

    @property
    def left(self) -> int:
        return len(self.data) - self.pos

    def byte(self) -> int:
        pos = self.pos
        if pos >= len(self.data):
            raise self.fail("unexpected end")
        self.pos = pos + 1
        return self.data[pos]

    def peek(self) -> int:
        """The next byte, which stays unread."""
        if self.pos >= len(self.data):
            raise self.fail("unexpected end")
        return self.data[self.pos]

    def take(self, size: int) -> bytes:
        pos = self.pos
        if size > len(self.data) - pos:
            raise self.fail("unexpected end")
        self.pos = pos + size
        return self.data[pos : pos + size]

    def u32(self) -> int:
        pos = self.pos
        if pos < len(self.data) and self.data[pos] < 0x80:
            self.pos = pos + 1
            return self.data[pos]
        return self._unsigned(32)

    def u64(self) -> int:
        return self._unsigned(64)

    def _unsigned(self, bits: int) -> int:
        data, pos, end = self.data, self.pos, len(self.data)
        value = shift = 0
        while pos < end:
            byte = data[pos]
            pos += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if value >> bits:
                    raise self.fail("integer too large", pos - 1)
                self.pos = pos
                return value
            if shift >= bits:
                raise self.fail("integer representation too long", pos - 1)
        raise self.fail("unexpected end", end)

    def signed(self, bits: int) -> int:
        """A signed integer of ``bits`` bits, as a mathematical integer."""
        data, pos, end = self.data, self.pos, len(self.data)
        value = shift = 0
        while pos < end:
            byte = data[pos]
            pos += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if byte & 0x40:
                    value -= 1 << shift
                if shift > bits and not -1 << bits - 1 <= value < 1 << bits - 1:
                    raise self.fail("integer too large", pos - 1)
                self.pos = pos
                return value
            if shift >= bits:
                raise self.fail("integer representation too long", pos - 1)
        raise self.fail("unexpected end", end)

    def count(self, what: str, smallest: int, limit: int) -> int:
        """The length of a vector whose elements take at least ``smallest`` bytes each; at most ``limit``."""
        start = self.pos
        count = self.u32()
        if count * smallest > len(self.data) - self.pos:
            raise self.fail(f"length out of bounds: {count} {what}", start)
        if count > limit:
            raise self.fail(f"too many {what}: {count}, the limit is {limit}", start, limit=True)
        return count

    def name(self) -> str:
        """A name (spec 5.2.4)."""
        start = self.pos
        size = self.u32()
        if size > len(self.data) - self.pos:
            raise self.fail("length out of bounds", start)
        if size > NAME_BYTES:
            raise self.fail(f"name of {size} bytes, the limit is {NAME_BYTES}", start, limit=True)
        raw = self.take(size)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail("malformed UTF-8 encoding", self.pos - size + error.start) from None
