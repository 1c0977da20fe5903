"""Constants: in range, all the edges there, long rows that differ by position."""

from __future__ import annotations

import itertools
import struct

from generators.choices import ChoiceSource
from generators.draw.values import INTERESTING, draw_bits, sequence_bits
from wasm.valtypes import F32, F64, I32, I64, NUM_TYPES, V128


def test_edges_are_there() -> None:
    assert {0, 1, 31, 32, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} <= set(INTERESTING[I32])
    assert {0, 63, 64, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, 1 << 32, 0xFFFFFFFF} <= set(INTERESTING[I64])
    assert {0x80000000, 1, 0x80000001, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0x7F7FFFFF} <= set(
        INTERESTING[F32]
    )
    for number in (0.0, -0.0, 1.0, -1.0, 0.5, 2.0**31, 2.0**32, 2.0**53, 2.0**63, -(2.0**63), 5e-324):
        assert struct.unpack("<Q", struct.pack("<d", number))[0] in INTERESTING[F64], number
    assert {0, (1 << 128) - 1} <= set(INTERESTING[V128])


def test_bits_fit_their_type() -> None:
    source = ChoiceSource.seeded("values")
    for type_ in NUM_TYPES:
        assert INTERESTING[type_][0] == 0
        assert len(set(INTERESTING[type_])) == len(INTERESTING[type_])
        assert all(0 <= bits < 1 << type_.bits for bits in INTERESTING[type_])
        assert all(draw_bits(source, type_) < 1 << type_.bits for _ in range(300))


def test_rows_fit_and_differ_by_position() -> None:
    for type_ in NUM_TYPES:
        assert {sequence_bits(type_, 0, i) for i in range(1000)} == {sequence_bits(type_, 0, i) for i in range(1000)}
        for seed in (0, 1, 0xDEADBEEF):
            row = [sequence_bits(type_, seed, i) for i in range(1000)]
            assert all(0 <= bits < 1 << type_.bits for bits in row)
            assert len(set(row)) > 700
            # Neighbours tell each other apart nearly everywhere, so a shifted row cannot pass for the right one.
            assert sum(a == b for a, b in itertools.pairwise(row)) < 10


def test_the_plain_row_counts() -> None:
    assert [sequence_bits(I32, 0, i) for i in range(3)] == [1, 2, 3]
    doubles = [struct.unpack("<d", sequence_bits(F64, 0, i).to_bytes(8, "little"))[0] for i in range(1000)]
    assert doubles == [float(i + 1) for i in range(1000)]
    floats = [struct.unpack("<f", sequence_bits(F32, 0, i).to_bytes(4, "little"))[0] for i in range(1000)]
    assert floats == doubles
