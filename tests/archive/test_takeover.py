"""Folders of releases before the archive: taken over once, whole, with nothing lost; the old journal is kept."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, TRAP, batch_row, finding, finding_row, old_folder, series_row

from fuzz.archive import bundle
from fuzz.archive.archive import Archive, Reader
from fuzz.archive.disk import ArchiveError
from fuzz.archive.recorded import recorded
from fuzz.records.history import Series
from oracles.judge.verdict import Kind

OTHER = Series(("calls",), 8, "2")
LOST = finding(6, Kind.TRAP)
ROWS = [
    series_row(),
    batch_row([0, 2, 1], buckets=Counter({BUCKET: 2}), shapes=Counter({"results 1": 3})),
    finding_row(finding(0)),
    finding_row(finding(1)),
    batch_row([9, 10], wide_cases=1, buckets=Counter({BUCKET: 3, TRAP: 1})),
    finding_row(LOST),
    batch_row([2, 0, 1], buckets=Counter({BUCKET: 2})),  # done a second time after a kill
    series_row(OTHER),
    batch_row([0, 1], buckets=Counter({BUCKET: 4})),
    series_row(),
    batch_row([11]),
]
STORED = (finding(0), finding(1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    old_folder(tmp_path / "out", ROWS, STORED)
    return tmp_path / "out"


def check(reader: Archive | Reader) -> None:
    assert reader.done(SERIES).ranges == [(0, 2), (9, 11)]
    assert reader.done(OTHER).ranges == [(0, 1)]
    stats = reader.stats(SERIES)
    assert (stats.cases, stats.wide_cases, stats.shapes) == (6, 1, Counter({"results 1": 3}))
    assert reader.stats().cases == 8
    assert reader.bucket_counts() == {BUCKET: 9, TRAP: 1}
    assert reader.times_seen(bucket=BUCKET) == 9
    assert [at.index for at in reader.sightings(bucket=BUCKET)] == [0, 1]
    assert reader.last_seed(OTHER.targets, "2") == 8
    assert [(night.series, night.cases, night.started) for night in reader.nights()] == [
        (SERIES, 5, 0), (OTHER, 2, 0), (SERIES, 1, 0),
    ]  # fmt: skip
    assert [(row.index, row.night) for row in reader.findings()] == [(0, 1), (1, 1)]
    (lost,) = [row for row in reader.troubled() if row.bundle == bundle.name(LOST)]
    assert (lost.target, lost.seed, lost.index, lost.night) == ("returns", 7, 6, 1)


def test_everything_is_taken_over_and_the_journal_kept(folder: Path) -> None:
    journal = (folder / "journal.jsonl").read_bytes()
    archive = Archive(folder)
    check(archive)
    assert archive.new_findings() == []  # the runs that found them told of them
    archive.close()
    assert not (folder / "journal.jsonl").exists()
    assert (folder / "journal.jsonl.taken-over").read_bytes() == journal
    archive = Archive(folder)
    check(archive)
    done, stats = archive.begin(SERIES)
    assert (len(done), stats.cases) == (6, 6)
    assert [next(done.missing()), stats.buckets[BUCKET]] == [3, 5]
    archive.close()


def test_a_report_reads_an_old_folder_and_changes_nothing(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    with Reader(folder) as reader:
        check(reader)
    summary = recorded(folder)
    assert (summary.stats.cases, len(summary.findings), summary.targets) == (8, 2, ("returns", "params", "calls"))
    assert {row.count for row in summary.findings} == {9}
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_kill_before_the_journal_is_renamed_takes_nothing_over_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(_: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fuzz.archive.archive.keep", killed)
        with pytest.raises(Killed):
            Archive(folder)
    assert (folder / "journal.jsonl").exists()
    with Reader(folder) as reader:
        check(reader)
    archive = Archive(folder)
    check(archive)
    archive.close()
    assert not (folder / "journal.jsonl").exists()


def test_a_kill_in_the_midst_of_it_leaves_the_folder_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fuzz.archive.takeover.put_finding", killed)
        with pytest.raises(Killed):
            Archive(folder)
    archive = Archive(folder)
    check(archive)
    archive.close()


def test_an_older_release_that_ran_again_is_taken_over_too(folder: Path) -> None:
    Archive(folder).close()
    rows = [series_row(), batch_row([3, 4, 9], buckets=Counter({TRAP: 1})), batch_row([0]), finding_row(finding(3))]
    (folder / "journal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    archive = Archive(folder)
    assert archive.done(SERIES).ranges == [(0, 4), (9, 11)]
    assert archive.stats(SERIES).cases == 9
    assert archive.bucket_counts() == {BUCKET: 9, TRAP: 2}
    assert len(archive.nights()) == 4
    archive.close()
    assert (folder / "journal.jsonl.taken-over.2").exists()


@pytest.mark.parametrize("tail", [b'{"row": "ba', b"\x00\xff", b'{"row": "batch"}', b"[1]\n", b"\n"])
def test_a_torn_last_line_is_left_out(folder: Path, tail: bytes) -> None:
    with open(folder / "journal.jsonl", "ab") as file:
        file.write(tail)
    archive = Archive(folder)
    check(archive)
    archive.close()


@pytest.mark.parametrize(
    "line", [b"?\n", b"[1]\n", b'{"row": "batch"}\n', b'{"row": "batch", "numbers": 3}\n', b"{}\n"]
)
def test_a_damaged_line_is_an_error_that_names_it_and_nothing_is_changed(folder: Path, line: bytes) -> None:
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    broken = b"".join([*lines[:4], line, *lines[4:]])
    path.write_bytes(broken)
    for use in (Archive, Reader):
        with pytest.raises(
            ArchiveError, match=r"journal.jsonl is damaged in line 5 .* restore it from a copy"
        ) as error:
            use(folder)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == broken
    path.write_bytes(b"".join(lines))
    archive = Archive(folder)
    check(archive)
    archive.close()


def test_a_journal_of_another_version_is_refused(folder: Path) -> None:
    (folder / "journal.jsonl").write_text(json.dumps({**series_row(), "journal": 2}) + "\n")
    with pytest.raises(ArchiveError, match="another version"):
        Archive(folder)


def test_an_unreadable_bundle_of_an_old_folder_is_set_aside(folder: Path) -> None:
    bad = folder / "findings" / bundle.name(finding(1))
    (bad / "finding.json").write_text("{")
    archive = Archive(folder)
    assert len(archive.unreadable) == 1
    assert [row.index for row in archive.findings()] == [0]
    assert {row.bundle for row in archive.troubled()} == {bad.name, bundle.name(LOST)}
    assert archive.times_seen(bucket=BUCKET) == 9
    assert (folder / "unreadable" / bad.name).exists()
    archive.close()


def test_bundles_without_a_row_in_the_journal_are_taken_in(folder: Path) -> None:
    (bare, *_) = (folder / "findings").iterdir()
    shutil.copytree(bare, folder / "findings" / "brought")
    archive = Archive(folder)
    assert "brought" in {row.bundle for row in archive.findings()}
    archive.close()
