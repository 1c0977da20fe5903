"""A slot's garbage collector looks rarely, and not at what was there before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fuzz.campaign.garbage import rarely


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_it_looks_at_new_objects_only_and_seldom() -> None:
    gc.unfreeze()
    rarely()
    there = gc.get_freeze_count()
    assert there > 10_000, "the instruction table, modules and all"
    looks = sum(row["collections"] for row in gc.get_stats())
    kept = [[index] for index in range(20_000)]
    assert sum(row["collections"] for row in gc.get_stats()) == looks
    more = [[index] for index in range(60_000)]
    assert sum(row["collections"] for row in gc.get_stats()) > looks, "it still looks"
    assert len(kept) + len(more) == 80_000
