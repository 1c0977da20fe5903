"""Vector code is as short as it should be: shuffles, shifts by constants, tests in branches, constants."""

from __future__ import annotations

import pytest

from compiler.pipeline import Settings
from compiler.x64.constants import vector_constant
from tests.language.semantics_operands import Row
from tests.lowering.native_rows import machine_code
from tests.lowering.shuffle_patterns import Pattern, single_instruction
from wasm.isa import OPS

SPEED = Settings(regalloc="single_pass")
NONE = Settings(regalloc="single_pass", opt="none")
AROUND = {"args", "mov64_load", "movdqu_load", "movdqu_store", "return"}


def names(row: Row, settings: Settings, mode: str = "plain", constants: dict[int, int] | None = None) -> list[str]:
    """The instructions of a row's function without the mailbox around it."""
    return [inst.name for inst in machine_code(row, mode, settings, constants or {}) if inst.name not in AROUND]


def plain(name: str) -> Row:
    return Row(OPS[name], (), name)


@pytest.mark.parametrize(("mnemonic", "pattern"), list(single_instruction()))
def test_shuffle_in_one_instruction(mnemonic: str, pattern: Pattern) -> None:
    row = Row(OPS["i8x16.shuffle"], (pattern,), f"i8x16.shuffle {pattern}")
    assert names(row, SPEED) == [mnemonic]
    assert "pshufb" in names(row, NONE)


def test_shuffle_of_one_value_with_itself_needs_one_mask() -> None:
    pattern = (0, 17, 5, 21, 9, 9, 30, 2, 1, 16, 8, 3, 12, 31, 0, 7)
    row = Row(OPS["i8x16.shuffle"], (pattern,), "i8x16.shuffle")
    assert names(row, SPEED, "twice") == ["constant", "pshufb"]
    assert names(row, SPEED) == ["constant", "pshufb", "constant", "pshufb", "por"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("i16x8.shl", ["psllw_i"]),
        ("i32x4.shr_s", ["psrad_i"]),
        ("i64x2.shr_u", ["psrlq_i"]),
        ("i8x16.shl", ["constant", "psllw_i", "pand"]),
        ("i8x16.shr_s", ["punpcklbw", "psraw_i", "punpckhbw", "psraw_i", "packsswb"]),
        ("i64x2.shr_s", ["constant", "psrlq_i", "pxor", "psubq"]),
    ],
)
def test_shift_by_a_constant(name: str, expected: list[str]) -> None:
    assert names(plain(name), SPEED, constants={1: 3}) == expected
    assert "movd_to_x" in names(plain(name), NONE, constants={1: 3})


@pytest.mark.parametrize("name", ["v128.any_true", "i8x16.all_true", "i64x2.all_true"])
def test_a_branch_takes_the_flags_of_a_test(name: str) -> None:
    assert "setcc" not in names(plain(name), SPEED, "branch")
    assert "setcc" in names(plain(name), NONE, "branch")


@pytest.mark.parametrize(
    ("bits", "steps"),
    [
        (0, 1),
        ((1 << 128) - 1, 1),
        (0x80000000_80000000_80000000_80000000, 2),
        (0x7FFFFFFF_FFFFFFFF_7FFFFFFF_FFFFFFFF, 2),
        (0x00FF00FF_00FF00FF_00FF00FF_00FF00FF, 2),
        (0x12345678_12345678_12345678_12345678, 3),
        (0x12345678_9ABCDEF0_12345678_9ABCDEF0, 3),
        (0x3FF00000_00000000, 2),
        (0x12345678_9ABCDEF0_00000000_00000001, 4),
    ],
)
def test_length_of_constants(bits: int, steps: int) -> None:
    assert len(vector_constant(3, bits)) == steps
