"""Code as text: what generators and tests write, checked against the table and the text printer."""

from __future__ import annotations

import re

import pytest

from wasm.fragment import code, template
from wasm.isa import OPS, Imm, MemArg, Op
from wasm.module import Module
from wasm.text.body import BodyPrinter
from wasm.text.words import Scope
from wasm.valtypes import EXTERNREF, F64, I32, ref

ROWS = sorted(OPS.values(), key=lambda row: row.name)
NUMBERS = {
    Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.TABLE, Imm.MEMORY, Imm.GLOBAL, Imm.LOCAL, Imm.TAG, Imm.DATA, Imm.ELEM, Imm.FIELD,
    Imm.COUNT, Imm.LANE, Imm.I32, Imm.I64,
}  # fmt: skip


def test_code_is_the_tables_instructions() -> None:
    assert code("local.get 2  i32.const -1  i32.add  f64.const 1.5  drop") == (
        (OPS["local.get"], 2), (OPS["i32.const"], 0xFFFFFFFF), OPS["i32.add"].bare,
        (OPS["f64.const"], 0x3FF8000000000000), OPS["drop"].bare,
    )  # fmt: skip


def test_holes_are_parameters_in_the_order_of_their_appearance() -> None:
    made = template("local.get $at  call_indirect $table (type $type)  local.set $at")
    assert made(3, 1, 7) == made(at=3, table=1, type=7)
    assert made(3, 1, 7) == ((OPS["local.get"], 3), (OPS["call_indirect"], (7, 1)), (OPS["local.set"], 3))
    with pytest.raises(TypeError):
        made(3)


def test_what_has_no_holes_is_one_object_for_all_calls() -> None:
    made = template("i64.const 29  i64.rotl  local.get $x")
    assert made(1)[0] is made(2)[0]
    assert made(1)[1] is OPS["i64.rotl"].bare


@pytest.mark.parametrize(
    ("text", "imm"),
    [
        ("block end", None),
        ("block (result f64) end", F64),
        ("block (result externref) end", EXTERNREF),
        ("block (type 4) end", 4),
        ("i32.load", MemArg(2, 0, 0)),
        ("i32.load offset=8 align=1", MemArg(0, 8, 0)),
        ("i32.load 3 offset=0x10", MemArg(2, 16, 3)),
        ("i64.load32_u", MemArg(2, 0, 0)),
        ("v128.load8_lane 5", (MemArg(0, 0, 0), 5)),
        ("v128.load64_lane 1 offset=4 align=2 1", (MemArg(1, 4, 1), 1)),
        ("memory.grow", 0),
        ("memory.copy", (0, 0)),
        ("memory.copy 1 2", (1, 2)),
        ("memory.init 5", (5, 0)),
        ("memory.init 1 5", (5, 1)),
        ("table.init 3 2", (2, 3)),
        ("call_indirect (type 6)", (6, 0)),
        ("struct.get 1 2", (1, 2)),
        ("ref.null func", "func"),
        ("ref.null 5", 5),
        ("select_t (result i32)", (I32,)),
        ("v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 -1", 0xFF0F0E0D0C0B0A090807060504030201),
        ("f32.const -0.0", 0x80000000),
        ("f64.const -inf", 0xFFF0000000000000),
        ("i64.const 0xFFFFFFFFFFFFFFFF", 0xFFFFFFFFFFFFFFFF),
        ("i64.const -2", 0xFFFFFFFFFFFFFFFE),
    ],
)
def test_immediates_are_read_as_the_text_format_writes_them(text: str, imm: object) -> None:
    assert code(text)[0][1] == imm


def test_a_hole_may_stand_for_all_immediates() -> None:
    assert template("br_table imm=$targets")(((1, 2), 0))[0] == (OPS["br_table"], ((1, 2), 0))
    assert template("i32.load imm=$arg")(MemArg(0, 9, 1))[0] == (OPS["i32.load"], MemArg(0, 9, 1))
    assert template("block (type $t) end")(ref("any"))[0] == (OPS["block"], ref("any"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("i32.plus", "no instruction"),
        ("i32.const", "missing at the end"),
        ("i32.const x", "no 32-bit pattern|no number|no constant"),
        ("i32.const 0x100000000", "does not fit"),
        ("i32.add end", "end without a block"),
        ("loop i32.const 1", "block without its end"),
        ("f32.const 0.1", "not exact"),
        ("f32.const nan", "not exact"),
        ("f64.const one", "no float"),
        ("v128.const i32x3 1 2 3", "no shape"),
        ("local.get (x)", "parentheses"),
        ("block (result i32 i64) end", "several results"),
        ("block (result i33) end", "no value type"),
        ("i32.load 1 2", "a memory at most"),
        ("br_table 0 1", "imm="),
        ("local.get $x", "has holes"),
        ("local.get $from", "a word of Python"),
    ],
)
def test_what_is_no_code_is_refused_at_once(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        code(text)


def test_a_template_needs_a_hole() -> None:
    with pytest.raises(ValueError, match="no holes"):
        template("i32.add")


def _printed(row: Op, imm: object) -> str:
    """As the text printer writes it, without comments, and with a type's index alone of a type use."""
    text = re.sub(r"\(;.*?;\)", "", BodyPrinter(Scope(Module()), {}, {}).instr((row, imm)))
    return re.sub(r"(\(type \d+\)).*", r"\1", text, flags=re.S).replace(row.mnemonic, row.name, 1)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.imms and (set(row.imms) <= NUMBERS or row.imms[0] is Imm.MEMARG)],
    ids=lambda row: row.name,
)  # fmt: skip
def test_every_row_with_numbers_reads_as_it_is_printed(row: Op) -> None:
    imms = [MemArg(0, 7, 3) if kind is Imm.MEMARG else i for i, kind in enumerate(row.imms, 1)]
    imm = imms[0] if len(imms) == 1 else tuple(imms)
    assert code(_printed(row, imm)) == ((row, imm),)
