"""How cases are distributed: the boundaries that docs/targets.md names all occur, often enough. Seeds are fixed.

The stated probabilities are those of the count under the drawn distribution for a random seed.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from generators.config import MIXED, NARROW, WIDE
from generators.draw.operands import KINDS
from generators.registry import make_case
from wasm.case import Case
from wasm.embedding import Entry
from wasm.valtypes import NUM_TYPES

COUNT = 2000
TARGETS = ("returns", "params", "calls")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """What ``fuzz run --target returns,params,calls --cases 2000 --seed 1`` makes."""
    return [make_case(TARGETS[i % 3], 1, i // 3) for i in range(COUNT)]


def test_wide_cases(cases: list[Case]) -> None:
    """At least 40%; the share drawn is about 52%, so a miss has a probability below 1e-20."""
    assert sum(any(site.wide for site in case.sites) for case in cases) >= 0.4 * COUNT


def test_many_operands(cases: list[Case]) -> None:
    """At least 8% with 240 or more operands; about 11% are drawn evenly spread: below 1e-4."""
    assert sum(any(site.operands >= 240 for site in case.sites) for case in cases) >= 0.08 * COUNT


def test_every_kind_at_every_boundary(cases: list[Case]) -> None:
    """Each of ten kinds in at least five cases with each of 253..258 operands; 15 or so are expected: below 1e-2."""
    seen = Counter(pair for case in cases for pair in {(site.kind, site.operands) for site in case.sites})
    few = {(kind, n): seen[kind, n] for kind in KINDS for n in range(253, 259) if seen[kind, n] < 5}
    assert not few


def test_known_limits_occur(cases: list[Case]) -> None:
    """Each edge of ``generators.config`` as a number of results or parameters; 8 and more are expected: below 1e-2."""
    seen = {size for case in cases for site in case.sites for size in (site.params, site.results)}
    assert seen.issuperset(
        {0, 1, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 20, 21, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000}
    )
    operands = {site.operands for case in cases for site in case.sites}
    assert operands.issuperset({*range(250, 262), 511, 512, 513})


def test_entries(cases: list[Case]) -> None:
    """At least a quarter of the cases whose exports take and give no vectors are called both ways."""
    both = plain = 0
    for case in cases:
        if "simd" in case.features:
            continue
        plain += 1
        ways: dict[str, set[Entry]] = {}
        for invocation in case.invocations:
            ways.setdefault(invocation.export, set()).add(invocation.entry)
        both += any(len(entries) == 2 for entries in ways.values())
    assert plain > 0.3 * COUNT
    assert both >= plain / 4


def test_consumption_and_shapes(cases: list[Case]) -> None:
    """Every way of using results, in wide cases too; the rarest has a share of a tenth: below 1e-6."""
    labels = Counter(label for case in cases for label in case.labels)
    assert all(labels[mode] >= 60 for mode in ("fold", "store", "keep", "pass", "two", "drop"))
    assert labels["reenter"] >= 5
    assert labels["narrow_tail"] >= 20
    assert 1 <= labels["overflows"] <= 40
    both = [case for case in cases if any(site.params > 20 and site.results > 20 for site in case.sites)]
    assert len(both) >= 100


def test_value_types(cases: list[Case]) -> None:
    """Every number type among the host's arguments, references among the features."""
    kinds = Counter(arg.type for case in cases for invocation in case.invocations for arg in invocation.args)
    assert all(kinds[type_.name] > 200 for type_ in NUM_TYPES)
    features = Counter(feature for case in cases for feature in case.features)
    assert all(features[name] >= 20 for name in ("gc", "function_references", "reference_types", "tail_call", "simd"))
    narrow = sum("reference_types" not in case.features for case in cases)
    assert narrow >= COUNT // 4


def test_calls_are_related(cases: list[Case]) -> None:
    """Several calls per export, most with arguments that differ in one place or not at all."""
    close = several = 0
    for case in cases:
        by_export: dict[str, list[tuple[object, ...]]] = {}
        for invocation in case.invocations:
            by_export.setdefault(invocation.export, []).append(invocation.args)
        for calls in by_export.values():
            for before, after in itertools.pairwise(calls):
                several += 1
                close += sum(a != b for a, b in zip(before, after, strict=True)) <= 2
    assert several > COUNT
    assert close > 0.9 * several


def test_size_tables_are_monotone() -> None:
    for table in (WIDE, MIXED, NARROW):
        assert len(table) == 4096
        assert list(table) == sorted(table)
        assert table[0] == 0
        assert table[-1] <= 1000
