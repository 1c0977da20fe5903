"""What later nights make of what earlier ones left: causes that nobody could tell, better ones, a person's word."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from mistaken_engine import MISTAKES, open_mistaken
from stateful_engine import open_stateful

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.recorded import recorded
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Batch, Found, Knowledge, Minimize, Plan, Reconsider, Reconsidered, RunCases
from fuzz.campaign.orders import Orders
from fuzz.campaign.settings import Settings
from fuzz.campaign.slot import _Slot
from fuzz.records.history import Cause, Ending, Series, SetAside
from fuzz.records.stats import Stats
from fuzz.records.summary import Summary
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.triage.essentials import Essentials
from generators.registry import make_case
from oracles.engine import Engine, Limits


def open_any(id: str, limits: Limits, offline: bool) -> Engine:
    return (open_stateful if id.startswith("stateful") else open_mistaken)(id, limits, offline)


def campaign(archive: Archive, cases: int, minimize: float = 60.0, engine: str = "mistaken") -> Campaign:
    plan = Plan((engine,), Series(("arith",), 9, "1"), opener=open_any)
    settings = Settings(None, cases, 2, minimize_seconds=minimize)
    return Campaign(plan, settings, archive, known.none(), observer(json_lines=False))


def night(folder: Path, cases: int, minimize: float = 60.0, engine: str = "mistaken") -> Summary:
    archive = Archive(folder)
    try:
        return campaign(archive, cases, minimize, engine).run()
    finally:
        archive.close()


def causes_of(folder: Path) -> list[Cause]:
    with Reader(folder) as reader:
        return reader.causes.all()


def about(folder: Path) -> list[frozenset[str]]:
    return [Essentials.of_words(cause.essentials).specific for cause in causes_of(folder)]


ALL = {frozenset(rows) for rows, _ in MISTAKES}


def test_a_night_without_minimizing_hides_nothing_from_the_next(tmp_path: Path) -> None:
    """Nothing is essential to a cause that nobody minimized: everything in its bucket would be that cause."""
    night(tmp_path / "out", 6, minimize=0)
    assert about(tmp_path / "out") == [frozenset()]
    night(tmp_path / "out", 24)
    assert sorted(map(sorted, about(tmp_path / "out"))) == sorted(map(sorted, ALL))


def test_a_cause_gets_better_when_its_finding_does(tmp_path: Path) -> None:
    """What a budget that was too short made of a finding is no cause beside the right one, once that is known."""
    night(tmp_path / "out", 16, minimize=0.05)
    with Reader(tmp_path / "out") as reader:
        assert any(tried.ending is Ending.BUDGET for tried in reader.minimizations())
    night(tmp_path / "out", 16)
    night(tmp_path / "out", 24)
    assert sorted(map(sorted, about(tmp_path / "out"))) == sorted(map(sorted, ALL))
    with Reader(tmp_path / "out") as reader:
        assert all(reader.findings(cause.id) for cause in reader.causes.all())


class Impatient:
    """Ends a run, as Ctrl-C does, as soon as something is minimized."""

    def tick(self, summary: Summary) -> None:
        if summary.now.minimizing:
            raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_an_interrupted_run_takes_what_minimizing_has_come_to(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "out")
    begun = campaign(archive, 40)
    begun.observer = Impatient()
    assert begun.run().interrupted
    assert not begun.summary.errors
    archive.close()
    with Reader(tmp_path / "out") as reader:
        assert all(one.after <= one.before for one in reader.minimizations())
    night(tmp_path / "out", 24)
    assert sorted(map(sorted, about(tmp_path / "out"))) == sorted(map(sorted, ALL))


class Stopping:
    """A slot's pipe on which the order to stop comes after some questions of a reducer."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.sent: list[Any] = []

    def poll(self) -> bool:
        self.left -= 1
        return self.left < 0

    def send(self, report: Any) -> None:
        self.sent.append(report)


def test_what_is_stopped_is_smaller_and_goes_on_in_a_later_run(tmp_path: Path) -> None:
    night(tmp_path / "out", 6, minimize=0)
    archive = Archive(tmp_path / "out")
    again = campaign(archive, 6)
    again.desk.open()
    task = again.desk.next_task()
    assert task is not None
    pipe: Any = Stopping(12)
    _Slot(pipe, again.plan).minimize(task)
    (report,) = pipe.sent
    assert report.work.ending is Ending.INTERRUPTED
    assert report.essentials is None
    stored = again.desk.minimized(report)
    assert stored is not None
    archive.close()
    with Reader(tmp_path / "out") as reader:
        (row,) = (row for row in reader.findings() if row.bundle == task.bundle)
        assert row.size == report.work.after < report.work.before
    night(tmp_path / "out", 24)
    with Reader(tmp_path / "out") as reader:
        assert {one.bundle: one.ending for one in reader.minimizations()}[task.bundle] is Ending.FIXPOINT
    assert sorted(map(sorted, about(tmp_path / "out"))) == sorted(map(sorted, ALL))


def test_a_merge_outlasts_the_night(tmp_path: Path) -> None:
    """What a person has merged is not found anew, nor does a better example move out of it."""
    night(tmp_path / "out", 24)
    archive = Archive(tmp_path / "out")
    one, other, *_ = (cause.id for cause in archive.causes.all())
    archive.causes.merge(one, other)
    archive.close()
    summary = night(tmp_path / "out", 40)
    assert summary.exit_code == 0
    assert any("without i64.mul" in line for line in summary.steered)
    assert len(causes_of(tmp_path / "out")) == len(MISTAKES) - 1


