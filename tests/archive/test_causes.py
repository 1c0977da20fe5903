"""Causes in the archive: rows that outlast the night, merged and taken apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, TRAP, finding, sighting
from wasmtime import wat2wasm

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.cause_tables import CauseError
from fuzz.archive.settling import Settling
from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Cause
from fuzz.records.stats import Stats
from fuzz.triage.causes import cause_of
from fuzz.triage.essentials import Essentials
from oracles.judge.verdict import Kind
from wasm.case import Case


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


def crash(index: int, message: str) -> Finding:
    """A finding of a crash that says ``message``."""
    return replace(finding(index, Kind.CRASH), signature=Signature("fast", "compile", "crash", message))


def test_buckets_that_nobody_minimized_unite_when_somebody_does(archive: Archive) -> None:
    """A night without minimizing knows two crashes by what they say. The next one finds that both are about calls with
    as many results, and so they are one cause with two faces; what a third one says remains its own."""
    wide = Essentials(shape=(("results", 254),), calls=True)
    said = {"unwrap on a None value": wide, "no such class": wide, "out of fuel": Essentials(frozenset({"i32.add"}))}
    settling = Settling(archive)
    paths = []
    for number, message in enumerate(said):
        one = crash(number, message)
        paths.append((one, archive.record_finding(one)))
        settling.settle(paths[-1][1].name, cause_of(one, Essentials()), telling=True)
        settling.refresh()
    assert len(archive.causes.all()) == 3
    for one, path in paths:
        archive.replace_finding(path, replace(one, minimized=one.case))
        settling.settle(path.name, cause_of(one, said[one.signature.message]), telling=True)
        settling.refresh()
    told = [archive.causes.get(archive.cause_of(path.name) or 0) for _, path in paths]
    assert [cause.name for cause in told] == ["fast: crash, results >= 254"] * 2 + ["fast: crash, i32.add"]
    assert told[0].id == told[1].id


def test_what_a_reducer_put_in_is_not_what_a_cause_is_about() -> None:
    """To have a value it writes ``ref.null`` and ``ref.as_non_null``, and it makes i32 of i64; what is left of the case
    as it was found is the load, whatever its width, and the branch."""
    found = wat2wasm(
        '(module (memory 1) (func (export "f") (drop (i64.load (i32.const 0))) (if (i32.const 1) (then))))'
    )
    one = replace(crash(0, "unwrap on a None value"), case=Case(bytes(found)))
    about = Essentials(fixed=frozenset({"i32.load", "if", "ref.as_non_null"}))
    told = cause_of(one, about)
    assert told.essentials == ("(i32.load)", "(if)")
    assert told.name == "fast: crash, i32.load if"
