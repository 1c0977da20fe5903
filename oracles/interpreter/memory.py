"""Memories: bounds are logical, the bytes behind them exist where they were written, open NaN bits are remembered."""

from __future__ import annotations

from typing import Final
from zlib import crc32

from oracles.interpreter.budget import BLOCK, Meter
from oracles.linking import MemoryItem
from oracles.stops import MemoryExhaustion
from wasm.traps import Trap, TrapKind
from wasm.valtypes import MemType

DENSE: Final = 16 * BLOCK
"""The first bytes of a memory are one ``bytearray``; beyond, blocks are made when first written."""

_WIDEST: Final = 16
_CHUNK: Final = 1 << 20
_ZERO: Final = bytes(BLOCK)


class Memory(MemoryItem):
    """A memory instance (spec 4.2.8).

    ``dense`` may be accessed directly, up to 16 bytes at any address not above ``limit``; every other access goes
    through the methods, which check bounds. While ``open_bits`` is not empty ``limit`` is -1: then each access has to
    look. ``open_bits`` maps addresses of bytes that hold bits of a free NaN to a mask of those bits.
    """

    __slots__ = ("blocks", "dense", "limit", "maximum", "meter", "open_bits", "page_log2", "pages", "size", "type")

    def __init__(self, type_: MemType, meter: Meter) -> None:
        """Raises ``MemoryExhaustion`` where the budget does not allow the initial size."""
        self.type, self.meter, self.page_log2 = type_, meter, type_.page_log2
        # As many pages as the index type can count bytes for (spec 3.2.13), or the declared maximum.
        most = 1 << (64 if type_.index64 else 32) - type_.page_log2
        self.maximum = most if type_.limits.maximum is None else min(type_.limits.maximum, most)
        self.pages = self.size = 0
        self.dense = bytearray()
        self.limit = -1
        self.blocks: dict[int, bytearray] = {}
        self.open_bits: dict[int, int] = {}
        if self.grow(type_.limits.minimum) < 0:
            raise MemoryExhaustion(f"a memory of {type_.limits.minimum} pages is above the budget")

    def grow(self, delta: int) -> int:
        """Add pages; the old number of pages, or -1 if that is more than allowed."""
        old, new = self.pages, self.pages + delta
        size = new << self.page_log2
        if new > self.maximum or size > self.meter.budget.pages * BLOCK:
            return -1
        self.pages, self.size = new, size
        self.meter.pages = max(self.meter.pages, -(-size // BLOCK))
        missing = min(size, DENSE) - len(self.dense)
        if missing > 0:
            self.dense += bytes(missing)
        if not self.open_bits:
            self.limit = len(self.dense) - _WIDEST
        return old

    def check(self, at: int, length: int) -> None:
        """Raises ``Trap`` unless ``length`` bytes at ``at`` are inside."""
        if at + length > self.size:
            raise Trap(TrapKind.MEMORY_OOB)

    # Scalar access

    def load(self, at: int, size: int) -> int:
        """An unsigned integer of ``size`` bytes; open bits among them count as observed."""
        if self.open_bits and self._mask(at, size):
            self.meter.observed = True
        return int.from_bytes(self.read(at, size), "little")

    def load_open(self, at: int, size: int) -> int:
        """The same with the mask of its open bits above its width: how floats and vectors are loaded."""
        bits = int.from_bytes(self.read(at, size), "little")
        return bits | self._mask(at, size) << 8 * size if self.open_bits else bits

    def store(self, at: int, value: int, size: int) -> None:
        """Write ``size`` bytes; a mask of open bits above them goes along."""
        self.check(at, size)
        mask = value >> 8 * size
        self.write(at, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
        if mask:
            for i in range(size):
                if byte := mask >> 8 * i & 0xFF:
                    self.open_bits[at + i] = byte
            self.limit = -1

    def _mask(self, at: int, size: int) -> int:
        get = self.open_bits.get
        return sum(get(at + i, 0) << 8 * i for i in range(size))

    # Bytes

    def read(self, at: int, length: int) -> bytes:
        """Raises ``Trap`` out of bounds. At most a few MiB at a time."""
        self.check(at, length)
        end = at + length
        if end <= len(self.dense):
            return bytes(self.dense[at:end])
        parts = [bytes(self.dense[at:end])]
        at = max(at, len(self.dense))
        while at < end:
            index, start = divmod(at, BLOCK)
            stop = min(BLOCK, start + end - at)
            parts.append(bytes(self.blocks.get(index, _ZERO)[start:stop]))
            at += stop - start
        return b"".join(parts)

    def write(self, at: int, data: bytes) -> None:
        """Raises ``Trap`` out of bounds; the bytes written hold no open bits afterwards."""
        end = at + len(data)
        self.check(at, len(data))
        if self.open_bits:
            self._close(at, end)
        dense = max(0, min(len(data), len(self.dense) - at))
        if dense:
            self.dense[at : at + dense] = data[:dense]
        done = dense
        while done < len(data):
            index, start = divmod(at + done, BLOCK)
            part = data[done : done + BLOCK - start]
            block = self.blocks.get(index)
            if block is None and part != bytes(len(part)):
                self.meter.touch()
                block = self.blocks[index] = bytearray(BLOCK)
            if block is not None:
                block[start : start + len(part)] = part
            done += len(part)

    def _close(self, start: int, end: int) -> None:
        """Forget the open bits of a range."""
        if end - start < len(self.open_bits):
            for at in range(start, end):
                self.open_bits.pop(at, None)
        else:
            self.open_bits = {at: mask for at, mask in self.open_bits.items() if not start <= at < end}
        if not self.open_bits:
            self.limit = len(self.dense) - _WIDEST

    # Bulk instructions

    def fill(self, at: int, byte: int, length: int) -> None:
        """memory.fill"""
        self.check(at, length)
        self.meter.spend(length >> 8)
        for start in range(at, at + length, _CHUNK):
            self.write(start, bytes((byte & 0xFF,)) * min(_CHUNK, at + length - start))

    def init(self, at: int, data: bytes, start: int, length: int) -> None:
        """memory.init from the bytes of a segment."""
        if start + length > len(data):
            raise Trap(TrapKind.MEMORY_OOB)
        self.check(at, length)
        self.meter.spend(length >> 8)
        self.write(at, data[start : start + length])

    def copy(self, at: int, source: Memory, start: int, length: int) -> None:
        """memory.copy from ``source``, which may be this memory; ranges may overlap."""
        self.check(at, length)
        source.check(start, length)
        self.meter.spend(length >> 8)
        offsets = range(0, length, _CHUNK)
        for offset in reversed(offsets) if at > start else offsets:
            size = min(_CHUNK, length - offset)
            masks = {
                address - start + at: mask
                for address, mask in source.open_bits.items()
                if start + offset <= address < start + offset + size
            }
            self.write(at + offset, source.read(start + offset, size))
            if masks:
                self.open_bits |= masks
                self.limit = -1

    # What an observation says

    def nonzero_blocks(self) -> tuple[tuple[int, int], ...]:
        """(Index, CRC-32) of each 64 KiB block that is not all zero; the last one may be shorter."""
        summed = []
        for index in range(-(-len(self.dense) // BLOCK)):
            part = self.dense[index * BLOCK : (index + 1) * BLOCK]
            if part != _ZERO[: len(part)]:
                summed.append((index, crc32(part)))
        for index in sorted(self.blocks):
            part = self.blocks[index][: self.size - index * BLOCK]
            if part != _ZERO[: len(part)]:
                summed.append((index, crc32(part)))
        return tuple(summed)

    def open_ranges(self) -> list[tuple[int, int]]:
        """The bytes with open bits as sorted ranges (start, end)."""
        ranges: list[tuple[int, int]] = []
        for at in sorted(self.open_bits):
            if ranges and ranges[-1][1] == at:
                ranges[-1] = (ranges[-1][0], at + 1)
            else:
                ranges.append((at, at + 1))
        return ranges
