"""Conditions: what a select or a branch depends on, mostly a comparison, since compilers have most rules for those.

Comparisons are negated, combined and compared again, or a single bit is looked at:

    local.get 0  i32.const 7  i32.lt_s  i32.eqz
    local.get 0  local.get 1  f64.gt  local.get 2  i64.eqz  i32.and
    local.get 1  i64.const 8  i64.and  i64.eqz
"""

from __future__ import annotations

from typing import Final

from generators.choices import weighted
from generators.draw.edges import INTEGERS
from generators.draw.values import CONST
from generators.module.function import BARE, I32_CONST
from generators.scalar.expressions import SELECT, TWICE
from generators.scalar.families import comparisons
from generators.scalar.grower import Grower
from generators.scalar.operands import TWO_OPERANDS, meet
from wasm.fragment import code
from wasm.valtypes import F32, F64, I32, I64, NumType

_CONDITIONS: Final = weighted(
    ("compare", 60), ("not", 12), ("logic", 14), ("value", 12), ("against", 8), ("mask", 6)
)  # fmt: skip
_COMPARED: Final = weighted((I32, 34), (I64, 30), (F64, 20), (F32, 16))
_LOGIC: Final = (code("i32.and"), code("i32.or"), code("i32.xor"))


def emit_condition(tree: Grower, depth: int) -> None:
    """An i32 to decide on: comparisons of any type, negated, combined, compared again, or any number."""
    tree.room -= 1
    source, body = tree.source, tree.fn.f.body
    match source.weighted(_CONDITIONS) if depth > 0 and tree.room > 0 else "compare":
        case "compare":
            _compare(tree, depth)
        case "not":
            emit_condition(tree, depth - 1)
            body.append(BARE["i32.eqz"])
        case "logic":
            emit_condition(tree, depth - 1)
            emit_condition(tree, depth - 1)
            body += source.pick(_LOGIC)
        case "value":
            tree.grow(I32, depth - 1)
        case "against":
            # Against 0 or 1, which all comparisons give: folded into them, or turned round.
            emit_condition(tree, depth - 1)
            body += ((I32_CONST, source.below(2)), source.pick(comparisons(I32)[1:]).bare)
        case "mask":
            type_ = source.pick(INTEGERS)
            tree.grow(type_, depth - 1)
            body += ((CONST[type_], 1 << source.below(type_.bits)), BARE[f"{type_}.and"])
            if type_ is I64 or source.one_in(2):
                body.append(BARE[f"{type_}.eqz"])


def emit_decision(tree: Grower, depth: int) -> None:
    """What a branch depends on: half of the time a comparison of integers that are equal or next to each other, where
    the opposite of a condition is told from its neighbours."""
    if tree.source.one_in(2):
        emit_condition(tree, depth)
        return
    tree.room -= 1
    type_ = tree.source.pick(INTEGERS)
    _neighbours(tree, type_)
    tree.fn.f.body.append(tree.source.pick(comparisons(type_)[1:]).bare)


def _compare(tree: Grower, depth: int) -> None:
    source, body = tree.source, tree.fn.f.body
    type_ = source.weighted(_COMPARED)
    op = source.pick(comparisons(type_))
    both = len(op.params or ()) == 2
    if depth > 0 and source.one_in(2):
        if type_ in INTEGERS and both and source.one_in(2):
            _neighbours(tree, type_)
        else:
            meet(tree, op)
        body.append(op.bare)
        return
    for i, how in enumerate(source.weighted(TWO_OPERANDS) if both else ("tree",)):
        if how == "const":
            body.append((CONST[type_], tree.constants.operand(op, i, type_)))
        elif how == "pair":
            tree.operation(type_, 1, "")
        elif how == "same":
            body += TWICE(tree.fn.temp(type_))
        else:
            tree.grow(type_, depth - 1)
    body.append(op.bare)


def _neighbours(tree: Grower, type_: NumType) -> None:
    """A constant, on either side, and a value that is the same or next to it."""
    source, body = tree.source, tree.fn.f.body
    bits = tree.constants.plain(type_)
    left = source.one_in(2)
    if left:
        body.append((CONST[type_], bits))
    near = bits + source.pick((1, -1)) & (1 << type_.bits) - 1
    body += ((CONST[type_], bits), (CONST[type_], near))
    emit_condition(tree, 0)
    body += SELECT
    if not left:
        body.append((CONST[type_], bits))
