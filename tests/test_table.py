"""The instruction table is complete and every reader covers it: each test prints what is missing."""

from __future__ import annotations

from wasm.isa import BY_CODE, OPS, ROWS, Imm
from wasm.semantics import SEMANTICS

STATEFUL = {"memory.size", "memory.grow", "memory.init", "data.drop", "memory.fill", "elem.drop"}
"""Rows with a plain type that touch the store."""
REFERENCES = {"ref.eq", "array.len", "ref.i31", "i31.get_s", "i31.get_u"}
"""Rows with a plain type whose operands are references, not bit patterns."""


def test_names_and_codes_are_unique() -> None:
    assert len(OPS) == len(BY_CODE) == len(ROWS)


def test_every_row_that_is_pure_has_a_meaning_and_every_meaning_has_a_row() -> None:
    pure = {
        row.name
        for row in ROWS
        if row.params is not None
        and row.access is None
        and row.name not in STATEFUL | REFERENCES | {"nop", "atomic.fence"}
        and not row.name.endswith(".const")
    }
    assert pure - set(SEMANTICS) == set()
    assert set(SEMANTICS) - pure == set()


def test_the_size_of_the_instruction_set() -> None:
    """Counts that the standard and the proposals fix (spec 5.4): 256 vector rows with the 20 relaxed ones."""
    per_prefix = {prefix: sum(row.prefix == prefix for row in ROWS) for prefix in (0xFB, 0xFC, 0xFD, 0xFE)}
    assert per_prefix == {0xFB: 31, 0xFC: 22, 0xFD: 256, 0xFE: 67}
    assert sum(row.code >= 0x100 for row in ROWS) == 20


def test_a_memory_access_has_an_address_and_a_memarg() -> None:
    for row in ROWS:
        assert (row.access is not None) == (Imm.MEMARG in row.imms), row
        if row.access is not None:
            assert row.params is not None
            assert row.params[0] == "addr", row


def test_an_alignment_never_exceeds_what_is_touched() -> None:
    assert {row.access.bytes for row in ROWS if row.access} == {1, 2, 4, 8, 16}
