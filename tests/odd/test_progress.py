"""A run that seems to stand still says what it is doing, how long it may go on, and when it found something last."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from json_docs import documented

from fuzz.campaign import loop
from fuzz.cli.main import main
from fuzz.records.stats import Stats
from fuzz.records.summary import Now, Summary
from fuzz.report import live
from fuzz.report.words import progress_line


def at(seconds: float, now: Now, cases: int = 100, quiet: float = 0.0, new_at: float | None = None) -> Summary:
    stats = Stats(cases=cases)
    return Summary(("returns",), 1, "7", Path("out"), stats, wall_seconds=seconds, quiet_since=seconds - quiet, now=now,
                   new_at=new_at)  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (at(5, Now(starting=1, seconds_left=55), 0), "     5 s  0 cases, starting engines, 55 s left, 0 findings"),
        (at(10, Now(running=2, seconds_left=50)), "    10 s  100 cases, 10.0 cases/s, 50 s left, 0 findings"),
        (
            at(20, Now(running=2, seconds_left=40), quiet=9, new_at=12),
            "    20 s  100 cases, 5.0 cases/s, waiting 9 s for slow ones, 40 s left, 0 findings, "
            "the last new one 8 s ago",
        ),
        (
            at(110, Now(minimizing=1, queue=4, seconds_left=0), quiet=51),
            "   110 s  100 cases, 0.9 cases/s, minimizing 1 finding (4 more wait), time is up for new cases, "
            "0 findings",
        ),
        (
            at(100, Now(running=1, minimizing=2, cases_left=900)),
            "   100 s  100 cases, 1.0 cases/s, minimizing 2 findings, 900 cases left, 0 findings",
        ),
        (
            at(100, Now(asking=1, cases_left=0), quiet=60),
            "   100 s  100 cases, 1.0 cases/s, sorting what was set aside, no cases left, 0 findings",
        ),
    ],
)
def test_the_line_says_what_is_under_way(summary: Summary, line: str) -> None:
    assert progress_line(summary) == line


def test_minimizing_is_not_called_waiting_for_slow_cases() -> None:
    assert "slow ones" not in progress_line(at(60, Now(minimizing=1, seconds_left=0), quiet=51))


def test_json_lines_have_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PLAIN_EVERY", 0.0)
    stream = io.StringIO()
    live.observer(True, stream).tick(at(60, Now(minimizing=1, queue=2, seconds_left=0.0), new_at=20))
    row = json.loads(stream.getvalue())
    assert set(row) == documented("fuzz run", "progress")
    assert (row["minimizing"], row["queue"], row["seconds_left"], row["cases_left"]) == (1, 2, 0.0, None)
    assert row["since_new"] == 40


def test_a_real_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "_PLAIN_EVERY", 0.0)
    monkeypatch.setattr(loop, "TICK", 0.05)
    words = ["run", "--target", "arith", "--cases", "40", "--seed", "1", "--jobs", "1", "--engine", "compiler"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("starting engines, 40 cases left" in line for line in lines)
    left = [int(words[1]) for line in lines if (words := re.search(r", (\d+) cases left,", line))]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 2
