"""Instances and calls in pywasm: how values get into its machine and out of it, and what its exceptions stand for.

pywasm has no traps of its own. An ``assert`` fails, or Python's own division, index or conversion does, so what an
exception means depends on the instruction that was executed, which the machine's stack still tells, and on the function
that raised it (``RULES``). What no rule names is a crash: of pywasm's source, with its place.
"""

from __future__ import annotations

import importlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from oracles.remote.interface import FUNC, GLOBAL, TABLE, TYPE_NAMES
from oracles.remote.protocol import type_words
from wasm.embedding import (
    SLOT,
    WIDTHS,
    Crashed,
    Exhausted,
    Outcome,
    OutOfMemory,
    Rejected,
    Returned,
    Trapped,
    Unsupported,
)
from wasm.traps import TrapKind

WIDE: Final = {kind: WIDTHS[word] // 8 for kind, word in TYPE_NAMES.items()}
"""Bytes of a number, by kind."""
HELD: Final = 0x01
"""A reference is an address in four bytes, and this byte behind them unless it is null."""
NESTED: Final = 50_000
"""Python's own limit of calls: blocks are decoded by recursion."""

RULES: Final[tuple[tuple[re.Pattern[str], type[Exception], re.Pattern[str], TrapKind], ...]] = tuple(
    (re.compile(instructions), error, re.compile(raised_by), kind)
    for instructions, error, raised_by, kind in (
        (r"unreachable", AssertionError, "evaluate", TrapKind.UNREACHABLE),
        (r"i\d+_(?:div|rem)_[su]", ZeroDivisionError, ".*", TrapKind.DIV_BY_ZERO),
        (r"i\d+_div_s", AssertionError, "div", TrapKind.INT_OVERFLOW),
        (r"i\d+_trunc_f\d+_[su]", ValueError, "evaluate", TrapKind.BAD_CONVERSION),
        (r"i\d+_trunc_f\d+_[su]", OverflowError, ".*", TrapKind.INT_OVERFLOW),
        (r".*_(?:load|store)\d*.*", AssertionError, "evaluate_mem_(?:load|save)", TrapKind.MEMORY_OOB),
        (r"memory_(?:init|copy|fill)", AssertionError, "evaluate", TrapKind.MEMORY_OOB),
        (r"table_(?:get|set)", IndexError, "evaluate", TrapKind.TABLE_OOB),
        (r"table_(?:init|copy|fill)", AssertionError, "evaluate", TrapKind.TABLE_OOB),
        (r"call_indirect", IndexError, "evaluate", TrapKind.UNDEFINED_ELEMENT),
        (r"call_indirect", AssertionError, "into_ref", TrapKind.UNINITIALIZED_ELEMENT),
        (r"call_indirect", AssertionError, "evaluate", TrapKind.INDIRECT_TYPE_MISMATCH),
    )
)
"""Instructions, by their names in ``pywasm.opcode``; the exception, and the function that raised it."""


class Ended(Exception):
    """A step ended otherwise than by returning."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def load(folder: str) -> ModuleType:
    """The package in a folder."""
    sys.path.insert(0, folder)
    sys.setrecursionlimit(NESTED)
    return importlib.import_module("pywasm")


def host_trap(_machine: Any, _args: list[Any]) -> list[Any]:
    """The host function that traps."""
    raise Ended(Trapped(frozenset({TrapKind.HOST}), "host trap of an import"))


def nothing(_machine: Any, _args: list[Any]) -> list[Any]:
    """The host function that collects garbage: there is none that a case could tell of."""
    return []


class Store:
    """A machine with the instances of one case or one script."""

    def __init__(self, pywasm: ModuleType) -> None:
        self.core = pywasm.core
        self.opcodes: dict[int, str] = {
            code: name for name, code in vars(pywasm.opcode).items() if isinstance(code, int)
        }
        self.machine = pywasm.core.Machine()
        self.names: dict[int, str] = {}
        """The functions that have a name, by their addresses: exports of the instance under test."""

    def compile(self, content: bytes) -> Any:
        """What pywasm decodes; it validates nothing. Raises ``Ended``."""
        try:
            return self.core.ModuleDesc.from_reader(io.BytesIO(content))
        except MemoryError:
            raise Ended(OutOfMemory("decoding")) from None
        except Exception as error:
            raise Ended(Rejected(self._told(error))) from None

    def instantiate(self, module: Any, externs: list[Any]) -> Any:
        """A new instance. Raises ``Ended``."""
        return self._done(lambda: self.machine.instance(module, externs))

    def export(self, instance: Any, name: str, kind: int | None = None) -> Any:
        """An exported item as an import takes it (``pywasm.core.Extern``); None where there is none."""
        for one in instance.exps:
            if one.name == name and kind in (None, one.data.kind):
                return one.data
        return None

    def item(self, extern: Any) -> Any:
        """What is at the address of an extern."""
        store = self.machine.store
        return (store.func, store.tabl, store.mems, store.glob)[extern.kind][extern.data]

    def watch(self, instance: Any, funcs: Sequence[str]) -> None:
        """Take the names of functions from this instance's exports."""
        self.names = {}
        for name in funcs:
            self.names.setdefault(self.export(instance, name, FUNC).data, name)

    def call(self, extern: Any, params: str, results: str, slots: bytes, refs: Sequence[str]) -> Returned:
        """Call a function with packed arguments. Raises ``Ended``."""
        types = self.item(extern).type.args
        given = iter(refs)
        args = [
            self.number(types[i], slots[i * SLOT : (i + 1) * SLOT]) if kind in WIDE else self.value(next(given), kind)
            for i, kind in enumerate(params)
        ]
        values = self._done(lambda: self.machine.invocate(extern.data, args))
        told = [self.told(value, kind) for value, kind in zip(values, results, strict=True)]
        return Returned(
            type_words(results), b"".join(slot for slot, _ in told), tuple(ref for _, ref in told if ref is not None)
        )

    # Values

    def number(self, type_: Any, slot: bytes) -> Any:
        """A number from its slot, bit for bit."""
        return self.core.ValInst(type_, bytearray(slot))

    def value(self, ref: str, kind: str) -> Any:
        """A reference: null, a host token, an exported function. Raises ``Ended``."""
        type_ = self.core.ValType.ref_func() if kind == "c" else self.core.ValType.ref_extern()
        if ref == "null":
            return self.core.ValInst.zero(type_)
        if kind == "e" and ref.startswith("extern:"):
            return self.core.ValInst.from_ref(type_, int(ref[7:]))
        named = [address for address, name in self.names.items() if f"func:{name}" == ref]
        if kind != "c" or not named:
            raise Ended(Unsupported(f"no host value {ref}"))
        return self.func_ref(named[0])

    def func_ref(self, address: int) -> Any:
        """A reference to a function."""
        return self.core.ValInst.from_ref(self.core.ValType.ref_func(), address)

    def told(self, value: Any, kind: str) -> tuple[bytes, str | None]:
        """A value as its slot and, for a reference, its identity."""
        if kind in WIDE:
            return bytes(value.data[: WIDE[kind]]).ljust(SLOT, b"\0"), None
        if value.data[4] != HELD:
            return bytes(SLOT), "null"
        number = int.from_bytes(value.data[:4], "little")
        if kind == "e":
            return bytes(SLOT), f"extern:{number}"
        name = self.names.get(number)
        return bytes(SLOT), "func" if name is None else f"func:{name}"

    def host_func(self, func: Callable[..., Any]) -> Any:
        """A host function that takes and gives nothing."""
        type_ = self.core.FuncType([], [])
        return self.core.Extern(FUNC, self.machine.store.allocate_func_host(self.core.FuncHost(type_, func)))

    def token_global(self, token: int, mutable: bool) -> Any:
        """A global with a token of the host."""
        type_ = self.core.GlobalType(self.core.ValType.ref_extern(), int(mutable))
        value = self.value(f"extern:{token}", "e")
        return self.core.Extern(GLOBAL, self.machine.store.allocate_global(type_, value))

    def token_table(self, count: int) -> Any:
        """A table with the host's tokens."""
        limits = self.core.Limits(count, count)
        address = self.machine.store.allocate_table(self.core.TableType(self.core.ValType.ref_extern(), limits))
        self.machine.store.tabl[address].elem[:] = [self.value(f"extern:{i}", "e") for i in range(count)]
        return self.core.Extern(TABLE, address)

    # Outcomes

    def _done(self, action: Callable[[], Any]) -> Any:
        """Do something with the machine; whatever becomes of it, its stack is empty behind it. Raises ``Ended``."""
        try:
            return action()
        except Ended:
            raise
        except MemoryError:
            raise Ended(OutOfMemory("no room")) from None
        except Exception as error:
            raise Ended(self.outcome(error)) from None
        finally:
            self.machine.stack = self.core.Stack()

    def outcome(self, error: Exception) -> Outcome:
        """What an exception stands for that came out of the machine."""
        name, _ = raised(error.__traceback__)
        instruction = self._instruction()
        if name == "evaluate_call" and isinstance(error, AssertionError):
            return Exhausted("stack")
        for instructions, type_, raised_by, kind in RULES:
            fits = instructions.fullmatch(instruction) and raised_by.fullmatch(name)
            if fits and isinstance(error, type_):
                return Trapped(frozenset({kind}), f"{type(error).__name__} in {instruction}")
        if not instruction:
            return Rejected(self._told(error))
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return Crashed(0, f"{what} in {instruction}", place(error))

    def _instruction(self) -> str:
        """The name of the instruction that the machine is at, "" where it executes none."""
        labels = self.machine.stack.label
        if not labels or not 0 < labels[-1].index <= len(labels[-1].instr):
            return ""
        code: int = labels[-1].instr[labels[-1].index - 1].opcode
        return self.opcodes.get(code, "?")

    def _told(self, error: Exception) -> str:
        return f"{type(error).__name__}: {error}".rstrip(": ") + f" at {place(error)}"


def raised(trace: TracebackType | None) -> tuple[str, TracebackType]:
    """The function of pywasm in which an exception was raised, and where."""
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_name, trace


def place(error: Exception) -> str:
    """``pywasm/core.py:LINE`` of an exception."""
    _, trace = raised(error.__traceback__)
    return f"pywasm/{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
