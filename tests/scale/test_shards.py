"""Shards: every number is one shard's, no run is left without work, and together they find what one run finds."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistaken_engine import MISTAKES
from mistaken_night import CASES, SERIES, about, night

from fuzz.archive.archive import Reader
from fuzz.archive.done import Done
from fuzz.archive.merging.merge import merge
from fuzz.campaign.shards import FIRST, LONGEST, Shard
from fuzz.cli.main import main


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 5000))
def test_every_number_is_one_shards(of: int, targets: int, limit: int) -> None:
    shards = [Shard(index, of) for index in range(1, of + 1)]
    numbers = sorted(number for shard in shards for number in shard.missing(Done(), targets, limit))
    assert numbers == list(range(limit))
    assert [shard.share(targets, limit) for shard in shards] == [
        len(list(shard.missing(Done(), targets, limit))) for shard in shards
    ]


@given(st.integers(1, 1000), st.integers(1, 18))
def test_blocks_grow_and_have_all_targets_in_equal_parts(of: int, targets: int) -> None:
    blocks = list(islice(Shard(of, of).blocks(targets), 12))
    lengths = [last - first + 1 for first, last in blocks]
    assert lengths[0] == FIRST * targets
    assert all(one <= next_ <= 2 * one for one, next_ in pairwise(lengths))
    assert all(
        first % targets == 0 and length % targets == 0 for (first, _), length in zip(blocks, lengths, strict=True)
    )
    assert LONGEST / 2 < lengths[-1] <= max(LONGEST, FIRST * targets)


def test_what_is_done_is_not_done_again() -> None:
    done = Done([(3, 5), (12, 40)])
    assert list(islice(Shard(1, 2).missing(done, 1), 10)) == [0, 1, 2, 6, 7, *range(48, 53)]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "4", "a/b", "-1/4", "1/4/2"])
def test_a_shard_that_there_is_not(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "arith", "--seed", "1", f"--shard={text}"]) == 2
    assert "is no shard: write 2/4 for the second of four" in capsys.readouterr().err


def test_a_shard_of_nobody_knows_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "arith", "--shard", "1/2"]) == 2
    assert capsys.readouterr().err == "fuzz: --shard needs --seed: all shards are parts of one series\n"


def test_shards_merged_are_one_run(tmp_path: Path) -> None:
    """The same cases, the same disagreements, the same causes; and another order of the folders changes nothing."""
    whole = night(tmp_path / "whole")
    shards = [tmp_path / str(index) for index in range(1, 4)]
    parts = [night(folder, Shard(index, 3)) for index, folder in enumerate(shards, 1)]
    assert not any(run.errors for run in (whole, *parts))
    assert all(run.stats.cases for run in parts)
    assert merge(shards, tmp_path / "all").cases == CASES
    merge(shards[::-1], tmp_path / "back")
    assert about(tmp_path / "all") == about(tmp_path / "whole")
    assert set(about(tmp_path / "all")) == {frozenset(rows) for rows, _ in MISTAKES}
    with Reader(tmp_path / "all") as reader, Reader(tmp_path / "whole") as one, Reader(tmp_path / "back") as back:
        assert reader.done(SERIES).ranges == one.done(SERIES).ranges == [(0, CASES - 1)]
        assert reader.stats().disagreements == one.stats().disagreements
        assert reader.bucket_counts() == one.bucket_counts()
        assert reader.causes.all(merged=True) == back.causes.all(merged=True)
        assert [row.bundle for row in reader.findings()] == [row.bundle for row in back.findings()]
        assert all(row.cause is not None for row in reader.findings())
    assert night(tmp_path / "all").exit_code == 0, "a later run knows all that the shards found"


def test_a_shard_is_steered_by_what_was_known_and_nothing_else(tmp_path: Path) -> None:
    """With epochs of six: a run alone learns; a shard does not, but the next night of its folder is steered."""
    alone = night(tmp_path / "alone", epoch=6, engines=("mistaken:loud",))
    shard = night(tmp_path / "shard", Shard(1, 1), epoch=6, engines=("mistaken:loud",))
    assert alone.steered
    assert not shard.steered
    with Reader(tmp_path / "shard") as reader:
        (cause,) = reader.causes.all()
        assert not any("without" in seen.version for seen in reader.sightings(cause=cause.id))
    later = night(tmp_path / "shard", Shard(1, 1), cases=2 * CASES, epoch=6, engines=("mistaken:loud",))
    assert later.steered == ["from case 0 on mostly without i64.mul: cause 1, mistaken: wrong value, i64.mul"]


def test_a_shard_without_a_case_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--shard", "2/2", "--cases", "5", "--seed", "1", "--target", "returns", "--engine", "interpreter",
             "--engine", "wasmtime", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "note: none of the first 5 cases is of shard 2/2: its own begin with case 8\n" in out + err
