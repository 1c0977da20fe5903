"""Tables: the first elements in a list, the rest only where one was set."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

from oracles.interpreter.budget import Meter
from oracles.linking import TableItem
from wasm.canonical import Types
from wasm.traps import Trap, TrapKind
from wasm.valtypes import TableType

DENSE: Final = 65_536
_MISSING: Final = object()
_MOST: Final = 1 << 32
"""Elements that any table may have, 64-bit tables included; what is never set costs nothing."""


class Table(TableItem):
    """A table instance (spec 4.2.7). References are as in ``oracles.interpreter.values``.

    ``dense`` holds the elements below 65,536 and may be read directly. Of those above, ``_set`` has the ones that were
    set; the others are what the table was grown with: ``_runs`` has (first index, value) per growth, in order.
    ``types`` belongs to the module that defined it.
    """

    __slots__ = ("_runs", "_set", "dense", "maximum", "meter", "size", "type", "types")

    def __init__(self, type_: TableType, types: Types, init: Any, meter: Meter) -> None:
        """Raises ``MemoryExhaustion`` where the budget does not allow the initial size."""
        self.type, self.types, self.meter = type_, types, meter
        self.maximum = _MOST - 1 if type_.limits.maximum is None else min(type_.limits.maximum, _MOST - 1)
        self.size = 0
        self.dense: list[Any] = []
        self._set: dict[int, Any] = {}
        self._runs: list[tuple[int, Any]] = []
        if self.grow(type_.limits.minimum, init) < 0:
            meter.allocate(meter.budget.cells + 1)

    def grow(self, delta: int, value: Any) -> int:
        """Add elements; the old size, or -1 if that is more than allowed."""
        old, new = self.size, self.size + delta
        if new > self.maximum:
            return -1
        missing = max(0, min(new, DENSE) - len(self.dense))
        self.meter.allocate(missing)
        self.dense += [value] * missing
        if new > DENSE and new > old:
            self._runs.append((max(old, DENSE), value))
        self.size = new
        return old

    def get(self, index: int) -> Any:
        """Raises ``Trap`` out of bounds."""
        if index < len(self.dense):
            return self.dense[index]
        if index >= self.size:
            raise Trap(TrapKind.TABLE_OOB)
        value = self._set.get(index, _MISSING)
        if value is not _MISSING:
            return value
        return self._runs[bisect_right(self._runs, index, key=lambda run: run[0]) - 1][1]

    def set(self, index: int, value: Any) -> None:
        """Raises ``Trap`` out of bounds."""
        if index < len(self.dense):
            self.dense[index] = value
        elif index < self.size:
            if index not in self._set:
                self.meter.allocate(8)
            self._set[index] = value
        else:
            raise Trap(TrapKind.TABLE_OOB)

    def check(self, at: int, length: int) -> None:
        """Raises ``Trap`` unless ``length`` elements at ``at`` are inside."""
        if at + length > self.size:
            raise Trap(TrapKind.TABLE_OOB)

    def fill(self, at: int, value: Any, length: int) -> None:
        """table.fill"""
        self.check(at, length)
        self.meter.spend(length >> 4)
        for index in range(at, at + length):
            self.set(index, value)

    def init(self, at: int, values: list[Any], start: int, length: int) -> None:
        """table.init from the elements of a segment."""
        self.check(at, length)
        if start + length > len(values):
            raise Trap(TrapKind.TABLE_OOB)
        self.meter.spend(length >> 4)
        for index in range(length):
            self.set(at + index, values[start + index])

    def copy(self, at: int, source: Table, start: int, length: int) -> None:
        """table.copy from ``source``, which may be this table; ranges may overlap."""
        self.check(at, length)
        source.check(start, length)
        self.meter.spend(length >> 4)
        indices = range(length)
        for index in reversed(indices) if at > start else indices:
            self.set(at + index, source.get(start + index))
