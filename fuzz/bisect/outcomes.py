"""What releases did, remembered for all runs of a user: one SQLite file in the cache folder.

Several processes may use it at once. It can be found out again, so nothing that goes wrong with it stops a search: a
file that is damaged is moved aside with a note, and one that cannot be used is done without.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from fuzz.bisect.question import Answer
from fuzz.records.strip import State

NAME: Final = "releases.sqlite"
_VERSION: Final = 1
_WAIT: Final = 20.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outcomes (
    engine TEXT NOT NULL, release TEXT NOT NULL, question TEXT NOT NULL,
    state TEXT NOT NULL, why TEXT NOT NULL, shows INTEGER NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (engine, release, question)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offered (
    name TEXT NOT NULL, release TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (name, release)
) WITHOUT ROWID;
"""

_T = TypeVar("_T")


class Outcomes:
    """The file in ``folder``, made if need be. ``notes`` has a line for whatever was wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.notes: list[str] = []
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = self._opened()
        except (OSError, sqlite3.Error) as error:
            self._without(error)

    def known(self, engine: str, question: str) -> dict[str, Answer]:
        """What releases of an engine (its id without one) did, by release."""

        def rows(connection: sqlite3.Connection) -> dict[str, Answer]:
            sql = "SELECT release, state, why, shows FROM outcomes WHERE engine = ? AND question = ?"
            found = connection.execute(sql, (engine, question)).fetchall()
            return {name: Answer(State(state), str(why), bool(shows)) for name, state, why, shows in found}

        return self._try(rows, {})

    def keep(self, engine: str, question: str, release: str, answer: Answer) -> None:
        """Remember what a release did, if that is lasting."""
        if not answer.lasting:
            return
        row = (engine, release, question, answer.state.value, answer.why, answer.shows, time.time())
        self._try(
            lambda connection: connection.execute("REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)", row), None
        )

    def offered(self, name: str) -> tuple[str, ...]:
        """The releases that the registry was last heard to have, in no order."""

        def rows(connection: sqlite3.Connection) -> tuple[str, ...]:
            return tuple(
                str(row[0]) for row in connection.execute("SELECT release FROM offered WHERE name = ?", (name,))
            )

        return self._try(rows, ())

    def keep_offered(self, name: str, releases: Iterable[str]) -> None:
        """Remember which releases the registry has."""
        rows = [(name, release, time.time()) for release in releases]

        def change(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM offered WHERE name = ?", (name,))
            connection.executemany("INSERT INTO offered VALUES (?, ?, ?)", rows)

        self._try(change, None)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self, use: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Use the file; where it turns out to be damaged, once more on a new one."""
        for again in (True, False):
            if self._connection is None:
                return otherwise
            try:
                with self._connection:
                    return use(self._connection)
            except (sqlite3.Error, ValueError) as error:
                self.close()
                if not again or isinstance(error, sqlite3.OperationalError):
                    self._without(error)
                    return otherwise
                try:
                    self._connection = self._opened()
                except (OSError, sqlite3.Error) as other:
                    self._without(other)
        return otherwise

    def _without(self, error: Exception) -> None:
        said = getattr(error, "strerror", None) or str(error)
        self.notes.append(f"what releases did is not remembered: {self.path}: {said}")

    def _opened(self) -> sqlite3.Connection:
        """Open the file, under a lock: of several processes that find it damaged, one moves it aside."""
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                return _whole(self.path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._move_aside()
                return _whole(self.path)
        finally:
            os.close(lock)

    def _move_aside(self) -> None:
        target = next(
            path for number in range(1, 1000) if not (path := self.path.with_suffix(f".damaged-{number}")).exists()
        )
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.path.rename(target)
        self.notes.append(f"{self.path} was damaged: it is {target.name} now, and releases are asked anew")


def _whole(path: Path) -> sqlite3.Connection:
    """The file, if it is whole and of this form. Raises ``sqlite3.DatabaseError``."""
    connection = sqlite3.connect(path, timeout=_WAIT)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        connection.executescript(_SCHEMA)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("of another form")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("SELECT engine, release, question, state, why, shows, time FROM outcomes LIMIT 1")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection
