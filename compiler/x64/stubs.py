"""Hand-written machine code at the border between host and compiled code (System V x86-64 ABI on the host's side).

``entry``    what the host calls: switches to compiled code's own stack and back, whichever way that is left
``thunk``    what compiled code calls for help: switches to the host's stack, calls the host, acts on its answer
``leave``    where traps go: cuts the stack back to the innermost entry
``handler``  the signal handler: turns a signal in compiled code into an exit with STATUS_SIGNAL

Entries nest: a helper may enter compiled code again, further down on the same stack. Each entry keeps what the one
around it needs on the host's stack. ``thunk`` and ``leave`` are laid into every image, so that calls reach them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from compiler.abi import TEMP
from compiler.emit import CompiledFunction
from compiler.layout import (
    ACTIVE,
    ALARM,
    ARGS,
    EXIT_FP,
    EXIT_PC,
    EXIT_SP,
    FAULT_ADDRESS,
    FAULT_PC,
    FAULT_SIGNAL,
    HELPER_ENTRY,
    HELPER_FP,
    HELPER_PC,
    HOST_SP,
    NEXT_SP,
    NO_ACTION,
    RESUME,
    RESUME_FP,
    RESUME_PC,
    STATUS,
    STATUS_OK,
    STATUS_SIGNAL,
)
from compiler.x64.assembler import Assembler
from compiler.x64.encode import RBP, RIP, RSP, Mem, encode
from compiler.x64.insts import ROWS

_RAX, _RCX, _RDX, _RBX, _RSI, _RDI, _R8 = 0, 1, 2, 3, 6, 7, 8
_RUNTIME: Final = TEMP.hw
_CALLEE_SAVED: Final = (_RBX, RBP, 12, 13, 14, 15)
_KEPT: Final = (EXIT_SP, EXIT_FP, EXIT_PC, HOST_SP, NEXT_SP, HELPER_FP, HELPER_PC, ACTIVE)
"""What an entry overwrites and an entry around it needs."""

ALARMS: Final = (14, 26, 27)
"""SIGALRM, SIGVTALRM and SIGPROF: they come at any time and mean that time is up."""

UCONTEXT_RSP: Final = 160
UCONTEXT_RIP: Final = 168
SIGINFO_ADDRESS: Final = 16
_RT_SIGACTION: Final = 13
_SIGSET_BYTES: Final = 8


class _StubAssembler(Assembler):
    """With the Runtime block's fields, which are addressed by r10 once ``runtime`` has loaded it."""

    def set(self, field: int, value: int) -> None:
        self.asm("mov64_store_i32", Mem(_RUNTIME, field), imm=value)

    def load(self, register: int, field: int) -> None:
        self.asm("mov64_load", register, Mem(_RUNTIME, field))

    def save(self, field: int, register: int) -> None:
        self.asm("mov64_store", Mem(_RUNTIME, field), register)

    def leave(self) -> None:
        """Cut the stack back to the innermost entry."""
        self.load(RSP, EXIT_SP)
        self.load(RBP, EXIT_FP)
        self.asm("jmp_load", Mem(_RUNTIME, EXIT_PC))

    def finish(self, name: str) -> CompiledFunction:
        return self.buffer.finish(name, 0, [])


@dataclass(frozen=True, slots=True)
class Entry:
    """``code`` is a C function (context, code, Runtime) -> status. ``exit`` is the offset behind its call: the return
    address of every outermost compiled frame, where walks of the stack end and exits arrive.
    """

    code: CompiledFunction
    exit: int


def entry() -> Entry:
    """Compiled code is entered at ``code`` with the context in rdi, on a 16-aligned stack of its own."""
    a = _StubAssembler()
    arrive = a.buffer.label()
    for register in _CALLEE_SAVED:
        a.asm("push", register)
    a.asm("mov64", _RUNTIME, _RDX)
    for field in _KEPT:
        a.load(_RAX, field)
        a.asm("push", _RAX)
    a.save(HOST_SP, RSP)
    a.load(RSP, NEXT_SP)
    a.asm("and64_i8", RSP, imm=-16)
    a.save(EXIT_SP, RSP)
    a.set(EXIT_FP, 0)
    a.buffer.code += encode(ROWS["lea64"], (_RAX, Mem(RIP)))[:-4]
    a.buffer.rel32(arrive)
    a.save(EXIT_PC, _RAX)
    a.asm("xor32", RBP, RBP)
    a.set(STATUS, STATUS_OK)
    a.set(ACTIVE, 1)
    # An alarm from here on is the handler's; one that came before is seen now.
    refused = a.buffer.label()
    a.asm("cmp64_load_i32", Mem(_RUNTIME, ALARM), imm=0)
    a.jump(refused, "ne")
    a.asm("call_reg", _RSI)
    a.buffer.place(arrive)
    exit_ = len(a.buffer.code)
    a.runtime()
    a.set(ACTIVE, 0)
    a.load(_RDX, STATUS)
    a.set(STATUS, STATUS_OK)
    a.load(RSP, HOST_SP)
    for field in reversed(_KEPT):
        a.asm("pop", _RAX)
        a.save(field, _RAX)
    a.asm("mov64", _RAX, _RDX)
    for register in reversed(_CALLEE_SAVED):
        a.asm("pop", register)
    a.asm("ret")
    a.buffer.place(refused)
    a.set(STATUS, STATUS_SIGNAL)
    a.jump(arrive)
    return Entry(a.finish("entry"), exit_)


