"""The process as a machine for compiled code: the Runtime block, the stack, the way in, the way out, unwinding."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, final

from compiler.emit import CompiledFunction
from compiler.helper_table import request
from compiler.image import Image, lay_out
from compiler.layout import (
    ALARM,
    ARGS,
    CAUGHT,
    FAULT_ADDRESS,
    FAULT_PC,
    FAULT_SIGNAL,
    FUEL,
    HELPER_ENTRY,
    HELPER_FP,
    HELPER_PC,
    NEXT_SP,
    RESUME,
    RESUME_FP,
    RESUME_PC,
    RUNTIME_BYTES,
    STACK_LIMIT,
    STATUS_FUEL,
    STATUS_HOST,
    STATUS_OK,
    STATUS_SIGNAL,
    STATUS_STACK,
    STATUS_THREW,
    STATUS_TRAP,
    TRAP,
)
from compiler.x64 import stubs
from oracles.compiled import signals
from oracles.compiled.regions import READ_EXECUTE, READ_WRITE, Region, pages, read_word, write
from oracles.compiled.stops import Corrupted, Fault, Thrown, TimeUp
from oracles.stops import Exhaustion
from wasm.traps import Trap, TrapKind

STACK_BYTES: Final = 16 << 20
"""Of compiled code's stack. A call as wide as there is takes some 50 KiB, and a depth of 200 must be possible."""
_GUARD: Final = 1 << 20
_MARGIN: Final = 64 << 10
"""Below the stack limit: for stubs, which do not check."""
NESTING: Final = 200
"""Entries from host functions into compiled code at once: each takes some KiB of the host's own stack."""

_KINDS: Final = tuple(TrapKind)
_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}
_NO_LIMIT: Final = (1 << 63) - 1

Helper = Callable[[tuple[Any, ...]], None]
"""What a context's owner does for its code: carries out a request; operands and results are in the mailbox."""


@final
class Loaded:
    """An image in memory. ``tags`` are the identities of its instance's tags by index.

    ``sites`` has, by the return address of each call inside a try_table, what ``Machine._unwind`` asks in order: the
    identity of the tag that is caught (None: all) and where execution goes on.
    """

    __slots__ = ("base", "image", "region", "sites")

    def __init__(self, image: Image, runtime_region: Region, tags: tuple[int, ...]) -> None:
        self.image, self.region, self.base = image, runtime_region, runtime_region.address
        self.sites = {
            self.base + offset: tuple((None if tag is None else tags[tag], self.base + at) for tag, at in handlers)
            for offset, handlers in image.handlers.items()
        }

    def address(self, index: int) -> int:
        """Where a function begins."""
        return self.base + self.image.entries[index]


