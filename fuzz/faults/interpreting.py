"""Faults of the reference interpreter, which the compiler and Wasmtime then judge."""

from __future__ import annotations

from struct import Struct
from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Entry, Rewrite

_INTERPRET = Area.INTERPRET
_MEMORY: Final = "oracles.interpreter.memory:Memory"


def _meaning(row: str, function: str) -> Rewrite:
    """Another function for an instruction, where a store looks it up."""
    return Rewrite("oracles.interpreter.store:Store.meaning", "guarded(op, pure, self.meter)",
                   f"guarded(op, ({function}) if op.name == {row!r} else pure, self.meter)")  # fmt: skip


FAULTS: Final = (
    Fault(
        "interpreter-bounds-off-by-one", _INTERPRET,
        "an access that ends exactly at the memory's end traps",
        "wasmtime #12435 (a trap at the last eight bytes)",
        (Rewrite(f"{_MEMORY}.check", "if at + length > self.size:", "if at + length >= self.size:"),),
    ),
    Fault(
        "interpreter-grow-past-maximum", _INTERPRET,
        "memory.grow may go one page past the declared maximum",
        "class: the result of memory.grow (docs/judging.md, growth)",
        (Rewrite(f"{_MEMORY}.grow", "if new > self.maximum or", "if new > self.maximum + 1 or"),),
    ),
    Fault(
        "interpreter-shift-not-masked", _INTERPRET,
        "i32.shr_u takes an amount modulo 64",
        "wasmtime #12318 (shift by the width)",
        (_meaning("i32.shr_u", "lambda a, b: a >> (b & 63)"),),
    ),
    Fault(
        "interpreter-compare-signed-as-unsigned", _INTERPRET,
        "i64.lt_s compares as i64.lt_u does",
        "wazero #2503 (interpreter and compiler disagreed)",
        (_meaning("i64.lt_s", "lambda a, b: 1 if a < b else 0"),),
    ),
    Fault(
        "interpreter-extend-unsigned", _INTERPRET,
        "i64.extend_i32_s extends with zeros",
        "CVE-2021-32629 (extension of an i32)",
        (_meaning("i64.extend_i32_s", "lambda a: a"),),
    ),
    Fault(
        "interpreter-store-width", _INTERPRET,
        "a store of four bytes writes eight",
        "wasmtime #12435 and #8112 (an access wider than it should be)",
        (Entry("oracles.interpreter.operators_memory:PACK", 4, Struct("<Q").pack_into),),
    ),
    Fault(
        "interpreter-table-bounds", _INTERPRET,
        "table accesses of a whole range may end one past the table",
        "WAMR #4014 and #3021 (table.init out of bounds)",
        (Rewrite("oracles.interpreter.table:Table.check", "if at + length > self.size:",
                 "if at + length > self.size + 1:"),),
    ),
    Fault(
        "interpreter-select-swapped", _INTERPRET,
        "select takes the other operand where the condition is negative",
        "wasmtime #4322 (select)",
        (Rewrite("oracles.interpreter.machine:run", "if not condition:\n                            stack[-1] = right",
                 "if not 0 < condition < 1 << 31:\n                            stack[-1] = right"),),
    ),
)  # fmt: skip
"""The judge has to be judged as well."""
