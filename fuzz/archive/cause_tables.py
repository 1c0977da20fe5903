"""Causes: what findings and sightings have in common, kept over nights, with a person's word on what belongs together.

Merging moves nothing: the one cause points to the other (``merged_into``), findings and sightings stay with the one
that they were given to, and every question follows the pointers. So a merge can be taken back. Two causes that were
split are kept apart: whoever merges by himself asks ``is_apart`` first.

    causes = archive.causes
    one = causes.add(Cause(0, "shift by 64", "value", "invoke", "cranelift", essentials=("i64.shl",)))
    causes.give_finding("cranelift-value-1a2b3c4d-returns-1-7", one)
    causes.merge(one, other)        # other is part of one now
    causes.split(one)               # and a cause of its own again, kept apart from one
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from fuzz.archive.database import Database
from fuzz.archive.disk import ArchiveError
from fuzz.records.finding import Signature
from fuzz.records.history import Cause, Sighting

_LISTS: Final = ("essentials", "faces", "shown_by", "hidden_by", "wrong_in", "right_in")
_WORDS: Final = ("name", "kind", "phase", "family", "known", "link")
_FIELDS: Final = tuple(field.name for field in fields(Cause))
_COLUMNS: Final = ", ".join(_FIELDS)


class CauseError(ArchiveError):
    """A cause that is not there, or cannot be merged or split as asked: one line. Exit code 2."""

    exit_code = 2


class CauseQueries:
    """The questions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, id: int) -> Cause:
        """A cause as it was recorded, also one that was merged into another. Raises ``CauseError``."""
        row = self.database.row(f"SELECT {_COLUMNS} FROM causes WHERE id = ?", (id,))
        if row is None:
            raise CauseError(f"{self.database.path} has no cause {id}: 'fuzz causes DIR list' names them")
        return self._cause(row)

    def all(self, merged: bool = False) -> list[Cause]:
        """The causes, oldest first; with ``merged`` also those that are part of another one."""
        which = "" if merged else "WHERE merged_into IS NULL"
        rows = self.database.rows(f"SELECT {_COLUMNS} FROM causes {which} ORDER BY id")
        return [self._cause(row) for row in rows]

    def root(self, id: int) -> int:
        """The cause that this one is part of at last; itself if it was not merged. Raises ``CauseError``."""
        row = self.database.row("SELECT root FROM roots WHERE cause = ?", (id,))
        return int(row[0]) if row else self.get(id).id

    def roots(self) -> dict[int, int]:
        """What each cause is part of at last."""
        return dict(self.database.rows("SELECT cause, root FROM roots"))

    def members(self, id: int) -> list[Cause]:
        """The causes that were merged into this one itself, oldest first."""
        rows = self.database.rows(f"SELECT {_COLUMNS} FROM causes WHERE merged_into = ? ORDER BY id", (id,))
        return [self._cause(row) for row in rows]

    def with_face(self, face: str) -> list[Cause]:
        """The causes, merged ones replaced by what they are part of, that show under this signature's key."""
        rows = self.database.rows(
            f"SELECT {_COLUMNS} FROM causes WHERE id IN "
            "(SELECT roots.root FROM roots JOIN causes ON causes.id = cause, json_each(causes.faces) "
            "WHERE json_each.value = ?) ORDER BY id",
            (face,),
        )
        return [self._cause(row) for row in rows]

    def is_apart(self, one: int, other: int) -> bool:
        """Whether two causes, or any two that were merged into them, are to be kept apart."""
        row = self.database.row(
            "SELECT 1 FROM apart JOIN roots a ON a.cause = one JOIN roots b ON b.cause = other "
            "WHERE a.root IN (?1, ?2) AND b.root IN (?1, ?2) AND a.root != b.root",
            (self.root(one), self.root(other)),
        )
        return row is not None

    def apart(self) -> list[tuple[int, int]]:
        """The pairs that are kept apart."""
        return [(one, other) for one, other in self.database.rows("SELECT one, other FROM apart ORDER BY one, other")]

    def spoken_of(self, id: int) -> bool:
        """Whether this cause was merged with another or taken apart."""
        row = self.database.row(
            "SELECT 1 FROM causes WHERE (id = ?1 AND merged_into IS NOT NULL) OR merged_into = ?1 "
            "UNION SELECT 1 FROM apart WHERE ?1 IN (one, other)",
            (id,),
        )
        return row is not None

    def _cause(self, row: Sequence[Any]) -> Cause:
        values = dict(zip(_FIELDS, row, strict=True))
        return Cause(**values | {name: tuple(self.database.load(values[name])) for name in _LISTS})


