"""What compiled code finds in memory at run time: offsets in bytes of every structure, written by the runtime.

One ``Runtime`` block per worker: shared by all instances, since execution is single-threaded. One ``Instance`` block
(the *context*) per module instance; its address is the hidden first argument of every compiled function.

    Runtime   what leaves compiled code: limits, the trap that happened, the way out, the mailbox of helpers
    Instance  runtime pointer, then one pointer per memory, global, table and function, imported ones first
    Memory    base address, size in bytes, size in pages
    Table     address of the elements, their number; an element is 8 bytes: a reference
    Global    16 bytes: the value, zero above its width
    Function  code address, context, canonical type id; its address is what a funcref is

A null reference is 0. An externref is an odd number: 2 * (token + 1) + 1. An exnref is the address of the
exception's block: its tag's identity, then from offset 16 on the payload, 16 bytes each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasm.module import Module

# Runtime
FUEL: Final = 0
"""i64: steps left; compiled code subtracts and leaves when it gets negative."""
STACK_LIMIT: Final = 8
"""The lowest address that sp may reach; a function compares sp minus its frame before it moves sp."""
STATUS: Final = 16
"""i64: how compiled code was left, one of the STATUS_ numbers."""
TRAP: Final = 24
"""i64: the number of the trap kind (its position in TrapKind), with STATUS_TRAP."""
EXIT_SP: Final = 32
"""sp of the innermost host-to-wasm trampoline: traps cut the stack back to it."""
EXIT_FP: Final = 40
CAUGHT: Final = 48
"""i64: the exception in flight; a landing block reads it."""
RESUME_PC: Final = 56
"""Where the unwinder continues: a landing block or the exit of a trampoline, with RESUME_FP in rbp."""
RESUME_FP: Final = 64
HELPER_FP: Final = 72
"""rbp of the compiled frame that called a helper, where a stack walk begins; HELPER_PC is the call's return address."""
HELPER_PC: Final = 80
HELPER_ENTRY: Final = 88
"""The address of the C function behind all helpers: (number, context, arguments' address) -> status."""
ACTIVE: Final = 96
"""i64: 1 while compiled code runs; the signal handler acts on nothing else."""
HOST_SP: Final = 104
"""sp of the host's stack while compiled code runs on its own."""
FAULT_PC: Final = 112
FAULT_ADDRESS: Final = 120
FAULT_SIGNAL: Final = 128
EXIT_PC: Final = 136
"""The address of the exit path of the innermost trampoline."""
NEXT_SP: Final = 144
"""Where the next entry's stack begins: the stack's top, or what the innermost helper call left."""
ALARM: Final = 152
"""i64: the number of an alarm signal that came while no compiled code ran; seen when it is entered again."""
NO_ACTION: Final = 160
"""32 zero bytes: the kernel's ``struct sigaction`` for the default action."""
ARGS: Final = 256
"""The mailbox: helpers' operands and results, 16 bytes each."""
MAX_ARGS: Final = 1040
RUNTIME_BYTES: Final = ARGS + 16 * MAX_ARGS

STATUS_OK: Final = 0
STATUS_TRAP: Final = 1
STATUS_THREW: Final = 2
"""No handler up to the trampoline: CAUGHT holds the exception."""
STATUS_FUEL: Final = 3
STATUS_STACK: Final = 4
STATUS_SIGNAL: Final = 5
"""FAULT_SIGNAL came while compiled code ran, at FAULT_PC."""
STATUS_HOST: Final = 6
"""A helper stopped the run; the host knows why."""
RESUME: Final = 100
"""A helper's answer, never a status: go on at RESUME_PC with RESUME_FP."""

# Memory, Table, Function
MEMORY_BASE: Final = 0
MEMORY_SIZE: Final = 8
MEMORY_PAGES: Final = 16
MEMORY_BYTES: Final = 24
TABLE_BASE: Final = 0
TABLE_SIZE: Final = 8
TABLE_BYTES: Final = 16
FUNCTION_CODE: Final = 0
FUNCTION_CONTEXT: Final = 8
FUNCTION_TYPE: Final = 16
FUNCTION_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class InstanceLayout:
    """Offsets of the pointers in an instance block: memories, tables, globals, functions, in this order."""

    memories: int
    tables: int
    globals: int
    functions: int
    size: int

    @classmethod
    def of(cls, module: Module) -> InstanceLayout:
        memories = 8
        tables = memories + 8 * len(module.memory_types())
        globals_ = tables + 8 * len(module.table_types())
        functions = globals_ + 8 * len(module.global_types())
        return cls(memories, tables, globals_, functions, functions + 8 * len(module.func_type_indices()))

    def memory(self, index: int) -> int:
        return self.memories + 8 * index

    def table(self, index: int) -> int:
        return self.tables + 8 * index

    def global_(self, index: int) -> int:
        return self.globals + 8 * index

    def function(self, index: int) -> int:
        return self.functions + 8 * index