@final
class Machine:
    """The only one of a process (``machine()``). It must be used from the thread that made it."""

    def __init__(self) -> None:
        self._block = Region(RUNTIME_BYTES, RUNTIME_BYTES)
        self.runtime = self._block.address
        self.words = self._block.words()
        self._stack = Region(STACK_BYTES + 2 * _GUARD)
        self._stack.protect(READ_WRITE, _GUARD, STACK_BYTES)
        bottom = self._stack.address + _GUARD
        self._stubs = (stubs.thunk(), stubs.leave())
        self._images: dict[int, Loaded] = {}
        self.sites: dict[int, tuple[tuple[int | None, int], ...]] = {}
        self.owners: dict[int, Helper] = {}
        self.pending: BaseException | None = None
        self.nesting = 0
        entry = stubs.entry()
        border = self.load({0: entry.code, 1: stubs.handler()})
        self._exit = border.address(0) + entry.exit
        self._enter = ctypes.PYFUNCTYPE(ctypes.c_uint64, *[ctypes.c_uint64] * 3)(border.address(0))
        self._callback = ctypes.CFUNCTYPE(ctypes.c_uint32, *[ctypes.c_uint64] * 3)(self._helped)
        self._set(HELPER_ENTRY, ctypes.cast(self._callback, ctypes.c_void_p).value or 0)
        self._set(STACK_LIMIT, bottom + _MARGIN)
        self._set(NEXT_SP, bottom + STACK_BYTES)
        self._set(FUEL, _NO_LIMIT)
        self._signal_stack = signals.install(border.address(1))
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 100 * NESTING))

    # Fields of the Runtime block are byte offsets (``compiler.layout``); ``words`` has 8 bytes each.

    def _set(self, field: int, value: int) -> None:
        self.words[field >> 3] = value

    def _get(self, field: int) -> int:
        return self.words[field >> 3]

    # Images

    def load(self, functions: dict[int, CompiledFunction], tags: tuple[int, ...] = ()) -> Loaded:
        """Lay functions out, map them, and make their handlers known. Raises ``Unsupported``, ``NoMemory``."""
        image = lay_out(functions, self._stubs, self.runtime)
        region = Region(len(image.code), len(image.code))
        write(region.address, image.code)
        region.protect(READ_EXECUTE, 0, region.size)
        loaded = Loaded(image, region, tags)
        self._images[loaded.base] = loaded
        self.sites.update(loaded.sites)
        return loaded

    def unload(self, loaded: Loaded) -> None:
        """Unmap an image that nothing refers to any more."""
        del self._images[loaded.base]
        for address in loaded.sites:
            del self.sites[address]
        loaded.region.release()

    def locate(self, pc: int) -> str:
        """The function and offset of an address in compiled code."""
        for loaded in self._images.values():
            if 0 <= pc - loaded.base < pages(len(loaded.image.code)):
                return loaded.image.locate(pc - loaded.base)
        return "no code"

    # The mailbox: values of 16 bytes each

    def put(self, data: bytes) -> None:
        """Fill the mailbox from its beginning."""
        write(self.runtime + ARGS, data)

    def put_slot(self, slot: int, value: int) -> None:
        """Set the low 64 bits of a slot."""
        self.words[(ARGS >> 3) + 2 * slot] = value

    def take(self, count: int) -> bytes:
        """The first ``count`` slots."""
        return ctypes.string_at(self.runtime + ARGS, 16 * count)

    def operand(self, slot: int) -> int:
        """The low 64 bits of a slot."""
        return self.words[(ARGS >> 3) + 2 * slot]

    def answer(self, value: int) -> None:
        """A helper's only result, at most 64 bits."""
        self.words[ARGS >> 3] = value
        self.words[(ARGS >> 3) + 1] = 0

    # Running

    def refuel(self, steps: int | None) -> None:
        """Steps that compiled code may take from here on; None for no limit."""
        self._set(FUEL, _NO_LIMIT if steps is None else steps)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Raise ``TimeUp`` out of compiled code once this process has used ``seconds`` of CPU time; 0 for no limit.

        A host function that is running then is let finish; compiled code is not entered again.
        """
        self._set(ALARM, 0)
        try:
            with signals.Timer(seconds):
                yield
        finally:
            self._set(ALARM, 0)

    def enter(self, context: int, code: int) -> None:
        """Call code without arguments but its context.

        Raises ``Trap``, ``Thrown``, ``Exhaustion``, ``Fault``, ``TimeUp``, and whatever a helper raised.
        """
        if self.nesting >= NESTING:
            raise Exhaustion("stack")
        self.nesting += 1
        try:
            status = self._enter(context, code, self.runtime)
        finally:
            self.nesting -= 1
        if status != STATUS_OK:
            raise self._stop(status)

    def _stop(self, status: int) -> BaseException:
        match status:
            case _ if status == STATUS_TRAP:
                return Trap(_KINDS[self._get(TRAP)])
            case _ if status == STATUS_THREW:
                return Thrown(self._get(CAUGHT))
            case _ if status == STATUS_FUEL:
                return Exhaustion("fuel")
            case _ if status == STATUS_STACK:
                return Exhaustion("stack")
            case _ if status == STATUS_SIGNAL:
                return self._signal()
        assert status == STATUS_HOST, status
        assert self.pending is not None
        pending, self.pending = self.pending, None
        return pending

    def _signal(self) -> Exception:
        number = self._get(FAULT_SIGNAL)
        if number in stubs.ALARMS:
            return TimeUp()
        return Fault(number, self.locate(self._get(FAULT_PC)), self._get(FAULT_ADDRESS))

    def _helped(self, number: int, context: int, _args: int) -> int:
        """Called by the thunk. Nothing may be raised through the frames of compiled code below."""
        try:
            owner = self.owners.get(context)
            if owner is None:
                raise Corrupted(f"helper {number} was asked for in an unknown context")
            owner(request(number))
        except Trap as trap:
            self._set(TRAP, _NUMBERS[trap.kind])
            return STATUS_TRAP
        except Thrown as thrown:
            return self._unwind(thrown.address)
        except BaseException as error:
            self.pending = error
            return STATUS_HOST
        return STATUS_OK

    def _unwind(self, exception: int) -> int:
        """Look for a handler in the frames between the helper's call and the innermost entry, nearest first."""
        self._set(CAUGHT, exception)
        tag = read_word(exception)
        # Every frame keeps its caller's frame pointer at fp and the return address at fp + 8, and a call is known by
        # its return address. The innermost entry's is ``_exit``: frames beyond belong to another entry, whose host
        # function gets the exception as STATUS_THREW and passes it on.
        pc, fp = self._get(HELPER_PC), self._get(HELPER_FP)
        while pc != self._exit:
            for wanted, landing in self.sites.get(pc, ()):
                if wanted is None or wanted == tag:
                    self._set(RESUME_PC, landing)
                    self._set(RESUME_FP, fp)
                    return RESUME
            pc, fp = read_word(fp + 8), read_word(fp)
        return STATUS_THREW


_MACHINES: list[Machine] = []


def machine() -> Machine:
    """This process' machine, made when first asked for; it takes over the signals of faults and timers."""
    if not _MACHINES:
        _MACHINES.append(Machine())
    return _MACHINES[0]