class CauseTables(CauseQueries):
    """The questions, and what changes causes. ``night`` is written into those that are added."""

    def __init__(self, database: Database, night: int) -> None:
        super().__init__(database)
        self.night = night

    def add(self, cause: Cause) -> int:
        """Record a new cause; gives its id. Its own ``id`` and ``night`` are ignored."""
        values: dict[str, Any] = {name: getattr(cause, name) for name in _WORDS}
        values |= {name: _list(getattr(cause, name)) for name in _LISTS}
        with self.database.transaction(durable=True):
            return self.database.insert("causes", night=self.night, **values)

    def update(self, id: int, **changes: str | Iterable[str]) -> Cause:
        """Change fields of a cause, by their names in ``Cause``; gives it as it is now.

        ``id``, ``merged_into`` and ``night`` do not change this way. Raises ``CauseError``, ``ValueError`` for a field
        that there is not.
        """
        cause = self.get(id)
        unknown = changes.keys() - {*_WORDS, *_LISTS}
        if unknown:
            raise ValueError(f"a cause's {min(unknown)} cannot be changed")
        with self.database.transaction(durable=True):
            for name, value in changes.items():
                self.database.execute(
                    f"UPDATE causes SET {name} = ? WHERE id = ?",
                    (value if isinstance(value, str) else _list(value), cause.id),
                )
        return self.get(id)

    def add_faces(self, id: int, faces: Iterable[str]) -> Cause:
        """Add keys of signatures under which a cause shows; those that it has stay where they are."""
        return self.update(id, faces=tuple(dict.fromkeys((*self.get(id).faces, *faces))))

    def set_known(self, id: int, known: str, link: str) -> Cause:
        """Say which known issue this is; "" takes it back."""
        return self.update(id, known=known, link=link)

    def give_finding(self, bundle: str, cause: int | None) -> None:
        """Say which cause a stored finding has, by its bundle's name; its sightings go with it."""
        if cause is not None:
            self.get(cause)
        with self.database.transaction(durable=True):
            if not self.database.execute("UPDATE findings SET cause = ? WHERE bundle = ?", (cause, bundle)):
                raise CauseError(f"{self.database.path} has no finding {bundle}")
            self._give_sightings_of([bundle], cause)

    def give_sightings(self, cause: int | None, sightings: Iterable[Sighting]) -> int:
        """Say which cause these sightings have; gives how many there were (those not recorded are none)."""
        if cause is not None:
            self.get(cause)
        with self.database.transaction(durable=True):
            return sum(
                self.database.execute(
                    'UPDATE sightings SET cause = ? WHERE "index" = ? '
                    "AND origin = (SELECT id FROM origins WHERE target = ? AND seed = ? AND version = ?) "
                    "AND bucket = (SELECT id FROM buckets WHERE key = ?) "
                    "AND setup IN (SELECT id FROM setups WHERE engine = ? AND release = ?)",
                    (cause, it.index, it.target, str(it.seed), it.version, it.bucket, it.engine, it.release),
                )
                for it in sightings
            )

    def give_bucket(self, cause: int, bucket: str) -> int:
        """Give all sightings of a bucket that have no cause yet to one, with what older releases counted."""
        self.get(cause)
        with self.database.transaction(durable=True):
            where = "WHERE cause IS NULL AND bucket = (SELECT id FROM buckets WHERE key = ?)"
            self.database.execute(f"UPDATE tallies SET cause = ? {where}", (cause, bucket))
            return self.database.execute(f"UPDATE sightings SET cause = ? {where}", (cause, bucket))

    def keep_apart(self, one: int, other: int) -> None:
        """Say that two causes are not the same. Raises ``CauseError`` where they are merged."""
        if self.root(one) == self.root(other):
            raise CauseError(f"causes {one} and {other} are one: split it first")
        with self.database.transaction(durable=True):
            self._keep_apart(one, other)

    def merge(self, one: int, other: int) -> int:
        """Say that two causes are the same: the second becomes part of the first. Gives the id of what they are now.

        A word that kept them apart is taken back. Raises ``CauseError`` where they are one already.
        """
        into, part = self.root(one), self.root(other)
        if into == part:
            raise CauseError(f"causes {one} and {other} are one already")
        with self.database.transaction(durable=True):
            self.database.execute(
                "DELETE FROM apart WHERE EXISTS (SELECT 1 FROM roots a, roots b WHERE a.cause = one "
                "AND b.cause = other AND a.root IN (?1, ?2) AND b.root IN (?1, ?2))",
                (into, part),
            )
            self.database.execute("UPDATE causes SET merged_into = ? WHERE id = ?", (into, part))
        return into

    def split(self, id: int, bundles: Iterable[str] = (), name: str = "") -> list[int]:
        """Take a cause apart; gives the ids of what comes out of it, all kept apart from it and from each other.

        With ``bundles`` these findings go into a new cause, with their sightings and faces. Without, what was merged
        into it becomes causes again. Raises ``CauseError`` where there is nothing to take apart.
        """
        cause = self.get(self.root(id))
        wanted = tuple(dict.fromkeys(bundles))
        if wanted:
            return [self._split_off(cause, wanted, name)]
        parts = [member.id for member in self.members(cause.id)]
        if not parts:
            raise CauseError(f"cause {id} is of one piece: name the findings that are to leave it")
        with self.database.transaction(durable=True):
            self.database.execute("UPDATE causes SET merged_into = NULL WHERE merged_into = ?", (cause.id,))
            for at, part in enumerate(parts):
                for other in (cause.id, *parts[:at]):
                    self._keep_apart(part, other)
        return parts

    def _split_off(self, cause: Cause, bundles: tuple[str, ...], name: str) -> int:
        marks = ", ".join("?" * len(bundles))
        within = "cause IN (SELECT cause FROM roots WHERE root = ?)"
        rows = self.database.rows(
            f"SELECT bundle, signature FROM findings WHERE {within} AND bundle IN ({marks})", (cause.id, *bundles)
        )
        absent = set(bundles) - {bundle for bundle, _ in rows}
        if absent:
            raise CauseError(f"cause {cause.id} has no finding {min(absent)}")
        left = self.database.rows(
            f"SELECT signature FROM findings WHERE {within} AND bundle NOT IN ({marks})", (cause.id, *bundles)
        )
        if not left:
            raise CauseError(f"these are all findings of cause {cause.id}: there is nothing to split")
        faces = {self._face(signature) for _, signature in rows}
        staying = {self._face(signature) for (signature,) in left}
        with self.database.transaction(durable=True):
            values: dict[str, Any] = {word: getattr(cause, word) for word in ("kind", "phase", "family")}
            new = self.database.insert("causes", name=name or f"{cause.name}, part", night=self.night,
                                       faces=_list(sorted(faces)), **values)  # fmt: skip
            self.database.execute(f"UPDATE findings SET cause = ? WHERE bundle IN ({marks})", (new, *bundles))
            self._give_sightings_of(bundles, new)
            self.database.execute(
                "UPDATE causes SET faces = ? WHERE id = ?",
                (_list(face for face in cause.faces if face not in faces or face in staying), cause.id),
            )
            self._keep_apart(cause.id, new)
        return new

    def _face(self, signature: str) -> str:
        return Signature.from_json(self.database.load(signature)).bucket.key

    def _give_sightings_of(self, bundles: Sequence[str], cause: int | None) -> None:
        """The sightings of the cases of these findings, under their buckets."""
        for bundle in bundles:
            self.database.execute(
                'UPDATE sightings SET cause = ?1 WHERE (origin, "index", bucket) = '
                '(SELECT origin, "index", bucket FROM findings WHERE bundle = ?2)',
                (cause, bundle),
            )

    def _keep_apart(self, one: int, other: int) -> None:
        self.database.execute("INSERT OR IGNORE INTO apart VALUES (?, ?)", (min(one, other), max(one, other)))


def _list(values: Iterable[str]) -> str:
    return json.dumps(list(values))
