"""What compiled code asks for: the instructions that are no machine code but a call of the instance's owner.

Operands stand in the mailbox in the order of the operand stack; an i32 leaves the upper half of its slot undefined.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from oracles.compiled.machine import Machine
from oracles.compiled.stops import Thrown
from oracles.compiled.store import Instance
from wasm.canonical import canonical_subtype
from wasm.traps import Trap, TrapKind

_LOW: Final = (1 << 32) - 1


class Helpers:
    """The helpers of one instance: called with a request, they work on the machine's mailbox.

    Raise ``Trap`` and ``Thrown``.
    """

    def __init__(self, instance: Instance, machine: Machine) -> None:
        self.instance, self.machine = instance, machine
        self._table: dict[str, Callable[..., None]] = {
            "memory.grow": self._memory_grow,
            "memory.fill": self._memory_fill,
            "memory.copy": self._memory_copy,
            "memory.init": self._memory_init,
            "data.drop": self._data_drop,
            "table.grow": self._table_grow,
            "table.fill": self._table_fill,
            "table.copy": self._table_copy,
            "table.init": self._table_init,
            "elem.drop": self._elem_drop,
            "throw": self._throw,
            "throw_ref": self._throw_ref,
            "subtype": self._subtype,
        }

    def __call__(self, request: tuple[Any, ...]) -> None:
        self._table[request[0]](*request[1:])

    def _operand(self, slot: int, wide: bool) -> int:
        operand = self.machine.operand(slot)
        return operand if wide else operand & _LOW

    def _answer(self, value: int, wide: bool) -> None:
        self.machine.answer(value & ((1 << 64) - 1 if wide else _LOW))

    def _memory_grow(self, index: int) -> None:
        memory = self.instance.memories[index]
        wide = memory.type.index64
        self._answer(memory.grow(self._operand(0, wide)), wide)

    def _memory_fill(self, index: int) -> None:
        memory = self.instance.memories[index]
        wide = memory.type.index64
        at, length = self._operand(0, wide), self._operand(2, wide)
        memory.check(at, length)
        ctypes.memset(memory.base + at, self._operand(1, False) & 0xFF, length)

    def _memory_copy(self, to: int, source: int) -> None:
        into, out = self.instance.memories[to], self.instance.memories[source]
        both = into.type.index64 and out.type.index64
        at, start = self._operand(0, into.type.index64), self._operand(1, out.type.index64)
        length = self._operand(2, both)
        into.check(at, length)
        out.check(start, length)
        ctypes.memmove(into.base + at, out.base + start, length)

    def _memory_init(self, data: int, index: int) -> None:
        memory = self.instance.memories[index]
        at = self._operand(0, memory.type.index64)
        memory.init(at, self.instance.datas[data], self._operand(1, False), self._operand(2, False))

    def _data_drop(self, data: int) -> None:
        self.instance.datas[data] = b""

    def _table_grow(self, index: int) -> None:
        table = self.instance.tables[index]
        wide = table.type.index64
        self._answer(table.grow(self._operand(1, wide), self._operand(0, True)), wide)

    def _table_fill(self, index: int) -> None:
        table = self.instance.tables[index]
        wide = table.type.index64
        table.fill(self._operand(0, wide), self._operand(1, True), self._operand(2, wide))

    def _table_copy(self, to: int, source: int) -> None:
        into, out = self.instance.tables[to], self.instance.tables[source]
        both = into.type.index64 and out.type.index64
        at, start = self._operand(0, into.type.index64), self._operand(1, out.type.index64)
        length = self._operand(2, both)
        into.check(at, length)
        out.check(start, length)
        ctypes.memmove(into.base + 8 * at, out.base + 8 * start, 8 * length)

    def _table_init(self, elem: int, index: int) -> None:
        table = self.instance.tables[index]
        at = self._operand(0, table.type.index64)
        table.init(at, self.instance.elems[elem], self._operand(1, False), self._operand(2, False))

    def _elem_drop(self, elem: int) -> None:
        self.instance.elems[elem] = []

    def _throw(self, index: int) -> None:
        tag = self.instance.tags[index]
        raise Thrown(self.instance.store.new_exception(tag, self.machine.take(len(tag.params))))

    def _throw_ref(self) -> None:
        exception = self.machine.operand(0)
        if not exception:
            raise Trap(TrapKind.NULL_REFERENCE)
        raise Thrown(exception)

    def _subtype(self, wanted: int) -> None:
        self.machine.answer(canonical_subtype(self.machine.operand(0), wanted))
