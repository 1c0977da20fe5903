"""Merging archives: nothing is lost, nothing comes twice, and whatever goes wrong, nothing was changed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from archived import BUCKET, SERIES, TRAP, batch_row, finding, finding_row, old_folder, series_row, sighting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.disk import ArchiveError
from fuzz.archive.done import Done, joined
from fuzz.archive.merging import merge as merging
from fuzz.archive.merging.merge import MergeError, merge
from fuzz.archive.settling import Settling
from fuzz.cli.main import main
from fuzz.records.finding import Finding
from fuzz.records.history import Cause, Ending, Minimization, SetAside
from fuzz.records.stats import Stats
from oracles.judge.verdict import Kind

TABLES = (
    "series", "nights", "done", "night_engines", "errors", "findings", "sightings", "causes", "apart", "set_aside",
    "minimizations", "buckets", "tallies", "takeovers",
)  # fmt: skip


def dump(folder: Path) -> dict[str, Any]:
    """All that an output folder holds."""
    with Reader(folder) as reader:
        rows: dict[str, Any] = {name: reader.database.rows(f"SELECT * FROM {name}") for name in TABLES}
    for name in TABLES:
        rows[name].sort(key=repr)
    files = sorted(path for path in (folder / "findings").rglob("*") if path.is_file())
    return rows | {"files": {str(path.relative_to(folder)): path.read_bytes() for path in files}}


def cause(*essentials: str, face: str = BUCKET, **more: Any) -> Cause:
    about = {"shown_by": ("fast",), "wrong_in": ("fast@1.0.0",)} | more
    return Cause(0, f"fast: {' '.join(essentials)}", "value", "invoke", "fast", essentials, (face,), **about)


def give(archive: Archive, one: Finding, about: Cause | None) -> str:
    """Store a finding and settle its cause, as a run does."""
    path = archive.record_finding(one)
    if about is not None:
        settling = Settling(archive)
        settling.refresh()
        settling.settle(path.name, about, telling=False)
    return path.name


@dataclass(frozen=True)
class Machine:
    """What one machine has done: cases from ``first`` on, findings as (index, kind, what it is about)."""

    first: int
    cases: int
    found: tuple[tuple[int, Kind, tuple[str, ...]], ...]
    seen: tuple[tuple[int, str, str], ...]
    waits: tuple[int, ...]
    killed: bool

    def fill(self, folder: Path) -> None:
        archive = Archive(folder)
        archive.begin(SERIES)
        archive.record_engine("fast", "1.0.0")
        numbers = range(self.first, self.first + self.cases)
        seen = [sighting(index, bucket, engine) for index, bucket, engine in self.seen]
        waiting = [SetAside(SERIES, 2 * index, BUCKET) for index in self.waits]
        archive.record_batch(numbers, Stats(cases=self.cases, harness_cpu=0.1), seen, waiting)
        for index, kind, about in self.found:
            one = finding(index, kind)
            if not archive.holds(one):
                name = give(archive, one, cause(*about, face=one.signature.bucket.key) if about else None)
                archive.record_minimization(Minimization(name, 8, 8, 1.0, 1, Ending.FIXPOINT))
        if self.killed:
            archive.database.close()
            archive._lock.release()
        else:
            archive.record_error("line", "text")
            archive.end(0)
            archive.close()


ROWS = [(), ("i32.rotl",), ("i64.rotl",), ("i32.ctz", "i32.shl"), ("i32.ctz",), ("f32.ceil",), ("(call)",)]
machines = st.builds(
    Machine,
    st.integers(0, 40), st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([Kind.VALUE, Kind.TRAP]), st.sampled_from(ROWS)), max_size=4)
    .map(tuple),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([BUCKET, TRAP]), st.sampled_from(["fast", "fast:x=1"])),
             max_size=5).map(tuple),
    st.lists(st.integers(0, 9), max_size=2).map(tuple),
    st.booleans(),
)  # fmt: skip
several = st.lists(machines, min_size=1, max_size=3)


@pytest.fixture
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(several, st.randoms(use_true_random=False))
def test_nothing_is_lost_and_nothing_comes_twice(done: list[Machine], random: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        folders = [base / str(number) for number in range(len(done))]
        for machine, folder in zip(done, folders, strict=True):
            machine.fill(folder)
        before = [dump(folder) for folder in folders]
        merge(folders, base / "all")
        assert [dump(folder) for folder in folders] == before, "merging reads only"
        whole = dump(base / "all")
        check(done, folders, base / "all")
        merge(folders, base / "all")
        assert dump(base / "all") == whole, "the second time nothing changes"
        merge([base / "all"], base / "copy")
        merge(folders, base / "copy")
        check(done, folders, base / "copy")
        shuffled = random.sample(folders, len(folders))
        merge(shuffled, base / "other")
        assert dump(base / "other") == whole, "the order of folders does not matter"
        for folder in shuffled:
            merge([folder], base / "each")
        check(done, folders, base / "each")


def check(done: list[Machine], folders: list[Path], merged: Path) -> None:
    """Sums, sets and unions of what the folders hold are there, and every row knows the rest of it."""
    numbers = joined((one.first, one.first + one.cases - 1) for one in done)
    with Reader(merged) as reader:
        assert reader.done(SERIES).ranges == numbers
        assert reader.stats(SERIES).cases == sum(one.cases for one in done)
        assert len(reader.nights()) == len(done)
        assert len(reader.errors()) == sum(not one.killed for one in done)
        assert sum(len(reader.engines(night.id)) for night in reader.nights()) == len(done)
        seen, found, tried, causes = set(), set(), 0, Counter[str]()
        for folder in folders:
            with Reader(folder) as one:
                for bucket in (BUCKET, TRAP):
                    seen |= {replace(it, time=0, night=0, cause=None) for it in one.sightings(bucket=bucket)}
                found |= {(row.bundle, row.cause is not None) for row in one.findings()}
                tried += len(one.minimizations())
                causes.update({about for it in one.causes.all(merged=True) for about in it.essentials})
        mine = [it for bucket in (BUCKET, TRAP) for it in reader.sightings(bucket=bucket)]
        assert len(mine) == len({replace(it, time=0, night=0, cause=None) for it in mine}) == len(seen)
        assert {replace(it, time=0, night=0, cause=None) for it in mine} == seen
        cases = Counter(bucket for _, bucket in {(it.index, it.bucket) for it in mine})
        assert reader.bucket_counts() == cases
        assert {row.bundle for row in reader.findings()} == {name for name, _ in found}
        assert {row.bundle for row in reader.findings() if row.cause} >= {name for name, known in found if known}
        assert len(reader.minimizations()) == tried
        assert {about for it in reader.causes.all(merged=True) for about in it.essentials} <= causes.keys()
        known = {(it.index, it.bucket) for it in mine if it.cause is not None}
        waiting = {index for one in done for index in one.waits}
        assert {item.number // 2 for item in reader.pending(BUCKET)} == {
            index for index in waiting if (index, BUCKET) not in known
        }


def one_machine(folder: Path, *found: tuple[int, tuple[str, ...]], first: int = 0) -> Path:
    Machine(first, 10, tuple((index, Kind.VALUE, about) for index, about in found), (), (), False).fill(folder)
    return folder


def test_one_cause_on_two_machines_is_one(base: Path) -> None:
    one = one_machine(base / "1", (0, ("i32.rotl",)), (1, ("i32.ctz",)))
    other = one_machine(base / "2", (2, ("i32.rotl",)), (3, ("i64.rotl",)), first=10)
    merged = merge([one, other], base / "all")
    assert (merged.causes, merged.united, merged.findings, merged.cases) == (3, 1, 4, 20)
    with Reader(base / "all") as reader:
        (shift, _) = reader.causes.all()
        assert len(reader.findings(shift.id)) == 3, "the other width is kin"
        assert [part.essentials for part in reader.causes.members(shift.id)] == [("i64.rotl",)]


def test_what_people_have_said_is_kept(base: Path) -> None:
    one = one_machine(base / "1", (0, ("i32.rotl",)), (1, ("i64.rotl",)), (2, ("i32.ctz",)), (3, ("f32.ceil",)))
    archive = Archive(one)
    rotl, wide, ctz, ceil = (it.id for it in archive.causes.all(merged=True))
    archive.causes.split(rotl)
    archive.causes.merge(ctz, ceil)
    archive.causes.set_known(ctz, "77", "https://example.org/issues/77")
    archive.close()
    other = one_machine(base / "2", (4, ("i32.rotl",)), (5, ("i64.rotl",)), (6, ("f32.ceil",)), first=10)
    merge([one, other], base / "all")
    with Reader(base / "all") as reader:
        about = [(it.essentials, it.known, it.link) for it in reader.causes.all()]
        assert about == [
            (("i32.rotl",), "", ""),
            (("i64.rotl",), "", ""),
            (("i32.ctz",), "77", "https://example.org/issues/77"),
        ]
        assert reader.causes.is_apart(rotl, wide)
        assert len(reader.findings(ctz)) == 3
    # What is said here is not taken back by what the others say.
    archive = Archive(base / "all")
    archive.causes.split(ctz)
    archive.causes.merge(rotl, wide)
    archive.close()
    said = dump(base / "all")
    merge([one, other], base / "all")
    assert dump(base / "all") == said


def test_the_better_bundle_stays_and_takes_its_cause_along(base: Path) -> None:
    one = one_machine(base / "1", (0, ()))
    archive = Archive(one)
    (name,) = (row.bundle for row in archive.findings())
    settling = Settling(archive)
    settling.refresh()
    settling.settle(name, cause(), telling=False)
    archive.close()
    merge([one], base / "all")
    archive = Archive(one)
    small = replace(finding(0), minimized=finding(0).case, repeats=3)
    archive.replace_finding(archive.bundles / name, small)
    (archive.bundles / name / "releases.json").write_text("[]\n")
    settling.archive = archive
    settling.refresh()
    settling.settle(name, cause("i32.rotl"), telling=False)
    archive.close()
    merged = merge([one], base / "all")
    assert (merged.better, merged.findings, merged.causes, merged.nights) == (1, 0, 0, 0)
    with Reader(base / "all") as reader:
        (about,) = reader.causes.all()
        assert about.essentials == ("i32.rotl",)
        assert [row.minimized for row in reader.findings()] == [True]
    assert (base / "all" / "findings" / name / "releases.json").exists()
    assert merge([one], base / "all").better == 0


def test_two_faces_of_a_crash_are_one_cause_once_both_are_minimized(base: Path) -> None:
    """The first finding of the second face was not minimized to the end, so nothing was essential to it."""
    archive = Archive(base / "out")
    archive.begin(SERIES)
    crash = {"kind": "crash", "phase": "compile"}
    here = replace(cause("results >= 254", face="fast-crash-emit"), **crash)
    there = replace(cause("?", face="fast-crash-moves"), **crash)
    sure = replace(cause("results >= 250", face="fast-crash-moves"), **crash)
    settling = Settling(archive)
    roots = []
    for number, about in enumerate((here, there, sure)):
        settling.refresh()
        path = archive.record_finding(finding(number))
        roots.append(archive.causes.root(settling.settle(path.name, about, telling=True).cause))
    assert roots == [1, 2, 1]
    assert len(archive.causes.all()) == 1
    archive.close()


def test_a_cause_is_named_after_what_it_is_about_as_soon_as_that_is_known(base: Path) -> None:
    archive = Archive(base / "out")
    archive.begin(SERIES)
    settling = Settling(archive)
    for number, about in enumerate((replace(cause("?"), name="fast: crash, at a.rs"), cause("results >= 254"))):
        settling.refresh()
        settling.settle(archive.record_finding(finding(number)).name, about, telling=True)
    assert [one.name for one in archive.causes.all()] == ["fast: results >= 254"]
    archive.close()


def test_two_cases_under_one_name_both_stay(base: Path) -> None:
    """Generators of two versions make different cases of the same target, seed and index."""
    for number, version in enumerate("12"):
        archive = Archive(base / version)
        archive.begin(replace(SERIES, version=version))
        one = finding(0)
        made = replace(one.case.provenance, version=version)
        case = replace(one.case, provenance=made, content=one.case.content + b"\0\1" * number)
        archive.record_finding(replace(one, case=case))
        archive.end(0)
        archive.close()
    assert merge([base / "1", base / "2"], base / "all").findings == 2
    assert merge([base / "2", base / "1"], base / "all").findings == 0
    with Reader(base / "all") as reader:
        assert len({row.bundle for row in reader.findings()}) == 2
        assert len(list((base / "all" / "findings").iterdir())) == 2


def test_a_folder_that_a_run_writes_to_is_read_as_it_is_at_one_moment(base: Path) -> None:
    archive = Archive(base / "1")
    archive.begin(SERIES)
    archive.record_batch(range(5), Stats(cases=5), [sighting(1)])
    merge([base / "1"], base / "all")
    archive.record_batch(range(5, 8), Stats(cases=3), [sighting(6)])
    archive.end(0)
    archive.close()
    merged = merge([base / "1"], base / "all")
    assert (merged.nights, merged.cases, merged.sightings) == (0, 3, 1)
    with Reader(base / "all") as reader:
        (night,) = reader.nights()
        assert (night.cases, night.exit_code, reader.stats().cases) == (8, 0, 8)
    merge([base / "1"], base / "later")
    assert [len(reader_dump) for reader_dump in (dump(base / "all")["nights"], dump(base / "later")["nights"])] == [
        1,
        1,
    ]


def test_a_folder_of_the_form_before_is_taken_over(base: Path) -> None:
    rows = [series_row(), batch_row([0, 1, 2], buckets=Counter({BUCKET: 3})), finding_row(finding(0))]
    old_folder(base / "old", rows, (finding(0),))
    for _ in range(2):
        merge([base / "old"], base / "all")
        with Reader(base / "all") as reader:
            assert reader.times_seen(bucket=BUCKET) == 3
            assert reader.stats().cases == 3
    Archive(base / "old").close()  # takes its journal over
    merge([base / "old"], base / "all")
    with Reader(base / "all") as reader:
        assert (reader.times_seen(bucket=BUCKET), len(reader.nights())) == (3, 1)


def refused(folders: list[Path], into: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Merging that is refused, by the command: one line, and nothing was changed."""
    before = dump(into) if into.exists() else None
    assert main(["merge", *map(str, folders), "--into", str(into)]) in (2, 3)
    if before is None:
        assert not into.exists()
    else:
        assert dump(into) == before
        assert not [path for path in into.iterdir() if path.name.startswith(".")]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_what_cannot_be_merged_is_refused_whole(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = one_machine(base / "1", (0, ("i32.rotl",)))
    (base / "empty").mkdir()
    bad = one_machine(base / "bad", (1, ("i32.ctz",)), first=10)
    (bad / "archive.sqlite").write_bytes((bad / "archive.sqlite").read_bytes()[:5000])
    foreign = base / "foreign"
    foreign.mkdir()
    sqlite3.connect(foreign / "archive.sqlite").execute("CREATE TABLE t (a)").connection.close()
    for into in (base / "new", one_machine(base / "old", (2, ("i32.shl",)), first=20)):
        assert "holds no campaign" in refused([good, base / "empty"], into, capsys)
        assert "holds no campaign" in refused([good, base / "gone"], into, capsys)
        assert "is damaged" in refused([good, bad], into, capsys)
        assert "is not an archive of this program" in refused([good, foreign], into, capsys)
    assert "name the others only" in refused([good, base / "old"], base / "old", capsys)
    running = Archive(base / "old")
    assert main(["merge", str(good), "--into", str(base / "old")]) == 3
    assert "is writing to" in capsys.readouterr().err
    running.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_at_the_end_changes_nothing(base: Path, monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    """Before the bundles take their places, or just after."""
    into = one_machine(base / "old", (2, ("i32.shl",)), first=20)
    folders = [one_machine(base / str(number), (number, ("i32.rotl",)), first=30 + 10 * number) for number in (0, 1)]
    before = dump(into)

    def full(*_: object) -> None:
        raise ArchiveError("no space left")

    if late:
        put = merging.Bundles.put
        monkeypatch.setattr(merging.Bundles, "put", lambda bundles: (put(bundles), full()))
    else:
        monkeypatch.setattr(merging, "finish", full)
    with pytest.raises(ArchiveError, match="no space left"):
        merge(folders, into)
    assert dump(into) == before
    monkeypatch.undo()
    assert merge(folders, into).findings == 2


def test_a_kill_before_the_rows_are_written_is_put_right(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundles are in their places then: whoever opens the folder takes them in, and the merge gives them causes."""
    into = one_machine(base / "old", (2, ("i32.shl",)), first=20)
    one = one_machine(base / "1", (0, ("i32.rotl",)), (1, ("i32.ctz",)), first=30)
    put = merging.Bundles.put

    def killed(bundles: merging.Bundles) -> None:
        put(bundles)
        raise KeyboardInterrupt

    monkeypatch.setattr(merging.Bundles, "put", killed)
    monkeypatch.setattr(merging.Bundles, "undo", lambda _: None)
    monkeypatch.setattr(merging.Bundles, "close", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        merge([one], into)
    monkeypatch.undo()
    Archive(into).close()
    with Reader(into) as reader:
        assert [row.cause for row in reader.findings()].count(None) == 2
    merged = merge([one], into)
    assert (merged.nights, merged.cases, merged.causes) == (1, 10, 2)
    with Reader(into) as reader:
        assert len(reader.findings()) == 3
        assert all(row.cause is not None for row in reader.findings())
        assert all(it.cause is not None for it in reader.sightings(bucket=BUCKET))
    assert not [path for path in into.iterdir() if path.name.startswith(".")]


def test_a_bundle_that_cannot_be_read_is_left_where_it_is(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = one_machine(base / "1", (0, ("i32.rotl",)), (1, ("i32.ctz",)))
    (bundle, _) = sorted((one / "findings").iterdir())
    (bundle / "finding.json").write_text("{}")
    assert main(["merge", str(one), "--into", str(base / "all"), "--json"]) == 3
    row = json.loads(capsys.readouterr().out)
    assert (row["findings"], len(row["unreadable"]), row["nights"]) == (1, 1, 1)
    assert (bundle / "finding.json").exists()
    with Reader(base / "all") as reader:
        assert [row.trouble for row in reader.troubled()] == ["the bundle is gone"]


def test_only_what_a_bundle_is_made_of_is_copied(base: Path) -> None:
    one = one_machine(base / "1", (0, ("i32.rotl",)))
    (bundle,) = (one / "findings").iterdir()
    (bundle / "notes").mkdir()
    (bundle / "notes" / "mine.txt").write_text("mine")
    (bundle / "out").symlink_to("/etc/passwd")
    os.mkfifo(bundle / "pipe")
    merge([one], base / "all")
    copied = base / "all" / "findings" / bundle.name
    assert sorted(path.name for path in copied.iterdir()) == sorted(
        {path.name for path in bundle.iterdir()} - {"out", "pipe"}
    )
    assert (copied / "notes" / "mine.txt").read_text() == "mine"


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9))))
def test_ranges_are_joined(pairs: list[tuple[int, int]]) -> None:
    ranges = [(first, first + more) for first, more in pairs]
    whole = Done(joined(ranges))
    assert {n for n in range(80) if n in whole} == {n for first, last in ranges for n in range(first, last + 1)}


def test_a_copy_that_went_on_is_the_same_machine(base: Path) -> None:
    """Both have the nights from before the copy: they are merged once."""
    one = one_machine(base / "1", (0, ("i32.rotl",)))
    shutil.copytree(one, base / "2")
    archive = Archive(base / "2")
    archive.begin(SERIES)
    archive.record_batch(range(50, 55), Stats(cases=5))
    archive.end(0)
    archive.close()
    merged = merge([one, base / "2"], base / "all")
    assert (merged.nights, merged.cases, merged.findings) == (2, 15, 1)
    with pytest.raises(MergeError, match="name the others only"):
        merge([base / "all"], base / "all")
