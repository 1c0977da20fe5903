"""Machine functions as text: printed, parsed back equal, and refused with the line that is wrong."""

from __future__ import annotations

import pytest

from compiler.machine_text import MachineTextError, parse_machine, print_machine
from compiler.machine_verify import verify

LOOP = """\
function f
block 0
  args v0:i32>fixed(int:7) v1:f64>fixed(float:0)
  jmp => 1(v0)
block 1 (v2:i32)
  add v2<reg v0<any v3:i32>reuse(0)
  call v3<late:reg v4:i64>any v5:f64>early:reg !int:0 !float:1
  br v3<reg => 2() 3()
block 2
  ~mov v4<any v6:i64>any
  jmp => 1(v3)
block 3
  ret v4<fixed(int:0) v0<limit(8) v1<stack => .
"""


def test_round_trip() -> None:
    func = parse_machine(LOOP)
    assert print_machine(func) == LOOP
    assert verify(func) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("block 7", "line 2: expected block 0"),
        ("block 0\n  op v0", "is not an operand"),
        ("block 0\n  op v0:i33>reg", "defined without a type"),
        ("block 0\n  op v0<reg", "used and never defined"),
        ("block 0\n  op v0:i32>fixed(int:64)", "is no register"),
        ("block 0\n  op v0:i32>huge", "is no constraint"),
        ("block 0\n  jmp => b1", "are not edges"),
        ("op", "before the first block"),
        ("block 0\n  op v0:i32>reg\n  op v0:i32>reg", "line 4: v0 is defined twice"),
    ],
)
def test_a_bad_text_names_its_line(line: str, complaint: str) -> None:
    with pytest.raises(MachineTextError, match="line") as caught:
        parse_machine(f"function f\n{line}")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("block 0\n  op v0:i32>reg", "a terminator stands last"),
        ("block 0\n  jmp => 0()", "the entry has parameters or predecessors"),
        ("block 0\n  jmp => 4()", "there is no block 4"),
        ("block 0\n  op v0:i32>fixed(float:0)\n  ret => .", "a fixed register of another class"),
        ("block 0\n  op v0:i32>reuse(0)\n  ret => .", "reuse joins a definition to a use"),
        ("block 0\n  op v0:i32>reg\n  ret v0<late:reg => .", "a late use on a terminator"),
        ("block 0\n  op v0<reg v1:i32>reg\n  op v0:i32>reg\n  ret => .", "comes before its definition"),
        ("block 0\n  jmp => 1(  )\nblock 1 (v0:i32)\n  ret => .", "arguments do not fit the parameters"),
        ("block 0\n  br => 1() 2()\nblock 1\n  jmp => 2()\nblock 2\n  ret => .", "a critical edge"),
        (
            "block 0\n  br => 1() 2()\nblock 1\n  op v0:i32>reg\n  jmp => 3()\nblock 2\n  jmp => 3()\n"
            "block 3\n  ret v0<reg => .",
            "is not dominated",
        ),
        ("block 0\n  call v0:i32>any => 1() 2()\nblock 1\n  ret => .\nblock 2\n  ret v0<reg => .", "is not dominated"),
        (
            "block 0\n  op v0:i32>reg\n  br v0<reg => 1() 2()\nblock 1\n  jmp v0<reg => 3()\nblock 2\n  jmp => 3()\n"
            "block 3\n  ret => .",
            "the terminator has operands",
        ),
        (
            "block 0\n  br => 1() 2()\nblock 1\n  jmp !int:0 => 3()\nblock 2\n  jmp => 3()\nblock 3\n  ret => .",
            "the terminator has clobbers",
        ),
        ("block 0\n  op v0:i32>reg\n  op v0<stack v1:i32>reuse(0)\n  ret => .", "an input on the stack"),
        (
            "block 0\n  op v0:i32>reg\n  op v0<reg v1:i32>early:reuse(0)\n  ret => .",
            "a late definition to an early use",
        ),
        ("block 0\n  op v0:i32>reg\n  op v0<late:reg v1:i32>reuse(0)\n  ret => .", "a late definition to an early use"),
        ("block 0\n  op v0:i32>fixed(int:1) v1:i32>fixed(int:1)\n  ret => .", "v1 is fixed where another value is"),
        (
            "block 0\n  op v0:i32>any\n  op v0<late:fixed(int:1) !int:1\n  ret => .",
            "v0 is fixed in a register that is clobbered",
        ),
        (
            "block 0\n  op v0:i32>reg\n  op v0<reg v1:i32>reuse(0) v2:i32>reuse(0)\n  ret => .",
            "two definitions reuse one input",
        ),
    ],
)
def test_the_verifier_bites(body: str, complaint: str) -> None:
    assert any(complaint in error for error in verify(parse_machine("function f\n" + body)))


def test_a_protected_call_defines_its_results_on_the_normal_edge() -> None:
    text = (
        "function f\nblock 0\n  call v0:i32>any => 1(v0) 2()\nblock 1 (v1:i32)\n  ret v1<reg => .\nblock 2\n  ret => ."
    )
    assert verify(parse_machine(text)) == []
