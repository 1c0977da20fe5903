"""Campaigns against a real engine with a fault: what is found, kept, counted and said."""

from __future__ import annotations

import errno
import io
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from faulty_engine import WIDE, open_faulty
from json_docs import documented

from fuzz.archive.archive import Archive
from fuzz.archive.bundles import read_bundle, read_findings
from fuzz.archive.morning import morning
from fuzz.archive.recorded import recorded
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.report.formats import jsonl, markdown
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.retry import confirm
from generators.registry import make_case
from oracles.judge.verdict import Disagree
from wasm.decode import decode
from wasm.valtypes import FuncType

SERIES = Series(("returns",), 1, "1")
CASES = 32


@dataclass(frozen=True, slots=True)
class Ran:
    summary: Summary
    rows: list[dict[str, Any]]
    out: Path


def campaign(
    out: Path, *engines: str, cases: int = CASES, jobs: int = 1, issues: known.KnownIssues | None = None,
    stored: int = 2, minimize: float = 0.0, seconds: float | None = None,
) -> Ran:  # fmt: skip
    archive = Archive(out)
    stream = io.StringIO()
    plan = Plan(engines, SERIES, opener=open_faulty)
    settings = Settings(seconds, cases, jobs, stored, minimize)
    try:
        summary = Campaign(plan, settings, archive, issues or known.none(), observer(True, stream)).run()
    finally:
        archive.close()
    return Ran(summary, [json.loads(line) for line in stream.getvalue().splitlines()], out)


