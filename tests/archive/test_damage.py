"""An archive that is damaged, missing, of somebody else, or on a full disk: one line, never an empty history."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, finding, sighting

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.disk import ArchiveError
from fuzz.cli.main import main
from fuzz.records.stats import Stats

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of some hundred pages, with a bundle."""
    archive = Archive(tmp_path / "out")
    archive.begin(SERIES)
    archive.record_finding(finding(1))
    for start in range(0, 4000, 500):
        numbers = range(start, start + 500, 2)  # nothing but holes: a range for each
        archive.record_batch(numbers, Stats(cases=250), [sighting(n, engine=f"fast:{n % 7}") for n in numbers])
    archive.end(1)
    archive.close()
    return tmp_path / "out"


def refused(folder: Path, words: str) -> None:
    """Writer, reader and ``fuzz report`` say one line with these words, that names the file and what to do."""
    for use in (Archive, Reader):
        with pytest.raises(ArchiveError) as error:
            use(folder).close()
        line = str(error.value)
        assert words in line
        assert "archive.sqlite" in line
        assert "\n" not in line
        assert any(word in line for word in ("restore", "put it back", "move it away", "use that release"))
    assert main(["report", str(folder)]) == 3
    assert (folder / "findings").exists()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def a_page_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


def text(path: Path) -> None:
    path.write_text("this is no database, however long it may be\n" * 100)


def header_overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0:16] = b"\0" * 16
    path.write_bytes(content)


