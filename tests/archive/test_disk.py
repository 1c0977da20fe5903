"""Writing that survives a kill at any moment, and one writer per folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fuzz.archive.archive import Archive
from fuzz.archive.disk import ArchiveError, FolderLock, sweep, write_file, write_folder
from fuzz.records.history import Series
from fuzz.records.stats import Stats

SERIES = Series(("returns", "params"), 7, "1")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArchiveError, match=r"no space left .* free some"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "bundle"

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(ArchiveError, match="cannot write"):
            write_folder(path, {"x": b"1", "y": b"2"})
    assert list(tmp_path.iterdir()) == []
    write_folder(path, {"x": b"1", "run.sh": b"2"}, frozenset({"run.sh"}))
    assert {item.name for item in path.iterdir()} == {"x", "run.sh"}
    assert os.access(path / "run.sh", os.X_OK)
    assert not os.access(path / "x", os.X_OK)


def test_a_kill_between_the_two_renames_of_an_exchange_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle"
    write_folder(path, {"x": b"old"})
    real, calls = os.rename, []

    class Killed(BaseException):
        pass

    def rename(source: object, target: object) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise Killed
        real(source, target)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(Killed):
            write_folder(path, {"x": b"new"})
    assert not path.exists()
    sweep(tmp_path)
    assert (path / "x").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_left_half_written_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".tmp-x").mkdir()
    (tmp_path / ".tmp-x" / "half").write_bytes(b"h")
    (tmp_path / ".tmp-y").write_bytes(b"h")
    (tmp_path / "kept").write_bytes(b"k")
    sweep(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["kept"]


def test_a_second_run_in_one_folder_is_refused_with_its_holder(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(ArchiveError, match=rf"another run .process {os.getpid()}. is writing"):
        Archive(tmp_path)
    archive.close()
    Archive(tmp_path).close()


def test_a_lock_that_cannot_be_written_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ArchiveError, match=r"no space left for .*lock"):
            FolderLock(tmp_path)
    FolderLock(tmp_path).release()


def test_the_lock_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1\n")
    FolderLock(tmp_path).release()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="cannot write"):
        Archive(tmp_path / "file" / "out")


def test_a_series_goes_on_where_its_archive_ends(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    done, stats = archive.begin(SERIES)
    assert (done.ranges, stats) == ([], Stats())
    archive.record_batch([0, 1, 3], Stats(cases=3, wide_cases=1))
    archive.close()
    other = Archive(tmp_path)
    done, stats = other.begin(Series(("returns",), 7, "1"))
    assert done.ranges == []
    other.record_batch([0], Stats(cases=1))
    done, stats = other.begin(SERIES)
    assert (done.ranges, stats.cases, stats.wide_cases) == ([(0, 1), (3, 3)], 3, 1)
    assert other.last_seed(SERIES.targets, "1") == 7
    assert other.last_seed(SERIES.targets, "2") is None
    other.close()


def test_cases_are_numbered_over_targets_in_turn() -> None:
    assert [SERIES.case(n) for n in range(4)] == [("returns", 0), ("params", 0), ("returns", 1), ("params", 1)]


def test_counts_add_up_and_survive_json() -> None:
    one = Stats(cases=2, harness_cpu=0.5, engine_cpu={"a": 1.0})
    one.shapes["results 1"] += 2
    other = Stats.from_json(one.to_json())
    assert other == one
    other.add(one)
    assert (other.cases, other.shapes["results 1"], other.engine_cpu["a"], other.harness_cpu) == (4, 4, 2.0, 1.0)
