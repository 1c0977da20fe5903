"""What exported items hold at the end of a case, in the Wasmtime worker."""

from __future__ import annotations

import ctypes
import os
import zlib
from ctypes import byref, c_void_p
from types import ModuleType

import wasmtime_api as api
from wasmtime_store import Store

BLOCK = 65536
LARGE = 64 << 20
TABLE_LIMIT = 1000
ZEROS = bytes(BLOCK)
PAGE = os.sysconf("SC_PAGE_SIZE")
LIBC = ctypes.CDLL(None)
LIBC.memcmp.argtypes = [c_void_p, c_void_p, ctypes.c_size_t]


def read_state(store: Store, header: dict, answer: dict, slots: list[bytes]) -> None:
    """Fill in globals, memories, tables and dumps of the instance under test."""
    for name, kind in header["globals"]:
        item, value = store.export(store.instance, name), store.lib.wasmtime_val_t()
        store.lib.wasmtime_global_get(store.context, byref(item.of.global_), byref(value))
        slot, ref = store.read_value(value, kind)
        slots.append(slot)
        answer["globals"].append(ref)
    for name in header["memories"]:
        base, size, pages = _memory(store, name)
        answer["mems"].append([name, pages, blocks(store.lib, base, size)])
    for name, kind in header["tables"]:
        answer["tables"].append([name, *_table(store, name, kind)])
    answer["dumps"] = []
    for name, block in header.get("dump", ()):
        base, size, _ = _memory(store, name)
        data = ctypes.string_at(base + block * BLOCK, max(0, min(BLOCK, size - block * BLOCK)))
        answer["dumps"].append(len(data))
        slots.append(data)


def _memory(store: Store, name: str) -> tuple[int, int, int]:
    """Address, bytes and pages of an exported memory."""
    item = store.export(store.instance, name)
    if item.kind == 4:
        shared = item.of.sharedmemory
        address = store.lib.wasmtime_sharedmemory_data(shared)
        size = store.lib.wasmtime_sharedmemory_data_size(shared)
        return ctypes.cast(address, c_void_p).value or 0, size, store.lib.wasmtime_sharedmemory_size(shared)
    memory = byref(item.of.memory)
    address = ctypes.cast(store.lib.wasmtime_memory_data(store.context, memory), c_void_p).value or 0
    return (
        address,
        store.lib.wasmtime_memory_data_size(store.context, memory),
        store.lib.wasmtime_memory_size(store.context, memory),
    )


def blocks(lib: ModuleType, base: int, size: int) -> list[list[int]]:
    """(index, CRC-32) of each 64 KiB block that is not all zero; the last one may be shorter."""
    summed = []
    for index in _candidates(lib, base, size):
        length = min(BLOCK, size - index * BLOCK)
        address = base + index * BLOCK
        if LIBC.memcmp(address, ZEROS, length):
            summed.append([index, zlib.crc32(ctypes.string_at(address, length))])
    return summed


def _candidates(lib: ModuleType, base: int, size: int):
    """Blocks that may hold something. Of a large memory, those with a page that was ever touched."""
    count = -(-size // BLOCK)
    if size <= LARGE or not api.has(lib, "wasmtime_config_memory_init_cow_set") or base % PAGE:
        return range(count)
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            entries = os.pread(file.fileno(), -(-size // PAGE) * 8, base // PAGE * 8)
    except OSError:
        return range(count)
    if len(entries) < -(-size // PAGE) * 8:
        return range(count)
    step = BLOCK // PAGE * 8
    absent = _absent_mask(step)
    return [i for i in range(count) if int.from_bytes(entries[i * step : i * step + step], "little") & absent]


def _absent_mask(step: int) -> int:
    """Bits 62 and 63 of each pagemap entry: swapped, present."""
    return int.from_bytes((3 << 62).to_bytes(8, "little") * (step // 8), "little")


def _table(store: Store, name: str, kind: str) -> tuple[int, list[str]]:
    table = byref(store.export(store.instance, name).of.table)
    size = store.lib.wasmtime_table_size(store.context, table)
    elements = []
    for index in range(min(size, TABLE_LIMIT)):
        value = store.lib.wasmtime_val_t()
        if not store.lib.wasmtime_table_get(store.context, table, index, byref(value)):
            break
        elements.append(store.read_value(value, kind)[1] or "null")
    return size, elements
