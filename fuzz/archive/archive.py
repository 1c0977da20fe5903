"""The output folder of campaigns: findings as bundles, and a journal of what was done, so that a run can go on.

    OUT/journal.jsonl           entries {"row": "series" | "batch" | "finding", ...}, only appended to
    OUT/findings/NAME/          one bundle per stored finding (``fuzz.archive.bundle``)
    OUT/lock                    held while a run writes

A finding is on the disk, whole, before its entry is. A kill loses what was not recorded yet: the batches in flight,
which the next run does again (a finding that it meets again is not stored twice).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.archive import bundle
from fuzz.archive.disk import ArchiveError, FolderLock, Journal, explained, sweep, write_folder
from fuzz.records.finding import Finding
from fuzz.records.stats import Stats
from fuzz.triage.buckets import Buckets

JOURNAL_VERSION = 1


@dataclass(frozen=True, slots=True)
class Series:
    """What determines a run's cases: case ``n`` belongs to target ``targets[n % len(targets)]``, index ``n // len``."""

    targets: tuple[str, ...]
    seed: int
    version: str

    def to_json(self) -> dict[str, Any]:
        return {"targets": list(self.targets), "seed": self.seed, "version": self.version}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Series:
        return Series(tuple(data["targets"]), data["seed"], data["version"])

    def case(self, number: int) -> tuple[str, int]:
        """Target and index of case ``number``."""
        return self.targets[number % len(self.targets)], number // len(self.targets)


class Archive:
    """An output folder opened for writing. Raises ``ArchiveError`` where it is in use or cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings = folder / "findings"
        with explained(folder):
            self.findings.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        with explained(folder):
            sweep(folder)
            sweep(self.findings)
        self.journal = Journal(folder / "journal.jsonl")
        if self.journal.entries and self.journal.entries[0].get("journal") != JOURNAL_VERSION:
            self.close()
            raise ArchiveError(f"{folder} was written by another version of this program: choose another --out")
        self.series: Series | None = None

    def begin(self, series: Series) -> tuple[set[int], Stats]:
        """Start or go on with a series; gives the numbers of the cases already done, and their counts."""
        self.series = series
        self.journal.append({"row": "series", "journal": JOURNAL_VERSION, **series.to_json()}, durable=True)
        done: set[int] = set()
        stats = Stats()
        for entry in self._batches(series):
            fresh = [number for number in entry["numbers"] if number not in done]
            if fresh:
                done.update(fresh)
                stats.add(Stats.from_json(entry["stats"]))
        return done, stats

    def last_seed(self, targets: tuple[str, ...], version: str) -> int | None:
        """The seed of the latest series with these targets, to go on with; None if there is none."""
        entries = [entry for entry in self.journal.entries if entry["row"] == "series"]
        same = [entry for entry in entries if tuple(entry["targets"]) == targets and entry["version"] == version]
        return int(same[-1]["seed"]) if same else None

    def _batches(self, series: Series) -> Iterator[dict[str, Any]]:
        current: Series | None = None
        for entry in self.journal.entries:
            if entry["row"] == "series":
                current = Series.from_json(entry)
            elif entry["row"] == "batch" and current == series:
                yield entry

    def record_batch(self, numbers: list[int], stats: Stats) -> None:
        """Note cases as done."""
        self.journal.append({"row": "batch", "numbers": numbers, "stats": stats.to_json()})

    def record_finding(self, finding: Finding) -> Path:
        """Store a finding as a bundle, durably; the folder's name tells signature and origin. Returns the bundle."""
        path = self.findings / bundle.name(finding)
        write_folder(path, bundle.files(finding), bundle.EXECUTABLE)
        self.journal.append(
            {"row": "finding", "bundle": path.name, "bucket": finding.signature.bucket.key}, durable=True
        )
        return path

    def replace_finding(self, path: Path, finding: Finding) -> Path:
        """Exchange a bundle's content (after minimizing); the folder keeps its name, by which it may be known."""
        write_folder(path, bundle.files(finding), bundle.EXECUTABLE)
        return path

    def holds(self, finding: Finding) -> bool:
        """Whether this very case was stored under this bucket before."""
        return (self.findings / bundle.name(finding)).exists()

    def buckets(self, limit: int) -> Buckets:
        """What earlier runs stored in this folder."""
        buckets = Buckets(limit)
        for _, finding in read_findings(self.folder):
            buckets.load(finding.signature)
        return buckets

    def bucket_counts(self) -> Counter[str]:
        """How often each bucket was seen, over all series of this folder."""
        return bucket_counts(self.journal.entries)

    def close(self) -> None:
        self.journal.close()
        self._lock.release()


def read_findings(folder: Path) -> Iterator[tuple[Path, Finding]]:
    """The stored findings of an output folder, by bundle name; raises ``ArchiveError`` for one that is not readable."""
    for path in sorted((folder / "findings").glob("*/finding.json")):
        if not path.parent.name.startswith("."):
            yield path.parent, read_bundle(path.parent)


def read_bundle(path: Path) -> Finding:
    """Read one bundle. Raises ``ArchiveError`` with the reason."""
    try:
        return Finding.from_json(json.loads((path / "finding.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{path} is no bundle that this release can read: {error}") from None


def bucket_counts(entries: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often each bucket was seen, by a journal's entries."""
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry["row"] == "batch":
            counts.update(entry["stats"].get("buckets", {}))
    return counts


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The entries of a folder's journal, without opening it for writing; a torn last line is left out."""
    path = folder / "journal.jsonl"
    if not path.exists():
        raise ArchiveError(f"{folder} holds no campaign: there is no journal.jsonl in it")
    entries = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries
