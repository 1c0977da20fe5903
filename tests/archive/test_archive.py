"""The archive: what is recorded is there for the next night, and for readers beside the writer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, TRAP, finding, sighting

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.disk import ArchiveError
from fuzz.archive.schema import FOLD_EVERY
from fuzz.records.history import Series, SetAside
from fuzz.records.stats import Stats


def counted(folder: Path, table: str) -> int:
    with Reader(folder) as reader:
        (count,) = reader.database.row(f"SELECT count(*) FROM {table}") or (0,)
    return int(count)


def test_rows_are_ranges_and_sums_not_batches(tmp_path: Path) -> None:
    """Two slots that hand in their batches in turn, out of order, for 1,000 batches."""
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    batches = [list(range(at, at + 8)) for at in range(0, 8_000, 8)]
    for one, other in zip(batches[::2], batches[1::2], strict=True):
        archive.record_batch(other, Stats(cases=8))
        archive.record_batch(one, Stats(cases=8))
    (waiting,) = archive.database.row("SELECT count(*) FROM new_counts") or (-1,)
    assert waiting < FOLD_EVERY
    assert archive.stats(SERIES).cases == 8_000
    archive.close()
    assert {path.name for path in tmp_path.iterdir()} == {"archive.sqlite", "findings", "lock"}
    assert (tmp_path / "archive.sqlite").stat().st_size < 400_000
    assert counted(tmp_path, "done") == 1
    assert counted(tmp_path, "new_counts") == 0


def test_a_batch_that_was_recorded_before_adds_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_batch([0, 1], Stats(cases=2))
    archive.record_batch([1, 0], Stats(cases=2))
    archive.record_batch([], Stats(unstable=1))
    assert (archive.stats(SERIES).cases, archive.stats(SERIES).unstable) == (2, 1)
    archive.close()


def test_what_an_interrupt_undoes_leaves_no_trace(tmp_path: Path) -> None:
    """Neither on the disk nor in what the archive remembers of it: ranges, and ids of words that were new."""
    archive = Archive(tmp_path)
    archive.begin(SERIES)

    def interrupted() -> Iterator[SetAside]:
        yield SetAside(SERIES, 1, TRAP)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.record_batch([0, 1], Stats(cases=2), [sighting(0, engine="a new one")], interrupted())
    assert (archive.stats().cases, archive.pending(), archive.bucket_counts()) == (0, [], {})
    archive.record_batch([0, 1], Stats(cases=2), [sighting(0, engine="a new one")], [SetAside(SERIES, 1, TRAP)])
    assert archive.stats().cases == len(archive.done(SERIES)) == 2
    (seen,) = archive.sightings(bucket=BUCKET)
    assert seen.engine == "a new one"
    assert [one.number for one in archive.pending(TRAP)] == [1]
    archive.close()


def test_a_night_remembers_engines_failures_and_its_end(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_engine("fast", "1.0.0")
    archive.record_broken("fast", "it died five times")
    archive.record_broken("slow", "install it")
    archive.record_error("case returns 7 3: KeyError", "Traceback ...")
    archive.record_batch([0], Stats(cases=1))
    archive.close()  # as a kill would leave it
    archive = Archive(tmp_path)
    archive.begin(Series(("calls",), 1 << 90, "1"))
    archive.record_batch([0, 1], Stats(cases=2))
    archive.end(1, interrupted=True)
    archive.close()
    with Reader(tmp_path) as reader:
        first, second = reader.nights()
        assert (first.series, first.ended, first.exit_code, first.cases) == (SERIES, 0, None, 1)
        assert second.series.seed == 1 << 90
        assert (second.exit_code, second.interrupted, second.cases) == (1, True, 2)
        assert first.started <= second.started <= second.ended
        assert [(part.engine, part.release, part.trouble) for part in reader.engines(first.id)] == [
            ("fast", "1.0.0", "it died five times"),
            ("slow", "", "install it"),
        ]
        assert [error.line for error in reader.errors(first.id)] == ["case returns 7 3: KeyError"]
        assert reader.errors(second.id) == []
        assert reader.stats().cases == 3
        assert [series.seed for series in reader.series()] == [7, 1 << 90]


def test_what_waits_to_be_added_up_is_in_every_sum(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_batch([0, 1, 2], Stats(cases=3))
    with Reader(tmp_path) as reader:
        assert (reader.stats().cases, reader.stats(SERIES).cases, reader.nights()[0].cases) == (3, 3, 3)
        assert reader.stats(Series(("other",), 7, "1")).cases == 0
    archive.close()


def test_new_is_what_no_run_that_ended_has_told(tmp_path: Path) -> None:
    def night(*findings: int, ends: bool) -> list[int]:
        archive = Archive(tmp_path)
        archive.begin(SERIES)
        for index in findings:
            archive.record_finding(finding(index, known="old" if index == 9 else ""))
        if ends:
            archive.end(1)
        new = [row.index for row in archive.new_findings()]
        archive.close()
        return new

    assert night(1, 9, ends=True) == [1]
    assert night(ends=True) == []
    assert night(2, ends=False) == [2]
    assert night(3, ends=True) == [2, 3]
    assert night(ends=True) == []
    with Reader(tmp_path) as reader:
        assert [row.index for row in reader.new_findings(since=1)] == [1, 2, 3]


def test_readers_beside_a_writer_see_what_was_recorded(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    program = (
        "import sys; from pathlib import Path; from fuzz.archive.archive import Reader\n"
        "reader = Reader(Path(sys.argv[1]))\n"
        "for _ in sys.stdin: print(reader.stats().cases, len(reader.findings()), flush=True)\n"
    )
    root = Path(__file__).resolve().parent.parent.parent
    other = subprocess.Popen(
        [sys.executable, "-P", "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        archive.begin(SERIES)
        for number in range(3 * FOLD_EVERY):
            archive.record_batch([number], Stats(cases=1))
            if number % 50 == 0:
                archive.record_finding(finding(number))
                other.stdin.write("ask\n")
                other.stdin.flush()
                assert other.stdout.readline().split() == [str(number + 1), str(number // 50 + 1)]
    finally:
        other.kill()
        other.communicate()
    archive.close()


def test_a_reader_holds_no_writer_up_and_sees_one_moment(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    with Reader(tmp_path) as reader, reader.database.moment():
        assert reader.stats().cases == 0
        archive.record_batch([0], Stats(cases=1))
        assert reader.stats().cases == 0
    with Reader(tmp_path) as reader:
        assert reader.stats().cases == 1
    archive.close()


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    Archive(tmp_path).close()
    with Reader(tmp_path) as reader, pytest.raises(ArchiveError, match="cannot use"):
        reader.database.execute("DELETE FROM done")
    assert {path.name for path in tmp_path.iterdir()} == {"archive.sqlite", "findings", "lock"}


def test_a_writer_that_ends_while_somebody_reads_loses_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    with Reader(tmp_path) as reader, reader.database.moment():
        assert reader.stats().cases == 0
        archive.record_batch([0], Stats(cases=1))
        archive.close()
        archive = Archive(tmp_path)
        assert archive.stats().cases == 1
        archive.close()
        assert reader.stats().cases == 0
    with Reader(tmp_path) as reader:
        assert reader.stats().cases == 1
