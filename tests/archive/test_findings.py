"""Findings and sightings in the archive: bundles on the disk and their rows, how often and where something was seen."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from archived import BUCKET, SERIES, TRAP, finding, sighting
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import read_bundle
from fuzz.archive.recorded import recorded, stored_findings
from fuzz.archive.sighted import Sighted, sighted
from fuzz.records.history import Cause, Ending, Minimization, Series, SetAside
from fuzz.records.stats import Stats
from oracles.judge.verdict import Kind


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


SOME = st.tuples(
    st.integers(0, 5), st.sampled_from([BUCKET, TRAP]), st.sampled_from(["fast", "fast:x=1"]),
    st.sampled_from(["1.0.0", "2.0.0"]), st.one_of(st.none(), st.integers(1, 4)), st.integers(1, 50),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(SOME, max_size=12), min_size=1, max_size=3), st.booleans())
def test_one_pass_over_all_sightings_says_what_each_question_says(nights: list[list[Any]], merged: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder))
        ids = [archive.causes.add(Cause(0, f"c{n}", "value", "invoke", "fast")) for n in range(4)]
        numbers = count()
        for rows in nights:
            archive.begin(SERIES)
            seen = [
                sighting(index, bucket, engine, release, cause=ids[cause - 1] if cause else None, time=float(time))
                for index, bucket, engine, release, cause, time in rows
            ]
            archive.record_batch([next(numbers)], Stats(cases=1), seen)
            archive.end(0)
        if merged:
            archive.causes.merge(ids[0], ids[2])
        told = sighted(archive)
        for cause in archive.causes.all():
            one = told.get(cause.id, Sighted())
            mine = archive.sightings(cause=cause.id)
            assert one.cases == archive.times_seen(cause=cause.id)
            assert list(one.seen_on) == archive.seen_on(cause=cause.id)
            assert (one.first, one.last) == ((mine[0].time, mine[-1].time) if mine else (0, 0))
            assert one.nights == Counter(night for night, _ in {(it.night, (it.target, it.index)) for it in mine})
            assert one.targets == tuple(sorted({it.target for it in mine}))
        assert [one.count for one in stored_findings(archive, told)] == [it.count for it in stored_findings(archive)]
        archive.close()
