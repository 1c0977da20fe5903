"""Single rows of the archive, written inside a transaction of the caller's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fuzz.archive.database import Database
from fuzz.archive.done import Done
from fuzz.records.finding import Finding
from fuzz.records.history import Series, SetAside, Sighting, sightings_of
from fuzz.records.stats import Stats
from oracles.cpu import cpu_flags


def word(database: Database, table: str, **values: Any) -> int:
    """The id of a row of a table of words, which is made if it is not there."""
    key = (table, *map(str, values.values()))
    known = database.ids.get(key)
    if known is None:
        where = " AND ".join(f"{name} = ?" for name in values)
        row = database.row(f"SELECT id FROM {table} WHERE {where}", [*values.values()])
        known = database.ids[key] = int(row[0]) if row else database.insert(table, **values)
    return known


def series_id(database: Database, series: Series) -> int:
    return word(database, "series", targets=json.dumps(series.targets), seed=str(series.seed), version=series.version)


def bucket_id(database: Database, key: str) -> int:
    return word(database, "buckets", key=key)


def origin_id(database: Database, target: str, seed: int, version: str) -> int:
    return word(database, "origins", target=target, seed=str(seed), version=version)


def add_done(database: Database, series: int, done: Done, numbers: Iterable[int]) -> int:
    """Note numbers as done in the tables and in ``done``; gives how many were not before.

    If the transaction is undone, ``done`` must be read again.
    """
    change = done.adding(numbers)
    for first in change.gone:
        database.execute("DELETE FROM done WHERE series = ? AND first = ?", (series, first))
    for first, last in change.new:
        database.execute("INSERT INTO done VALUES (?, ?, ?)", (series, first, last))
    done.apply(change)
    return change.fresh


def fold_counts(database: Database) -> None:
    """Add the counts that wait to those of their nights and series."""
    waiting = database.rows("SELECT night, counts FROM new_counts ORDER BY id")
    sums: dict[int, Stats] = {}
    for night, counts in waiting:
        sums.setdefault(night, Stats()).add(Stats.from_json(database.load(counts)))
    for night, stats in sums.items():
        add_counts(database, "nights", night, stats)
        (series,) = database.row("SELECT series FROM nights WHERE id = ?", (night,)) or (0,)
        add_counts(database, "series", series, stats)
    database.execute("DELETE FROM new_counts")


def add_counts(database: Database, table: str, id: int, stats: Stats) -> None:
    """Add counts to the sum of a night or a series."""
    (counts,) = database.row(f"SELECT counts FROM {table} WHERE id = ?", (id,)) or ("{}",)
    whole = Stats.from_json(database.load(counts))
    whole.add(stats)
    text = json.dumps(whole.to_json(), separators=(",", ":"))
    database.execute(f"UPDATE {table} SET counts = ? WHERE id = ?", (text, id))


def add_sighting(database: Database, sighting: Sighting, night: int, time: float, cpu: str | None = None) -> None:
    """Record a sighting. The same case seen again by the same engine and release is the same sighting."""
    origin = origin_id(database, sighting.target, sighting.seed, sighting.version)
    bucket = bucket_id(database, sighting.bucket)
    machine = word(database, "machines", flags=sighting.cpu or (cpu_flags() if cpu is None else cpu))
    setup = word(database, "setups", engine=sighting.engine, release=sighting.release, machine=machine)
    case = (origin, sighting.index, bucket)
    if database.row('SELECT 1 FROM sightings WHERE origin = ? AND "index" = ? AND bucket = ?', case) is None:
        database.execute("UPDATE buckets SET cases = cases + 1 WHERE id = ?", (bucket,))
    database.execute(
        'INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, "index", bucket, setup) DO UPDATE '
        "SET cause = excluded.cause WHERE excluded.cause IS NOT NULL",
        (*case, setup, sighting.cause, sighting.time or time, night),
    )


def add_set_aside(database: Database, waiting: SetAside, night: int, time: float) -> None:
    """Record that a disagreement waits; one that does already keeps its place."""
    database.execute(
        "INSERT OR IGNORE INTO set_aside VALUES (?, ?, ?, ?, ?)",
        (series_id(database, waiting.series), waiting.number, bucket_id(database, waiting.bucket), time, night),
    )


def remove_set_aside(database: Database, waiting: SetAside) -> None:
    database.execute(
        "DELETE FROM set_aside WHERE series = ? AND number = ? AND bucket = ?",
        (series_id(database, waiting.series), waiting.number, bucket_id(database, waiting.bucket)),
    )


def put_finding(
    database: Database, bundle: str, finding: Finding, stamp: str, night: int, time: float, cause: int | None = None
) -> None:
    """Record a finding whose bundle is on the disk, or what became of it; night and time stay as they were."""
    origin = finding.case.provenance
    values: dict[str, Any] = {
        "bundle": bundle,
        "signature": json.dumps(finding.signature.to_json()),
        "bucket": bucket_id(database, finding.signature.bucket.key),
        "origin": origin_id(database, origin.target, origin.seed, origin.version),
        "index_": origin.index,
        "known": finding.known,
        "repeats": finding.repeats,
        "tries": finding.tries,
        "minimized": finding.minimized is not None,
        "size": finding.best.size,
        "original_size": finding.case.size,
        "stamp": stamp,
        "trouble": "",
    }
    row = database.row("SELECT id FROM findings WHERE bundle = ?", (bundle,))
    if row is None:
        database.insert("findings", night=night, time=time, cause=cause, **values)
        return
    columns = ", ".join(f'"{name.rstrip("_")}" = ?' for name in values)
    database.execute(f"UPDATE findings SET {columns} WHERE id = ?", [*values.values(), row[0]])
    if cause is not None:
        database.execute("UPDATE findings SET cause = ? WHERE id = ?", (cause, row[0]))


def add_sightings_of(
    database: Database, finding: Finding, night: int, time: float, cause: int | None = None, cpu: str | None = None
) -> None:
    """Record what a stored finding says of who disagreed."""
    releases = {run.engine: run.version for run in finding.runs}
    key = finding.signature.bucket.key
    dissents = finding.verdict.dissents
    for sighting in sightings_of(finding.case, key, dissents, lambda engine: releases.get(engine, ""), cause):
        add_sighting(database, sighting, night, time, cpu)
