"""Counts add up exactly, share nothing afterwards, and survive JSON, also an older release's."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.records.stats import Stats
from fuzz.records.sums import Sums
from fuzz.records.target_yield import TargetYield

QUICKLY = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
"""Two dozen histograms are a large example, and this machine may be busy."""
NAMES = st.sampled_from(["a", "b", "c"])


def sums(cls: type[Sums]) -> st.SearchStrategy[Sums]:
    """Any values in every field; fractions have at most two places, so that JSON keeps them."""
    parts = {}
    for item in fields(cls):
        zero = getattr(cls(), item.name)
        if of := item.metadata.get("of"):
            parts[item.name] = st.dictionaries(NAMES, sums(of), max_size=2)
        elif isinstance(zero, Counter):
            parts[item.name] = st.dictionaries(NAMES, st.integers(1, 99), max_size=2).map(Counter)
        elif isinstance(zero, dict):
            parts[item.name] = st.dictionaries(NAMES, st.integers(1, 999).map(lambda n: n / 4))
        else:
            parts[item.name] = st.integers(0, 99) if isinstance(zero, int) else st.integers(0, 99).map(lambda n: n / 4)
    return st.builds(cls, **parts)


def total(value: object) -> float:
    """Everything that is counted, in one number."""
    if isinstance(value, Sums):
        return sum(total(getattr(value, item.name)) for item in fields(value))
    return sum(map(total, value.values())) if isinstance(value, dict) else value  # type: ignore[return-value]


@pytest.mark.parametrize("cls", [Stats, TargetYield])
def test_nothing_is_lost_and_nothing_is_shared(cls: type[Sums]) -> None:
    @QUICKLY
    @given(sums(cls), sums(cls))
    def check(a: Sums, b: Sums) -> None:
        text = json.dumps(b.to_json())
        both = cls()
        both.add(a)
        both.add(b)
        assert total(both) == total(a) + total(b)
        both.add(both.from_json(both.to_json()))
        assert json.dumps(b.to_json()) == text

    check()


@pytest.mark.parametrize("cls", [Stats, TargetYield])
def test_json_keeps_every_field(cls: type[Sums]) -> None:
    @QUICKLY
    @given(sums(cls))
    def check(a: Sums) -> None:
        data = json.loads(json.dumps(a.to_json()))
        again = cls.from_json(data)
        assert again == a
        assert [type(getattr(again, item.name)) for item in fields(cls)] == [
            type(getattr(a, item.name)) for item in fields(cls)
        ]
        assert list(data) == [item.name for item in fields(cls)]

    check()


def test_an_older_release_compared_every_case() -> None:
    assert Stats.from_json({"cases": 5}) == Stats(cases=5, compared=5)
    assert Stats.from_json({"cases": 5, "compared": 3}).compared == 3
    assert TargetYield.from_json({"cases": 5}) == TargetYield(cases=5)
