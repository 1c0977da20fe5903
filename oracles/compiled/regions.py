"""Pages from the kernel by address: what the ``mmap`` module cannot do (reserve, commit later, protect)."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import weakref
from typing import Final, final

PAGE: Final = mmap.PAGESIZE
NONE: Final = 0
READ_WRITE: Final = mmap.PROT_READ | mmap.PROT_WRITE
READ_EXECUTE: Final = mmap.PROT_READ | mmap.PROT_EXEC
_NORESERVE: Final = 0x4000

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_mmap = _LIBC.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_munmap = _LIBC.munmap
_munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_mprotect = _LIBC.mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_FAILED: Final = ctypes.c_void_p(-1).value


class NoMemory(Exception):
    """The kernel gives no more memory or address space."""


def pages(size: int) -> int:
    """``size`` rounded up to whole pages."""
    return -(-size // PAGE) * PAGE


@final
class Region:
    """Reserved address space that never moves, its first ``committed`` bytes usable; released with the object.

    Raises ``NoMemory`` where the kernel refuses.
    """

    __slots__ = ("__weakref__", "_finalizer", "address", "committed", "size")

    def __init__(self, size: int, commit: int = 0) -> None:
        self.size, self.committed = max(pages(size), PAGE), 0
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        address = _mmap(None, self.size, NONE, flags, -1, 0)
        if address == _FAILED:
            raise NoMemory(f"no address space of {self.size} bytes: {os.strerror(ctypes.get_errno())}")
        self.address: int = address
        self._finalizer = weakref.finalize(self, _munmap, address, self.size)
        self._finalizer.atexit = False  # signals may still come while the process ends
        self.commit(commit)

    def commit(self, size: int) -> None:
        """Make at least the first ``size`` bytes readable and writable; they hold zeros at first."""
        wanted = pages(size)
        if wanted > self.committed:
            self.protect(READ_WRITE, self.committed, wanted - self.committed)
            self.committed = wanted

    def protect(self, protection: int, start: int, size: int) -> None:
        if size and _mprotect(self.address + start, size, protection):
            code = ctypes.get_errno()
            if code == errno.ENOMEM:
                raise NoMemory(f"no memory for {size} bytes")
            raise OSError(code, os.strerror(code))

    def release(self) -> None:
        """Unmap it now."""
        self._finalizer()

    def words(self) -> memoryview:
        """The committed bytes as unsigned 64-bit words; must not outlive the region."""
        return memoryview((ctypes.c_char * self.committed).from_address(self.address)).cast("B").cast("Q")


def read(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


def write(address: int, data: bytes) -> None:
    ctypes.memmove(address, data, len(data))


def read_word(address: int) -> int:
    """An unsigned 64-bit word."""
    return ctypes.c_uint64.from_address(address).value


def write_word(address: int, value: int) -> None:
    ctypes.c_uint64.from_address(address).value = value
