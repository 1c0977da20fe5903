"""The causes of one archive among those of another: which is which, and what people have said of them.

A cause whose findings came here before is the one that they were given then; any other goes where a run's finding would
go (``fuzz.archive.settling``). What a person, or a run, has merged or kept apart there is so here, except where the
archive that it comes to says otherwise of the same causes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.settling import Settling
from fuzz.records.history import Cause, StoredFinding
from fuzz.triage.signature import is_telling


@dataclass(slots=True)
class Causes:
    """The causes of ``archive`` while others come to it. ``fresh`` are those that came, by id, ``united`` how many
    causes turned out to be one that was there."""

    archive: Archive
    settling: Settling = field(init=False)
    fresh: list[int] = field(default_factory=list)
    united: int = 0

    def __post_init__(self) -> None:
        self.settling = Settling(self.archive)
        self.settling.refresh()

    def take(
        self,
        reader: Reader,
        rows: Sequence[StoredFinding],
        names: Mapping[str, str],
        better: frozenset[str],
        night: Callable[[int], int],
    ) -> dict[int, int]:
        """Take in the causes of an archive; gives the id here for each one there.

        ``rows`` are its findings, ``names`` what their bundles are called here, ``better`` those of them (by names
        here) that have just replaced another form of themselves, ``night`` tells what a night of it is here.
        """
        theirs = reader.causes.all(merged=True)
        apart = reader.causes.apart()
        mapped: dict[int, int] = {}
        fresh: list[tuple[int, Cause]] = []
        for cause in theirs:
            own = [row for row in rows if row.cause == cause.id]
            telling = any(is_telling(row.signature) for row in own)
            mine = {names[row.bundle] for row in own if row.bundle in names}
            had = self._had(mine)
            barred = {mapped[id] for id in mapped if apart and reader.causes.is_apart(id, cause.id)}
            if had is not None:
                mapped[cause.id] = had
                self._again(had, cause, telling, mine, better)
            elif (known := self.settling.find(cause, telling, barred)) is not None:
                mapped[cause.id] = known.id
                self.united += 1
                if self.settling.unite(known, cause, telling):
                    self.settling.refresh()
            else:
                self.archive.causes.night = night(cause.night)
                mapped[cause.id] = self.archive.causes.add(replace(cause, known="", link=""))
                fresh.append((mapped[cause.id], cause))
                self.settling.refresh()
        self._said(theirs, apart, mapped)
        for id, cause in fresh:
            if self.archive.causes.root(id) == id:
                self.settling.join_kin(id, cause)
        self._known(theirs, mapped)
        self.fresh += [id for id, _ in fresh]
        self.settling.refresh()
        return mapped

    def _had(self, bundles: set[str]) -> int | None:
        """The cause that findings of one cause were given here before."""
        given = (self.archive.cause_of(name) for name in sorted(bundles))
        return next((cause for cause in given if cause is not None), None)

    def _again(self, had: int, cause: Cause, telling: bool, mine: set[str], better: frozenset[str]) -> None:
        """A cause that came here before may have learned something since: what a better form of its findings tells
        changes it where nothing else is known of it."""
        tables = self.archive.causes
        before = tables.get(had)
        if mine & better and not tables.spoken_of(had) and self.settling.alone(had, mine):
            tables.update(had, essentials=cause.essentials, name=cause.name)
        # What somebody has split off it stays away from it.
        others = {id for pair in tables.apart() if had in pair for id in pair if id != had}
        gone = {face for id in others for face in tables.get(id).faces} - set(before.faces)
        faces = tuple(face for face in cause.faces if face not in gone)
        self.settling.unite(tables.get(had), replace(cause, faces=faces), telling)
        if tables.get(had) != before:
            self.settling.refresh()

    def _said(self, theirs: Sequence[Cause], apart: Sequence[tuple[int, int]], mapped: Mapping[int, int]) -> None:
        """What is apart there, and what is one."""
        tables = self.archive.causes
        for one, other in apart:
            if tables.root(mapped[one]) != tables.root(mapped[other]):
                tables.keep_apart(mapped[one], mapped[other])
        for cause in theirs:
            if cause.merged_into is None:
                continue
            into, part = mapped[cause.merged_into], mapped[cause.id]
            if tables.root(into) != tables.root(part) and not tables.is_apart(into, part):
                tables.merge(into, part)

    def _known(self, theirs: Sequence[Cause], mapped: Mapping[int, int]) -> None:
        """Which known issues they are, where nobody here has said so."""
        tables = self.archive.causes
        for cause in theirs:
            if cause.known:
                root = tables.root(mapped[cause.id])
                if not tables.get(root).known:
                    tables.set_known(root, cause.known, cause.link)
