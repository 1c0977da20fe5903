"""What ``simd`` reaches: every vector instruction, executed; the special constants and masks; cases that end."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.choices import ChoiceSource
from generators.registry import make_case
from generators.vector.idioms import idioms, parse
from generators.vector.values import draw_mask, draw_shift, draw_vector, splat
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Entry, Returned
from wasm.features import WASM3, Feature
from wasm.isa import ROWS, Op
from wasm.valtypes import I32, V128

COUNT = 300


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [make_case("simd", 1, index) for index in range(COUNT)]


def test_every_vector_instruction_is_executed(cases: list[Case]) -> None:
    """Each of 236, and of the 20 relaxed ones, in at least one of 300 cases; 9 are expected of the rarest: below 1e-2.

    No case observes an open NaN, and only the labelled ones trap.
    """
    executed: Counter[Op] = Counter()
    for index, case in enumerate(cases):
        counts: dict[Op, int] = {}
        seen = run_case(case, counts=counts)
        executed.update(counts.keys())
        assert seen.notes is not None
        assert seen.notes.nan_observed_at is None, index
        assert seen.notes.steps < 200_000
        if "traps" not in case.labels:
            assert all(isinstance(outcome, Returned) for outcome in seen.outcomes), index
            inside = {i for i, site in enumerate(case.sites) if site.kind != "host"}
            assert inside <= seen.notes.executed_sites, index
    vectors = [row for row in ROWS if row.feature in (Feature.SIMD, Feature.RELAXED_SIMD)]
    assert len(vectors) == 256
    assert not [row.name for row in vectors if not executed[row]]


def test_minorities(cases: list[Case]) -> None:
    """Traps in at most a tenth; relaxed instructions in a third, so that most cases are one program for all engines."""
    assert sum("traps" in case.labels for case in cases) <= COUNT // 10
    relaxed = sum("relaxed_simd" in case.features for case in cases)
    assert COUNT // 6 < relaxed < COUNT // 2
    assert sum(any(site.wide for site in case.sites) for case in cases) >= COUNT // 50
    assert sum(call.entry is Entry.HOST for case in cases for call in case.invocations) > COUNT
    assert sum(any(arg.type == "v128" for arg in call.args) for case in cases for call in case.invocations) > COUNT // 2


def test_masks() -> None:
    """Special masks all occur; the rarest is expected 8 times in 20,000: below 1e-3."""
    source = ChoiceSource.seeded("masks")
    seen = Counter(draw_mask(source) for _ in range(20_000))
    assert all(len(mask) == 16 and min(mask) >= 0 and max(mask) < 32 for mask in seen)
    assert seen[tuple(range(16))] > 100
    assert all(seen[(lane,) * 16] for lane in range(32))
    interleaved = tuple(i // 2 + 16 * (i % 2) for i in range(16))
    assert seen[interleaved]
    assert all(seen[tuple(range(start, start + 16))] for start in range(17))


def test_constants() -> None:
    """Zero, all ones, each sign mask and its complement, single lanes; each expected 10 times or more: below 1e-3."""
    source = ChoiceSource.seeded("constants")
    seen = Counter(draw_vector(source) for _ in range(20_000))
    every = (1 << 128) - 1
    assert min(seen[0], seen[every]) > 500
    for bits in (8, 16, 32, 64):
        sign = splat(bits, 1 << bits - 1)
        assert seen[sign]
        assert seen[every ^ sign]
        assert all(seen[((1 << bits) - 1) << at] for at in range(0, 128, bits))


def test_shifts() -> None:
    source = ChoiceSource.seeded("shifts")
    for bits in (8, 16, 32, 64):
        seen = {draw_shift(source, bits) for _ in range(4000)}
        assert seen.issuperset({*range(bits + 2), 0xFFFFFFFF, 0x80000000})


def test_immediates_in_cases(cases: list[Case]) -> None:
    """Shuffles of one vector with itself, and each load and store form at alignments below and at its width."""
    aligned: set[tuple[str, int]] = set()
    for case in cases:
        for func in decode(case.content).funcs:
            for row, imm in func.body:
                if row.access is not None and row.feature is Feature.SIMD:
                    memarg = imm if len(row.imms) == 1 else imm[0]
                    aligned.add((row.name, memarg.align))
    for row in ROWS:
        if row.access is not None and row.feature is Feature.SIMD:
            found = {align for name, align in aligned if name == row.name}
            assert 0 in found
            assert row.access.bytes.bit_length() - 1 in found


def test_idioms_parse_to_one_value() -> None:
    found = idioms(WASM3, V128)
    assert len(found) > 200
    assert len(idioms(WASM3 - {Feature.RELAXED_SIMD}, V128)) < len(found)
    assert not idioms(WASM3, I32)
    with pytest.raises(ValueError, match="lacks operands"):
        parse("A i8x16.add")
    with pytest.raises(ValueError, match="leaves 2 values"):
        parse("A B")
