"""What was found out about releases, into the bundle and into the archive's cause."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fuzz.archive import bundle
from fuzz.archive.archive import Archive
from fuzz.archive.bundles import FINDINGS
from fuzz.archive.database import NAME
from fuzz.archive.disk import ArchiveError
from fuzz.archive.learned import keep_strip, strips
from fuzz.bisect.history import Bisected
from fuzz.records.finding import Finding
from fuzz.records.strip import State
from fuzz.triage.causes import release_of

_NOT_THERE: Final = "the cause does not know of it"


def keep(folder: Path, found: Finding, result: Bisected, archive: Archive | None = None) -> list[str]:
    """Keep a strip in a finding's bundle, in its README and in its cause; gives what could not be done, a line each.

    ``archive`` is that of the bundle's folder, if it is open already; else it is opened for as long as this takes.
    """
    before = strips(folder)
    try:
        keep_strip(folder, result.strip)
        bundle.write_readme(folder, found, before)
    except ArchiveError as error:
        return [str(error)]
    home = folder.resolve().parent
    if archive is not None:
        _teach(archive, folder.resolve().name, result)
    elif home.name == FINDINGS and (home.parent / NAME).exists():
        try:
            opened = Archive(home.parent)
        except ArchiveError as error:
            return [f"{_NOT_THERE}: {error}"]
        try:
            _teach(opened, folder.resolve().name, result)
        except ArchiveError as error:
            return [f"{_NOT_THERE}: {error}"]
        finally:
            opened.close()
    return []


def _teach(archive: Archive, name: str, result: Bisected) -> None:
    """A cause is wrong in the releases that show the finding, and right in the good ones that nothing showed it in."""
    cause = archive.cause_of(name)
    if cause is None:
        return
    strip = result.strip
    good = {release_of(strip.engine, one.release) for one in strip.tried if one.state is State.GOOD}
    wrong = {release_of(strip.engine, release) for release in result.showing}
    for id in {cause, archive.causes.root(cause)}:
        known = archive.causes.get(id)
        all_wrong = wrong | set(known.wrong_in)
        right = (good | set(known.right_in)) - all_wrong
        archive.causes.update(id, wrong_in=sorted(all_wrong), right_in=sorted(right))
