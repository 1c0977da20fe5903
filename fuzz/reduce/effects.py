"""What instructions do besides giving results, as far as edits need to know it."""

from __future__ import annotations

from functools import cache
from typing import Final

from wasm.isa import OPS, Instr, Op
from wasm.rewrite.operands import Node
from wasm.valtypes import NumType, RefType, ValType

_EFFECTS: Final = frozenset({"drop", "call", "call_indirect", "call_ref", "memory.grow", "table.grow"})
"""What does something besides giving results, frames and memory accesses aside."""
SINKS: Final = frozenset({"drop", "local.set", "global.set", "local.tee"})


def is_control(node: Node) -> bool:
    """Whether the instruction opens, closes or leaves a block, or calls: all that ``collapse`` leaves alone."""
    return node.control or (node.op.name in _EFFECTS and node.op.name != "drop")


@cache
def _has_no_effect(op: Op) -> bool:
    if op.name in _EFFECTS or op.name == "local.tee":
        return False
    return op.access is None or op.access.kind == "load"


def is_removable(node: Node) -> bool:
    """Whether the instruction is only there for its results (a trap in it does not count)."""
    return bool(node.outs) and not node.control and _has_no_effect(node.op)


def default_value(type_: ValType | None) -> tuple[Instr, ...]:
    """The simplest instructions that push a value of the type; an open type is taken for i32.

    For a reference that must not be null there is only one that traps.
    """
    if isinstance(type_, RefType):
        null: tuple[Instr, ...] = ((OPS["ref.null"], type_.heap),)
        return null if type_.nullable else (*null, OPS["ref.as_non_null"].bare)
    return ((OPS[f"{type_.name if isinstance(type_, NumType) else 'i32'}.const"], 0),)


def hands_on(node: Node) -> bool:
    """Whether it is a conditional branch that carries its own reference, last of the label's values.

    Such a reference does not come back where the branch is not taken.
    """
    return node.passed < node.carried and not node.transfer
