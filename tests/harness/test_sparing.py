"""``--sparing``: where engines agree by themselves the interpreter is not asked, what is wrong is found as before, and
the record says how many cases that were."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from sparing_engine import open_any

from fuzz.archive.archive import Archive, Reader
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.campaign.slot import referred
from fuzz.cli.main import main
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.report.live import observer
from fuzz.report.words import summary_lines
from fuzz.triage import known

CASES = 60
RIGHT = ("one", "two", "three")
WITH_MISTAKES = ("one", "two", "mistaken")


def ran(folder: Path, engines: tuple[str, ...], sparing: int) -> Summary:
    archive = Archive(folder)
    try:
        plan = Plan(engines, Series(("arith",), 9, "1"), opener=open_any, sparing=sparing)
        how = Settings(None, CASES, 1, minimize_seconds=0, steer=False)
        return Campaign(plan, how, archive, known.none(), observer(True, io.StringIO())).run()
    finally:
        archive.close()


def met(folder: Path) -> set[tuple[int, str]]:
    with Reader(folder) as reader:
        buckets = reader.bucket_counts()
        return {(seen.index, bucket) for bucket in buckets for seen in reader.sightings(bucket=bucket)}


def test_what_is_wrong_is_found_as_if_nothing_were_spared(tmp_path: Path) -> None:
    whole, spared = (ran(tmp_path / str(n), WITH_MISTAKES, n) for n in (1, 8))
    assert met(tmp_path / "1") == met(tmp_path / "8") != set()
    assert whole.stats.spared == 0
    assert spared.stats.disagreements == whole.stats.disagreements
    assert spared.stats.cases + spared.stats.spared == whole.stats.cases == CASES
    assert 0 < spared.stats.spared <= CASES - whole.stats.disagreements
    assert spared.stats.targets == whole.stats.targets


def test_where_all_agree_the_interpreter_runs_its_part(tmp_path: Path) -> None:
    summary = ran(tmp_path / "out", RIGHT, 8)
    asked = sum(referred("arith", index, 8) for index in range(CASES))
    assert (summary.stats.cases, summary.stats.spared) == (asked, CASES - asked)
    assert summary.stats.engine_cases == {"interpreter": asked, **dict.fromkeys(RIGHT, CASES)}
    assert summary.stats.compared == asked, "nothing is claimed that was not compared"
    assert f"  {CASES - asked} more cases were not run by the interpreter" in "\n".join(summary_lines(summary))
    assert summary.to_json()["spared_cases"] == CASES - asked


def test_two_engines_spare_nothing_and_are_told_so(tmp_path: Path) -> None:
    summary = ran(tmp_path / "out", RIGHT[:2], 8)
    assert (summary.stats.cases, summary.stats.spared) == (CASES, 0)
    assert "the interpreter runs every case: --sparing needs 3 engines without common code" in summary.notes


def test_the_part_is_even_whatever_else_goes_by_remainders() -> None:
    """Steering leaves out every fourth index, samples are every twentieth: the interpreter's part is one of each."""
    for by in (1, 4, 20):
        indices = range(0, 40_000, by)
        share = sum(referred("mixed", index, 8) for index in indices) / len(indices)
        assert share == pytest.approx(1 / 8, abs=0.03)
    assert all(referred("mixed", index, 1) for index in range(100))


def test_what_needs_the_interpreter_does_not_go_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "arith", "--sparing", "8", "--mutants", "1"]) != 0
    assert "--sparing leaves out what --mutants and --slow look at" in capsys.readouterr().err


def test_where_every_case_was_spared_nothing_is_said_of_none(tmp_path: Path) -> None:
    summary = Summary(("arith",), 9, "1", tmp_path)
    summary.stats.spared = 5
    assert list(summary_lines(summary))[-1].startswith(
        "No case was run by the interpreter, and engines agreed. Records"
    )
    summary.stats.spared = 0
    assert list(summary_lines(summary))[-1].startswith("No case was run. Records")
