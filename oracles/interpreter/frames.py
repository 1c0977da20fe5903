"""How much a frame counts: by the values that a function makes, which is what machine code needs room for.

An allocator that looks ahead keeps few values on the stack at once; one that does not gives each a slot of its own. A
call of 254 vectors in a nest of ``try_table`` makes 33,000 values: 4 KB of frame with regalloc2's backtracking
allocator, 530 KB with its single-pass one (Wasmtime 50.0.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from oracles.interpreter.prepare import block_arity
from oracles.interpreter.store import Func, Instance
from wasm.isa import OPS, Op

VALUES_PER_FRAME: Final = 64
"""A frame counts one more for every so many values."""


def _of_func(instance: Instance, index: int) -> int:
    func = instance.funcs[index]
    return len(func.params) + len(func.results)


def _of_type(instance: Instance, index: int) -> int:
    type_ = instance.types.func(index)
    return len(type_.params) + len(type_.results) if type_ is not None else 0


def _of_table(instance: Instance, imm: tuple[int, int]) -> int:
    return _of_type(instance, imm[0])


def _of_block(instance: Instance, imm: Any) -> int:
    return sum(block_arity(imm, instance))


_MANY: Final[dict[Op, Callable[[Instance, Any], int]]] = {
    OPS["call"]: _of_func,
    OPS["return_call"]: _of_func,
    OPS["call_indirect"]: _of_table,
    OPS["return_call_indirect"]: _of_table,
    OPS["call_ref"]: _of_type,
    OPS["return_call_ref"]: _of_type,
    OPS["block"]: _of_block,
    OPS["loop"]: _of_block,
    OPS["if"]: _of_block,
    OPS["try"]: _of_block,
    OPS["try_table"]: lambda instance, imm: _of_block(instance, imm[0]),
}
"""Rows that make as many values as a type says. A call has room for its arguments too, and a block makes its parameters
and results anew: they are values that come to it on several ways."""
_SETTERS: Final = (
    "local.set global.set drop nop struct.set array.set array.fill array.copy array.init_data array.init_elem "
    "table.set table.init table.copy table.fill memory.copy memory.fill"
)
_LEAVERS: Final = "else end br br_if br_table return unreachable throw throw_ref br_on_null br_on_non_null"
_NO_VALUE: Final = frozenset(row for row in OPS.values() if row.results == ()) | {
    OPS[name] for name in ("local.get", *_SETTERS.split(), *_LEAVERS.split())
}
"""Rows that make nothing new: a local that is read is a value already."""


def weight(func: Func) -> int:
    """What a frame of a function of a module counts against the depth limit; the whole instance is linked before."""
    instance = func.instance
    assert instance is not None
    values = len(func.params) + sum(count for count, _ in func.locals)
    for op, imm in func.body:
        if op not in _NO_VALUE:
            many = _MANY.get(op)
            values += 1 if many is None else many(instance, imm)
    return 1 + values // VALUES_PER_FRAME
