"""The checker accepts right answers and names what is wrong with wrong ones; each answer here is written by hand."""

from __future__ import annotations

import pytest

from compiler.machine import Allocation, Allocations, Edit, MachineFunc, PReg, RegClass, SpillSlot
from compiler.machine_text import parse_machine
from compiler.regalloc.checker import check
from tests.allocation.by_hand import ENV, F, R, S, edit
from wasm.valtypes import I32, I64, V128


def answer(func: MachineFunc, rows: list[list[Allocation]], edits: list[Edit] | None = None) -> list[str]:
    return [str(error) for error in check(func, ENV, Allocations([tuple(row) for row in rows], edits or [], 6))]


STRAIGHT = parse_machine("""
function f
block 0
  a v0:i32>any
  b v1:i32>any
  add v0<reg v1<any v2:i32>reuse(0)
  ret v2<fixed(int:0) => .
""")


def test_a_right_answer() -> None:
    assert answer(STRAIGHT, [[R[0]], [R[1]], [R[0], R[1], R[0]], [R[0]]]) == []
    spilled = [edit(2, R[2], S[0]), edit(3, R[0], R[2])]
    assert answer(STRAIGHT, [[S[0]], [S[1]], [R[2], S[1], R[2]], [R[0]]], spilled) == []


@pytest.mark.parametrize(
    ("rows", "edits", "complaint"),
    [
        (
            [[R[0]], [R[1]], [R[0], R[1], R[0]], [R[0]]],
            [edit(2, PReg(RegClass.INT, 9), R[0])],
            "a move to a register that is not the allocator's: int:9 <- int:0 i32",
        ),
        ([[R[0]], [R[0]], [R[0], R[0], R[0]], [R[0]]], [], "int:0 should hold v0, holds v1"),
        ([[R[0]], [R[1]], [R[0], R[1], R[1]], [R[1]]], [], "not the register of operand 0"),
        ([[R[0]], [R[1]], [R[0], R[1], R[0]], [R[1]]], [], "is not the fixed register"),
        ([[S[0]], [R[1]], [S[0], R[1], S[0]], [R[0]]], [edit(3, R[0], S[0])], "not a register"),
        ([[R[3]], [R[1]], [R[3], R[1], R[3]], [R[0]]], [edit(3, R[0], R[3])], "no allocatable register"),
        ([[S[0]], [S[1]], [R[2], S[2], R[2]], [R[0]]], [edit(2, R[2], S[0]), edit(2, S[2], S[1])], "memory to memory"),
        ([[R[0]], [R[1]], [R[0], R[1], R[0]], [R[0]]], [edit(3, R[1], R[0], after=1)], "behind a terminator"),
        ([[R[0]], [R[1]], [R[0], R[1]], [R[0]]], [], "2 allocations for 3 operands"),
        ([[R[0]], [S[5]], [R[0], SpillSlot(6), R[0]], [R[0]]], [], "outside the frame"),
        ([[R[0]], [R[1]], [R[0], R[1], R[0]], [R[0]]], [edit(2, R[0], F[0])], "between classes"),
        ([[R[0]], [R[1]], [R[0], R[1], R[0]], [R[0]]], [edit(3, R[2], R[0]), edit(2, R[2], R[0])], "not in order"),
    ],
)
def test_a_wrong_answer(rows: list[list[Allocation]], edits: list[Edit], complaint: str) -> None:
    assert any(complaint in error for error in answer(STRAIGHT, rows, edits))


def test_a_clobber_ends_what_a_register_held() -> None:
    func = parse_machine("function f\nblock 0\n  a v0:i32>reg\n  call !int:1\n  ret v0<reg => .")
    assert answer(func, [[R[0]], [], [R[0]]]) == []
    assert answer(func, [[R[1]], [], [R[1]]]) == [
        "block 0, inst 2: operand 0: int:1 should hold v0, holds nothing known"
    ]


LOOP = parse_machine("""
function f
block 0
  a v0:i32>reg v1:i32>reg
  jmp => 1(v0 v1)
block 1 (v2:i32 v3:i32)
  br v2<reg => 2() 3()
block 2
  jmp => 1(v3 v2)
block 3
  ret v2<reg v3<reg => .
""")


def test_an_edge_renames_in_parallel() -> None:
    """The loop swaps its two parameters: without moves each register holds the other one's value."""
    swap = [edit(3, R[2], R[0]), edit(3, R[0], R[1]), edit(3, R[1], R[2])]
    rows: list[list[Allocation]] = [[R[0], R[1]], [], [R[0]], [], [R[0], R[1]]]
    assert answer(LOOP, rows, swap) == []
    assert any("should hold v2" in error for error in answer(LOOP, rows))
    assert any("should hold v" in error for error in answer(LOOP, rows, [swap[0], swap[2], swap[1]]))


PROTECTED = parse_machine("""
function f
block 0
  a v9:i32>any
  call v0:i32>any => 1() 2()
block 1
  ret v0<any v9<any => .
block 2
  ret v9<any => .
""")


def test_definitions_of_a_terminator_belong_to_edge_0() -> None:
    assert answer(PROTECTED, [[S[0]], [R[0]], [R[0], S[0]], [S[0]]]) == []
    shared = answer(PROTECTED, [[R[0]], [R[0]], [R[0], R[0]], [R[0]]])
    assert any("block 2" in error for error in shared), "the call's result may have overwritten it on either edge"
    early = [edit(1, R[1], R[0])]
    assert answer(PROTECTED, [[S[0]], [R[0]], [R[1], S[0]], [S[0]]], early), "a move before the call sees no result"


def test_words_of_slots() -> None:
    """An i32 spilled and reloaded, a v128 cut by its neighbour, a move that is too narrow."""
    func = parse_machine("function f\nblock 0\n  a v0:v128>any v1:i64>any\n  ret v0<any v1<any => .")
    assert answer(func, [[S[0], S[2]], [S[0], S[2]]]) == []
    assert any("should hold v0" in error or "share" in error for error in answer(func, [[S[0], S[1]], [S[0], S[1]]]))
    assert any("aligned" in error for error in answer(func, [[S[1], S[4]], [S[1], S[4]]]))
    wide = [edit(1, R[1], R[0], I64)]
    assert answer(func, [[F[0], R[0]], [F[0], R[1]]], wide) == []
    assert answer(func, [[F[0], R[0]], [F[0], R[1]]], [edit(1, R[1], R[0], I32)]), "half of an i64"
    assert answer(func, [[F[0], R[0]], [F[1], R[0]]], [edit(1, F[1], F[0], V128)]) == []


def test_places_shared_within_an_instruction() -> None:
    func = parse_machine(
        "function f\nblock 0\n  a v0:i32>reg\n  op v0<late:reg v1:i32>reg v2:i32>early:reg\n  ret => ."
    )
    assert answer(func, [[R[0]], [R[0], R[1], R[2]], []]) == []
    assert any("late use and a late definition" in e for e in answer(func, [[R[0]], [R[0], R[0], R[2]], []]))
    assert any("early definition and a use" in e for e in answer(func, [[R[0]], [R[0], R[1], R[0]], []]))
    assert any("early and a late definition" in e for e in answer(func, [[R[0]], [R[0], R[1], R[1]], []]))
    two = parse_machine("function f\nblock 0\n  a v0:i32>reg v1:i32>reg\n  ret => .")
    assert any("two definitions share" in error for error in answer(two, [[R[0], R[0]], []]))
