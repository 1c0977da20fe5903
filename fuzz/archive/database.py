"""The archive's SQLite file: made whole or not at all, opened with proof that it is whole, and errors in one line.

One process writes (``disk.FolderLock`` sees to that), any number read at the same time: the file is in WAL mode, so
what was committed survives a kill at any moment, and a reader sees one moment of it. A transaction that is ``durable``
is on the disk when it ends; any other survives a kill but perhaps not a power cut.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from fuzz.archive.disk import TEMPORARY, ArchiveError, explained, no_space, sync_folder
from fuzz.archive.schema import ADDED, APPLICATION_ID, CHECKED, SCHEMA, TABLES, VERSION

NAME: Final = "archive.sqlite"

_WAIT: Final = 30.0
"""Seconds to wait for somebody who holds the file with another program."""

_AT_ONCE: Final = 10_000
"""Rows that are fetched at once where there may be millions."""

_WAL_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DAMAGED_WORDS: Final = ("no such table", "no such column", "malformed", "Could not decode")
"""How errors without a code of their own begin that a broken file can cause."""


class Database:
    """An open archive file. All statements go through it, so that every error names the file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.ids: dict[tuple[str, ...], int] = {}
        """Rows of word tables that are known; emptied when a transaction is undone, which may have made them."""
        self._connection = connection
        self._durable: bool | None = None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with asking(self.path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        with asking(self.path):
            first: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
            return first

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows one after the other, for more of them than memory should hold."""
        with asking(self.path):
            cursor = self._connection.execute(sql, values)
        while True:
            with asking(self.path):
                some = cursor.fetchmany(_AT_ONCE)
            if not some:
                return
            yield from some

    def each_executed(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for each row of values."""
        with asking(self.path):
            self._connection.executemany(sql, rows)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Change something; gives the number of rows that it met."""
        with asking(self.path):
            return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Add a row; gives its id. Columns may be named with a trailing underscore."""
        columns = ", ".join(f'"{name.rstrip("_")}"' for name in values)
        marks = ", ".join("?" * len(values))
        with asking(self.path):
            cursor = self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [*values.values()])
            return int(cursor.lastrowid or 0)

    def load(self, text: str) -> Any:
        """Read JSON that the archive wrote. SQLite has no checksums, so a flipped bit may show only here."""
        try:
            return json.loads(text)
        except ValueError as error:
            raise damaged(self.path, str(error)) from None

    @contextmanager
    def transaction(self, durable: bool = False) -> Iterator[None]:
        """All that is changed within happens at once, or not at all; within another transaction, with all of that."""
        if self._connection.in_transaction:
            yield
            return
        with asking(self.path):
            if durable != self._durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with asking(self.path):
                self._connection.execute("COMMIT")
        except BaseException:
            self.ids.clear()
            with suppress(sqlite3.Error):  # after a full disk SQLite has undone it already
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def moment(self) -> Iterator[None]:
        """All that is read within is of one moment, whatever a writer does meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        self.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._connection.execute("COMMIT")

    def settle(self) -> None:
        """Bring everything into the one file: a copy of it alone is whole, and reading it makes no files beside it.

        While somebody reads, or when the disk is full, what is in the log stays there; nothing is lost by that.
        """
        with suppress(ArchiveError):
            self.execute("PRAGMA busy_timeout = 0")
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            self.rows("PRAGMA journal_mode = DELETE")

    def copy_to_memory(self) -> Database:
        """A copy that may be changed without touching the file."""
        copy = sqlite3.connect(":memory:", isolation_level=None)
        with asking(self.path):
            self._connection.backup(copy)
        return Database(self.path, copy)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()


def open_to_write(path: Path) -> Database:
    """Open an archive for the one process that writes; made first if there is none. Raises ``ArchiveError``."""
    if not path.exists():
        _create(path)
    with explained(path):
        _inspect(path)
    with asking(path):
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    database = Database(path, connection)
    try:
        _verify(database)
        database.rows("PRAGMA journal_mode = WAL")
        for table in ADDED:
            database.execute(table)
        database.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return database


def open_to_read(path: Path) -> Database:
    """Open an archive beside any writer, or on a disk that cannot be written. Raises ``ArchiveError``."""
    with explained(path):
        _inspect(path)
    address = path.absolute().as_uri() + "?mode=ro"
    try:
        return _read(path, address)
    except ArchiveError:
        if _size(_wal(path)):
            raise
    # The disk is full or may not be written, so nobody else writes either, and everything is in the one file.
    return _read(path, address + "&immutable=1")


def in_memory(path: Path) -> Database:
    """An empty archive in memory, with ``path`` to be named in errors."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(";".join((SCHEMA, *ADDED)))
    return Database(path, connection)


