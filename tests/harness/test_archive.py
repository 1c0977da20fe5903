"""The archive: what is recorded is there for the next night, for readers beside the writer, and answers by cause."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, TRAP, finding, sighting

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import read_bundle
from fuzz.archive.cause_tables import CauseError
from fuzz.archive.disk import ArchiveError
from fuzz.archive.recorded import recorded, stored_findings
from fuzz.archive.schema import FOLD_EVERY
from fuzz.records.history import Cause, Ending, Minimization, Series, SetAside
from fuzz.records.stats import Stats
from oracles.judge.verdict import Kind


def counted(folder: Path, table: str) -> int:
    with Reader(folder) as reader:
        (count,) = reader.database.row(f"SELECT count(*) FROM {table}") or (0,)
    return int(count)


# --- nights -----------------------------------------------------------------------------------------------------------


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


# --- readers ----------------------------------------------------------------------------------------------------------


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


# --- findings ---------------------------------------------------------------------------------------------------------


def test_a_finding_is_listed_without_its_bundle_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    path = archive.record_finding(finding(4, Kind.VALUE, "fast", "fast:opt=none"))
    archive.close()
    monkeypatch.setattr("fuzz.archive.archive.read_bundle", lambda _: pytest.fail("it was read"))
    archive = Archive(tmp_path)
    (row,) = archive.findings()
    assert (row.bundle, row.target, row.seed, row.index, row.stable) == (path.name, "returns", 7, 4, True)
    assert row.signature == finding(4).signature
    assert stored_findings(archive)[0].count == 1
    assert archive.holds(finding(4))
    assert [one.engine for one in archive.sightings(bucket=BUCKET)] == ["fast", "fast:opt=none"]
    archive.close()


def test_a_bundle_that_was_changed_brought_or_taken_away_is_noticed(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a")
    archive.begin(SERIES)
    kept, changed, lost = (archive.record_finding(finding(index)) for index in (1, 2, 3))
    archive.close()
    data = json.loads((changed / "finding.json").read_text())
    data["known"] = "wasmtime-1"
    (changed / "finding.json").write_text(json.dumps(data))
    shutil.rmtree(lost)
    shutil.copytree(kept, kept.with_name("from-a-friend"))
    expected = {kept.name: "", changed.name: "wasmtime-1", "from-a-friend": ""}
    with Reader(tmp_path / "a") as reader:
        assert {row.bundle: row.known for row in reader.findings()} == expected
    archive = Archive(tmp_path / "a")
    assert {row.bundle: row.known for row in archive.findings()} == expected
    assert [row.bundle for row in archive.troubled()] == [lost.name]
    archive.close()


def test_a_finding_whose_row_a_kill_has_prevented_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fuzz.archive.archive.put_finding", killed)
        with pytest.raises(Killed):
            archive.record_finding(finding(5))
    assert archive.findings() == []
    archive.close()
    archive = Archive(tmp_path)
    assert [row.index for row in archive.findings()] == [5]
    assert archive.times_seen(bucket=BUCKET) == 1
    archive.close()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"version": 1}', b'{"version": 99}', None])
def test_an_unreadable_bundle_is_set_aside_and_named_and_the_night_goes_on(
    tmp_path: Path, content: bytes | None
) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    good, bad = (archive.record_finding(finding(index)) for index in (1, 2))
    archive.close()
    if content is None:
        (bad / "finding.json").unlink()
    else:
        (bad / "finding.json").write_bytes(content)
    with Reader(tmp_path) as reader:
        assert [row.bundle for row in reader.findings()] == [good.name]
        assert [line for line in reader.unreadable if str(bad) in line and "\n" not in line]
    archive = Archive(tmp_path)
    (line,) = archive.unreadable
    aside = tmp_path / "unreadable" / bad.name
    assert str(bad) in line
    assert str(aside) in line
    assert (aside / "case.wasm").exists()
    assert [row.bundle for row in archive.findings()] == [good.name]
    archive.begin(SERIES)
    assert not archive.holds(finding(2))
    archive.record_finding(finding(2))
    assert [row.bundle for row in archive.findings()] == [good.name, bad.name]
    archive.close()
    assert Archive(tmp_path).unreadable == []
    assert any(str(aside) in line for line in recorded(tmp_path).unreadable)


def test_a_bundle_that_breaks_during_the_night_is_set_aside(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    path = archive.record_finding(finding(1))
    assert archive.read(path.name) == read_bundle(path)
    (path / "finding.json").write_text("?")
    assert archive.read(path.name) is None
    assert archive.findings() == []
    assert len(archive.unreadable) == 1
    archive.close()


def test_minimizations_say_how_they_ended(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    path = archive.record_finding(finding(1))
    archive.record_minimization(Minimization(path.name, 900, 400, 60.0, 1200, Ending.BUDGET))
    archive.record_minimization(Minimization(path.name, 400, 90, 7.5, 300, Ending.FIXPOINT))
    archive.record_minimization(Minimization("no such bundle", 1, 1, 1.0, 1, Ending.FIXPOINT))
    archive.close()
    with Reader(tmp_path) as reader:
        tried = reader.minimizations(path.name)
        assert [(one.before, one.after, one.seconds, one.runs, one.ending) for one in tried] == [
            (900, 400, 60.0, 1200, Ending.BUDGET), (400, 90, 7.5, 300, Ending.FIXPOINT),
        ]  # fmt: skip
        assert reader.minimizations() == tried
        assert {one.night for one in tried} == {1}
        assert reader.minimizations("other") == []


# --- sightings --------------------------------------------------------------------------------------------------------


def test_first_last_how_often_and_on_which_releases(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_batch(range(4), Stats(cases=4), [
        sighting(0, time=100.0, cpu="sse2"), sighting(1, time=110.0, cpu="avx sse2"),
        sighting(1, engine="slow", release="2.0.0", time=110.0), sighting(3, TRAP, time=90.0),
    ])  # fmt: skip
    archive.end(1)
    archive.begin(SERIES)
    archive.record_batch([], Stats(), [sighting(0, release="1.1.0", time=200.0), sighting(0, time=210.0, cpu="sse2")])
    assert archive.times_seen(bucket=BUCKET) == 2
    assert archive.bucket_counts() == {BUCKET: 2, TRAP: 1}
    first, last = archive.first_seen(bucket=BUCKET), archive.last_seen(bucket=BUCKET)
    assert first is not None
    assert last is not None
    assert (first.index, first.time, first.cpu, first.night) == (0, 100.0, "sse2", 1)
    assert (last.index, last.time, last.release, last.night) == (0, 200.0, "1.1.0", 2)
    assert last.cpu != "sse2"  # that of this machine
    assert [(on.engine, on.release, on.cases, on.first, on.last) for on in archive.seen_on(bucket=BUCKET)] == [
        ("fast", "1.0.0", 2, 100.0, 110.0), ("fast", "1.1.0", 1, 200.0, 200.0), ("slow", "2.0.0", 1, 110.0, 110.0),
    ]  # fmt: skip
    assert archive.first_seen(bucket="nothing") is None
    assert archive.times_seen(bucket="nothing") == 0
    assert len(archive.sightings(bucket=BUCKET, limit=2)) == 2
    with pytest.raises(ValueError, match="either a cause or a bucket"):
        archive.times_seen()
    archive.close()


def test_a_case_that_is_run_again_after_a_kill_is_seen_once(tmp_path: Path) -> None:
    """The finding is recorded before its batch is; a kill between the two has the batch run again."""
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_finding(finding(0))
    archive.close()
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    archive.record_batch([0], Stats(cases=1), [sighting(0)])
    assert archive.bucket_counts() == {BUCKET: 1}
    assert len(archive.sightings(bucket=BUCKET)) == 1
    archive.close()


def test_what_is_set_aside_waits_until_it_is_settled(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    aside = [SetAside(SERIES, number, BUCKET) for number in (2, 5, 11)]
    archive.record_batch(range(12), Stats(cases=12), [sighting(1)], [*aside, SetAside(SERIES, 3, TRAP)])
    archive.record_batch([], Stats(), (), aside[:1])  # once more: nothing new
    assert [one.number for one in archive.pending(BUCKET)] == [2, 5, 11]
    assert len(archive.pending()) == 4
    taken = archive.take_up(BUCKET, 2)
    assert [one.case for one in taken] == [("returns", 7, 1), ("params", 7, 2)]
    assert [one.number for one in archive.take_up(BUCKET)] == [11]
    assert archive.take_up(BUCKET) == []
    archive.give_back(taken[:1])
    assert [one.number for one in archive.take_up(BUCKET)] == [2]
    archive.record_batch([], Stats(), [sighting(2)], settled=taken[1:])
    archive.close()
    archive = Archive(tmp_path)  # whoever had taken up the others is dead
    archive.begin(Series(("other",), 1, "1"))
    assert [one.number for one in archive.take_up(BUCKET)] == [2, 11]
    assert {(one.series, one.night) for one in archive.pending()} == {(SERIES, 1)}
    archive.close()


# --- causes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path)
    archive.begin(SERIES)
    return archive


def cause(name: str, *faces: str) -> Cause:
    return Cause(0, name, "value", "invoke", "fast", ("i64.shl",), faces, ("fast:opt=speed",), ("fast:opt=none",),
                 ("1.0.0",), ("0.9.0",))  # fmt: skip


def test_a_cause_is_a_row_that_outlasts_the_night(archive: Archive, tmp_path: Path) -> None:
    one = archive.causes.add(cause("shift", "face-1"))
    archive.causes.add_faces(one, ["face-2", "face-1"])
    archive.causes.set_known(one, "wasmtime-1", "https://example.org/1")
    archive.causes.update(one, name="shift by 64", wrong_in=("1.0.0", "1.1.0"))
    with pytest.raises(ValueError, match="merged_into cannot be changed"):
        archive.causes.update(one, merged_into="2")
    archive.close()
    with Reader(tmp_path) as reader:
        (found,) = reader.causes.all()
        assert found == reader.causes.get(one)
        assert found.name == "shift by 64"
        assert found.faces == ("face-1", "face-2")
        assert (found.essentials, found.wrong_in, found.right_in) == (("i64.shl",), ("1.0.0", "1.1.0"), ("0.9.0",))
        assert (found.shown_by, found.hidden_by) == (("fast:opt=speed",), ("fast:opt=none",))
        assert (found.known, found.link, found.night) == ("wasmtime-1", "https://example.org/1", 1)
        assert [one.id for one in reader.causes.with_face("face-2")] == [one]
        assert reader.causes.with_face("face") == []
        with pytest.raises(CauseError, match="no cause 99"):
            reader.causes.get(99)


def test_findings_and_sightings_belong_to_a_cause(archive: Archive) -> None:
    one, other = archive.causes.add(cause("one")), archive.causes.add(cause("other"))
    path = archive.record_finding(finding(0))
    archive.record_finding(finding(1), cause=other)
    archive.record_batch(
        range(5), Stats(cases=5), [sighting(2), sighting(3, cause=other), sighting(4), sighting(4, TRAP)]
    )
    archive.causes.give_finding(path.name, one)
    assert [row.index for row in archive.findings(one)] == [0]
    assert [row.index for row in archive.findings(other)] == [1]
    assert archive.causes.give_sightings(one, [sighting(2), sighting(77)]) == 1
    assert [at.index for at in archive.sightings(cause=one)] == [0, 2]
    assert [at.index for at in archive.sightings(cause=other)] == [1, 3]
    assert archive.causes.give_bucket(other, BUCKET) == 1  # case 4 alone had no cause yet
    assert (archive.times_seen(cause=one), archive.times_seen(cause=other)) == (2, 3)
    archive.record_batch([], Stats(), [sighting(3)])  # seen again, and nobody said of what
    assert archive.times_seen(cause=other) == 3
    for give in (
        lambda: archive.causes.give_finding(path.name, 99),
        lambda: archive.causes.give_finding("nothing", one),
        lambda: archive.causes.give_sightings(99, []),
        lambda: archive.causes.give_bucket(99, BUCKET),
    ):
        with pytest.raises(CauseError):
            give()
    archive.close()


def test_merged_causes_answer_as_one_and_can_be_taken_apart_again(archive: Archive) -> None:
    first, second, third = (archive.causes.add(cause(name, f"face-{name}")) for name in ("a", "b", "c"))
    for index, id in enumerate((first, second, third)):
        archive.record_finding(finding(index), cause=id)
    archive.causes.merge(second, third)
    assert archive.causes.merge(first, third) == first  # third is part of second, which becomes part of first
    for id in (first, second, third):
        assert archive.causes.root(id) == first
        assert archive.times_seen(cause=id) == 3
        assert [row.index for row in archive.findings(id)] == [0, 1, 2]
    assert [one.id for one in archive.causes.all()] == [first]
    assert [one.merged_into for one in archive.causes.all(merged=True)] == [None, first, second]
    assert [one.id for one in archive.causes.with_face("face-c")] == [first]
    with pytest.raises(CauseError, match="one already"):
        archive.causes.merge(third, first)
    with pytest.raises(CauseError, match="one already"):
        archive.causes.merge(first, first)
    assert archive.causes.split(first) == [second]
    assert archive.times_seen(cause=first) == 1
    assert archive.times_seen(cause=third) == 2
    assert archive.causes.is_apart(first, third)
    assert not archive.causes.is_apart(second, third)
    with pytest.raises(CauseError, match="of one piece"):
        archive.causes.split(first)
    archive.close()


def test_a_word_that_keeps_apart_holds_until_a_word_merges(archive: Archive, tmp_path: Path) -> None:
    one, other, part = (archive.causes.add(cause(name)) for name in ("a", "b", "c"))
    archive.causes.keep_apart(other, one)
    archive.causes.merge(other, part)
    archive.close()
    archive = Archive(tmp_path)
    assert archive.causes.is_apart(one, part)
    archive.causes.merge(one, part)
    assert archive.causes.root(part) == one
    with pytest.raises(CauseError, match="split it first"):
        archive.causes.keep_apart(one, part)
    archive.causes.database.execute("UPDATE causes SET merged_into = NULL WHERE id = ?", (other,))
    assert not archive.causes.is_apart(one, other)
    archive.close()


def test_findings_leave_a_cause_with_their_faces_and_sightings(archive: Archive) -> None:
    both = archive.causes.add(cause("both", finding(0).signature.key, finding(2, Kind.TRAP).signature.key))
    for one in (finding(0), finding(1), finding(2, Kind.TRAP)):
        archive.record_finding(one, cause=both)
    leaving = next(row.bundle for row in archive.findings() if row.index == 2)
    (new,) = archive.causes.split(both, [leaving], "wrong trap")
    assert archive.causes.get(new).name == "wrong trap"
    assert archive.causes.get(new).faces == (finding(2, Kind.TRAP).signature.key,)
    assert archive.causes.get(both).faces == (finding(0).signature.key,)
    assert [row.index for row in archive.findings(new)] == [2]
    assert [at.index for at in archive.sightings(cause=new)] == [2]
    assert archive.times_seen(cause=both) == 2
    assert archive.causes.is_apart(both, new)
    # Both findings that are left have one face: it stays although one of them goes.
    (third,) = archive.causes.split(both, [archive.findings(both)[0].bundle])
    assert archive.causes.get(third).faces == archive.causes.get(both).faces
    with pytest.raises(CauseError, match="nothing to split"):
        archive.causes.split(both, [archive.findings(both)[0].bundle])
    with pytest.raises(CauseError, match="has no finding nowhere"):
        archive.causes.split(both, ["nowhere"])
    archive.close()
