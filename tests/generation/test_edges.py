"""Constants for one instruction: what they say about it is true by its own meaning in the table."""

from __future__ import annotations

import itertools
import struct
from collections import Counter

import pytest

from generators.choices import ChoiceSource
from generators.draw.corners import corners
from generators.draw.edges import Constants, conversion_ends, divisors
from generators.draw.values import CANONICAL_NAN, FORMATS
from generators.vector.corners import draw_vectors, lane_corners
from wasm.isa import OPS, ROWS, Op
from wasm.traps import Trap
from wasm.valtypes import F32, F64, I32, I64, V128

CONVERSIONS = [row for row in ROWS if row.name.startswith(("i32.trunc_f", "i64.trunc_f"))]
WITH_CORNERS = [row for row in ROWS if row.pure is not None and corners(row)]
VECTORS_WITH_CORNERS = [row for row in ROWS if lane_corners(row)[1]]


def result(row: Op, *operands: int) -> object:
    assert row.pure is not None
    return row.pure(*operands)


@pytest.mark.parametrize(("name", "code"), [("f32", "<f"), ("f64", "<d")])
def test_formats_are_those_of_the_machine(name: str, code: str) -> None:
    format_ = FORMATS[name]
    for exponent in (-126, -1, 0, 3, 127):
        assert format_.power(exponent) == int.from_bytes(struct.pack(code, 2.0**exponent), "little")
    assert format_.infinity == int.from_bytes(struct.pack(code, float("inf")), "little")
    assert format_.sign == int.from_bytes(struct.pack(code, -0.0), "little")
    assert format_.infinity | format_.quiet == CANONICAL_NAN[F32 if name == "f32" else F64]


@pytest.mark.parametrize("row", CONVERSIONS, ids=lambda row: row.name)
def test_conversions_trap_outside_their_ends_only(row: Op) -> None:
    inside, outside = conversion_ends(row.name)
    for bits in inside:
        result(row, bits)
    for bits in outside:
        with pytest.raises(Trap):
            result(row, bits)


@pytest.mark.parametrize("row", CONVERSIONS, ids=lambda row: row.name)
def test_the_ends_of_a_conversion_are_next_to_each_other(row: Op) -> None:
    """The first two of each: the largest float inside and its neighbour outside, the lowest one and its neighbour."""
    inside, outside = conversion_ends(row.name)
    assert outside[0] == inside[0] + 1
    assert outside[1] == inside[1] + 1


def test_all_conversions_that_trap_are_met() -> None:
    assert len(CONVERSIONS) == 8


@pytest.mark.parametrize("row", WITH_CORNERS, ids=lambda row: row.name)
def test_no_corner_traps(row: Op) -> None:
    """Operands out of a corner need no guard."""
    for corner in corners(row):
        assert len(corner) == len(row.params or ())
        result(row, *corner)


def test_corners_are_where_operands_order_matters() -> None:
    """Both zeros, in both orders, and a NaN on either side: what tells ``min`` from a comparison and a select."""
    f32 = FORMATS["f32"]
    nan = CANONICAL_NAN[F32]
    assert {(0, f32.sign), (f32.sign, 0)} <= set(corners(OPS["f32.min"]))
    assert any(corner[0] == nan != corner[1] for corner in corners(OPS["f32.max"]))
    assert any(corner[1] == nan != corner[0] for corner in corners(OPS["f32.max"]))
    assert (1 << 31, 0xFFFFFFFF) in corners(OPS["i32.rem_s"])


def test_most_instructions_have_corners() -> None:
    scalar = Counter(str(row.params[0]) for row in WITH_CORNERS if row.params)
    assert all(scalar[type_] >= 15 for type_ in ("i32", "i64", "f32", "f64"))
    assert len(VECTORS_WITH_CORNERS) > 100


@pytest.mark.parametrize("type_", [I32, I64])
def test_any_number_can_be_divided_by_a_divisor(type_: object) -> None:
    name = str(type_)
    least = 1 << (31 if type_ is I32 else 63)
    for divisor in divisors(I32 if type_ is I32 else I64):
        for word in ("div_s", "div_u", "rem_s", "rem_u"):
            result(OPS[f"{name}.{word}"], least, divisor)


@pytest.mark.parametrize("row", VECTORS_WITH_CORNERS[::7], ids=lambda row: row.name)
def test_lanes_meet_in_a_corner(row: Op) -> None:
    width, lanes = lane_corners(row)
    count = (row.params or ()).count(V128)
    source = ChoiceSource.seeded("lanes", row.name)
    for _ in range(20):
        vectors = draw_vectors(source, width, lanes, count)
        for at in range(0, 128, width):
            met = tuple(vector >> at & (1 << width) - 1 for vector in vectors)
            assert met in {tuple(corner[i % len(corner)] for i in range(count)) for corner in lanes}


def test_amounts_of_shifts_often_make_up_the_width() -> None:
    """Two amounts in a row are a rotation or a shift of a pair more than one time in eight."""
    constants = Constants(ChoiceSource.seeded("amounts"))
    amounts = [constants.operand(OPS["i64.shl"], 1, I64) for _ in range(4000)]
    pairs = sum(first + second == 64 for first, second in itertools.pairwise(amounts))
    assert pairs > len(amounts) / 8
