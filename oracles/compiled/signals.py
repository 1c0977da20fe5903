"""Installing a signal handler that is machine code: no Python runs between a signal and its handling."""

from __future__ import annotations

import ctypes
import signal
from typing import Final

from compiler.x64.stubs import ALARMS
from oracles.compiled.regions import Region

FAULTS: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)
_STACK_BYTES: Final = 64 << 10
_SIGINFO: Final = 4
_ONSTACK: Final = 0x08000000
_NODEFER: Final = 0x40000000
_MASK_WORDS: Final = 16


class _Action(ctypes.Structure):
    """glibc's ``struct sigaction`` on x86-64."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_uint64 * _MASK_WORDS),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Stack(ctypes.Structure):
    """``stack_t``"""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def install(handler: int) -> Region:
    """Send faults and alarms to the code at ``handler``, on a stack of its own, which is returned and must be kept.

    For this thread; the process must not use another one for compiled code.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    region = Region(_STACK_BYTES, _STACK_BYTES)
    stack = _Stack(region.address, 0, region.size)
    if libc.sigaltstack(ctypes.byref(stack), None):
        raise OSError(ctypes.get_errno(), "sigaltstack")
    action = _Action(handler=handler, flags=_SIGINFO | _ONSTACK | _NODEFER)
    for number in (*FAULTS, *ALARMS):
        if libc.sigaction(int(number), ctypes.byref(action), None):
            raise OSError(ctypes.get_errno(), f"sigaction {number}")
    return region


class Timer:
    """An alarm after ``seconds`` of this process' CPU time; 0 for none. A context manager."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        if self.seconds > 0:
            signal.setitimer(signal.ITIMER_PROF, self.seconds)

    def __exit__(self, *_: object) -> None:
        if self.seconds > 0:
            signal.setitimer(signal.ITIMER_PROF, 0)
