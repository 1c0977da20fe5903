"""A night with several bugs at once: each is found, named and kept apart, however loud another one is."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from mistaken_engine import MISTAKES, open_mistaken

from fuzz.archive.archive import Archive, Reader
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.campaign.steering import Lesson, avoid_for, lesson_of
from fuzz.cli.main import main
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Cause, Series
from fuzz.records.summary import Summary
from fuzz.report.live import observer
from fuzz.triage import known


def night(
    folder: Path, cases: int, minimize: float = 60.0, engine: str = "mistaken", epoch: int = 1000,
    issues: known.KnownIssues | None = None,
) -> Summary:  # fmt: skip
    archive = Archive(folder)
    try:
        plan = Plan((engine,), Series(("arith",), 9, "1"), opener=open_mistaken)
        settings = Settings(None, cases, 2, minimize_seconds=minimize, epoch=epoch)
        return Campaign(plan, settings, archive, issues or known.none(), observer(json_lines=True)).run()
    finally:
        archive.close()


@dataclass(frozen=True)
class Night:
    folder: Path
    summary: Summary


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("loud") / "out"
    return Night(folder, night(folder, 24))


def causes_of(folder: Path) -> list[Cause]:
    with Reader(folder) as reader:
        return reader.causes.all()


def test_every_mistake_is_a_cause_and_no_cause_is_two(loud: Night) -> None:
    assert not loud.summary.errors
    about = {frozenset(word for word in cause.essentials if word[0] not in "~(?!") for cause in causes_of(loud.folder)}
    assert about == {frozenset(rows) for rows, _ in MISTAKES}
    assert len(causes_of(loud.folder)) == len(MISTAKES)


def test_every_disagreement_is_a_sighting_of_some_cause(loud: Night) -> None:
    """Nothing is dropped, and nothing still waits."""
    with Reader(loud.folder) as reader:
        assert not reader.pending()
        seen = [sighting for cause in reader.causes.all() for sighting in reader.sightings(cause=cause.id)]
        assert len({sighting.index for sighting in seen}) == loud.summary.stats.disagreements
        (bucket,) = {sighting.bucket for sighting in seen}
        assert all(sighting.cause is not None for sighting in reader.sightings(bucket=bucket))


def test_the_next_night_knows_them(loud: Night) -> None:
    """Going on in the same folder finds no cause twice."""
    before = {cause.id for cause in causes_of(loud.folder)}
    night(loud.folder, 30)
    assert {cause.id for cause in causes_of(loud.folder)} == before


def test_without_minimizing_a_bucket_is_a_cause(tmp_path: Path) -> None:
    night(tmp_path / "out", 12, minimize=0)
    (cause,) = causes_of(tmp_path / "out")
    assert cause.name == "mistaken: wrong value"
    with Reader(tmp_path / "out") as reader:
        assert len(reader.findings(cause.id)) == 3
        assert reader.times_seen(cause=cause.id) > 3


def test_a_persons_word(loud: Night, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(loud.folder)
    one, other, third, *_ = (cause.id for cause in causes_of(loud.folder))
    said = lambda *words: (main(["causes", folder, *map(str, words)]), capsys.readouterr().out)  # noqa: E731
    assert said("list")[1].count("mistaken: wrong value") == len(MISTAKES)
    assert said("merge", one, other) == (0, f"{other} is part of {one} now\n")
    assert said("known", third, "--link", "https://example.org/issues/77") == (
        0,
        f"{third} is https://example.org/issues/77\n",
    )
    listed = said()[1]
    assert listed.count("mistaken: wrong value") == len(MISTAKES) - 1
    assert "(https://example.org/issues/77)" in listed
    assert f"parts: {other} mistaken: wrong value" in said("show", other)[1]
    assert said("split", one)[1] == f"{one} was taken apart: {other} is kept apart from it\n"
    _, text = said("show", one, "--json")
    assert json.loads(text)["parts"] == []
    assert main(["causes", folder, "show", "999"]) == 2
    assert "has no cause 999" in capsys.readouterr().err


def test_steering_goes_by_epochs_and_shares() -> None:
    """What cases below 1,000 taught steers half of those from 2,000 on, and three of four from 3,000 on."""
    lesson = Lesson(("i64.mul",), 17, "cause 1")
    taught = [n for n in range(5000) if avoid_for(n, n, [lesson])]
    counts = Counter(n // 1000 for n in taught)
    assert counts == {2: 500, 3: 750, 4: 750}
    assert str(lesson) == "from case 2000 on mostly without i64.mul: cause 1"
    later = Lesson(("i32.rotl",), 1000, "cause 2")
    assert avoid_for(2999, 1, [lesson, later]) == ("i64.mul",)
    assert avoid_for(3001, 1, [lesson, later]) == ("i32.rotl", "i64.mul")


def test_what_a_cause_teaches() -> None:
    """A row that can be avoided, of a pattern one; a size where no row is essential; else nothing."""

    def taught(*words: str) -> tuple[str, ...]:
        lesson = lesson_of(Cause(1, "c", "value", "invoke", "f", words), 0)
        return lesson.avoid if lesson else ()

    assert taught("i32.rotl") == ("i32.rotl",)
    assert taught("i32.mul", "i32.add") == ("i32.add",)
    assert taught("results >= 254", "params >= 20") == ("params<20", "results<254")
    assert taught("i32.rotl", "results >= 254") == ("i32.rotl",)
    assert taught("(call)", "nesting >= 40") == ()


def test_an_entry_that_was_written_since_explains_what_is_stored(tmp_path: Path) -> None:
    """And what is seen of it again; what this night did not see is said to be not seen."""
    out = tmp_path / "out"
    assert night(out, 5, engine="mistaken:loud").exit_code is ExitCode.FINDINGS
    entries = [known.Known(id, f"https://example.org/{id}", family="mistaken", kind=kind)
               for id, kind in (("old", "value"), ("gone", "trap"))]  # fmt: skip
    issues = known.KnownIssues(tuple(entries), datetime.date(2026, 1, 1), {})
    summary = night(out, 8, engine="mistaken:loud", issues=issues)
    assert not summary.unexplained
    assert [(cause.known, cause.link) for cause in causes_of(out)] == [("old", "https://example.org/old")]
    assert summary.unmatched_known == ["gone"]
    summary.fail_on_any = True
    assert summary.exit_code is ExitCode.CLEAN


def test_a_night_is_steered_past_what_is_known(tmp_path: Path) -> None:
    """With epochs of six cases: the loud mistake, which is in every case, is met in one of four at last."""
    summary = night(tmp_path / "out", 36, engine="mistaken:loud", epoch=6)
    with Reader(tmp_path / "out") as reader:
        (cause,) = reader.causes.all()
        seen = sorted(sighting.index for sighting in reader.sightings(cause=cause.id))
        assert not summary.errors
    assert seen[:12] == list(range(12))
    assert sum(index >= 18 for index in seen) <= 6
    assert summary.steered == ["from case 12 on mostly without i64.mul: cause 1, mistaken: wrong value, i64.mul"]
