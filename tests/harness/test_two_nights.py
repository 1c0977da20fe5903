"""Several nights in one folder: what is new, known, seen again, gone, and what a night could not have seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from mistaken_engine import open_mistaken

from fuzz.archive.archive import Archive
from fuzz.archive.morning import morning
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.cli.main import main
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Series
from fuzz.records.morning import Group
from fuzz.records.summary import Summary
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.triage.essentials import Essentials

ENTRY = """
[[known]]
id = "a count of zeros"
link = "https://example.org/issues/7"
engine = "mistaken"
kind = "value"
opcodes = ["i32.ctz"]

[[known]]
id = "a thing of the past"
link = "https://example.org/issues/8"
engine = "mistaken"
kind = "crash"

[[known]]
id = "another engine's"
link = "https://example.org/issues/9"
engine = "winch"
kind = "crash"
"""


def night(folder: Path, cases: int, engine: str = "mistaken", issues: known.KnownIssues | None = None,
          seed: int = 9) -> Summary:  # fmt: skip
    archive = Archive(folder)
    try:
        plan = Plan((engine,), Series(("arith",), seed, "1"), opener=open_mistaken)
        campaign = Campaign(plan, Settings(None, cases, 2), archive, issues or known.none(), observer(json_lines=True))
        return campaign.run()
    finally:
        archive.close()


def told(folder: Path) -> dict[Group, set[str]]:
    """The essential instruction of each cause, by what the morning report has it under."""
    groups: dict[Group, set[str]] = {}
    for news in morning(folder).causes:
        groups.setdefault(news.group, set()).update(Essentials.of_words(news.cause.essentials).specific)
    return groups


def test_nights_that_follow_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, entries = tmp_path / "out", tmp_path / "known.toml"
    first = night(out, 24)
    assert first.exit_code is ExitCode.FINDINGS
    assert told(out) == {Group.NEW: {"i64.mul", "i32.rotl", "i32.ctz", "i64.shr_s"}}

    # The second night has a new release, and a person has written down one of the causes meanwhile.
    entries.write_text(ENTRY)
    issues = known.load(entries)
    second = night(out, 56, "mistaken@2", issues)
    assert second.exit_code is ExitCode.FINDINGS
    assert told(out) == {
        Group.NEW: {"i32.xor"}, Group.AGAIN: {"i64.mul"}, Group.KNOWN: {"i32.ctz"},
        Group.GONE: {"i32.rotl", "i64.shr_s"},
    }  # fmt: skip
    # An entry is unmatched only if this night could have seen it.
    assert "a thing of the past" in second.unmatched_known
    assert "another engine's" not in second.unmatched_known

    # The third one meets nothing that it has not met before.
    third = night(out, 64, "mistaken@2", known.load(entries))
    assert third.exit_code is ExitCode.CLEAN
    groups = told(out)
    assert Group.NEW not in groups
    assert groups[Group.AGAIN] >= {"i64.mul"}
    assert groups[Group.GONE] >= {"i32.rotl", "i64.shr_s"}

    # The last one cannot see any: nothing runs that ever showed them.
    fourth = night(out, 4, "mistaken:loud", seed=10)
    assert fourth.exit_code is ExitCode.FINDINGS  # of a setting that never showed it, which is a cause of its own
    assert Group.GONE not in told(out)

    capsys.readouterr()
    assert main(["report", str(out), "--format", "markdown"]) == 0
    page = capsys.readouterr().out
    assert "https://example.org/issues/7" in page
    assert "i32.rotl" in page
