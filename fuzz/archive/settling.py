"""Which cause a minimized finding gets: one that the archive has already, or a new one, perhaps as a part of its kin.

A run settles its findings with this, and so does merging archives: what is one cause on one machine is one on many.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from fuzz.archive.archive import Archive
from fuzz.records.history import Cause
from fuzz.triage.causes import is_bare, renamed, united
from fuzz.triage.essentials import Essentials
from fuzz.triage.kin import akin, leaves_anything, same_cause


@dataclass(frozen=True, slots=True)
class Settled:
    """The ``cause`` that a finding has now and the one that it ``had``. ``taught``: what the cause is about was not
    known before."""

    cause: int
    had: int | None
    taught: bool


@dataclass(slots=True)
class Settling:
    """The causes of an archive, those that are parts of others among them, as they were when it was refreshed last."""

    archive: Archive
    causes: tuple[Cause, ...] = ()
    roots: dict[int, int] = field(default_factory=dict)

    def refresh(self) -> None:
        """Parts of a cause are causes too: what a person has merged needs no second word when it is seen again."""
        self.causes = tuple(self.archive.causes.all(merged=True))
        self.roots = self.archive.causes.roots()

    def settle(self, bundle: str, again: Cause, telling: bool) -> Settled:
        """Give a stored finding its cause, which is ``again`` as far as the finding alone tells.

        One that has a cause and was minimized further keeps it where a person has spoken of that. Else it goes where it
        belongs now: a cause that nothing else is known of than by this finding changes with it. So does one that only
        a bucket has told, of findings that nobody had minimized.
        """
        tables = self.archive.causes
        had = self.archive.cause_of(bundle)
        known = self.find(again, telling)
        taught = known is None
        own = known is None or (known.id == had and is_bare(known))
        changed = False
        if had is not None and (tables.spoken_of(had) or (own and self.alone(had, (bundle,)))):
            known = tables.get(had)
            taught = is_bare(known) or not tables.spoken_of(had)
            if taught:
                changed = known.essentials != again.essentials
                tables.update(had, essentials=again.essentials, name=again.name)
        if known is None:
            id = tables.add(again)
            self.join_kin(id, again)
        else:
            id = known.id
            if self.unite(known, again, telling) or changed:
                self._meet(id, again.faces[:1] if telling else ())
        if id != had:
            tables.give_finding(bundle, id)
        return Settled(id, had, taught)

    def find(self, again: Cause, telling: bool, barred: Collection[int] = ()) -> Cause | None:
        """The first cause that this is one more of, if there is one; none of those ``barred`` (ids)."""
        found = (cause for cause in self.causes if cause.id not in barred and same_cause(cause, again, telling))
        return next(found, None)

    def unite(self, known: Cause, again: Cause, telling: bool) -> bool:
        """Let a cause learn from being found again; whether there was anything to learn."""
        changes: dict[str, Any] = dict(united(known, again, telling))
        if "essentials" in changes and is_bare(known):
            changes["name"] = again.name
        elif "essentials" in changes:
            changes["name"] = renamed(known, changes["essentials"])
        if changes:
            self.archive.causes.update(known.id, **changes)
        return bool(changes)

    def join_kin(self, id: int, cause: Cause) -> None:
        """Make a new cause part of what it hangs together with, unless somebody keeps the two apart. What leaves
        anything behind may have more than one part that is known already."""
        tables = self.archive.causes
        joined = False
        for kin in self.causes:
            if kin.id == id or tables.is_apart(kin.id, id) or not akin(kin, cause):
                continue
            if (not joined or leaves_anything(kin, cause)) and tables.root(kin.id) != tables.root(id):
                tables.merge(*sorted((tables.root(kin.id), tables.root(id))))
            joined = True

    def _meet(self, id: int, face: tuple[str, ...]) -> None:
        """What a cause has learned may show that it is another known one, unless somebody keeps the two apart: it is
        about the same now, or has a ``face`` that says much and is all that was known of the other one."""
        tables = self.archive.causes
        mine = tables.get(id)
        for other in self.causes:
            if is_bare(mine) or tables.root(other.id) == tables.root(id) or tables.is_apart(other.id, id):
                continue
            unfinished = is_bare(other) and Essentials.of_words(other.essentials).rough
            if (unfinished and other.faces[:1] == face) or (not is_bare(other) and same_cause(other, mine)):
                tables.merge(min(other.id, id), max(other.id, id))

    def alone(self, cause: int, bundles: Collection[str]) -> bool:
        """Whether no finding but these, of those that were minimized, has this cause."""
        return not any(row.minimized and row.bundle not in bundles for row in self.archive.findings(cause))
