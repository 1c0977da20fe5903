"""Operands of one scalar instruction: at its corners, or so that it does not trap.

Whoever draws an instruction that may trap asks ``known_operand`` for a constant that decides it (the instruction is
complete then), or writes the operand and has ``guard`` make it a safe one:

    local.get 0  local.get 1  i32.const 1  i32.or  i32.div_u         # never by zero
"""

from __future__ import annotations

from typing import Final

from generators.choices import weighted
from generators.draw.corners import corners
from generators.draw.edges import conversion_ends, divisors
from generators.draw.values import CONST
from generators.module.function import GET, SET
from generators.scalar.candidates import Candidate, Guard
from generators.scalar.expressions import ODD, POSITIVE, SELECT
from generators.scalar.grower import Grower
from wasm.fragment import Code, Template, code, template
from wasm.isa import Op
from wasm.valtypes import F32, F64, I32, I64, NumType

TWO_OPERANDS: Final = weighted(
    (("tree", "tree"), 8), (("pair", "pair"), 4), (("tree", "const"), 4), (("const", "tree"), 2), (("tree", "same"), 1)
)  # fmt: skip
"""How both operands of an instruction are made.

``tree`` is any expression, ``const`` a constant for that operand; ``pair`` makes both of instructions of one family,
``same`` uses the first operand again.
"""

SHIFTED_OPERANDS: Final = weighted(
    (("tree", "const"), 10), (("tree", "tree"), 4), (("const", "tree"), 2), (("tree", "same"), 1)
)
"""The same of a shift, whose amount is a constant mostly."""

_NOT_ZERO: Final[dict[NumType, Template]] = {
    t: template(f"local.tee $t  {t}.const 1  local.get $t  {t}.const 0  {t}.ne  select") for t in (I32, I64)
}
_IN_RANGE: Final[dict[NumType, Template]] = {
    t: template(
        f"local.tee $t  {t}.const $inside  local.get $t  {t}.const $highest  {t}.le"
        f"  local.get $t  {t}.const $lowest  {t}.ge  i32.and  select"
    )
    for t in (F32, F64)
}
"""Where a value is out of range, or a NaN, comparing says so, and one that is in range takes its place."""

_BY_MINUS_ONE: Final[dict[NumType, Code]] = {t: code(f"{t}.const -1") for t in (I32, I64)}
_NOT_LEAST: Final[dict[NumType, Code]] = {t: code(f"{t}.const 1  {t}.shr_u") for t in (I32, I64)}


def meet(tree: Grower, op: Op) -> None:
    """Operands from one of two corners of ``op`` by a condition, so that a compiler cannot compute them; one in four is
    a constant."""
    source, body = tree.source, tree.fn.f.body
    first, second = source.pick(corners(op)), source.pick(corners(op))
    types = [type_ for type_ in op.params or () if isinstance(type_, NumType)]
    decides = tree.fn.temp(I32)
    tree.condition(0)
    body.append((SET, decides))
    for type_, one, other in zip(types, first, second, strict=True):
        body.append((CONST[type_], one))
        if source.chance(3, 4):
            body += ((CONST[type_], other), (GET, decides), *SELECT)


def known_operand(tree: Grower, candidate: Candidate, type_: NumType) -> bool:
    """Half of the time the operand that decides about a trap is a constant: then the instruction is complete."""
    source, body, op = tree.source, tree.fn.f.body, candidate.op
    if source.one_in(2):
        return False
    if candidate.guard is Guard.IN_RANGE:
        inside, _ = conversion_ends(op.name)
        body.append((CONST[type_], source.pick(inside)))
        if source.one_in(2):
            body.append((CONST[type_], source.pick(inside)))
            tree.condition(1)
            body += SELECT
    elif source.one_in(6):
        # By -1: the dividend must not be the least number (4.3.2, idiv_s), but for a remainder it may.
        if op.name.endswith("div_s"):
            body += _NOT_LEAST[type_]
        body += _BY_MINUS_ONE[type_]
    else:
        body.append((CONST[type_], source.pick(divisors(type_)) if source.chance(7, 8) else 1))
    body.append(op.bare)
    return True


def guard(tree: Grower, candidate: Candidate) -> None:
    """Make the last operand, on the stack, one that does not trap, whatever it is."""
    fn, type_ = tree.fn, candidate.params[-1]
    assert isinstance(type_, NumType)
    if candidate.guard is Guard.IN_RANGE:
        inside, _ = conversion_ends(candidate.op.name)
        highest, lowest = inside[:2]
        fn += _IN_RANGE[type_](fn.temp(type_), tree.source.pick(inside), highest, lowest)
        return
    if candidate.guard is Guard.POSITIVE:
        fn += POSITIVE[type_]
    fn += ODD[type_] if tree.source.one_in(2) else _NOT_ZERO[type_](fn.temp(type_))
