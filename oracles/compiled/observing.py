"""What exported items hold at the end of a case."""

from __future__ import annotations

import ctypes
import os
from typing import Final
from zlib import crc32

from oracles.compiled.regions import PAGE, read
from oracles.compiled.store import Instance, Memory, Table
from oracles.compiled.values import reference_name
from oracles.remote.protocol import TABLE_LIMIT

BLOCK: Final = 65_536
_LARGE: Final = 1 << 20
"""Of larger memories only the pages that the kernel has given out are looked at."""
_ZEROS: Final = bytes(BLOCK)
_MEMCMP: Final = ctypes.CDLL(None).memcmp
_MEMCMP.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_ENTRY: Final = 8
_THERE: Final = 3 << 62
"""Bits of a pagemap entry: in memory, or swapped out."""


def blocks(memory: Memory) -> list[tuple[int, int]]:
    """(Index, CRC-32) of each 64 KiB block that is not all zero; the last one may be shorter."""
    summed = []
    for index in _candidates(memory):
        length = min(BLOCK, memory.size - index * BLOCK)
        address = memory.base + index * BLOCK
        if _MEMCMP(address, _ZEROS, length):
            summed.append((index, crc32(read(address, length))))
    return summed


def block(memory: Memory, index: int) -> bytes:
    """The contents of one block, as far as the memory goes."""
    return read(memory.base + index * BLOCK, max(0, min(BLOCK, memory.size - index * BLOCK)))


def _candidates(memory: Memory) -> list[int]:
    """Blocks that may hold something."""
    count = -(-memory.size // BLOCK)
    if memory.size <= _LARGE:
        return list(range(count))
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            entries = os.pread(file.fileno(), -(-memory.size // PAGE) * _ENTRY, memory.base // PAGE * _ENTRY)
    except OSError:
        return list(range(count))
    step = BLOCK // PAGE * _ENTRY
    if len(entries) < -(-memory.size // PAGE) * _ENTRY:
        return list(range(count))
    there = int.from_bytes(_THERE.to_bytes(_ENTRY, "little") * (BLOCK // PAGE), "little")
    return [i for i in range(count) if int.from_bytes(entries[i * step : i * step + step], "little") & there]


def elements(table: Table, instance: Instance) -> list[str]:
    """The first elements by identity."""
    type_, types = table.type.ref, table.types
    return [reference_name(table.get(index), type_, types, instance) for index in range(min(table.size, TABLE_LIMIT))]
