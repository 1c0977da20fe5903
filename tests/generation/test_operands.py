"""Operand budgets against thresholds measured on Cranelift: the first result count at which 256 operands overflowed."""

from __future__ import annotations

import pytest

from generators.draw.operands import ADDRESSED, KINDS, operands, results_for
from wasm.valtypes import EXTERNREF, F32, F64, I32, I64, V128, ValType

OVERFLOW = 257
THREE_INTS: tuple[ValType, ...] = (I32, I64, I32)
EIGHT_FLOATS: tuple[ValType, ...] = (F32, F64, V128, F64, F32, F32, F64, F64)


@pytest.mark.parametrize(
    ("kind", "params", "first_failing"),
    [
        ("direct", (), 254),
        ("direct", THREE_INTS, 251),
        ("direct", THREE_INTS + EIGHT_FLOATS, 243),
        ("indirect", (), 253),
        ("indirect", THREE_INTS, 250),
        ("indirect", THREE_INTS + EIGHT_FLOATS, 242),
        ("import", (), 253),
    ],
)
@pytest.mark.parametrize("type_", [I32, I64, F32, F64, V128, EXTERNREF])
def test_measured_thresholds(kind: str, params: tuple[ValType, ...], first_failing: int, type_: ValType) -> None:
    assert operands(kind, params, (type_,) * first_failing) == OVERFLOW
    assert operands(kind, params, (type_,) * (first_failing - 1)) == OVERFLOW - 1


def test_parameters_on_the_stack_cost_nothing() -> None:
    results = (I64,) * 20
    assert operands("direct", THREE_INTS, results) == operands("direct", (I32,) * 900, results)
    assert operands("direct", EIGHT_FLOATS, results) == operands("direct", (F64,) * 900, results)


def test_the_return_area_takes_a_register() -> None:
    """Eight results of a class fit; the ninth brings the pointer, and the fourth integer parameter moves away."""
    params = (I32,) * 4
    assert operands("direct", params, (I32,) * 8) == 2 + 4 + 8
    assert operands("direct", params, (I32,) * 9) == 2 + 1 + 3 + 9
    assert operands("direct", (), (I32,) * 8 + (F64,) * 8) == 2 + 16


@pytest.mark.parametrize("budget", range(252, 259))
def test_results_solve_the_budget(budget: int) -> None:
    for params in ((), THREE_INTS, EIGHT_FLOATS, (I32,) * 30 + (V128,) * 30):
        results = (F32,) * results_for(budget, params)
        for kind in KINDS:
            assert operands(kind, params, results) == budget + (kind in ADDRESSED)
