"""The epochs of a series on record, and what its targets gave: what allotment rests on when a run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from fuzz.archive.archive import Archive
from fuzz.archive.queries import Queries, key_of
from fuzz.archive.writing import series_id
from fuzz.records.epoch import FULL, Epoch, shares_of
from fuzz.records.history import Series

Word = tuple[str, str]
"""A target, and something that a case of it executed or was."""


def epochs(archive: Archive, series: Series) -> list[Epoch]:
    """The epochs that were begun while targets were allotted their turns, in order."""
    rows = archive.database.rows(
        "SELECT number, first, next, parts FROM epochs WHERE series = ? ORDER BY number",
        (series_id(archive.database, series),),
    )
    load = archive.database.load
    return [Epoch(number, first, next, tuple(sorted(load(parts).items()))) for number, first, next, parts in rows]


def allotted(reader: Queries, series: Series) -> dict[str, float]:
    """The part of its turns, up to 1, that each target takes in the last epoch on record; none where all take all."""
    if reader.database.row("SELECT 1 FROM sqlite_master WHERE name = 'epochs'") is None:
        return {}  # written by an older release, and read only since
    row = reader.database.row(
        "SELECT parts FROM epochs JOIN series ON series.id = series WHERE targets = ? AND seed = ? AND version = ? "
        "ORDER BY number DESC LIMIT 1",
        key_of(series),
    )
    parts = reader.database.load(row[0]) if row else {}
    return shares_of({name: parts.get(name, FULL) for name in series.names})


def record_epoch(archive: Archive, series: Series, epoch: Epoch) -> None:
    """Keep what was decided: whoever goes on with the series passes over the same turns."""
    with archive.database.transaction():
        archive.database.execute(
            "INSERT OR IGNORE INTO epochs VALUES (?, ?, ?, ?, ?)",
            (series_id(archive.database, series), epoch.index, epoch.first, epoch.end, json.dumps(dict(epoch.parts))),
        )


def record_narrowed(archive: Archive, series: Series, lines: Iterable[str]) -> None:
    """Keep what cases of the series were made without, and for whom."""
    with archive.database.transaction():
        id = series_id(archive.database, series)
        archive.database.each_executed("INSERT OR IGNORE INTO narrowed VALUES (?, ?)", ((id, line) for line in lines))


def narrowed(reader: Queries, series: Series) -> list[str]:
    """What cases of the series were made without, and for whom, a line each."""
    if reader.database.row("SELECT 1 FROM sqlite_master WHERE name = 'narrowed'") is None:
        return []  # written by an older release
    rows = reader.database.rows(
        "SELECT line FROM narrowed JOIN series ON series.id = series WHERE targets = ? AND seed = ? AND version = ? "
        "ORDER BY line",
        key_of(series),
    )
    return [line for (line,) in rows]


def words(archive: Archive, series: Series) -> dict[Word, int]:
    """The first epoch in which each word was met."""
    rows = archive.database.rows(
        "SELECT target, word, epoch FROM words WHERE series = ?", (series_id(archive.database, series),)
    )
    return {(target, word): epoch for target, word, epoch in rows}


def record_words(archive: Archive, series: Series, met: Iterable[Word], epoch: int) -> None:
    """Cases of an epoch had these words."""
    with archive.database.transaction():
        id = series_id(archive.database, series)
        archive.database.each_executed(
            "INSERT INTO words VALUES (?1, ?2, ?3, ?4) ON CONFLICT (series, target, word) DO UPDATE "
            "SET epoch = min(epoch, excluded.epoch)",
            ((id, *word, epoch) for word in met),
        )


def causes_met(archive: Queries, series: Series) -> Iterator[tuple[int, str, int]]:
    """Each cause that cases of the series showed (steered or not): its id, and by target the least index of such a
    case."""
    rows = archive.database.rows(
        'SELECT cause, target, min("index") FROM sightings JOIN origins ON origins.id = origin '
        "WHERE cause IS NOT NULL AND seed = ? GROUP BY cause, target",
        (str(series.seed),),
    )
    yield from ((cause, target, index) for cause, target, index in rows if target in series.targets)


def first_night(archive: Archive, series: Series) -> int:
    """The night in which the series was begun."""
    (night,) = archive.database.row(
        "SELECT min(id) FROM nights WHERE series = ?", (series_id(archive.database, series),)
    ) or (None,)
    return archive.night if night is None else int(night)
