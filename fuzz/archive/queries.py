"""What can be asked of an archive: one statement each, plain values back (``fuzz.records.history``).

``cause`` is always a cause's id and stands for all that was merged into it; ``bucket`` is the key of a signature's
bucket. A question about sightings names one of the two.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from fuzz.archive.database import Database
from fuzz.archive.done import Done
from fuzz.records.finding import Signature
from fuzz.records.history import (
    Ending,
    EngineNight,
    HarnessError,
    Minimization,
    Night,
    Retest,
    SeenOn,
    Series,
    SetAside,
    Sighting,
    StoredFinding,
)
from fuzz.records.stats import Stats
from fuzz.records.strip import State

_SIGHTING: Final = """
    SELECT target, seed, "index", version, key, engine, release, sightings.cause, time, flags, night
    FROM sightings JOIN origins ON origins.id = origin JOIN buckets ON buckets.id = bucket
    JOIN setups ON setups.id = setup JOIN machines ON machines.id = machine
"""
_FINDING: Final = """
    SELECT findings.id, bundle, signature, target, seed, "index", cause, night, time, known, repeats, tries, minimized,
    size, original_size, trouble
    FROM findings JOIN origins ON origins.id = origin
"""
_MEMBERS: Final = "(SELECT cause FROM roots WHERE root = (SELECT root FROM roots WHERE cause = ?))"


class Queries:
    """The questions. ``folder`` is the output folder that the archive stands in."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database

    # --- runs --------------------------------------------------------------------------------------------------------

    def series(self) -> list[Series]:
        """All series in the order in which they were begun first."""
        rows = self.database.rows("SELECT targets, seed, version FROM series ORDER BY id")
        return [self._series(*row) for row in rows]

    def last_seed(self, targets: tuple[str, ...], version: str) -> int | None:
        """The seed of the latest night with these targets, to go on with; None if there is none."""
        row = self.database.row(
            "SELECT seed FROM nights JOIN series ON series.id = series WHERE targets = ? AND version = ? "
            "ORDER BY nights.id DESC LIMIT 1",
            (json.dumps(targets), version),
        )
        return None if row is None else int(row[0])

    def nights(self) -> list[Night]:
        """All nights, oldest first."""
        with self.database.moment():
            rows = self.database.rows(
                "SELECT nights.id, targets, seed, version, started, ended, harness, platform, exit_code, interrupted, "
                "nights.counts FROM nights JOIN series ON series.id = series ORDER BY nights.id"
            )
            waiting = self.database.rows("SELECT night, counts FROM new_counts")
        cases: Counter[int] = Counter()
        for night, counts in waiting:
            cases[night] += self.database.load(counts).get("cases", 0)
        return [
            Night(id, self._series(*series), started, ended, harness, platform, code, bool(interrupted),
                  self.database.load(counts).get("cases", 0) + cases[id])
            for id, *series, started, ended, harness, platform, code, interrupted, counts in rows
        ]  # fmt: skip

    def engines(self, night: int) -> list[EngineNight]:
        """The engines of a night, those that could not be used among them."""
        rows = self.database.rows(
            "SELECT night, engine, release, trouble FROM night_engines WHERE night = ? ORDER BY engine", (night,)
        )
        return [EngineNight(*row) for row in rows]

    def errors(self, night: int | None = None) -> list[HarnessError]:
        """Failures of the harness, of one night or of all."""
        rows = self.database.rows(
            "SELECT night, time, line, text FROM errors WHERE ?1 IS NULL OR night = ?1 ORDER BY id", (night,)
        )
        return [HarnessError(*row) for row in rows]

    def done(self, series: Series) -> Done:
        """The numbers of the cases of a series that were run."""
        rows = self.database.rows(
            "SELECT first, last FROM done JOIN series ON series.id = series "
            "WHERE targets = ? AND seed = ? AND version = ? ORDER BY first",
            key_of(series),
        )
        return Done([(first, last) for first, last in rows])

    def stats(self, series: Series | None = None) -> Stats:
        """The counts over the cases of one series, or of all."""
        with self.database.moment():
            sums = self.database.rows(
                "SELECT counts FROM series WHERE ?1 IS NULL OR (targets = ?1 AND seed = ?2 AND version = ?3)",
                key_of(series) if series else (None, None, None),
            )
            sums += self.database.rows(
                "SELECT new_counts.counts FROM new_counts JOIN nights ON nights.id = night "
                "JOIN series ON series.id = series WHERE ?1 IS NULL OR (targets = ?1 AND seed = ?2 AND version = ?3)",
                key_of(series) if series else (None, None, None),
            )
        stats = Stats()
        for (counts,) in sums:
            stats.add(Stats.from_json(self.database.load(counts)))
        return stats

    def stats_of_night(self, night: int) -> Stats:
        """The counts over the cases that one night ran."""
        with self.database.moment():
            sums = self.database.rows(
                "SELECT counts FROM nights WHERE id = ?1 UNION ALL SELECT counts FROM new_counts WHERE night = ?1",
                (night,),
            )
        stats = Stats()
        for (counts,) in sums:
            stats.add(Stats.from_json(self.database.load(counts)))
        return stats

    # --- findings ----------------------------------------------------------------------------------------------------

    def findings(self, cause: int | None = None) -> list[StoredFinding]:
        """The findings whose bundles are there and can be read, of one cause or all, by name."""
        which, values = ("", ()) if cause is None else (f"AND cause IN {_MEMBERS}", (cause,))
        return self._findings(f"trouble = '' {which}", values)

    def cause_of(self, bundle: str) -> int | None:
        """The cause that a stored finding was given, which may be part of another one by now; None for none."""
        row = self.database.row("SELECT cause FROM findings WHERE bundle = ?", (bundle,))
        return row[0] if row else None

    def bundles_of(self, name: str) -> list[tuple[str, int | None]]:
        """The bundles of a case, by the name of its own, and of its parts and mutants; and the cause of each."""
        return self.database.rows(
            "SELECT bundle, cause FROM findings WHERE bundle = ?1 OR bundle GLOB ?1 || '-*'", (name,)
        )

    def troubled(self) -> list[StoredFinding]:
        """The findings whose bundles are gone or could not be read."""
        return self._findings("trouble != ''")

    def new_findings(self, since: int | None = None) -> list[StoredFinding]:
        """The findings stored in night ``since`` or later that no known issue explains.

        By default since the last run that came to its end: a run that was killed told nobody what it had found.
        """
        if since is None:
            since = self.unreported_since()
        return self._findings("trouble = '' AND known = '' AND night >= ?", (since,))

    def unreported_since(self) -> int:
        """The first night of which nobody has heard the end, before the latest: what was found since is new."""
        row = self.database.row("SELECT max(id) FROM nights WHERE ended > 0 AND id < (SELECT max(id) FROM nights)")
        return (row[0] or 0) + 1 if row else 1

    def _findings(self, which: str, values: tuple[Any, ...] = ()) -> list[StoredFinding]:
        rows = self.database.rows(f"{_FINDING} WHERE {which} ORDER BY bundle", values)
        return [self._finding(row) for row in rows]

    def _finding(self, row: tuple[Any, ...]) -> StoredFinding:
        id, bundle, signature, target, seed, index, cause, night, time, known, repeats, tries, *rest = row
        minimized, size, original_size, trouble = rest
        return StoredFinding(
            id, bundle, Signature.from_json(self.database.load(signature)), target, int(seed), index, cause, night,
            time, known, repeats, tries, bool(minimized), size, original_size, trouble,
        )  # fmt: skip

    def minimizations(self, bundle: str | None = None) -> list[Minimization]:
        """What was tried to make a finding smaller, or all findings, oldest first."""
        rows = self.database.rows(
            "SELECT bundle, before, after, seconds, runs, ending, minimizations.time, minimizations.night "
            "FROM minimizations JOIN findings ON findings.id = finding WHERE ?1 IS NULL OR bundle = ?1 "
            "ORDER BY minimizations.id",
            (bundle,),
        )
        return [
            Minimization(name, before, after, seconds, runs, Ending(ending), time, night)
            for name, before, after, seconds, runs, ending, time, night in rows
        ]

    # --- sightings ---------------------------------------------------------------------------------------------------

    def bucket_counts(self) -> Counter[str]:
        """On how many cases each bucket was seen, over all series, stored or not."""
        return Counter(dict(self.database.rows("SELECT key, cases FROM buckets WHERE cases > 0")))

    def sightings(
        self, *, cause: int | None = None, bucket: str | None = None, limit: int | None = None
    ) -> list[Sighting]:
        """Sightings of a cause or a bucket, oldest first, at most ``limit`` of them."""
        return self._sightings(cause, bucket, 'time, target, "index", engine', limit)

    def first_seen(self, *, cause: int | None = None, bucket: str | None = None) -> Sighting | None:
        """The oldest sighting; None if there is none."""
        oldest = self._sightings(cause, bucket, 'time, target, "index", engine', 1)
        return oldest[0] if oldest else None

    def last_seen(self, *, cause: int | None = None, bucket: str | None = None) -> Sighting | None:
        """The newest sighting; None if there is none."""
        newest = self._sightings(cause, bucket, 'time DESC, target DESC, "index" DESC, engine DESC', 1)
        return newest[0] if newest else None

    def times_seen(self, *, cause: int | None = None, bucket: str | None = None) -> int:
        """On how many cases it was seen, those among them that an older release counted without naming them."""
        which, value = _which(cause, bucket)
        row = self.database.row(
            f'SELECT (SELECT count(*) FROM (SELECT DISTINCT origin, "index" FROM sightings WHERE {which}))'
            f" + (SELECT coalesce(sum(cases), 0) FROM tallies WHERE {which})",
            (value,),
        )
        return int(row[0]) if row else 0

    def seen_on(self, *, cause: int | None = None, bucket: str | None = None) -> list[SeenOn]:
        """Which engines showed it in which releases, with the number of cases, by engine and time of first sight."""
        which, value = _which(cause, bucket)
        rows = self.database.rows(
            "SELECT engine, release, count(*), min(first), max(last) FROM ("
            "  SELECT engine, release, min(time) AS first, max(time) AS last FROM sightings"
            f'  JOIN setups ON setups.id = setup WHERE {which} GROUP BY origin, "index", engine, release'
            ") GROUP BY engine, release ORDER BY engine, min(first), release",
            (value,),
        )
        return [SeenOn(*row) for row in rows]

    def retests(self, night: int) -> dict[int, list[Retest]]:
        """By cause (the one that it is part of now), what a night's engines did with its smallest case."""
        if self.database.row("SELECT 1 FROM sqlite_master WHERE name = 'retests'") is None:
            return {}  # written by an older release, and read only since
        rows = self.database.rows(
            "SELECT root, bundle, engine, release, state, shows, why FROM retests JOIN roots USING (cause) "
            "WHERE night = ? ORDER BY root, engine",
            (night,),
        )
        told: dict[int, list[Retest]] = {}
        for root, bundle, engine, release, state, shows, why in rows:
            told.setdefault(root, []).append(Retest(root, bundle, engine, release, State(state), bool(shows), why))
        return told

    def last_retests(self) -> dict[int, int]:
        """By cause, the last night at whose beginning its case was run again."""
        return dict(self.database.rows("SELECT cause, max(night) FROM retests GROUP BY cause"))

    def nights_of_buckets(self) -> dict[str, dict[int, int]]:
        """By bucket and night, on how many cases it was seen then as far as nobody has given them a cause."""
        rows = self.database.rows(
            'SELECT key, night, count(*) FROM (SELECT DISTINCT bucket, night, origin, "index" FROM sightings '
            "WHERE cause IS NULL) JOIN buckets ON buckets.id = bucket GROUP BY key, night ORDER BY key, night"
        )
        seen: dict[str, dict[int, int]] = {}
        for key, night, cases in rows:
            seen.setdefault(key, {})[night] = cases
        return seen

    def _sightings(self, cause: int | None, bucket: str | None, order: str, limit: int | None) -> list[Sighting]:
        which, value = _which(cause, bucket)
        rows = self.database.rows(
            f"{_SIGHTING} WHERE {which} ORDER BY {order} LIMIT ?2", (value, -1 if limit is None else limit)
        )
        return [Sighting(target, int(seed), *rest) for target, seed, *rest in rows]

    def pending(self, bucket: str | None = None, limit: int | None = None) -> list[SetAside]:
        """Disagreements that were set aside and wait to be run again, of one bucket or all, in order of numbers."""
        rows = self.database.rows(
            "SELECT targets, seed, version, number, key, time, night FROM set_aside JOIN series ON series.id = series "
            "JOIN buckets ON buckets.id = bucket WHERE ?1 IS NULL OR key = ?1 ORDER BY series.id, number, key LIMIT ?2",
            (bucket, -1 if limit is None else limit),
        )
        return [SetAside(self._series(*row[:3]), *row[3:]) for row in rows]

    def _series(self, targets: str, seed: str, version: str) -> Series:
        return Series(tuple(self.database.load(targets)), int(seed), version)


def key_of(series: Series) -> tuple[str, str, str]:
    """Its columns in the table of series."""
    return json.dumps(series.targets), str(series.seed), series.version


def _which(cause: int | None, bucket: str | None) -> tuple[str, Any]:
    """The condition on sightings or tallies, with one value to put in."""
    if (cause is None) == (bucket is None):
        raise ValueError("name either a cause or a bucket")
    if cause is not None:
        return f"cause IN {_MEMBERS.replace('?', '?1')}", cause
    return "bucket = (SELECT id FROM buckets WHERE key = ?1)", bucket
