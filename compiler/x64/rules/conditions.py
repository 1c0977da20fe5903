"""Conditions: instructions that set the flags, and what reads them.

A comparison is asked for in two ways. As a value it has a rule of its own: set the flags, then ``setcc``. Where it
decides (a branch, a select, a trap), ``condition_of`` sets the flags and returns the condition under which the value is
not zero, so that no i32 is made:

    v2 = i32.lt_s v0 v1          cmp v0, v1
    branch v2 1() 2()            jcc l => 1() 2()

The flags live from there to the next instruction of the same rule. Nothing may come between that sets them: rules make
constants and take their operands before, and moves that an allocator inserts leave flags alone.
"""

from __future__ import annotations

from typing import Final

from compiler.ir import Inst, ValueId
from compiler.lower import Lowering, lowers
from compiler.machine import define
from compiler.x64.build import build, pseudo
from compiler.x64.rules.scalars import BITS, SUFFIX, alu, split, split_float, trap_if
from compiler.x64.vectors import INT_SHAPES, LETTER, zeros

_CONDITIONS: Final = {
    "eq": "e", "ne": "ne", "lt_s": "l", "lt_u": "b", "gt_s": "g", "gt_u": "a", "le_s": "le", "le_u": "be", "ge_s": "ge",
    "ge_u": "ae",
}  # fmt: skip
_SWAPPED: Final = {"e": "e", "ne": "ne", "l": "g", "g": "l", "b": "a", "a": "b", "le": "ge", "ge": "le", "be": "ae",
                   "ae": "be"}  # fmt: skip
INVERSE: Final = {
    "e": "ne", "ne": "e", "l": "ge", "ge": "l", "g": "le", "le": "g", "b": "ae", "ae": "b", "a": "be", "be": "a",
}  # fmt: skip
COMPARISONS: Final = tuple(f"{t}.{name}" for t in BITS for name in (*_CONDITIONS, "eqz"))
_ORDER: Final = {"lt": ("a", True), "gt": ("a", False), "le": ("ae", True), "ge": ("ae", False)}
"""Condition of ucomis, and whether the operands change places: above and above-or-equal are false for a NaN."""
FLOAT_ORDERINGS: Final = tuple(f"{t}.{name}" for t in SUFFIX for name in _ORDER)
VECTOR_TESTS: Final = ("v128.any_true", *(f"{s}.all_true" for s in INT_SHAPES))


def compare(c: Lowering, inst: Inst) -> str:
    """Set the flags by an integer comparison and return the condition under which it holds."""
    bits, name = split(inst)
    if name == "eqz":
        value = c.use(inst.args[0])
        build(c, f"test{bits}", value, value)
        return "e"
    left, right = inst.args
    condition = _CONDITIONS[name]
    if c.settings.opt != "none" and c.constant(left) is not None and c.constant(right) is None:
        left, right, condition = right, left, _SWAPPED[condition]
    alu(c, "cmp", bits, c.use(left), right)
    return condition


def compare_floats(c: Lowering, inst: Inst) -> str:
    """Set the flags by an ordering and return the condition under which it holds."""
    suffix, name = split_float(inst)
    condition, swapped = _ORDER[name]
    left, right = map(c.use, inst.args)
    if swapped:
        left, right = right, left
    build(c, f"ucomi{suffix}", left, right)
    return condition


def null_test(c: Lowering, inst: Inst) -> str:
    """Set the flags by a reference and return the condition under which it is null."""
    reference = c.use(inst.args[0])
    build(c, "test64", reference, reference)
    return "e"


def vector_test(c: Lowering, inst: Inst) -> str:
    """Set the flags by a test of all lanes and return the condition under which it holds."""
    value = c.use(inst.args[0])
    if inst.op.name == "v128.any_true":
        build(c, "ptest", value, value)
        return "ne"
    lanes = build(c, f"pcmpeq{LETTER[inst.op.name.partition('.')[0]]}", zeros(c), value)
    build(c, "ptest", lanes, lanes)
    return "e"


def condition_of(c: Lowering, value: ValueId) -> str:
    """Set the flags so that the returned condition holds if the i32 is not zero; folds the comparison that made it."""
    maker = c.maker(value, *COMPARISONS)
    if maker is not None:
        return compare(c, maker)
    maker = c.maker(value, "is_null")
    if maker is not None:
        return null_test(c, maker)
    maker = c.maker(value, *FLOAT_ORDERINGS)
    if maker is not None:
        return compare_floats(c, maker)
    maker = c.maker(value, *VECTOR_TESTS)
    if maker is not None:
        return vector_test(c, maker)
    condition = c.use(value)
    build(c, "test32", condition, condition)
    return "ne"


# The same as values.


@lowers(*COMPARISONS)
def _comparison(c: Lowering, inst: Inst) -> None:
    pseudo(c, "setcc", (define(inst.results[0]),), compare(c, inst))


@lowers("is_null")
def _is_null(c: Lowering, inst: Inst) -> None:
    pseudo(c, "setcc", (define(inst.results[0]),), null_test(c, inst))


@lowers(*FLOAT_ORDERINGS)
def _ordering(c: Lowering, inst: Inst) -> None:
    pseudo(c, "setcc", (define(inst.results[0]),), compare_floats(c, inst))


@lowers("f32.eq", "f64.eq", "f32.ne", "f64.ne")
def _equality(c: Lowering, inst: Inst) -> None:
    suffix, name = split_float(inst)
    build(c, f"ucomi{suffix}", c.use(inst.args[0]), c.use(inst.args[1]))
    pseudo(c, "set_float_eq", (define(inst.results[0]),), name)


@lowers(*VECTOR_TESTS)
def _vector_test(c: Lowering, inst: Inst) -> None:
    pseudo(c, "setcc", (define(inst.results[0]),), vector_test(c, inst))


@lowers("trap_if")
def _trap_if(c: Lowering, inst: Inst) -> None:
    trap_if(c, condition_of(c, inst.args[0]), inst.imm)
