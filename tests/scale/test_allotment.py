"""Allotment: targets that find something new get more turns; which case a number stands for never changes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistaken_night import open_some

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.done import Done
from fuzz.archive.epochs import allotted as allotted_by
from fuzz.archive.merging.merge import merge
from fuzz.archive.morning import morning
from fuzz.campaign import allotment
from fuzz.campaign.allotment import LEAST, Gave, allotted
from fuzz.campaign.epochs import Epochs
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.numbering import Numbers
from fuzz.campaign.settings import Settings
from fuzz.campaign.shards import Shard
from fuzz.cli.commands.run import EXAMPLES as RUN_EXAMPLES
from fuzz.cli.main import main
from fuzz.records.epoch import FULL, Parts, taken
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.report.formats import html, markdown
from fuzz.report.live import observer
from fuzz.triage import known

COSTS = {"simd": 20.0, "memory": 20.0, "calls": 100.0}
QUIET = {"simd": Gave(500), "memory": Gave(500), "calls": Gave(100)}


def test_who_finds_something_new_takes_all_turns_and_nobody_falls_silent() -> None:
    assert allotted([], COSTS) == ()
    assert allotted([QUIET, QUIET], COSTS) == (), "where nobody found anything all are alike"
    found = QUIET | {"memory": Gave(500, causes=3)}
    assert dict(allotted([found], COSTS)).keys() == {"simd", "calls"}
    for _, part in allotted([found] * 40, COSTS):
        assert part == LEAST
    # The same two causes in a fifth of the time: what a case costs counts.
    dear = {"simd": Gave(500, causes=2), "memory": Gave(500), "calls": Gave(500, causes=2)}
    parts = dict(allotted([dear], COSTS))
    assert "simd" not in parts
    assert parts["memory"] < parts["calls"] < FULL


def test_what_was_found_long_ago_counts_less() -> None:
    then, now = QUIET | {"simd": Gave(500, causes=2)}, QUIET | {"memory": Gave(500, causes=2)}
    assert "memory" not in dict(allotted([then, now], COSTS))
    assert "simd" in dict(allotted([then, now], COSTS))


def test_what_is_executed_for_the_first_time_counts_a_little() -> None:
    words, cause = QUIET | {"simd": Gave(500, words=10)}, QUIET | {"simd": Gave(500, words=10), "calls": Gave(100, 1)}
    assert "simd" not in dict(allotted([words], COSTS))
    assert "calls" not in dict(allotted([cause], COSTS))


@given(st.integers(0, FULL), st.integers(0, FULL), st.integers(0, 10_000))
def test_a_smaller_part_is_part_of_a_larger_one(one: int, other: int, index: int) -> None:
    assert taken(max(one, other), index) or not taken(min(one, other), index)


@pytest.mark.parametrize("part", [LEAST, 20, 33, 63])
def test_turns_are_taken_evenly_whatever_goes_by_remainders(part: int) -> None:
    """Steering goes by index modulo 4, samples by index modulo 20, sizes by multiples of the golden ratio."""
    turns = [index for index in range(64_000) if taken(part, index)]
    assert abs(len(turns) - 1000 * part) <= 20
    for by in (4, 20):
        counts = Counter(index % by for index in turns)
        assert max(counts.values()) - min(counts.values()) < 0.02 * len(turns)
    strata = Counter((index * 40503 & 0xFFFF) >> 12 for index in turns)
    assert max(strata.values()) - min(strata.values()) < 0.05 * len(turns)


SERIES = Series(("a", "b", "a", "c", "a"), 1, "1")
PARTS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, FULL - 1)).map(lambda one: tuple(sorted(one.items()))),
    max_size=5,
)


def walked(numbers: Numbers, parts: list[Parts], most: int, limit: int = 10_000) -> list[int]:
    """The cases of a run in which epochs begin with these parts, and after them with none."""

    def may_begin(index: int) -> bool:
        if index == len(numbers.epochs.begun):
            numbers.epochs.begin(parts[index] if index < len(parts) else ())
        return True

    ran: list[int] = []
    while len(ran) < limit and (batch := numbers.batch(min(most, limit - len(ran)), may_begin)):
        assert len({numbers.epochs.index(number) for number in batch}) == 1
        ran += batch
    return ran


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(0, 70), st.integers(1, 9), st.integers(0, 70))
def test_a_run_that_goes_on_passes_over_what_one_run_passes_over(
    parts: list[Parts], cases: int, most: int, first: int
) -> None:
    """Interrupted after any number of cases, all there are to be are run once, in epochs of ten."""
    whole = Numbers(Done().missing(), Epochs(SERIES, 10, cases))
    wanted = walked(whole, parts, most)
    assert len(wanted) == cases
    assert [whole.epochs.case(number) // 10 for number in wanted] == [at // 10 for at in range(cases)]
    begun = Numbers(Done().missing(), Epochs(SERIES, 10, cases))
    ran = walked(begun, parts, most, first)
    done = Done()
    done.apply(done.adding([*ran, *begun.dealt_with()]))
    epochs = Epochs(SERIES, 10, cases)
    epochs.resume(begun.epochs.begun, max((last for _, last in done.ranges), default=-1))
    rest = walked(Numbers(done.missing(), epochs), parts, most)
    assert ran + rest == wanted


@settings(max_examples=40, deadline=None)
@given(PARTS, st.integers(0, 70), st.integers(1, 4))
def test_shards_that_know_the_same_have_the_cases_of_one_run(parts: list[Parts], cases: int, of: int) -> None:
    together = sorted(
        number
        for index in range(1, of + 1)
        for number in walked(
            Numbers(Shard(index, of).missing(Done(), len(SERIES.targets)), Epochs(SERIES, 10, cases)), parts, 8
        )
    )
    assert together == walked(Numbers(Done().missing(), Epochs(SERIES, 10, cases)), parts, 8)


def test_without_allotment_an_epoch_has_as_many_numbers_as_cases() -> None:
    epochs = Epochs(SERIES, 1000)
    assert [epochs.begin(()).end for _ in range(3)] == [1000, 2000, 3000]
    assert list(islice(Numbers(Done().missing(), Epochs(SERIES, 0)).batch(4, lambda _: True), 4)) == [0, 1, 2, 3]


# --- whole runs, with an engine that is wrong about a multiplication -------------------------------------------------

TARGETS = Series(("arith", "globals", "locals"), 9, "1")


@pytest.fixture(scope="module", autouse=True)
def hasty() -> Iterator[None]:
    """Epochs of a second at most must be enough to tell targets apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allotment, "DOUBT", 0.05)
        yield


