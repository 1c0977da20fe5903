"""Parallel moves: sequential results against a symbolic simulation of moving everything at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.regalloc.moves import PlacedMove, resolve
from wasm.valtypes import F64, I32, I64, V128, NumType

SCRATCH = (63, 127)
SPARE = {1: 900, 2: 950}


def spare_slot(type_: NumType) -> int:
    return SPARE[2 if type_ is V128 else 1]


def simulate(moves: list[PlacedMove]) -> dict[int, int]:
    """What each place holds after running ``moves`` one by one, where at first each holds its own number."""
    held: dict[int, int] = {}
    for source, target, _ in moves:
        assert source < 128 or target < 128, "a move from memory to memory"
        held[target] = held.get(source, source)
    return held


@st.composite
def parallel(draw: st.DrawFn) -> list[PlacedMove]:
    """Moves between INT registers, FLOAT registers and slots of both kinds of value, with few places: many cycles."""
    registers = {I32: range(6), I64: range(6), F64: range(64, 70), V128: range(64, 70)}
    slots = {I32: range(200, 206), I64: range(200, 206), F64: range(200, 206), V128: range(300, 306, 2)}
    moves: dict[int, PlacedMove] = {}
    kinds: dict[int, NumType] = {}
    for _ in range(draw(st.integers(1, 24))):
        type_ = draw(st.sampled_from([I64, F64, V128, I32]))
        places = [*registers[type_], *slots[type_]]
        source, target = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        # A place holds one value, and a value has one type.
        if target not in moves and kinds.setdefault(source, type_) is type_:
            moves[target] = (source, target, type_)
    return list(moves.values())


@given(parallel())
def test_sequential_moves_have_the_parallel_effect(moves: list[PlacedMove]) -> None:
    held = simulate(resolve(moves, SCRATCH, spare_slot))
    for source, target, _ in moves:
        assert held.get(target, target) == source
    touched = {target for _, target, _ in moves} | set(SCRATCH) | set(SPARE.values())
    assert set(held) <= touched, "a place changed that no move names"


def test_a_swap_goes_through_the_scratch_register() -> None:
    assert resolve([(0, 1, I64), (1, 0, I64)], SCRATCH, spare_slot) == [(1, 63, I64), (0, 1, I64), (63, 0, I64)]


def test_a_swap_in_memory_needs_a_spare_slot() -> None:
    done = resolve([(200, 201, I64), (201, 200, I64)], SCRATCH, spare_slot)
    assert simulate(done)[200] == 201
    assert simulate(done)[201] == 200
    assert any(target == SPARE[1] for _, target, _ in done)


def test_equal_moves_are_one_and_two_values_are_refused() -> None:
    assert resolve([(0, 1, I64), (0, 1, I64)], SCRATCH, spare_slot) == [(0, 1, I64)]
    with pytest.raises(ValueError, match="two values"):
        resolve([(0, 1, I64), (2, 1, I64)], SCRATCH, spare_slot)


def test_a_long_chain_is_linear() -> None:
    moves = [(200 + i, 201 + i, I64) for i in range(20_000)]
    held = simulate(resolve(moves, SCRATCH, spare_slot))
    assert all(held[target] == source for source, target, _ in moves)
