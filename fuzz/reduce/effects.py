"""What instructions do besides giving results, as far as edits need to know it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from wasm.isa import OPS, Imm, Instr, Op
from wasm.rewrite.operands import Node
from wasm.valtypes import NumType, RefType, ValType

PASSING: Final = {"br_if": 0, "br_on_null": 0, "br_on_non_null": 1, "br_on_cast": 1, "br_on_cast_fail": 1}
"""Conditional branches, with how many of the label's values they do not give back."""
_CONTROL_KINDS: Final = frozenset({Imm.LABEL, Imm.LABELS, Imm.CAST, Imm.BLOCK_TYPE})
_EFFECTS: Final = frozenset(
    {
        "unreachable", "else", "end", "catch", "catch_all", "delegate", "drop", "return", "call", "call_indirect",
        "call_ref", "return_call", "return_call_indirect", "return_call_ref", "throw", "throw_ref", "rethrow",
        "memory.grow", "table.grow",
    }
)  # fmt: skip
SINKS: Final = frozenset({"drop", "local.set", "global.set", "local.tee"})


@cache
def is_control(op: Op) -> bool:
    """Whether the instruction opens, closes or leaves a block, or calls: all that ``collapse`` leaves alone."""
    return bool(_CONTROL_KINDS.intersection(op.imms)) or (op.name in _EFFECTS and op.name != "drop")


@cache
def _has_no_effect(op: Op) -> bool:
    if op.name in _EFFECTS or op.name == "local.tee" or _CONTROL_KINDS.intersection(op.imms):
        return False
    return op.access is None or op.access.kind == "load"


def is_removable(node: Node) -> bool:
    """Whether the instruction is only there for its results (a trap in it does not count)."""
    return bool(node.outs) and _has_no_effect(node.op)


def default_value(type_: ValType | None) -> tuple[Instr, ...]:
    """The simplest instructions that push a value of the type; an open type is taken for i32.

    For a reference that must not be null there is only one that traps.
    """
    if isinstance(type_, RefType):
        null: tuple[Instr, ...] = ((OPS["ref.null"], type_.heap),)
        return null if type_.nullable else (*null, OPS["ref.as_non_null"].bare)
    return ((OPS[f"{type_.name if isinstance(type_, NumType) else 'i32'}.const"], 0),)


def passed(node: Node) -> int:
    """How many of its label's values a conditional branch gives back; the first ones of its results."""
    return node.carried - PASSING[node.op.name]


def runs(types: Iterable[ValType]) -> list[tuple[int, ValType]]:
    """Locals as runs of one type, as the binary format has them."""
    found: list[tuple[int, ValType]] = []
    for type_ in types:
        if found and found[-1][1] is type_:
            found[-1] = (found[-1][0] + 1, type_)
        else:
            found.append((1, type_))
    return found
