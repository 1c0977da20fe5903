"""Ranges of numbers done are the set of these numbers, whatever order they come in."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.archive.done import Done

BATCHES = st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=12)


@given(BATCHES)
def test_ranges_are_the_set_of_what_was_added(batches: list[list[int]]) -> None:
    done, wanted = Done(), set[int]()
    for numbers in batches:
        change = done.adding(numbers)
        assert change.fresh == len(set(numbers) - wanted)
        before = dict(done.ranges)
        done.apply(change)
        wanted.update(numbers)
        # What is written to the tables is the change alone, so it has to lead to the same ranges.
        assert {first: last for first, last in before.items() if first not in change.gone} | dict(change.new) == dict(
            done.ranges
        )
        assert len({*before} - {*change.gone}) + len(change.new) == len(done.ranges)
    assert {number for number in range(45) if number in done} == wanted
    assert len(done) == len(wanted)
    assert list(done.missing(45)) == sorted(set(range(45)) - wanted)
    assert list(itertools.islice(done.missing(), 60)) == sorted(set(range(60 + len(wanted))) - wanted)[:60]
    for (_, last), (first, _) in itertools.pairwise(done.ranges):
        assert last + 1 < first
    assert Done(done.ranges).ranges == done.ranges


@pytest.mark.parametrize("ranges", [[(0, 3), (4, 5)], [(0, 3), (2, 5)], [(3, 2)]])
def test_ranges_that_cannot_be_are_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="ranges"):
        Done(ranges)


def test_the_first_missing_number_after_ten_million_is_found_at_once() -> None:
    done = Done([(0, 9_999_999), (10_000_001, 10_000_010)])
    assert list(itertools.islice(done.missing(), 2)) == [10_000_000, 10_000_011]
