"""Why an answer is wrong, as a value: what became of what an operand should have read. Each answer is by hand."""

from __future__ import annotations

import pytest

from compiler.machine import Allocation, Allocations, Edit, MachineFunc
from compiler.machine_text import parse_machine
from compiler.regalloc.checker import blamed, check
from tests.allocation.by_hand import ENV, R, S, edit
from wasm.valtypes import I32


def reason(func: MachineFunc, rows: list[list[Allocation]], edits: list[Edit] | None = None) -> str:
    errors = check(func, ENV, Allocations([tuple(row) for row in rows], edits or [], 6))
    return blamed(errors, "by").partition(": ")[2] if errors else ""


def machine(*insts: str) -> MachineFunc:
    return parse_machine("function f\nblock 0\n  " + "\n  ".join(insts))


TWO = machine("a v0:i32>reg", "b v1:i32>reg", "c v0<reg v1<reg", "ret => .")
CALL = machine("a v0:i32>reg", "call !int:1", "ret v0<reg => .")
FIXED = machine("a v0:i32>reg", "ret v0<fixed(int:0) => .")
WIDE = machine("a v0:i64>reg", "ret v0<reg => .")
ANY = machine("a v0:i32>any", "b v1:i32>any", "ret v0<reg v1<any => .")


@pytest.mark.parametrize(
    ("func", "rows", "edits", "said"),
    [
        (TWO, [[R[0]], [R[0]], [R[0], R[0]], []], [], "a register lacks its value: a definition overwrites it"),
        (TWO, [[R[0]], [R[1]], [R[0], R[1]], []], [edit(2, R[0], R[1])],
         "a register lacks its value: a move overwrites it"),
        (TWO, [[R[0]], [R[1]], [R[2], R[1]], []], [], "a register lacks its value: it never comes"),
        (CALL, [[R[1]], [], [R[1]]], [], "a register lacks its value: it is clobbered"),
        (FIXED, [[R[1]], [R[0]]], [], "a register lacks its value: it never comes (fixed operand)"),
        (WIDE, [[R[0]], [R[1]]], [edit(1, R[1], R[0], I32)], "a register lacks its value: a move is too narrow for it"),
        # A reload brings what is not in its slot: it was never stored there, or another value was since.
        (CALL, [[R[0]], [], [R[1]]], [edit(2, R[1], S[0])], "a slot lacks its value: it never comes"),
        (ANY, [[S[0]], [S[0]], [R[0], S[0]]], [edit(2, R[0], S[0])],
         "a slot lacks its value: a definition overwrites it"),
        (TWO, [[R[0]], [R[1]], [R[2], R[1]], []], [edit(2, S[0], R[1]), edit(2, R[2], S[0])],
         "a slot lacks its value: it never comes"),
        # What another place still has was only not brought back.
        (CALL, [[R[1]], [], [R[1]]], [edit(1, S[0], R[1])], "a register lacks its value: it never comes"),
        # Two values are exchanged without keeping one; one after the other is no exchange.
        (TWO, [[R[0]], [R[1]], [R[1], R[0]], []], [edit(2, R[0], R[1]), edit(2, R[1], R[0])],
         "a register lacks its value: another move at the same point overwrites it"),
        (TWO, [[R[0]], [R[1]], [R[2], R[1]], []], [edit(1, R[0], R[1], after=1), edit(2, R[2], R[0])],
         "a register lacks its value: a move overwrites it"),
        (TWO, [[R[0]], [R[1]], [R[3], R[1]], []], [], "an operand is not where its constraint wants it (reg operand)"),
        (TWO, [[S[0]], [R[1]], [R[0], R[1]], []], [edit(2, R[0], S[0])],
         "an operand is not where its constraint wants it (reg operand)"),
    ],
)  # fmt: skip
def test_reasons(func: MachineFunc, rows: list[list[Allocation]], edits: list[Edit], said: str) -> None:
    assert reason(func, rows, edits) == said


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
  ret v2<reg v3<any => .
""")


def test_arguments_of_edges() -> None:
    """The loop swaps its parameters, and the moves for that are missing; then it is the store of one of them."""
    rows: list[list[Allocation]] = [[R[0], R[1]], [], [R[0]], [], [R[0], R[1]]]
    assert reason(LOOP, rows) == "a register lacks its value: it never comes (along an edge)"
    rows = [[R[0], R[1]], [], [R[0]], [], [R[0], S[1]]]
    swap = [edit(1, S[1], R[1]), edit(3, R[2], R[0]), edit(3, R[0], S[1])]
    assert reason(LOOP, rows, swap) == "a slot lacks its value: it never comes (along an edge)"
    assert reason(LOOP, rows, [*swap, edit(3, S[1], R[2])]) == ""


def test_a_value_that_is_only_late_is_followed_across_blocks() -> None:
    func = parse_machine("""
function f
block 0
  a v0:i32>reg
  br v0<reg => 1() 2()
block 1
  call !int:0
  jmp => 3()
block 2
  jmp => 3()
block 3
  ret v0<reg => .
""")
    rows: list[list[Allocation]] = [[R[0]], [R[0]], [], [], [], [R[0]]]
    assert reason(func, rows) == "a register lacks its value: it is clobbered"


def test_who_is_blamed() -> None:
    """Moves at one point are put in order for all allocators by one piece of code."""
    swap = [edit(2, R[0], R[1]), edit(2, R[1], R[0])]
    wrong = check(TWO, ENV, Allocations([(R[0],), (R[1],), (R[1], R[0]), ()], swap, 6))
    assert blamed(wrong, "single_pass").startswith("moves: ")
    assert [error.reason is None for error in wrong[1:]] == [True] * (len(wrong) - 1)