def test_other_engines_say_nothing_about_a_finding(tmp_path: Path) -> None:
    """What cannot be asked of the engines that are here stays as it is, to be asked of those that showed it."""
    night(tmp_path / "out", 6, minimize=0.2)
    before = causes_of(tmp_path / "out")
    summary = night(tmp_path / "out", 6, engine="stateful")
    assert not summary.errors
    assert not summary.steered
    assert causes_of(tmp_path / "out") == before
    with Reader(tmp_path / "out") as reader:
        assert not any(tried.ending is Ending.FAILED for tried in reader.minimizations())


def test_what_is_set_aside_is_seen_even_if_it_does_not_show_again() -> None:
    """A bug that needs what ran before it may not show when it is asked again alone."""
    ours, theirs = Pipe()
    slot = _Slot(theirs, Plan(("mistaken",), Series(("arith",), 9, "1"), opener=open_any))
    bucket = "mistaken-value-4f6745f2"
    slot.run_cases(RunCases((0, 1), Knowledge(working=frozenset({bucket})), None))
    batch = ours.recv()
    assert isinstance(batch, Batch)
    assert len(batch.set_aside) == 2
    assert [(seen.index, seen.cause) for seen in batch.sightings] == [(0, None), (1, None)]


def test_a_case_that_is_stored_keeps_no_other_waiting(tmp_path: Path) -> None:
    """Found once more it would not be stored, and what else there is in its bucket would wait for it again, for ever:
    many functions of one module can be wrong."""
    bucket = "mistaken-value-4f6745f2"
    night(tmp_path / "out", 1, minimize=0)
    archive = Archive(tmp_path / "out")
    run = campaign(archive, 4)
    series = replace(run.plan.series, version=make_case("arith", 9, 0).provenance.version)
    waiting = tuple(SetAside(series, number, bucket) for number in (0, 1, 2))
    stored = run.desk.stored(waiting)
    assert stored == {f"{bucket}-arith-9-0": 1}
    ours, theirs = Pipe()
    _Slot(theirs, run.plan).reconsider(Reconsider(waiting, Knowledge(), stored))
    theirs.close()
    found, answer = ours.recv(), ours.recv()
    assert isinstance(found, Found)
    assert found.finding.case.provenance.index == 1
    assert isinstance(answer, Reconsidered)
    assert [(seen.index, seen.cause) for seen in answer.sightings] == [(0, 1), (1, None), (2, None)]
    assert [item.number for item in answer.set_aside] == [2]
    archive.close()


def test_parts_and_mutants_of_a_case_are_stored_under_its_name(tmp_path: Path) -> None:
    night(tmp_path / "out", 1, minimize=0)
    archive = Archive(tmp_path / "out")
    (row,) = archive.findings()
    finding = archive.read(row.bundle)
    assert finding is not None
    for change in ({"part": "a7"}, {"mutant": 2}, {"index": 10}, {"target": "gc"}):
        origin = replace(finding.case.provenance, **change)
        archive.record_finding(replace(finding, case=replace(finding.case, provenance=origin)), 1)
    mine = row.bundle
    item = SetAside(Series(("arith",), 9, "1"), 0, row.signature.bucket.key)
    assert archive.stored(item) == {mine: 1, f"{mine}-a7": 1, f"{mine}-mutant2": 1}
    archive.close()


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_slot_that_dies_minimizing_does_not_end_the_work(
    tmp_path: Path, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its finding is tried once more; what waits for that does not wait for ever."""
    left = deaths
    order = Orders._minimize

    def killing(orders: Orders, slot: Any, task: Minimize) -> None:
        nonlocal left
        if left:
            left -= 1
            os.kill(slot.runner.process.pid, signal.SIGKILL)
        order(orders, slot, task)

    monkeypatch.setattr(Orders, "_minimize", killing)
    archive = Archive(tmp_path / "out")
    try:
        run = campaign(archive, 24)
        summary = run.run()
        assert not archive.pending()
        assert not any(run.desk.working.values())
        assert not run.desk.numbers
        assert not run.desk.under_way
    finally:
        archive.close()
    assert summary.stats.cases == 24
    assert len(summary.errors) == deaths
    assert set(about(tmp_path / "out")) >= ALL


def test_a_report_lists_series_that_were_run(tmp_path: Path) -> None:
    """Steered cases that were set aside belong to the series that they are from."""
    night(tmp_path / "out", 6, minimize=0)
    archive = Archive(tmp_path / "out")
    series = archive.series()
    archive.begin(series[0])
    archive.record_batch((), Stats(), set_aside=[SetAside(replace(series[0], version="7 without i64.mul"), 3, "key")])
    archive.close()
    assert [(one.generators, one.cases) for one in recorded(tmp_path / "out").series] == [("1", 6)]


def test_the_lowest_case_that_shows_a_cause_teaches_it(tmp_path: Path) -> None:
    """Which of two slots is faster must not change what later cases are made without."""
    archive = Archive(tmp_path / "out")
    try:
        run = campaign(archive, 24)
        run.run()
        desk = run.desk
        (cause,) = [cause.id for cause in desk.causes if cause.essentials[0] == "i64.mul"]
        later = replace(desk.learning.by_causes[cause], number=1003)
        desk.learning.by_causes[cause] = later
        assert later.begins == 3000
        seen = archive.sightings(cause=cause)[0]
        desk.batch(Batch((998,), Stats(), (replace(seen, index=998),)))
        assert desk.learning.by_causes[cause].begins == 2000
        desk.batch(Batch((999,), Stats(), (replace(seen, index=2998),)))
        assert desk.learning.by_causes[cause].begins == 2000
    finally:
        archive.close()