def night(folder: Path, cases: int, jobs: int = 1, shard: Shard | None = None, allot: bool = True) -> Summary:
    archive = Archive(folder)
    try:
        plan = Plan(("mistaken:loud",), TARGETS, opener=open_some)
        how = Settings(None, cases, jobs, minimize_seconds=0, epoch=12, steer=False, allot=allot, shard=shard)
        return Campaign(plan, how, archive, known.none(), observer(True, io.StringIO())).run()
    finally:
        archive.close()


def seen(folder: Path) -> list[tuple[str, int]]:
    with Reader(folder) as reader:
        return sorted(
            {(it.target, it.index) for bucket in reader.bucket_counts() for it in reader.sightings(bucket=bucket)}
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("allotted") / "out"
    return folder, night(folder, 48)


def test_a_run_says_what_it_allotted(whole: tuple[Path, Summary]) -> None:
    folder, summary = whole
    assert summary.stats.cases == 48
    assert summary.allotted.keys() == {"arith", "globals", "locals"}
    assert min(summary.allotted.values()) < max(summary.allotted.values()) == 1.0
    with Reader(folder) as reader:
        assert allotted_by(reader, TARGETS) == summary.allotted
        ((_, last),) = reader.done(TARGETS).ranges
    assert last > 48, "turns were passed over, and are dealt with"
    told = morning(folder)
    words = f"Turns at the end, by what targets gave: all of {max(summary.allotted, key=summary.allotted.__getitem__)}"
    assert words in markdown.render(told)
    assert words in html.render(told)


def test_jobs_and_interruptions_change_no_case(whole: tuple[Path, Summary], tmp_path: Path) -> None:
    folder, summary = whole
    for name, runs in {"jobs": [(48, 2)], "twice": [(29, 1), (48, 2)]}.items():
        for cases, jobs in runs:
            later = night(tmp_path / name, cases, jobs)
        assert later.stats.cases == 48
        assert later.stats.targets == summary.stats.targets
        assert later.allotted == summary.allotted
        assert seen(tmp_path / name) == seen(folder)


def test_a_shard_allots_by_what_was_known_before_it(tmp_path: Path) -> None:
    """A first night of shards knows nothing, so nothing is passed over; what their folders have together decides about
    the second one, and all of them decide alike."""
    shards = [tmp_path / str(index) for index in (1, 2)]
    first = [night(folder, 24, shard=Shard(index, 2)) for index, folder in enumerate(shards, 1)]
    assert sum(run.stats.cases for run in first) == 24
    assert not any(run.allotted for run in first)
    merge(shards, tmp_path / "all")
    merge([tmp_path / "all"], tmp_path / "copy")
    later = [
        night(tmp_path / name, 72, shard=Shard(index, 2)) for index, name in enumerate(("all", "copy"), 1)
    ]  # fmt: skip
    assert later[0].allotted == later[1].allotted != {}
    merge([tmp_path / "all", tmp_path / "copy"], tmp_path / "end")
    with Reader(tmp_path / "end") as reader:
        assert reader.stats(TARGETS).cases == 72
        assert allotted_by(reader, TARGETS) == later[0].allotted
        assert len(reader.done(TARGETS).ranges) == 1


def test_an_archive_of_an_older_release_has_no_epochs_yet(whole: tuple[Path, Summary], tmp_path: Path) -> None:
    night(tmp_path / "out", 24, allot=False)
    archive = Archive(tmp_path / "out")
    for table in ("epochs", "words"):
        archive.database.execute(f"DROP TABLE {table}")
    archive.close()
    assert not morning(tmp_path / "out").summary.allotted
    merge([tmp_path / "out"], tmp_path / "merged")
    later = night(tmp_path / "out", 48)
    assert later.stats.cases == 48
    assert replace(later.stats, targets=Counter()).cases == whole[1].stats.cases


def test_named_targets_keep_their_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "modules,globals", "--cases", "4", "--seed", "1", "--out", str(tmp_path)]) == 0
    assert "turns by now" not in capsys.readouterr().out
    with Reader(tmp_path) as reader:
        assert reader.database.rows("SELECT * FROM epochs") == []
    assert RUN_EXAMPLES
