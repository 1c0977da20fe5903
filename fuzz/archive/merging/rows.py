"""The rows of one archive in the tables of another, under the numbers that things have there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fuzz.archive.bundles import GONE
from fuzz.archive.database import Database
from fuzz.archive.done import joined
from fuzz.archive.writing import word
from fuzz.records.history import Series
from fuzz.records.stats import Stats

_NIGHTS: Final = """
    SELECT nights.id, targets, seed, version, started, ended, harness, platform, flags, exit_code, interrupted,
    nights.counts FROM nights JOIN series ON series.id = series JOIN machines ON machines.id = machine
    ORDER BY nights.id
"""
_SIGHTINGS: Final = """
    INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, "index", bucket, setup) DO UPDATE
    SET cause = coalesce(cause, excluded.cause), time = min(time, excluded.time),
    night = CASE WHEN excluded.time < time THEN excluded.night ELSE night END
    WHERE excluded.time < time OR (cause IS NULL AND excluded.cause IS NOT NULL)
"""
_ROUNDED: Final = 0.01
_WORDS: Final = {
    "series": ("targets", "seed", "version"),
    "machines": ("flags",),
    "buckets": ("key",),
    "origins": ("target", "seed", "version"),
}


@dataclass(frozen=True, slots=True)
class _Night:
    id: int
    key: tuple[Any, ...]
    ended: float
    exit_code: int | None
    interrupted: int
    counts: dict[str, Any]


@dataclass(slots=True)
class Rows:
    """What stands in the tables of ``source``, on its way into those of ``into`` (inside its transaction)."""

    into: Database
    source: Database
    nights: dict[int, int] = field(default_factory=dict)
    """Ids of nights there to ids here."""
    fresh_nights: int = 0
    _words: dict[str, dict[int, int]] = field(default_factory=dict)

    def ids(self, table: str) -> dict[int, int]:
        """Ids there of a table of words to ids here."""
        if table not in self._words:
            names = _WORDS[table]
            columns = ", ".join(names)
            self._words[table] = {
                id: word(self.into, table, **dict(zip(names, values, strict=True)))
                for id, *values in self.source.rows(f"SELECT id, {columns} FROM {table} ORDER BY id")
            }
        return self._words[table]

    def night(self, id: int) -> int:
        """The id here of a night there. What was noted between two nights is of the one before."""
        return self.nights.get(id) or max(self.nights.values(), default=1)

    # --- what was run ------------------------------------------------------------------------------------------------

    def take_nights(self) -> None:
        """The nights, each once: one that came before is the same night, and further on perhaps."""
        here: dict[tuple[Any, ...], list[_Night]] = {}
        for night in _nights(self.into):
            here.setdefault(night.key, []).append(night)
        series: set[int] = set()
        for night in _nights(self.source):
            alike = here.get(night.key, [])
            before = next((one for one in alike if _within(one.counts, night.counts)), None)
            known = before or next((one for one in alike if _within(night.counts, one.counts)), None)
            if known is None:
                self.nights[night.id] = self._insert(night)
                self.fresh_nights += 1
            else:
                alike.remove(known)
                self.nights[night.id] = known.id
            if known is None or (before is not None and _further(night, before)):
                series.add(self._advance(self.nights[night.id], night))
        for id in series:
            _sum_up(self.into, id)

    def _insert(self, night: _Night) -> int:
        targets, seed, version, started, harness, platform, flags, _ = night.key
        series = word(self.into, "series", targets=targets, seed=seed, version=version)
        machine = word(self.into, "machines", flags=flags)
        return self.into.insert("nights", series=series, started=started, harness=harness, platform=platform,
                                machine=machine)  # fmt: skip

    def _advance(self, id: int, night: _Night) -> int:
        """Bring a night to where it is there; gives its series."""
        text = json.dumps(night.counts, separators=(",", ":"))
        self.into.execute(
            "UPDATE nights SET ended = ?, exit_code = ?, interrupted = ?, counts = ? WHERE id = ?",
            (night.ended, night.exit_code, night.interrupted, text, id),
        )
        (series,) = self.into.row("SELECT series FROM nights WHERE id = ?", (id,)) or (0,)
        return int(series)

    def take_done(self) -> int:
        """Which cases were run; gives how many of them nobody had run before."""
        fresh = 0
        for theirs, mine in self.ids("series").items():
            asked = "SELECT first, last FROM done WHERE series = ?"
            before = [(first, last) for first, last in self.into.rows(asked, (mine,))]
            after = joined([*before, *((first, last) for first, last in self.source.rows(asked, (theirs,)))])
            if after != sorted(before):
                self.into.execute("DELETE FROM done WHERE series = ?", (mine,))
                self.into.each_executed("INSERT INTO done VALUES (?, ?, ?)", ((mine, *pair) for pair in after))
                fresh += _size(after) - _size(before)
        return fresh

    def take_epochs(self) -> None:
        """Which turns were passed over, and in which epoch targets first met something. Of a series that went on in two
        places the longer record of epochs stays, whole: which turns are passed over changes no case."""
        if self.source.row("SELECT 1 FROM sqlite_master WHERE name = 'epochs'") is None:
            return  # written by an older release
        for theirs, mine in self.ids("series").items():
            asked = "SELECT number, first, next, parts FROM epochs WHERE series = ?"
            rows = self.source.rows(asked, (theirs,))
            if len(rows) > len(self.into.rows(asked, (mine,))):
                self.into.execute("DELETE FROM epochs WHERE series = ?", (mine,))
                self.into.each_executed("INSERT INTO epochs VALUES (?, ?, ?, ?, ?)", ((mine, *row) for row in rows))
            self.into.each_executed(
                "INSERT INTO words VALUES (?, ?, ?, ?) ON CONFLICT (series, target, word) DO UPDATE "
                "SET epoch = excluded.epoch WHERE excluded.epoch < epoch",
                (
                    (mine, *row)
                    for row in self.source.rows("SELECT target, word, epoch FROM words WHERE series = ?", (theirs,))
                ),
            )

    def take_narrowed(self) -> None:
        """What cases were made without, and for whom."""
        if self.source.row("SELECT 1 FROM sqlite_master WHERE name = 'narrowed'") is None:
            return  # written by an older release
        for theirs, mine in self.ids("series").items():
            lines = self.source.rows("SELECT line FROM narrowed WHERE series = ?", (theirs,))
            self.into.each_executed("INSERT OR IGNORE INTO narrowed VALUES (?, ?)", ((mine, *row) for row in lines))

    def take_engines_and_errors(self) -> None:
        for night, *values in self.source.rows("SELECT night, engine, release, trouble FROM night_engines"):
            self.into.execute(
                "INSERT INTO night_engines VALUES (?, ?, ?, ?) ON CONFLICT (night, engine) DO UPDATE SET "
                "release = CASE release WHEN '' THEN excluded.release ELSE release END, "
                "trouble = CASE trouble WHEN '' THEN excluded.trouble ELSE trouble END",
                (self.night(night), *values),
            )
        for night, *values in self.source.rows("SELECT night, time, line, text FROM errors ORDER BY id"):
            self.into.execute(
                "INSERT INTO errors (night, time, line, text) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS "
                "(SELECT 1 FROM errors WHERE night = ?1 AND time = ?2 AND line = ?3)",
                (self.night(night), *values),
            )

    # --- what was seen -----------------------------------------------------------------------------------------------

    def take_sightings(self, causes: Mapping[int | None, int | None]) -> None:
        """Every sighting, once: it is the same where case, bucket, engine, release and machine are the same."""
        origins, buckets, setups = self.ids("origins"), self.ids("buckets"), self._setups()
        rows = self.source.each('SELECT origin, "index", bucket, setup, cause, time, night FROM sightings')
        self.into.each_executed(
            _SIGHTINGS,
            (
                (origins[origin], index, buckets[bucket], setups[setup], causes[cause], time, self.night(night))
                for origin, index, bucket, setup, cause, time, night in rows
            ),
        )

    def _setups(self) -> dict[int, int]:
        machines = self.ids("machines")
        return {
            id: word(self.into, "setups", engine=engine, release=release, machine=machines[machine])
            for id, engine, release, machine in self.source.rows("SELECT id, engine, release, machine FROM setups")
        }

    def take_set_aside(self) -> None:
        series, buckets = self.ids("series"), self.ids("buckets")
        for one, number, bucket, time, night in self.source.rows("SELECT * FROM set_aside"):
            row = (series[one], number, buckets[bucket], time, self.night(night))
            self.into.execute("INSERT OR IGNORE INTO set_aside VALUES (?, ?, ?, ?, ?)", row)

    def take_tallies(self, causes: Mapping[int | None, int | None]) -> None:
        """What older releases only counted. It came out of journals, and these are known by their digests."""
        journals = self.source.rows("SELECT digest, name, entries, time FROM takeovers")
        known = {digest for (digest,) in self.into.rows("SELECT digest FROM takeovers")}
        fresh = [row for row in journals if row[0] not in known]
        if not fresh:
            return
        self.into.each_executed("INSERT INTO takeovers VALUES (?, ?, ?, ?)", fresh)
        grows = "cases + excluded.cases" if len(fresh) == len(journals) else "max(cases, excluded.cases)"
        series, buckets = self.ids("series"), self.ids("buckets")
        for one, bucket, cause, cases in self.source.rows("SELECT series, bucket, cause, cases FROM tallies"):
            self.into.execute(
                "INSERT INTO tallies VALUES (?, ?, ?, ?) ON CONFLICT (series, bucket) DO UPDATE "
                f"SET cases = {grows}, cause = coalesce(cause, excluded.cause)",
                (series[one], buckets[bucket], causes[cause], cases),
            )

    # --- findings ----------------------------------------------------------------------------------------------------

    def take_lost(self, found: Collection[str], causes: Mapping[int | None, int | None]) -> None:
        """The rows of findings whose bundles are not among those ``found``: gone, or not readable."""
        origins, buckets = self.ids("origins"), self.ids("buckets")
        names = ("bundle", "signature", "bucket", "origin", "index", "cause", "night", "time", "known", "repeats",
                 "tries", "minimized", "size", "original_size", "trouble")  # fmt: skip
        columns = ", ".join(f'"{name}"' for name in names)
        for values in self.source.rows(f"SELECT {columns} FROM findings"):
            row = dict(zip(names, values, strict=True))
            if row["bundle"] in found:
                continue
            row |= {"bucket": buckets[row["bucket"]], "origin": origins[row["origin"]], "cause": causes[row["cause"]]}
            row |= {"night": self.night(row["night"]), "trouble": row["trouble"] or GONE}
            marks = ", ".join("?" * len(row))
            self.into.execute(
                f"INSERT OR IGNORE INTO findings ({columns}, stamp) VALUES ({marks}, '')", [*row.values()]
            )

    def take_minimizations(self, names: Mapping[str, str]) -> None:
        """What was tried to make findings smaller; ``names`` has what their bundles are called here."""
        rows = self.source.rows(
            "SELECT bundle, minimizations.night, minimizations.time, before, after, seconds, runs, ending "
            "FROM minimizations JOIN findings ON findings.id = finding ORDER BY minimizations.id"
        )
        for bundle, night, *values in rows:
            self.into.execute(
                "INSERT INTO minimizations (finding, night, time, before, after, seconds, runs, ending) "
                "SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM findings WHERE bundle = ?1 AND NOT EXISTS (SELECT 1 FROM "
                "minimizations m WHERE m.finding = findings.id AND m.time = ?3 AND before = ?4 AND after = ?5)",
                (names.get(bundle, bundle), self.night(night), *values),
            )


def finish(into: Database) -> None:
    """What follows from the rows when all are there."""
    into.execute(
        'UPDATE buckets SET cases = (SELECT count(*) FROM (SELECT DISTINCT origin, "index" FROM sightings '
        "WHERE bucket = buckets.id)) + (SELECT coalesce(sum(cases), 0) FROM tallies WHERE bucket = buckets.id)"
    )
    # What waits on one machine was settled on another, or later on the same one: its sighting has a cause.
    rows = into.rows(
        "SELECT set_aside.series, number, bucket, targets, seed, version "
        "FROM set_aside JOIN series ON series.id = set_aside.series"
    )
    for id, number, bucket, targets, seed, version in rows:
        target, index = Series(tuple(into.load(targets)), int(seed), version).case(number)
        into.execute(
            "DELETE FROM set_aside WHERE series = ? AND number = ? AND bucket = ? AND EXISTS (SELECT 1 FROM sightings "
            "JOIN origins ON origins.id = origin WHERE target = ? AND seed = ? AND version = ? "
            'AND "index" = ? AND bucket = ? AND cause IS NOT NULL)',
            (id, number, bucket, target, seed, version, index, bucket),
        )


def night_keys(database: Database) -> list[tuple[Any, ...]]:
    """What nights are known by, earliest first."""
    return sorted(night.key for night in _nights(database))


def _nights(database: Database) -> Iterator[_Night]:
    """The nights with all that was counted in them. What an older release did has no beginning, but an end."""
    waiting: dict[int, Stats] = {}
    for night, counts in database.rows("SELECT night, counts FROM new_counts ORDER BY id"):
        waiting.setdefault(night, Stats()).add(Stats.from_json(database.load(counts)))
    for id, *row, counts in database.rows(_NIGHTS):
        targets, seed, version, started, ended, harness, platform, flags, exit_code, interrupted = row
        stats = Stats.from_json(database.load(counts))
        stats.add(waiting.get(id, Stats()))
        key = (targets, seed, version, started, harness, platform, flags, 0.0 if started else ended)
        yield _Night(id, key, ended, exit_code, interrupted, stats.to_json())


def _within(less: Any, more: Any) -> bool:
    """Whether counts are those of the same night at an earlier time: none of them is greater (seconds are rounded)."""
    if isinstance(less, dict):
        return isinstance(more, dict) and all(name in more and _within(less[name], more[name]) for name in less)
    return bool(less <= more + (_ROUNDED if isinstance(more, float) else 0))


def _further(night: _Night, before: _Night) -> bool:
    """Whether a night has gone on, or has ended, since it was ``before``."""
    return not _within(night.counts, before.counts) or (night.ended > 0 and before.ended == 0)


def _sum_up(database: Database, series: int) -> None:
    """The counts of a series are those of its nights."""
    stats = Stats()
    for (counts,) in database.rows("SELECT counts FROM nights WHERE series = ?", (series,)):
        stats.add(Stats.from_json(database.load(counts)))
    text = json.dumps(stats.to_json(), separators=(",", ":"))
    database.execute("UPDATE series SET counts = ? WHERE id = ?", (text, series))


def _size(ranges: list[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)