def page_overwritten(path: Path) -> None:
    """A page in the middle of the table of cases done."""
    with sqlite3.connect(path) as connection:
        pages = [page for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = 'done'")]
    content = bytearray(path.read_bytes())
    at = (pages[len(pages) // 2] - 1) * 4096
    content[at : at + 4096] = b"\xa5" * 4096
    path.write_bytes(content)


def table_dropped(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE tallies")


@pytest.mark.parametrize(
    "harm", [emptied, cut_in_the_header, cut_in_half, a_page_short, text, header_overwritten, page_overwritten,
             table_dropped],
)  # fmt: skip
def test_a_damaged_file_is_one_line(folder: Path, harm: Callable[[Path], None]) -> None:
    path = folder / "archive.sqlite"
    if harm is page_overwritten and not _has_dbstat(path):
        pytest.skip("this SQLite has no table dbstat")
    harm(path)
    content = path.read_bytes()
    refused(folder, "is damaged")
    assert path.read_bytes() == content


def _has_dbstat(path: Path) -> bool:
    with sqlite3.connect(path) as connection:
        try:
            connection.execute("SELECT 1 FROM dbstat LIMIT 1")
        except sqlite3.OperationalError:
            return False
    return True


def test_a_flipped_bit_in_text_is_damage_too(folder: Path) -> None:
    """SQLite has no checksums: the file is whole to it."""
    with sqlite3.connect(folder / "archive.sqlite") as connection:
        connection.execute("UPDATE series SET counts = replace(counts, '{', '[')")
    archive = Archive(folder)
    with pytest.raises(ArchiveError, match=r"archive\.sqlite is damaged"):
        archive.begin(SERIES)
    archive.close()
    assert main(["report", str(folder)]) == 3


def test_damage_among_the_sightings_is_met_when_they_are_asked_for(folder: Path) -> None:
    path = folder / "archive.sqlite"
    if not _has_dbstat(path):
        pytest.skip("this SQLite has no table dbstat")
    with sqlite3.connect(path) as connection:
        pages = [page for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = 'sightings_by_bucket'")]
    content = bytearray(path.read_bytes())
    for page in pages[1:]:
        content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with Reader(folder) as reader:
        assert reader.stats().cases == 2000
        with pytest.raises(ArchiveError, match=r"archive\.sqlite is damaged"):
            reader.sightings(bucket=BUCKET)


def test_somebody_elses_file_is_left_alone(folder: Path) -> None:
    path = folder / "archive.sqlite"
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE series (id INTEGER)")
    refused(folder, "is not an archive of this program")


def test_a_newer_release_s_file_is_left_alone(folder: Path) -> None:
    with sqlite3.connect(folder / "archive.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    refused(folder, "newer release")


def test_a_missing_file_beside_bundles_is_no_new_folder(folder: Path) -> None:
    (folder / "archive.sqlite").unlink()
    refused(folder, "archive.sqlite is missing")
    shutil.move(folder / "findings", folder / "elsewhere")
    archive = Archive(folder)  # as the line said
    assert archive.findings() == []
    archive.close()


@pytest.mark.parametrize("left", ["journal.jsonl.taken-over", "archive.sqlite-wal"])
def test_a_missing_file_whose_traces_are_left_is_no_new_folder(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"x")
    with pytest.raises(ArchiveError, match=f"is missing, but .*{left} is there"):
        Archive(tmp_path)


def test_a_damaged_log_is_one_line(folder: Path) -> None:
    (folder / "archive.sqlite-wal").write_bytes(b"\0" * 40_000)
    refused(folder, "archive.sqlite-wal is damaged")
    (folder / "archive.sqlite-wal").unlink()
    archive = Archive(folder)
    assert archive.stats(SERIES).cases == 2000
    archive.close()


def test_a_folder_without_any_campaign_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds no campaign"):
        Reader(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_program_holds_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.archive.database._WAIT", 0.1)
    archive = Archive(folder)
    archive.begin(SERIES)
    other = sqlite3.connect(folder / "archive.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArchiveError, match="held by another program"):
        archive.record_batch([1], Stats(cases=1))
    other.close()
    archive.record_batch([1], Stats(cases=1))
    assert 1 in archive.done(SERIES)
    archive.close()


def test_a_full_disk_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_batch([0], Stats(cases=1))
    (pages,) = archive.database.row("PRAGMA page_count") or (0,)
    archive.database.rows(f"PRAGMA max_page_count = {pages + 3}")
    number = 1
    told = ""
    while not told:
        try:
            archive.record_batch([2 * number], Stats(cases=1), [sighting(2 * number)])
            number += 1
        except ArchiveError as error:
            told = str(error)
        assert number < 10_000
    assert re.search(r"no space left for .*archive\.sqlite: free some", told)
    # The batch that failed left no trace, neither here nor on the disk.
    assert 2 * number not in archive.done(SERIES)
    archive.database.rows(f"PRAGMA max_page_count = {pages + 1000}")
    archive.record_batch([2 * number], Stats(cases=1))
    assert archive.stats(SERIES).cases == len(archive.done(SERIES)) == number + 1
    archive.close()
    archive = Archive(tmp_path)
    done, stats = archive.begin(SERIES)
    assert stats.cases == len(done) == number + 1
    assert archive.bucket_counts() == {BUCKET: number - 1}
    archive.close()


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from archived import SERIES, finding, sighting
from fuzz.archive.archive import Archive
from fuzz.records.stats import Stats
archive = Archive(Path(sys.argv[1]))
done, _ = archive.begin(SERIES)
for number in done.missing():
    if number % 7 == 0:
        print("finding", archive.record_finding(finding(number)).name, flush=True)
    archive.record_batch([number], Stats(cases=1), [sighting(number)])
    print("case", number, flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    """The writer alone, as fast as it can: most kills hit the midst of a transaction or of a bundle."""
    cases: set[int] = set()
    bundles: set[str] = set()
    for words in range(3, 240, 47):
        writer = subprocess.Popen(
            [sys.executable, "-P", "-c", _WRITER, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE,
            text=True, env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(words)]
        writer.send_signal(signal.SIGKILL)
        told += writer.communicate()[0].splitlines()
        for line in told:
            kind, _, rest = line.strip().partition(" ")
            if kind == "case":
                cases.add(int(rest))
            elif kind == "finding":
                bundles.add(rest)
        with Reader(tmp_path) as reader:
            done = reader.done(SERIES)
            assert all(number in done for number in cases)
            assert reader.stats(SERIES).cases == len(done)
            assert {row.bundle for row in reader.findings()} >= bundles
            seen = {at.index for at in reader.sightings(bucket=BUCKET)}
            assert seen >= cases
            assert reader.bucket_counts()[BUCKET] == len(seen)
    assert len(cases) > 500
