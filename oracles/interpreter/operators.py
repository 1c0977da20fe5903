"""Instructions as functions of their operands, bound to an instance: all but control, calls and variables.

``bind`` gives an instruction's function with the number of operands and results. The function returns nothing, the
result, or a tuple of several results; it raises ``Trap``. Both tiers use it, so there is one meaning of everything
that is not inlined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from oracles.interpreter.store import Instance
from wasm.isa import OPS, Imm, Op

Bound: TypeAlias = tuple[Callable[..., Any], int, int]
"""The function, its number of operands and its number of results."""

Binder: TypeAlias = Callable[[Any, Instance], Bound]

BINDERS: Final[dict[Op, Binder]] = {}
"""The rows that need an instance or whose operands depend on immediates."""


def binder(*names: str) -> Callable[[Binder], Binder]:
    """Register the binder of rows by name."""

    def register(function: Binder) -> Binder:
        for name in names:
            BINDERS[OPS[name]] = function
        return function

    return register


def bind(op: Op, imm: Any, instance: Instance) -> Bound:
    """The function of an instruction with its immediates in an instance."""
    own = BINDERS.get(op)
    if own is not None:
        return own(imm, instance)
    assert op.params is not None
    assert op.results is not None
    function = instance.store.meaning(op)
    if op.imms:
        function = _with_immediate(function, imm)
    return function, len(op.params), len(op.results)


def _with_immediate(function: Callable[..., Any], imm: Any) -> Callable[..., Any]:
    return lambda *operands: function(*operands, imm)


PURE: Final = frozenset(op for op in OPS.values() if op.pure is not None)
CONSTANTS: Final = frozenset(
    op for op in OPS.values() if op.imms in ((Imm.I32,), (Imm.I64,), (Imm.F32,), (Imm.F64,), (Imm.V128,))
)
