"""Nights against an engine with a planted fault: what is new, again and gone, and a hard end whatever engines do."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from json_docs import documented
from night_engines import open_new, open_old

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.morning import morning
from fuzz.campaign.deadline import TimeIsOver, until
from fuzz.cli.commands.night import _retested
from fuzz.cli.main import main
from fuzz.corpus.folder import entries
from fuzz.night.retest import Retested
from fuzz.night.running import Told, run_night
from fuzz.night.settings import Night, shares
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Retest
from fuzz.records.morning import News
from fuzz.records.strip import State
from fuzz.report.live import observer
from fuzz.trial.bench import OpenEngine
from oracles.engine import UsageError, releases_of


def night(out: Path, **changes: object) -> Night:
    plain = Night(
        out / "findings", ("returns",), ("planted",), seconds=60.0, cases=24, seed=1, minimize=15.0, retest=10.0,
        corpus=out / "corpus", reports=("junit", "markdown"),
    )  # fmt: skip
    return replace(plain, **changes)


def ran(settings: Night, opener: OpenEngine) -> Told:
    return run_night(settings, observer(True, io.StringIO()), time.monotonic(), opener)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """A night on the release with the fault."""
    out = tmp_path_factory.mktemp("nights")
    return out, ran(night(out), open_old)


def test_what_is_found_first_is_new_and_goes_into_reports_and_corpus(first: tuple[Path, Told]) -> None:
    out, told = first
    assert told.exit_code is ExitCode.FINDINGS
    assert not told.retested
    assert [path.name for path in told.reports] == ["junit.xml", "report.md"]
    assert "1 new cause" in (out / "findings" / "report" / "report.md").read_text()
    ((path, entry),) = entries(out / "corpus")
    assert [path] == list(told.kept)
    assert entry.expected is not None
    assert len(entry.case.content) < 200


def test_later_nights_say_again_gone_and_again(first: tuple[Path, Told]) -> None:
    out, _ = first
    again = ran(night(out, cases=25), open_old)
    assert [bool(one.showing) for one in again.retested] == [True]
    assert again.exit_code is ExitCode.CLEAN
    assert [news.state for news in morning(out / "findings").causes] == [News.AGAIN]

    gone = ran(night(out, cases=26), open_new)
    (one,) = gone.retested
    assert one.gone
    assert "gone from planted (2.0.0)" in str(one)
    (news,) = morning(out / "findings").causes
    assert news.state is News.GONE
    assert "its smallest case was run again" in news.why
    assert "planted (2.0.0)" in news.why
    assert news.cause.right_in == ("planted@2.0.0",)
    with Reader(out / "findings") as reader:
        (cause,) = reader.causes.all()
        rows = [row for told in reader.retests(3).values() for row in told]
    assert cause.wrong_in == ("planted@1.0.0",)
    assert [(row.state, row.release) for row in rows] == [(State.GOOD, "2.0.0")]

    back = ran(night(out, cases=27), open_old)
    assert [bool(one.showing) for one in back.retested] == [True]
    assert [news.state for news in morning(out / "findings").causes] == [News.AGAIN]
    assert len(entries(out / "corpus")) == 1


def test_an_archive_of_an_older_release_has_no_retests_yet(first: tuple[Path, Told], tmp_path: Path) -> None:
    out, _ = first
    shutil.copytree(out / "findings", tmp_path / "findings")
    with contextlib.closing(sqlite3.connect(tmp_path / "findings" / "archive.sqlite")) as connection:
        connection.execute("DROP TABLE retests")
        connection.commit()
    assert morning(tmp_path / "findings").causes
    assert ran(night(tmp_path, cases=24), open_old).retested
    with Reader(tmp_path / "findings") as reader:
        assert reader.retests(reader.nights()[-1].id)


def test_an_engine_that_hangs_does_not_hold_up_the_end(first: tuple[Path, Told]) -> None:
    out, _ = first
    hanging = night(
        out, engines=("planted:hang",), seconds=18.0, cases=None, retest=1.0, minimize=5.0, corpus=None,
        reports=("markdown",),
    )  # fmt: skip
    start = time.monotonic()
    told = ran(hanging, open_old)
    assert 6 < time.monotonic() - start < 19  # the slot was stopped in the midst of a case, and the report written
    assert told.untested == 1
    assert told.exit_code is ExitCode.CLEAN
    assert told.reports
    Archive(out / "findings").close()  # whole, and nobody holds it


def test_engines_that_are_missing_make_it_unusable(tmp_path: Path) -> None:
    told = ran(night(tmp_path, engines=("missing",), retest=0.0), open_old)
    assert told.exit_code is ExitCode.UNUSABLE


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "findings").mkdir()
    (tmp_path / "findings" / "report").write_text("in the way")
    told = ran(night(tmp_path, cases=2), open_new)
    assert "in the way" in told.missing[0]
    assert told.exit_code is ExitCode.UNUSABLE


def test_a_second_night_in_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "night.toml"
    config.write_text('out = "o"\ntime = "1m"\ntargets = ["arith"]\nengines = ["interpreter", "compiler"]\n')
    archive = Archive(tmp_path / "o")
    try:
        assert main(["night", str(config)]) == ExitCode.UNUSABLE
    finally:
        archive.close()
    error = capsys.readouterr().err
    assert "another run" in error
    assert error.count("\n") == 1


def test_the_command_from_a_file_to_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "night.toml"
    config.write_text(
        'out = "o"\ntime = "1m"\ncases = 4\njobs = 1\nseed = 1\ntargets = ["arith"]\nminimize = false\n'
        'engines = ["interpreter", "compiler"]\nreports = ["jsonl"]\n'
    )
    assert main(["night", str(config), "--json"]) == ExitCode.CLEAN
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["type"] for row in rows if row["type"] != "progress"] == ["start", "summary", "night"]
    assert rows[-1]["reports"] == [str(tmp_path / "o" / "report" / "report.jsonl")]
    assert rows[-1]["exit_code"] == 0
    assert set(rows[-1]) == documented("fuzz night", "night")


def test_old_causes_are_told_as_lines_too(first: tuple[Path, Told], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = first
    answer = Retest(1, "bundle", "planted", "1.0.0", State.BAD, True, "it is wrong")
    with Reader(out / "findings") as reader:
        one = Retested(reader.causes.get(1), (answer,))
    _retested(one, True)
    row = json.loads(capsys.readouterr().out)
    assert row["state"] == "again"
    assert set(row) == documented("fuzz night", "retested")
    _retested(one, False)
    assert "still in planted (1.0.0)" in capsys.readouterr().out


def test_a_release_that_is_still_being_fetched_does_not_hold_up_the_end() -> None:
    program = (
        "import threading, time\n"
        "from fuzz.cli.commands.night import _leave\n"
        "from fuzz.records.exit_code import ExitCode\n"
        "threading.Thread(target=time.sleep, args=(60,), name='fetch_0').start()\n"
        "print('all is said')\n"
        "_leave(ExitCode.FINDINGS)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "all is said\n")


def test_new_causes_are_explained(tmp_path: Path) -> None:
    releases = releases_of("wasmtime")
    if releases is None or "33.0.0" not in releases.at_hand():
        pytest.skip("no Wasmtime 33.0.0 at hand: fuzz engines install wasmtime@33.0.0")
    stream = io.StringIO()
    settings = night(
        tmp_path, targets=("arith",), seed=105, cases=1, engines=("interpreter", "wasmtime@33.0.0:opt=none"),
        seconds=120.0, explain=30.0, retest=0.0, reports=(),
    )  # fmt: skip
    told = run_night(settings, observer(True, stream), time.monotonic())
    (stored,) = told.summary.findings
    assert (stored.path / "explanation.md").read_text()
    notes = [json.loads(line)["text"] for line in stream.getvalue().splitlines() if '"type":"note"' in line]
    assert any(note.startswith(f"reasons of cause {stored.cause}: operation") for note in notes), notes


def test_what_fails_after_the_cases_ends_no_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("fuzz.night.explaining.explain", fails)
    monkeypatch.setattr("fuzz.night.explaining.subject_of", lambda *_: object())
    stream = io.StringIO()
    settings = night(tmp_path, explain=5.0, seconds=120.0, retest=0.0, reports=("markdown",))
    told = run_night(settings, observer(True, stream), time.monotonic(), open_old)
    assert told.summary.findings
    assert [path.name for path in told.reports] == ["report.md"]
    assert ": failed: RuntimeError: no such thing" in stream.getvalue()


def test_time_is_shared_from_the_end() -> None:
    ends = shares(Night(Path("o"), (), (), seconds=3600, bisect=600, retest=300, reports=("html",)))
    assert 0 < ends.retest < ends.cases < ends.minimizing < ends.bisecting < ends.report == 3600
    assert ends.minimizing == 3600 - 120 - 600
    with pytest.raises(UsageError, match="leaves nothing for cases: 60 s for minimize, 60 s for bisect"):
        shares(Night(Path("o"), (), (), seconds=60, bisect=60))


def test_until_ends_what_sleeps_and_nothing_else() -> None:
    start = time.monotonic()
    with pytest.raises(TimeIsOver), until(start + 0.1):
        time.sleep(30)
    assert time.monotonic() - start < 5
    with until(time.monotonic() + 0.05):
        pass
    time.sleep(0.1)
    with until(None):
        pass
