"""How many register-allocation operands a call has: the budget in which extreme signatures are drawn.

The bug this project grew from (regalloc2 issue 226, Wasmtime issue 10741) was an operand's index in a ``u8``. In
Cranelift, a call is one instruction whose operands are the callee's address if it is not known statically, the
pointer to the return area if any result is on the stack, the callee's and the caller's contexts, one use per parameter
in a register, and one definition per result. Parameters on the stack cost none. Figures are for x86-64.

A tail call leaves its results to another frame, so an allocator sees no definitions; it is counted like the call that
it stands in for, since that is the signature's shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from wasm.valtypes import F32, F64, V128, ValType

KINDS: Final = (
    "host",
    "direct",
    "indirect",
    "ref",
    "tail",
    "tail_indirect",
    "tail_ref",
    "import",
    "recursive",
    "loop",
)
"""The kinds of call sites, as ``wasm.case.CallSite`` names them."""

ADDRESSED: Final = frozenset({"indirect", "ref", "tail_indirect", "tail_ref", "import"})
"""Kinds whose callee is an address at run time: one operand more."""

CONTEXTS: Final = 2
INT_ARGUMENTS: Final = 6
FLOAT_ARGUMENTS: Final = 8
INT_RESULTS: Final = 8
FLOAT_RESULTS: Final = 8


def is_float(type_: ValType) -> bool:
    """Whether values of this type live in floating-point and vector registers."""
    return type_ is F64 or type_ is F32 or type_ is V128


def _classes(types: Iterable[ValType]) -> tuple[int, int]:
    ints = floats = 0
    for type_ in types:
        if is_float(type_):
            floats += 1
        else:
            ints += 1
    return ints, floats


def overhead(kind: str, params: Sequence[ValType], stack_results: bool) -> int:
    """The operands of a call that are not results."""
    ints, floats = _classes(params)
    pointer = 1 if stack_results else 0
    in_registers = min(ints, INT_ARGUMENTS - CONTEXTS - pointer) + min(floats, FLOAT_ARGUMENTS)
    return (1 if kind in ADDRESSED else 0) + pointer + CONTEXTS + in_registers


def operands(kind: str, params: Sequence[ValType], results: Sequence[ValType]) -> int:
    """The operands of one call of ``kind`` to a function of this type."""
    ints, floats = _classes(results)
    return overhead(kind, params, ints > INT_RESULTS or floats > FLOAT_RESULTS) + len(results)


def results_for(budget: int, params: Sequence[ValType]) -> int:
    """How many results a direct call needs to have ``budget`` operands; for budgets that overflow the registers."""
    return max(0, budget - overhead("direct", params, True))
