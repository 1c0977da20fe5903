"""SSA as text, and a verifier that bites: each rule is broken once."""

from __future__ import annotations

import pytest

from compiler.ir_text import IrTextError, parse_ir, print_ir
from compiler.ir_verify import verify

ALL = """\
function f -> i32 i64
block 0 (v0:i32 v1:i64)
  v2:i32 = i32.add v0 v0
  v3:i32 = load [(@i32.load8_u, (0, 16, 0))] v2
  trap_if [DIV_BY_ZERO] v3
  v4:i64 = helper [('memory.grow', 0)] v1
  branch v3 1(v2 v4) 2()
block 1 (v5:i32 v6:i64)
  table v5 3() 4() 3()
block 2
  try v7:i32 v8:i64 = call [3] v0 => 5() catch 0:6 all:7
block 3
  tail call_indirect [(2, 0)] v1 v0
block 4
  trap UNREACHABLE
block 5
  return v7 v8
block 6
  v9:i64 = caught
  v10:i32 = payload [(0, 0)] v9
  jump 1(v10 v9)
block 7
  return v0 v1
"""


def test_round_trip() -> None:
    func = parse_ir(ALL)
    assert print_ir(func) == ALL
    assert verify(func) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("block 0 (v0:i32)\n  return v0", "returns"),
        ("block 0\n  jump 3()", "there is no block 3"),
        ("block 0\n  jump 0()", "an edge to the entry"),
        ("block 0\n  jump 1()\nblock 1 (v0:i64)\n  return v0", "has 0 arguments"),
        ("block 0 (v1:i32)\n  jump 1(v1)\nblock 1 (v0:i64)\n  return v0", "arguments of other types"),
        ("block 0 (v1:i32)\n  v0:i64 = i64.add v1 v1\n  return v0", "operands are"),
        ("block 0 (v1:i64)\n  v0:i64 = global.get [0] v1\n  return v0", "1 operands and 1 results, not 0 and 1"),
        ("block 0 (v1:i64)\n  trap_if [DIV_BY_ZERO] v1\n  return v1", "the condition is no i32"),
        ("block 0 (v1:i64)\n  v2:i64 = i64.add v1 v3\n  v3:i64 = i64.add v1 v1\n  return v2", "before its definition"),
        ("block 0 (v1:i64)\n  v1:i64 = i64.add v1 v1\n  return v1", "defined twice"),
        (
            "block 0 (v0:i32)\n  branch v0 1() 2()\nblock 1\n  v1:i64 = i64.const [1]\n  jump 3()\n"
            "block 2\n  jump 3()\nblock 3\n  return v1",
            "not dominated",
        ),
        (
            "block 0\n  try v0:i64 = call [1] => 1() catch all:2\nblock 1\n  return v0\nblock 2\n  return v0",
            "not dominated",
        ),
        ("block 0 (v0:i64)\n  v1:i32 = load [(@i64.load, (0, 0, 0))] v0\n  return v0", "does not take"),
    ],
)
def test_the_verifier_bites(body: str, complaint: str) -> None:
    errors = verify(parse_ir("function f -> i64\n" + body))
    assert any(complaint in error for error in errors), errors


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("  return", "before the first block"),
        ("block 1", "expected block 0"),
        ("block 0\n  v0:i32 = no.such", "no operation"),
        ("block 0\n  v0:i33 = i32.const [1]", "no type"),
        ("block 0\n  v0:i32 = i32.const [1", "no instruction"),
        ("block 0\n  jump here", "no targets"),
    ],
)
def test_a_bad_text_names_its_line(text: str, complaint: str) -> None:
    with pytest.raises(IrTextError, match=r"^line \d+: ") as caught:
        parse_ir("function f\n" + text)
    assert complaint in str(caught.value)
