"""The output folder of campaigns: findings as bundles, and one SQLite file that remembers what was done and seen.

    OUT/archive.sqlite          series, nights, cases done, findings, causes, sightings (``fuzz.archive.schema``)
    OUT/findings/NAME/          one bundle per stored finding (``fuzz.archive.bundle``)
    OUT/unreadable/NAME/        bundles that could not be read, set aside
    OUT/lock                    held while a run writes

A finding is on the disk, whole, before its row is. A kill loses what was not recorded yet: the batches in flight, which
the next run does again (a finding that it meets again is not stored twice). ``Archive`` is the one writer, ``Reader``
reads beside it.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from fuzz import VERSION
from fuzz.archive import bundle
from fuzz.archive.bundles import (
    FINDINGS,
    GONE,
    UNSEEN,
    BundleError,
    Surveyed,
    changed_at,
    read_bundle,
    set_aside,
    stamp,
    survey,
)
from fuzz.archive.cause_tables import CauseQueries, CauseTables
from fuzz.archive.database import NAME, Database, in_memory, open_to_read, open_to_write
from fuzz.archive.disk import ArchiveError, FolderLock, explained, sweep
from fuzz.archive.done import Done
from fuzz.archive.queries import Queries
from fuzz.archive.schema import FOLD_EVERY
from fuzz.archive.takeover import JOURNAL, KEPT, keep, take_over
from fuzz.archive.writing import (
    add_done,
    add_set_aside,
    add_sighting,
    add_sightings_of,
    fold_counts,
    put_finding,
    remove_set_aside,
    series_id,
    word,
)
from fuzz.records.finding import Finding
from fuzz.records.history import Minimization, Retest, Series, SetAside, Sighting, StoredFinding
from fuzz.records.stats import Stats
from oracles.cpu import cpu_flags
from wasm.case import Provenance


class Archive(Queries):
    """An output folder opened for writing. Raises ``ArchiveError`` where it is in use, damaged, or cannot be written.

    ``unreadable`` has a line for each bundle that was set aside since it was opened. ``night`` is the night under way,
    or the one that ``begin`` starts next.
    """

    def __init__(self, folder: Path) -> None:
        self.unreadable: list[str] = []
        self._current: Series | None = None
        self._done = Done()
        self._waiting = 0
        self._taken: set[SetAside] = set()
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            with explained(folder):
                sweep(folder)
            super().__init__(folder, _open(folder))
        except BaseException:
            self._lock.release()
            raise
        try:
            self._settle_in()
        except BaseException:
            self.database.close()
            self._lock.release()
            raise

    def _settle_in(self) -> None:
        """Take over what is in the folder and not yet in the file."""
        self.bundles = self.folder / FINDINGS
        with explained(self.bundles):
            self.bundles.mkdir(exist_ok=True)
            sweep(self.bundles)
        if (self.folder / JOURNAL).exists():
            take_over(self.database, self.folder)
            keep(self.folder)
        (last,) = self.database.row("SELECT coalesce(max(id), 0) FROM nights") or (0,)
        self.night = int(last) + 1
        self.causes = CauseTables(self.database, self.night)
        stamps = dict(self.database.rows("SELECT bundle, stamp FROM findings"))
        changes = list(survey(self.folder, stamps))
        if changes:
            with self.database.transaction(durable=True):
                for change in changes:
                    self._adopt(change, change.name not in stamps)

    def _adopt(self, change: Surveyed, fresh: bool) -> None:
        """Bring a row in line with its bundle. One that nobody knew, a killed run or a person has left there."""
        path = self.bundles / change.name
        if not change.stamp:
            self.database.execute("UPDATE findings SET stamp = '', trouble = ? WHERE bundle = ?", (GONE, change.name))
            return
        finding = self._read(path)
        if finding is None:
            return
        when = changed_at(path)
        put_finding(self.database, change.name, finding, change.stamp, self.night, when)
        if fresh:
            here = finding.environment.get("platform") == platform.platform()
            add_sightings_of(self.database, finding, self.night, when, cpu=cpu_flags() if here else "")

    # --- a night -----------------------------------------------------------------------------------------------------

    def record_retests(self, retests: Iterable[Retest]) -> None:
        """Note, before the night begins, what its engines did with old cases."""
        with self.database.transaction(durable=True):
            self.database.execute("DELETE FROM retests WHERE night >= ?", (self.night,))  # of a night that never began
            for one in retests:
                self.database.execute(
                    "INSERT OR REPLACE INTO retests VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (self.night, one.cause, one.bundle, one.engine, one.release, one.state.value, one.shows, one.why),
                )

    def begin(self, series: Series) -> tuple[Done, Stats]:
        """Start a night that begins a series or goes on with it; gives the cases already done, and their counts."""
        with self.database.transaction(durable=True):
            fold_counts(self.database)
            machine = word(self.database, "machines", flags=cpu_flags())
            self.night = self.database.insert(
                "nights", series=series_id(self.database, series), started=time.time(), harness=VERSION,
                platform=platform.platform(), machine=machine,
            )  # fmt: skip
        self.causes.night = self.night
        self._current, self._done, self._waiting = series, self.done(series), 0
        return Done(self._done.ranges), self.stats(series)

    def record_engine(self, engine: str, release: str) -> None:
        """Note that an engine takes part in this night."""
        self._engine(engine, "release", release)

    def record_broken(self, engine: str, reason: str) -> None:
        """Note that an engine cannot be used, or not any more."""
        self._engine(engine, "trouble", reason)

    def _engine(self, engine: str, column: str, value: str) -> None:
        with self.database.transaction():
            self.database.execute(
                f"INSERT INTO night_engines (night, engine, {column}) VALUES (?, ?, ?) "
                f"ON CONFLICT (night, engine) DO UPDATE SET {column} = excluded.{column}",
                (self.night, engine, value),
            )

    def record_error(self, line: str, text: str) -> None:
        """Note a failure of the harness."""
        with self.database.transaction():
            self.database.insert("errors", night=self.night, time=time.time(), line=line, text=text)

    def record_batch(
        self,
        numbers: Collection[int],
        stats: Stats,
        sightings: Iterable[Sighting] = (),
        set_aside: Iterable[SetAside] = (),
        settled: Iterable[SetAside] = (),
    ) -> None:
        """Note cases as done, with what was seen on them, at once or not at all.

        ``set_aside`` are disagreements that wait for the end of the work on their bucket; ``settled`` are some that
        waited and wait no more. A batch in which no number is new was recorded before, and its counts are not added.
        """
        assert self._current is not None, "no night was begun"
        now = time.time()
        gone = tuple(settled)
        with self._recording():
            series = series_id(self.database, self._current)
            fresh = add_done(self.database, series, self._done, numbers)
            if fresh or not numbers:
                text = json.dumps(stats.to_json(), separators=(",", ":"))
                self.database.insert("new_counts", night=self.night, counts=text)
            for sighting in sightings:
                add_sighting(self.database, sighting, self.night, now)
            for waiting in set_aside:
                add_set_aside(self.database, waiting, self.night, now)
            for waiting in gone:
                remove_set_aside(self.database, waiting)
            if self._waiting + 1 >= FOLD_EVERY:
                fold_counts(self.database)
        self._waiting = (self._waiting + 1) % FOLD_EVERY
        self._taken.difference_update(map(_bare, gone))

    @contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            with self.database.transaction():
                yield
        except BaseException:
            assert self._current is not None
            with suppress(ArchiveError):  # the tables have forgotten it; so must we
                self._done = self.done(self._current)
            raise

    def take_up(self, bucket: str | None = None, limit: int | None = None) -> list[SetAside]:
        """Disagreements that were set aside, to be run again now; none is given out twice.

        They stay recorded until ``record_batch`` has them among ``settled``: after a kill they wait again.
        """
        waiting = [item for item in self.pending(bucket) if _bare(item) not in self._taken][:limit]
        self._taken.update(map(_bare, waiting))
        return waiting

    def give_back(self, items: Iterable[SetAside]) -> None:
        """Let what was taken up wait again: whoever ran it has died."""
        self._taken.difference_update(map(_bare, items))

    def end(self, exit_code: int, interrupted: bool = False) -> None:
        """Note that the night came to its end."""
        with self.database.transaction(durable=True):
            fold_counts(self.database)
            self.database.execute(
                "UPDATE nights SET ended = ?, exit_code = ?, interrupted = ? WHERE id = ?",
                (time.time(), exit_code, interrupted, self.night),
            )
        self._waiting = 0

    # --- findings ----------------------------------------------------------------------------------------------------

    def record_finding(self, finding: Finding, cause: int | None = None) -> Path:
        """Store a finding as a bundle, durably; the folder's name tells signature and origin. Returns the bundle."""
        path = self.bundles / bundle.name(finding)
        bundle.write(path, finding)
        now = time.time()
        with self.database.transaction(durable=True):
            put_finding(self.database, path.name, finding, stamp(path), self.night, now, cause)
            add_sightings_of(self.database, finding, self.night, now, cause)
        return path

    def replace_finding(self, path: Path, finding: Finding) -> Path:
        """Exchange a bundle's content (after minimizing); the folder keeps its name, by which it may be known."""
        bundle.write(path, finding)
        with self.database.transaction(durable=True):
            put_finding(self.database, path.name, finding, stamp(path), self.night, time.time())
        return path

    def record_minimization(self, tried: Minimization) -> None:
        """Note an attempt to make a finding smaller, whatever came of it."""
        with self.database.transaction():
            self.database.execute(
                "INSERT INTO minimizations (finding, night, time, before, after, seconds, runs, ending) "
                "SELECT id, ?, ?, ?, ?, ?, ?, ? FROM findings WHERE bundle = ?",
                (self.night, time.time(), tried.before, tried.after, tried.seconds, tried.runs, tried.ending.value,
                 tried.bundle),
            )  # fmt: skip

    def holds(self, finding: Finding) -> bool:
        """Whether this very case was stored under this bucket before."""
        return (self.bundles / bundle.name(finding)).exists()

    def stored(self, item: SetAside) -> dict[str, int | None]:
        """The bundles, in the bucket of a case that was set aside, of that case, its parts and its mutants; and the
        cause that each was given, None for none yet."""
        name = bundle.named(item.bucket, Provenance(*item.case))
        return {one: cause for one, cause in self.bundles_of(name) if (self.bundles / one).exists()}

    def read(self, name: str) -> Finding | None:
        """Read a bundle; None for one that cannot be read, which is set aside and named in ``unreadable``."""
        return self._read(self.bundles / name)

    def _read(self, path: Path) -> Finding | None:
        try:
            return read_bundle(path)
        except BundleError as error:
            where = set_aside(self.folder, path.name) if error.broken else None
            self.unreadable.append(f"{error} ({f'moved to {where}' if where else 'left where it is'})")
            self.database.execute(
                "UPDATE findings SET stamp = ?, trouble = ? WHERE bundle = ?",
                ("" if where else UNSEEN, self.unreadable[-1], path.name),
            )
            return None

    def close(self) -> None:
        """Bring all into the one file and let go of the folder; what cannot be written any more waits in the log."""
        with suppress(ArchiveError), self.database.transaction(durable=True):
            fold_counts(self.database)
        self.database.settle()
        self.database.close()
        self._lock.release()