def thunk() -> CompiledFunction:
    """Called by compiled code with a helper's number in edi and its own context in rsi; operands are in the mailbox.

    Returns with the results there when the host answers 0. RESUME goes where the host says; any other answer is the
    status to leave with.
    """
    a = _StubAssembler()
    special, alarmed, leave = (a.buffer.label() for _ in range(3))
    a.runtime()
    a.save(HELPER_FP, RBP)
    a.asm("mov64_load", _RAX, Mem(RSP))
    a.save(HELPER_PC, _RAX)
    a.save(NEXT_SP, RSP)
    a.set(ACTIVE, 0)
    a.load(RSP, HOST_SP)
    a.asm("and64_i8", RSP, imm=-16)
    a.asm("lea64", _RDX, Mem(_RUNTIME, ARGS))
    a.asm("call_load", Mem(_RUNTIME, HELPER_ENTRY))
    a.runtime()
    a.load(RSP, NEXT_SP)
    a.set(ACTIVE, 1)
    a.asm("cmp64_load_i32", Mem(_RUNTIME, ALARM), imm=0)
    a.jump(alarmed, "ne")
    a.asm("test32", _RAX, _RAX)
    a.jump(special, "ne")
    a.asm("ret")
    a.buffer.place(special)
    a.asm("cmp32_i8", _RAX, imm=RESUME)
    a.jump(leave, "ne")
    a.load(RBP, RESUME_FP)
    a.asm("jmp_load", Mem(_RUNTIME, RESUME_PC))
    a.buffer.place(alarmed)
    a.asm("mov32_imm", _RAX, imm=STATUS_SIGNAL)
    a.buffer.place(leave)
    a.asm("mov32", _RAX, _RAX)
    a.save(STATUS, _RAX)
    a.leave()
    return a.finish("thunk")


def leave() -> CompiledFunction:
    """Where every trap of compiled code jumps, its status stored."""
    a = _StubAssembler()
    a.runtime()
    a.leave()
    return a.finish("leave")


def handler() -> CompiledFunction:
    """A ``sa_sigaction`` function (signal, siginfo, ucontext) for an alternate stack.

    In compiled code it notes the signal and has the kernel return to the exit of the innermost entry. Elsewhere an
    alarm is noted only; any other signal gets its default action, which it meets when its cause is executed again.
    """
    a = _StubAssembler()
    idle, alarm = a.buffer.label(), a.buffer.label()
    a.runtime()
    a.asm("cmp64_load_i32", Mem(_RUNTIME, ACTIVE), imm=0)
    a.jump(idle, "e")
    a.asm("mov32", _RDI, _RDI)
    a.save(FAULT_SIGNAL, _RDI)
    a.asm("mov64_load", _RAX, Mem(_RSI, SIGINFO_ADDRESS))
    a.save(FAULT_ADDRESS, _RAX)
    a.asm("mov64_load", _RAX, Mem(_RDX, UCONTEXT_RIP))
    a.save(FAULT_PC, _RAX)
    a.set(STATUS, STATUS_SIGNAL)
    a.load(_RAX, EXIT_SP)
    a.asm("mov64_store", Mem(_RDX, UCONTEXT_RSP), _RAX)
    a.load(_RAX, EXIT_PC)
    a.asm("mov64_store", Mem(_RDX, UCONTEXT_RIP), _RAX)
    a.asm("ret")
    a.buffer.place(idle)
    for signal in ALARMS:
        a.asm("cmp32_i8", _RDI, imm=signal)
        a.jump(alarm, "e")
    a.asm("lea64", _RSI, Mem(_RUNTIME, NO_ACTION))
    a.asm("xor32", _RDX, _RDX)
    a.asm("mov32_imm", _RUNTIME, imm=_SIGSET_BYTES)
    a.asm("mov32_imm", _RAX, imm=_RT_SIGACTION)
    a.buffer.code += b"\x0f\x05"  # syscall
    a.asm("ret")
    a.buffer.place(alarm)
    a.asm("mov32", _RDI, _RDI)
    a.save(ALARM, _RDI)
    a.save(FAULT_SIGNAL, _RDI)
    a.asm("ret")
    return a.finish("handler")