def wide_indices(count: int) -> list[int]:
    """The cases in which the fault shows: a call by the host gives more than WIDE results."""
    bench = Bench(("faulty",), opener=open_faulty)
    return [i for i in range(count) if isinstance(bench.run(make_case("returns", 1, i)).verdict, Disagree)]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One campaign that finds wrong values, minimizes the first, and has an engine that is missing."""
    return campaign(tmp_path_factory.mktemp("wrong"), "interpreter", "faulty", "missing", minimize=20.0)


def test_every_disagreement_is_found_and_duplicates_are_capped(wrong: Ran) -> None:
    found = wide_indices(CASES)
    assert wrong.summary.stats.cases == CASES
    assert wrong.summary.stats.disagreements == len(found) > 2
    assert len(wrong.summary.findings) == 2
    assert {stored.count for stored in wrong.summary.findings} == {len(found)}
    assert {f.case.provenance.index for _, f in read_findings(wrong.out)} == set(found[:2])
    assert all(f.repeats == f.tries == 3 for _, f in read_findings(wrong.out))


def test_findings_win_over_broken_engines_which_are_named(wrong: Ran) -> None:
    assert wrong.summary.exit_code is ExitCode.FINDINGS
    assert list(wrong.summary.broken) == ["missing"]
    assert wrong.rows[-1]["type"] == "summary"
    assert "install it" in wrong.rows[-1]["broken"]["missing"]


def test_the_first_of_a_bucket_is_minimized_to_what_the_fault_needs(wrong: Ran) -> None:
    finding = next(f for _, f in read_findings(wrong.out) if f.minimized is not None)
    assert finding.minimized is not None
    module = decode(finding.minimized.content)
    results = [len(t.results) for t in module.func_types() if isinstance(t, FuncType)]
    assert results == [WIDE + 1]
    assert len(finding.minimized.content) < 250
    assert not finding.signature.provisional
    assert finding.signature.settings == ("faulty",)
    original = make_case("returns", 1, finding.case.provenance.index)
    assert finding.case.content == original.content


def test_a_bundle_explains_itself(wrong: Ran) -> None:
    path, finding = next((p, f) for p, f in read_findings(wrong.out) if f.minimized is not None)
    names = {item.name for item in path.iterdir()}
    assert names == {
        "case.wasm", "case.wat", "case.wast", "finding.json", "README.md", "repro.sh", "original.wasm"
    }  # fmt: skip
    assert (path / "case.wasm").read_bytes() == finding.best.content
    text = (path / "README.md").read_text()
    assert "faulty" in text
    assert "expected" in text
    assert "(assert_return (invoke" in (path / "case.wast").read_text()
    assert read_bundle(path) == finding


def test_the_summary_accounts_for_the_yield(wrong: Ran) -> None:
    row = wrong.rows[-1]
    assert row["executed_past_wide_site"] <= row["wide_cases"] <= row["cases"]
    assert row["executed_past_wide_site"] > 0
    assert {engine["id"]: engine["cases"] for engine in row["engines"]} == {"interpreter": CASES, "faulty": CASES}
    assert row["harness_cpu_seconds"] > 0
    assert any(key.startswith("results ") for key in row["shapes"])


def test_every_line_has_the_documented_fields(wrong: Ran) -> None:
    kinds = {row["type"] for row in wrong.rows}
    assert kinds >= {"start", "finding", "minimized", "note", "summary"}
    for row in wrong.rows:
        assert set(row) == documented("fuzz run", row["type"])
    assert set(wrong.rows[-1]["findings"][0]) == {
        "bundle", "signature", "count", "known", "stable", "bytes", "cause", "cause_name", "new",
    }  # fmt: skip


def test_a_report_says_the_same_without_running(wrong: Ran) -> None:
    summary = recorded(wrong.out)
    assert summary.stats.cases == wrong.summary.stats.cases
    assert [stored.path for stored in summary.findings] == [stored.path for stored in wrong.summary.findings]
    assert {stored.count for stored in summary.findings} == {stored.count for stored in wrong.summary.findings}
    told = morning(wrong.out)
    assert "**1 new cause.**" in markdown.render(told)
    lines = [json.loads(line) for line in jsonl.render(told).splitlines()]
    assert [line["type"] for line in lines] == ["finding", "finding", "cause", "summary"]


def test_a_report_without_findings_says_so(wrong: Ran) -> None:
    quiet = replace(morning(wrong.out), causes=())
    page = markdown.render(quiet)
    assert f"No finding in the {quiet.summary.stats.compared} cases compared." in page
    assert "new cause" not in page


def test_going_on_repeats_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    first = campaign(tmp_path, "faulty", cases=10)
    again = campaign(tmp_path, "faulty", cases=CASES)
    assert again.summary.resumed == 10
    assert again.summary.stats.cases == CASES
    assert again.summary.stats.engine_cases["faulty"] == CASES
    assert {stored.path for stored in first.summary.findings} <= {stored.path for stored in again.summary.findings}
    assert {stored.count for stored in again.summary.findings} == {len(wide_indices(CASES))}
    third = campaign(tmp_path, "faulty", cases=CASES)
    assert third.summary.stats.cases == CASES
    # What an earlier run has told of is not new; who wants to hear of it again says so.
    assert third.summary.exit_code is ExitCode.CLEAN
    third.summary.fail_on_any = True
    assert third.summary.exit_code is ExitCode.FINDINGS


def test_verdicts_do_not_depend_on_jobs(tmp_path: Path) -> None:
    runs = [campaign(tmp_path / str(jobs), "faulty", cases=18, jobs=jobs, stored=1000) for jobs in (1, 2)]
    found = [[path.name for path, _ in read_findings(run.out)] for run in runs]
    assert found[0] == found[1]
    assert runs[0].summary.stats.shapes == runs[1].summary.stats.shapes
    assert runs[0].summary.stats.outcomes == runs[1].summary.stats.outcomes


def test_a_known_finding_is_kept_marked_and_does_not_count_as_new(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(
        '[[known]]\nid = "old"\nlink = "x"\nengine = "faulty"\nkind = "value"\n'
        '[[known]]\nid = "gone"\nlink = "x"\nengine = "faulty"\nkind = "crash"\n'
    )
    ran = campaign(tmp_path / "out", "faulty", issues=known.load(path), minimize=20.0)
    assert ran.summary.exit_code is ExitCode.CLEAN
    assert {stored.known for stored in ran.summary.findings} == {"old"}
    assert ran.summary.unmatched_known == ["gone"]
    assert not any(row["type"] == "minimized" for row in ran.rows)


def test_a_crash_has_its_message_and_place(tmp_path: Path) -> None:
    ran = campaign(tmp_path, "faulty:crash", stored=1)
    (stored,) = ran.summary.findings
    assert stored.signature.message == "index out of bounds: the len is N but the index is N"
    assert stored.signature.place == "backend/src/emit.rs"
    assert stored.count == len(wide_indices(CASES))


def test_what_does_not_repeat_is_kept_as_unstable() -> None:
    bench = Bench(("faulty:flaky",), opener=open_faulty)
    before = [make_case("returns", 1, 1)]
    trial = bench.run(make_case("returns", 1, wide_indices(CASES)[0]))
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    finding = confirm(bench, trial, signature, dissents, before)
    assert finding is not None
    assert (finding.repeats, finding.tries, finding.stable) == (0, 3, False)


def test_a_hang_that_ends_with_more_time_is_no_finding(tmp_path: Path) -> None:
    ran = campaign(tmp_path, "faulty:hang")
    assert ran.summary.findings == []
    assert not ran.summary.stats.buckets
    assert ran.summary.stats.poisons["slow, not hung"] == len(wide_indices(CASES))


def test_a_slot_that_dies_is_replaced_and_the_case_given_up_after_a_second_time(tmp_path: Path) -> None:
    ran = campaign(tmp_path, "faulty:dies", cases=9)
    deadly = wide_indices(9)
    assert deadly
    assert ran.summary.stats.discarded["harness died"] == len(deadly)
    assert ran.summary.stats.cases == 9 - len(deadly)
    assert ran.summary.exit_code is ExitCode.UNUSABLE
    assert "a slot died" in ran.summary.errors[0]


def test_a_full_disk_ends_the_run_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, room = os.fsync, [6]

    def fsync(handle: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    ran = campaign(tmp_path, "faulty")
    assert ran.summary.exit_code is ExitCode.UNUSABLE
    assert "no space left" in ran.summary.errors[0]
    assert ran.rows[-1]["type"] == "summary"
    assert [path.name for path in (tmp_path / "findings").iterdir()] == []


def test_no_usable_engine_ends_the_run_at_once(tmp_path: Path) -> None:
    ran = campaign(tmp_path, "missing", seconds=60.0)
    assert ran.summary.exit_code is ExitCode.UNUSABLE
    assert ran.summary.wall_seconds < 30


def test_time_ends_a_run(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    settings = Settings(2.0, None, 1, 2, 0.0)
    stream = io.StringIO()
    summary = Campaign(Plan(("faulty",), SERIES, opener=open_faulty), settings, archive, known.none(),
                       observer(True, stream)).run()  # fmt: skip
    archive.close()
    assert summary.wall_seconds < 30