class Reader(Queries):
    """An output folder opened for reading, beside any writer; nothing in it is changed. Raises ``ArchiveError``.

    A folder of the form before is read as ``Archive`` would take it over. ``unreadable`` has a line for each bundle
    that ``findings`` could not read.
    """

    def __init__(self, folder: Path) -> None:
        self.unreadable: list[str] = []
        super().__init__(folder, _open_beside(folder))
        self.causes = CauseQueries(self.database)

    def findings(self, cause: int | None = None) -> list[StoredFinding]:
        """As in ``Queries``, with bundles as they are now."""
        self.unreadable = []
        with self.database.moment():
            stored = {row.bundle: row for row in super().findings()}
            stamps = dict(self.database.rows("SELECT bundle, stamp FROM findings"))
            members = None if cause is None else {row.bundle for row in super().findings(cause)}
        for change in survey(self.folder, stamps):
            before = stored.pop(change.name, None)
            if not change.stamp:
                continue
            path = self.folder / FINDINGS / change.name
            try:
                stored[change.name] = _row_of(path, read_bundle(path), before)
            except BundleError as error:
                self.unreadable.append(str(error))
        return [row for name, row in sorted(stored.items()) if members is None or name in members]

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(folder: Path) -> Database:
    """The folder's file, made where the folder is new. Raises ``ArchiveError`` where it should be there and is not."""
    path = folder / NAME
    if not path.exists() and not (folder / JOURNAL).exists() and (left := _left_behind(folder)):
        raise ArchiveError(
            f"{path} is missing, but {left} is there: put it back, or move {left} away to begin anew, "
            f"or choose another folder"
        )
    return open_to_write(path)