def _read(path: Path, address: str) -> Database:
    with asking(path):
        connection = sqlite3.connect(address, uri=True, timeout=_WAIT, isolation_level=None)
    database = Database(path, connection)
    try:
        with database.moment():
            _verify(database)
    except BaseException:
        connection.close()
        raise
    return database


def _create(path: Path) -> None:
    """Make an archive under a temporary name first: a kill leaves none, never an empty one."""
    with explained(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        os.close(handle)
        os.chmod(name, 0o644)
    try:
        with asking(path):
            connection = sqlite3.connect(name, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(
                    f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};BEGIN; {SCHEMA} COMMIT;"
                )
            finally:
                connection.close()
        with explained(path):
            os.rename(name, path)
            sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _inspect(path: Path) -> None:
    """Look at the bytes before SQLite does: it takes an empty file for a new one, a broken log for an empty one."""
    with open(path, "rb") as file:
        header = file.read(100)
    size = _size(path)
    if len(header) < 100:
        raise damaged(path, "it is empty" if not header else "it is cut off")
    log = _wal(path)
    if _size(log):
        with open(log, "rb") as file:
            magic = file.read(4)
        if magic not in _WAL_MAGIC:
            raise ArchiveError(
                f"{log} is damaged: restore {path.name} and it from a copy, or remove it to go on from the state "
                f"before it (cases done since are run again)"
            )
    else:
        # While there is a log, the header may be ahead of the file: a kill has interrupted the copying.
        page = int.from_bytes(header[16:18], "big")
        whole = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
        if header.startswith(b"SQLite format 3\0") and size < whole:
            raise damaged(path, f"it is cut off: {size} of {whole} bytes")


def _verify(database: Database) -> None:
    """That it is ours, of a version that we know, and that its tables can be read."""
    path = database.path
    (application,) = database.row("PRAGMA application_id") or (0,)
    if application != APPLICATION_ID:
        raise ArchiveError(f"{path} is not an archive of this program: move it away or choose another folder")
    (version,) = database.row("PRAGMA user_version") or (0,)
    if version > VERSION:
        raise ArchiveError(
            f"{path} was written by a newer release of this program (version {version}, this one knows {VERSION}): "
            f"use that release or choose another folder"
        )
    tables = {name for (name,) in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version < 1 or not tables >= TABLES:
        raise damaged(path, f"table {min(TABLES - tables, default='?')} is missing")
    for table in sorted(CHECKED):
        (told,) = database.row(f"PRAGMA quick_check('{table}')") or ("nothing",)
        if told != "ok":
            raise damaged(path, f"table {table}: {' '.join(str(told).split())[:100]}")


@contextmanager
def asking(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into an ``ArchiveError`` that names the file and what to do."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # ours
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
            raise no_space(path) from None
        if code in _DAMAGE or str(error).startswith(_DAMAGED_WORDS):
            raise damaged(path, str(error)) from None
        if code == sqlite3.SQLITE_ERROR:
            raise  # a statement of ours
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ArchiveError(f"{path} is held by another program: end it and run the same command again") from None
        raise ArchiveError(f"cannot use {path}: {error} (may it be read and written, and its folder?)") from None


def damaged(path: Path, why: str) -> ArchiveError:
    """The error for a file that cannot be trusted any more."""
    return ArchiveError(
        f"{path} is damaged ({why}): restore it from a copy, repair it with 'sqlite3 {path.name} .recover', or choose "
        f"another folder; the bundles beside it are as they were"
    )


def _is_full(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_bavail == 0
    except OSError:
        return False


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
