"""Merging: several output folders become one, all at once or not at all.

    merge([Path("shard1"), Path("shard2")], Path("all"))

Folders are read one after the other, in an order that their content decides, each as of one moment: a run that goes on
in one of them is not disturbed, and what it does later comes with the next merge. What came before is known by its
content, so nothing comes twice. Bundles are copied beside the others first; then all rows are written in one
transaction, at whose end the bundles take their places. A kill between these two leaves bundles without rows, which the
next one to open the folder takes in, and the same merge once more puts right.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import FINDINGS, BundleError, changed_at, stamp
from fuzz.archive.disk import ArchiveError
from fuzz.archive.merging.bundles import Arrival, Arrived, Bundles
from fuzz.archive.merging.causes import Causes
from fuzz.archive.merging.rows import Rows, finish, night_keys
from fuzz.archive.writing import add_sightings_of, fold_counts, put_finding
from fuzz.records.history import StoredFinding


class MergeError(ArchiveError):
    """Folders that cannot be merged as asked: one line. Exit code 2."""

    exit_code = 2


@dataclass(slots=True)
class Merged:
    """What a merge has brought: nights, case numbers, findings and sightings that were not there, bundles that took the
    place of others, new causes (``causes``) and those that turned out to be one that was there (``united``).
    ``unreadable`` has a line for each bundle that was left where it is."""

    folders: int = 0
    nights: int = 0
    cases: int = 0
    findings: int = 0
    better: int = 0
    sightings: int = 0
    causes: int = 0
    united: int = 0
    unreadable: list[str] = field(default_factory=list)


def merge(folders: Sequence[Path], into: Path) -> Merged:
    """Merge output folders into one, which is made if it is not there.

    Raises ``ArchiveError`` for a folder that is damaged or holds no campaign, and for ``into`` if a run is writing to
    it; then nothing was changed.
    """
    there = {folder.resolve(): folder for folder in folders}
    if into.resolve() in there:
        raise MergeError(f"{into} is the folder to merge into: name the others only")
    ordered = sorted(there.values(), key=_order)
    made = not into.exists()
    archive = Archive(into)
    try:
        merged = _merge(ordered, archive)
    except BaseException:
        archive.close()
        if made:
            shutil.rmtree(into, ignore_errors=True)
        raise
    archive.close()
    return merged


def _order(folder: Path) -> tuple[Any, ...]:
    """Where a folder stands among others, whatever they are called: by when its nights began, and by its bundles."""
    with Reader(folder) as reader, reader.database.moment():
        begun = [(key[3], *key) for key in night_keys(reader.database)]
        return sorted(begun), [row.bundle for row in reader.findings()], str(folder.resolve())


def _merge(folders: Sequence[Path], archive: Archive) -> Merged:
    database = archive.database
    merged = Merged(len(folders))
    bundles = Bundles(archive.folder)
    try:
        with database.transaction(durable=True):
            fold_counts(database)
            before = _sightings(archive)
            causes = Causes(archive)
            for folder in folders:
                with Reader(folder) as reader, reader.database.moment():
                    _take(archive, reader, bundles, causes, merged)
            finish(database)
            merged.sightings = _sightings(archive) - before
            merged.causes, merged.united = len(causes.fresh), causes.united
            bundles.put()
    except BaseException:
        bundles.undo()
        raise
    finally:
        bundles.close()
    return merged


def _take(archive: Archive, reader: Reader, bundles: Bundles, causes: Causes, merged: Merged) -> None:
    """Take in all of one folder."""
    rows = Rows(archive.database, reader.database)
    rows.take_nights()
    merged.nights += rows.fresh_nights
    merged.cases += rows.take_done()
    rows.take_epochs()
    rows.take_narrowed()
    rows.take_engines_and_errors()
    found = reader.findings()
    merged.unreadable += reader.unreadable
    arrived: list[tuple[StoredFinding, Arrived]] = []
    for row in found:
        try:
            arrived.append((row, bundles.bring(reader.folder / FINDINGS / row.bundle)))
        except BundleError as error:
            merged.unreadable.append(str(error))
    merged.findings += sum(one.arrival is Arrival.NEW for _, one in arrived)
    merged.better += sum(one.arrival is Arrival.BETTER for _, one in arrived)
    names = {row.bundle: one.name for row, one in arrived}
    better = frozenset(one.name for _, one in arrived if one.arrival is Arrival.BETTER)
    ids: dict[int | None, int | None] = {None: None}
    ids |= dict(causes.take(reader, found, names, better, rows.night).items())
    rows.take_sightings(ids)
    for row, one in arrived:
        _finding(archive, rows, row, one, ids[row.cause])
    rows.take_lost(names, ids)
    rows.take_minimizations(names)
    rows.take_set_aside()
    rows.take_tallies(ids)


def _finding(archive: Archive, rows: Rows, row: StoredFinding, one: Arrived, cause: int | None) -> None:
    """The row of a bundle that came, or was here and had no cause yet."""
    database = archive.database
    night, when = rows.night(row.night), row.time or changed_at(one.path)
    if one.finding is not None:
        had = archive.cause_of(one.name)
        given = cause if had is None else had
        put_finding(database, one.name, one.finding, stamp(one.path), night, when, given)
        if not row.id:  # nobody has taken it in there
            add_sightings_of(database, one.finding, night, when, given, cpu="")
    elif cause is not None and archive.cause_of(one.name) is None:
        archive.causes.give_finding(one.name, cause)


def _sightings(archive: Archive) -> int:
    (count,) = archive.database.row("SELECT count(*) FROM sightings") or (0,)
    return int(count)