def _open_beside(folder: Path) -> Database:
    path = folder / NAME
    if path.exists():
        database = open_to_read(path)
    elif (folder / JOURNAL).exists():
        database = in_memory(path)
    elif left := _left_behind(folder):
        raise ArchiveError(f"{path} is missing, but {left} is there: put it back")
    else:
        raise ArchiveError(f"{folder} holds no campaign: there is no {NAME} in it")
    if (folder / JOURNAL).exists():
        original, database = database, database.copy_to_memory()
        original.close()
        take_over(database, folder)
    return database


def _left_behind(folder: Path) -> Path | None:
    """Something of an archive whose file is missing: its log, a journal that it has taken over, or a bundle."""
    kept = [folder / f"{NAME}-wal", folder / KEPT]
    bundles = (change.name for change in survey(folder, {}))
    return next((path for path in kept if path.exists()), None) or (
        folder / FINDINGS if next(bundles, None) is not None else None
    )


def _bare(waiting: SetAside) -> SetAside:
    return replace(waiting, time=0.0, night=0)


def _row_of(path: Path, finding: Finding, before: StoredFinding | None) -> StoredFinding:
    """The row that a bundle will have, for one that nobody has taken in yet."""
    origin = finding.case.provenance
    return StoredFinding(
        id=before.id if before else 0,
        bundle=path.name,
        signature=finding.signature,
        target=origin.target,
        seed=origin.seed,
        index=origin.index,
        cause=before.cause if before else None,
        night=before.night if before else 0,
        time=before.time if before else changed_at(path),
        known=finding.known,
        repeats=finding.repeats,
        tries=finding.tries,
        minimized=finding.minimized is not None,
        size=finding.best.size,
        original_size=finding.case.size,
    )
