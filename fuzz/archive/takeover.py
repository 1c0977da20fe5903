"""Folders of the form before: ``journal.jsonl``, an object a line, is read once, whole, and kept under another name.

    {"row": "series", "journal": 1, "targets": ["returns"], "seed": 1, "version": "7"}
    {"row": "batch", "numbers": [0, 1, 2], "stats": {...}}
    {"row": "finding", "bundle": "NAME", "bucket": "KEY"}

Everything happens in one transaction, in which the journal's digest is noted; only then is the file renamed. A kill
between the two is seen by the digest. An older release that ran again in the folder has begun another journal, which is
taken over as well.

Each entry of a series becomes a night without a time; a bucket's counts become a tally, less the cases that are known
from bundles, which become sightings.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzz.archive.bundles import FINDINGS, UNSEEN, BundleError, changed_at, read_bundle, stamp
from fuzz.archive.database import Database
from fuzz.archive.disk import ArchiveError, explained, sync_folder
from fuzz.archive.done import Done
from fuzz.archive.writing import (
    add_counts,
    add_sightings_of,
    bucket_id,
    origin_id,
    put_finding,
    series_id,
    word,
)
from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Series
from fuzz.records.stats import Stats

JOURNAL: Final = "journal.jsonl"
KEPT: Final = "journal.jsonl.taken-over"
_VERSION: Final = 1


def take_over(database: Database, folder: Path) -> bool:
    """Bring the folder's journal into the archive if that has not happened yet; the journal stays where it is.

    Says whether there was anything to bring. Raises ``ArchiveError`` for a journal that is damaged, or of another
    version; then nothing was changed.
    """
    path = folder / JOURNAL
    with explained(path):
        digest = _digest(path)
    if database.row("SELECT 1 FROM takeovers WHERE digest = ?", (digest,)):
        return False
    with database.transaction(durable=True):
        taken = _Taken(database, changed_at_file(path))
        number = 0
        for number, entry in enumerate(_entries(path), 1):
            try:
                taken.add(entry, number)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _damaged(path, number, f"{type(error).__name__}: {error}") from None
        taken.finish(folder)
        database.insert("takeovers", digest=digest, name=JOURNAL, entries=number, time=time.time())
    return True


def keep(folder: Path) -> None:
    """Give a journal that was taken over another name, under which nobody goes on with it."""
    target = folder / KEPT
    number = 2
    while target.exists():
        target = folder / f"{KEPT}.{number}"
        number += 1
    with explained(folder / JOURNAL):
        os.rename(folder / JOURNAL, target)
        sync_folder(folder)


@dataclass(slots=True)
class _Series:
    """A series as its entries are read: ``buckets`` counts cases."""

    series: Series
    done: Done
    stats: Stats = field(default_factory=Stats)
    buckets: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Taken:
    """The entries of a journal on their way into the tables. ``ended`` is when the journal was written last."""

    database: Database
    ended: float
    series: dict[int, _Series] = field(default_factory=dict)
    nights: dict[int, Stats] = field(default_factory=dict)
    findings: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Bundle to bucket and night."""
    current: int = 0
    night: int = 0

    def add(self, entry: dict[str, Any], number: int) -> None:
        if number == 1 and entry.get("journal") != _VERSION:
            raise ArchiveError(f"{JOURNAL} was written by another version of this program: choose another folder")
        match entry["row"]:
            case "series":
                self._begin(Series.from_json(entry))
            case "batch":
                self._batch(entry["numbers"], Stats.from_json(entry["stats"]))
            case "finding":
                self.findings[entry["bundle"]] = (entry["bucket"], self.night)

    def _begin(self, series: Series) -> None:
        self.current = series_id(self.database, series)
        if self.current not in self.series:
            ranges = self.database.rows("SELECT first, last FROM done WHERE series = ?", (self.current,))
            self.series[self.current] = _Series(series, Done([(first, last) for first, last in ranges]))
        nowhere = word(self.database, "machines", flags="")
        self.night = self.database.insert(
            "nights", series=self.current, started=0, ended=self.ended, harness="", platform="", machine=nowhere
        )
        self.nights[self.night] = Stats()

    def _batch(self, numbers: list[int], stats: Stats) -> None:
        mine = self.series[self.current]
        change = mine.done.adding(numbers)
        if not change.fresh:
            return  # done twice: the run was killed before it knew
        mine.done.apply(change)
        mine.stats.add(stats)
        mine.buckets.update(stats.buckets)
        self.nights[self.night].add(stats)

    def finish(self, folder: Path) -> None:
        for id, mine in self.series.items():
            self.database.execute("DELETE FROM done WHERE series = ?", (id,))
            for first, last in mine.done.ranges:
                self.database.execute("INSERT INTO done VALUES (?, ?, ?)", (id, first, last))
            add_counts(self.database, "series", id, mine.stats)
        for night, stats in self.nights.items():
            add_counts(self.database, "nights", night, stats)
        for bundle, (bucket, night) in self.findings.items():
            self._finding(folder / FINDINGS / bundle, bucket, night)
        for id, mine in self.series.items():
            for bucket, cases in mine.buckets.items():
                if cases > 0:
                    self._tally(id, bucket, cases)

    def _finding(self, path: Path, bucket: str, night: int) -> None:
        when = changed_at(path)
        try:
            finding = read_bundle(path)
        except BundleError:
            self._unknown(path.name, bucket, night)
            return
        put_finding(self.database, path.name, finding, stamp(path), night, when)
        add_sightings_of(self.database, finding, night, when, cpu="")
        self._known_case(finding)

    def _known_case(self, finding: Finding) -> None:
        """A case that is a sighting now is no longer one of those that were only counted."""
        origin = finding.case.provenance
        for mine in self.series.values():
            if origin.seed == mine.series.seed and origin.target in mine.series.targets:
                mine.buckets[finding.signature.bucket.key] -= 1
                return

    def _unknown(self, bundle: str, bucket: str, night: int) -> None:
        """A finding of which only the journal's entry is left, or whose bundle is about to be set aside."""
        target, seed, index = [*bundle.removeprefix(f"{bucket}-").rsplit("-", 2), "0", "0"][:3]
        seed, index = (text if text.isdigit() else "0" for text in (seed, index))
        self.database.insert(
            "findings", bundle=bundle, signature=json.dumps(Signature("", "", "").to_json()),
            bucket=bucket_id(self.database, bucket), origin=origin_id(self.database, target, int(seed), ""),
            index_=int(index), night=night, time=0, known="", repeats=0, tries=0, minimized=0, size=0, original_size=0,
            stamp=UNSEEN, trouble="of an older release",
        )  # fmt: skip

    def _tally(self, series: int, key: str, cases: int) -> None:
        bucket = bucket_id(self.database, key)
        self.database.execute(
            "INSERT INTO tallies VALUES (?, ?, NULL, ?) ON CONFLICT (series, bucket) DO UPDATE "
            "SET cases = cases + excluded.cases",
            (series, bucket, cases),
        )
        self.database.execute("UPDATE buckets SET cases = cases + ? WHERE id = ?", (cases, bucket))


def changed_at_file(path: Path) -> float:
    """When a file was written last."""
    with explained(path):
        return path.stat().st_mtime


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a journal. A kill can tear the last line, and no other."""
    with explained(path), open(path, "rb") as file:
        torn = 0
        for number, line in enumerate(file, 1):
            if torn:
                raise _damaged(path, torn, "it is no JSON object")
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                entry = None
            if isinstance(entry, dict):
                yield entry
            else:
                torn = number


def _damaged(path: Path, line: int, why: str) -> ArchiveError:
    return ArchiveError(
        f"{path} is damaged in line {line} ({why}): restore it from a copy, or remove that line to take over the rest"
    )
