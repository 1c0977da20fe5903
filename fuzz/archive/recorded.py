"""What an output folder holds, as the records that reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import FINDINGS, UNREADABLE, BundleError, names, read_bundle
from fuzz.archive.epochs import allotted, narrowed
from fuzz.archive.sighted import Sighted
from fuzz.records.history import Series
from fuzz.records.summary import SeriesCount, Stored, Summary


def stored_findings(archive: Archive | Reader, seen: Mapping[int, Sighted] | None = None) -> list[Stored]:
    """The findings of a folder, by name, each with its cause and how often that was seen (``seen`` has it where
    somebody has asked for all causes). Causes that were told of by no run before the latest are fresh."""
    since = archive.unreported_since()
    counts = archive.bucket_counts()
    causes = {cause.id: cause for cause in archive.causes.all()}
    roots = {id: archive.causes.root(id) for id in {row.cause for row in archive.findings()} if id is not None}
    if seen is None:
        times = {root: archive.times_seen(cause=root) for root in roots.values()}
    else:
        times = {root: seen[root].cases if root in seen else 0 for root in roots.values()}
    stored = []
    for row in archive.findings():
        cause = causes[roots[row.cause]] if row.cause is not None else None
        count = times[cause.id] if cause else counts[row.signature.bucket.key]
        known = row.known or (cause.known if cause else "")
        about = (cause.id, cause.name, cause.night >= since) if cause else (0, "", row.night >= since)
        path = archive.folder / FINDINGS / row.bundle
        stored.append(Stored(path, row.signature, max(1, count), known, row.stable, row.size, *about))
    return stored


def recorded(folder: Path) -> Summary:
    """The summary of all that a folder's archive and bundles hold, over all its series."""
    with Reader(folder) as reader:
        return summarized(reader)


def summarized(reader: Reader, seen: Mapping[int, Sighted] | None = None) -> Summary:
    """The same of an archive that is open."""
    folder = reader.folder
    series = reader.series()
    targets = tuple(dict.fromkeys(target for one in series for target in one.targets))
    nights = reader.nights()
    begun = {night.series for night in nights}
    last = nights[-1].series if nights else Series((), 0, "")
    summary = Summary(targets, last.seed, last.version, folder, reader.stats())
    summary.series = [
        SeriesCount(one.names, one.seed, one.version, reader.stats(one).cases)
        for one in sorted(series, key=lambda one: one == last)
        if one in begun or reader.stats(one).cases  # steered cases that were set aside have series of their own
    ]
    summary.allotted = allotted(reader, last)
    summary.narrowed = narrowed(reader, last)
    summary.findings = stored_findings(reader, seen)
    aside = [folder / UNREADABLE / name for name in names(folder / UNREADABLE)]
    summary.unreadable = [*reader.unreadable, *(f"{path} was set aside by an earlier run" for path in aside)]
    for night in nights:
        summary.engines |= {part.engine: part.release for part in reader.engines(night.id) if part.release}
    if nights:
        summary.broken = {part.engine: part.trouble for part in reader.engines(nights[-1].id) if part.trouble}
        summary.errors = [error.line for error in reader.errors(nights[-1].id)]
    notes: set[str] = set()
    for row in summary.findings:
        try:
            finding = read_bundle(row.path)
        except BundleError as error:
            summary.unreadable.append(str(error))
            continue
        summary.engines |= {run.engine: run.version for run in finding.runs}
        notes.update(filter(None, finding.environment.get("notes", "").split("; ")))
    summary.notes = sorted(notes)
    summary.engines |= {engine: summary.engines.get(engine, "") for engine in summary.stats.engine_cases}
    return summary
