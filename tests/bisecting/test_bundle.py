"""Findings: what was found out about releases is in the bundle, its README and its cause, and stays there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sold_engine import Shop, open_sold
from test_command import open_shop, said
from wasmtime import wat2wasm

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.learned import RELEASES, strips
from fuzz.bisect.question import about, tries_for
from fuzz.campaign import histories
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.records.finding import Finding
from fuzz.records.history import Series
from fuzz.report.live import Plain
from fuzz.triage import known
from fuzz.triage.causes import cause_of
from fuzz.triage.essentials import Essentials
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.retry import confirm
from oracles.engine import Limits
from oracles.judge.verdict import Disagree
from wasm.case import Case
from wasm.embedding import Invocation

CASE = Case(bytes(wat2wasm('(module (func (export "f") (result i32) i32.const 7))')), (Invocation("f"),))


def finding(shop: Shop, engine: str, case: Case = CASE) -> Finding:
    shop.fetch(engine.partition("@")[2])
    bench = Bench([engine], opener=shop.open)
    trial = bench.run(case)
    assert isinstance(trial.verdict, Disagree)
    ((key, dissents),) = split(trial.verdict)
    found = confirm(bench, trial, key, dissents)
    bench.close()
    assert found is not None
    return found


def stored(folder: Path, found: Finding) -> Path:
    archive = Archive(folder)
    cause = archive.causes.add(cause_of(found, Essentials()))
    path = archive.record_finding(found, cause)
    archive.close()
    return path


def test_a_bundle_learns_what_releases_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(tmp_path, monkeypatch, "++x--+")
    path = stored(tmp_path / "out", finding(shop, "sold@4.0"))
    out, _ = said(capsys, 0, "bisect", str(path))
    assert "bad from 3.0 to 5.0: last good 2.0, first fixed 6.0" in out
    (strip,) = strips(path)
    assert (strip.engine, strip.offered[-1]) == ("sold", "6.0")
    readme = (path / "README.md").read_text()
    assert (
        "Releases of sold, of those that were asked:\n\n- bad from 3.0 to 5.0: last good 2.0, first fixed 6.0" in readme
    )
    with Reader(tmp_path / "out") as reader:
        (cause,) = reader.causes.all()
    assert cause.wrong_in == ("sold@4.0", "sold@5.0")
    assert cause.right_in == ("sold@1.0", "sold@2.0", "sold@6.0")
    said(capsys, 0, "replay", str(path), "--engine", "compiler")


def test_what_was_learned_and_what_a_person_wrote_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(tmp_path, monkeypatch, "+-")
    found = finding(shop, "sold@2.0")
    path = stored(tmp_path / "out", found)
    said(capsys, 0, "bisect", str(path))
    (path / "notes").mkdir()
    (path / "notes" / "mine.txt").write_text("mine")
    (path / "todo.md").write_text("call them")
    smaller = CASE.with_content(bytes(wat2wasm('(module (func (export "f") (result i32) i32.const 8))')))
    archive = Archive(tmp_path / "out")
    archive.replace_finding(path, replace(found, minimized=smaller))
    archive.close()
    assert (path / "notes" / "mine.txt").read_text() == "mine"
    assert (path / "todo.md").read_text() == "call them"
    assert (path / "original.wasm").exists()
    assert len(strips(path)) == 1
    assert "Releases of" not in (path / "README.md").read_text(), "they are of another case"
    (path / "README.md").write_text("my own words")
    said(capsys, 0, "bisect", str(path))
    assert (path / "README.md").read_text() == "my own words"


def test_nothing_is_kept_of_another_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(tmp_path, monkeypatch, "+-")
    path = stored(tmp_path / "out", finding(shop, "sold@2.0"))
    (path / "case.wasm").write_bytes(bytes(wat2wasm('(module (func (export "f") (result i32) i32.const 9))')))
    _, err = said(capsys, 0, "bisect", str(path))
    assert "this is not the finding's own case: nothing is kept" in err
    assert strips(path) == ()


def test_an_archive_in_use_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(tmp_path, monkeypatch, "+-")
    path = stored(tmp_path / "out", finding(shop, "sold@2.0"))
    holder = Archive(tmp_path / "out")
    _, err = said(capsys, 0, "bisect", str(path))
    holder.close()
    assert "fuzz: the cause does not know of it: another run (process" in err
    assert len(strips(path)) == 1
    elsewhere = tmp_path / "bundle"
    path.rename(elsewhere)
    (elsewhere / RELEASES).write_text("no JSON")
    said(capsys, 0, "bisect", str(elsewhere))
    assert len(json.loads((elsewhere / RELEASES).read_text())) == 1


def test_a_sequence_is_run_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(tmp_path, monkeypatch, "+-")
    found = replace(finding(shop, "sold@2.0"), before=(CASE, CASE))
    shop.runs.clear()
    question = about(found, CASE, Limits())
    from fuzz.bisect.asking import ask
    from oracles.engine import EngineId

    assert ask(EngineId("sold"), "2.0", question, shop.open).shows
    assert shop.runs == {"2.0": 3}


@pytest.mark.parametrize(("repeats", "tries", "wanted"), [(3, 3, 1), (2, 3, 6), (1, 3, 11), (0, 3, 20)])
def test_what_shows_only_sometimes_is_tried_more_often(tmp_path: Path, repeats: int, tries: int, wanted: int) -> None:
    found = finding(Shop(tmp_path / "shop", "-"), "sold@1.0")
    assert tries_for(replace(found, repeats=repeats, tries=tries)) == wanted


class Lines(Plain):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.last = 1e18

    def line(self, text: str) -> None:
        self.lines.append(text)


def run(tmp_path: Path, seconds: float) -> tuple[list[str], Campaign]:
    archive = Archive(tmp_path / "out")
    plan = Plan(("sold@4.0",), Series(("returns",), 1, "1"), opener=open_sold)
    watcher = Lines()
    campaign = Campaign(plan, Settings(None, 4, 1, 1, 0.0, bisect_seconds=seconds), archive, known.none(), watcher)
    campaign.run()
    archive.close()
    return watcher.lines, campaign


def test_a_run_bisects_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path / "shop", "++---+")
    monkeypatch.setenv("SOLD_SHOP", f"{tmp_path / 'shop'} ++---+")
    monkeypatch.setattr(histories, "releases_for", lambda _: shop)
    lines, campaign = run(tmp_path, 60)
    assert "note: releases of cause 1: sold: bad from 3.0 to 5.0: last good 2.0, first fixed 6.0" in lines
    assert campaign.summary.exit_code == 1
    assert campaign.summary.errors == []
    with Reader(tmp_path / "out") as reader:
        assert {"sold@2.0", "sold@6.0"} <= set(reader.causes.all()[0].right_in)
    assert sum(bool(strips(one)) for one in (tmp_path / "out" / "findings").iterdir()) == 1


def test_what_goes_wrong_then_is_told_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_name: str) -> Shop:
        raise RuntimeError("no such thing")

    monkeypatch.setenv("SOLD_SHOP", f"{tmp_path / 'shop'} ++---+")
    monkeypatch.setattr(histories, "releases_for", fails)
    lines, campaign = run(tmp_path, 60)
    assert "note: releases of cause 1: failed: RuntimeError: no such thing" in lines
    assert campaign.summary.exit_code == 1
    monkeypatch.setattr(histories.time, "monotonic", iter(range(0, 1000, 100)).__next__)
    notes = Lines()
    histories.bisect_new(campaign.plan, campaign.archive, campaign.summary, 50, notes)
    assert notes.lines == ["note: the time for releases is over; not reached: cause 1"]
