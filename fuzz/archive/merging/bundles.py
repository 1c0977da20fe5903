"""Bundles on their way into another folder: copied whole beside it first, and put in their places at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from fuzz.archive.bundles import CONTENT, FINDINGS, BundleError, read_bundle
from fuzz.archive.disk import MERGING, TEMPORARY, explained, sync_folder
from fuzz.archive.learned import EXPLANATION, RELEASES
from fuzz.records.finding import Finding

_LEARNED: Final = (RELEASES, EXPLANATION)
"""What was found out about a bundle later, on whatever machine: files that are worth having from any of them."""


class Arrival(Enum):
    """What a bundle is to the folder that it comes to."""

    NEW = "new"
    BETTER = "better"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A bundle with the name that it has in the folder it comes to; ``path`` is where it is until all are put there."""

    name: str
    path: Path
    finding: Finding | None
    arrival: Arrival


@dataclass(slots=True)
class Bundles:
    """The bundles that come to an output folder. Nothing of it changes until ``put``; ``undo`` takes that back."""

    folder: Path
    staged: dict[str, Path] = field(default_factory=dict)
    _staging: Path | None = None
    _aside: Path | None = None
    _undo: list[tuple[Path, Path | None]] = field(default_factory=list)

    def bring(self, path: Path) -> Arrived:
        """Take in one bundle. Raises ``BundleError`` for one that cannot be read.

        Of two bundles of one finding the better one stays: minimized rather than not, then the smaller one, then the
        one that was seen more often. Two that are about different cases both stay, the later one under a longer name.
        """
        content = _content(path)
        finding: Finding | None = None
        for name in self._names(path, content):
            there = self._there(name)
            if there is None:
                return Arrived(name, self._stage(path, name), finding or read_bundle(path), Arrival.NEW)
            if _content(there) == content:
                self._learn(path, there, name)
                return Arrived(name, there, None, Arrival.KNOWN)
            finding = finding or read_bundle(path)
            with suppress(BundleError):
                theirs = read_bundle(there)
                if (theirs.case, theirs.before) == (finding.case, finding.before):
                    return self._better(path, there, name, finding, theirs)
        raise AssertionError("the last name is that of the content")

    def _names(self, path: Path, content: bytes) -> tuple[str, str, str]:
        """The names that a bundle may have: its own, one by its case, one by its content."""
        with suppress(BundleError):
            case = read_bundle(path).case if self._there(path.name) is not None else None
            about = b"" if case is None else repr(case.provenance).encode() + case.content
            return path.name, f"{path.name}-{_digest(about)}", f"{path.name}-{_digest(content)}"
        return path.name, f"{path.name}-{_digest(content)}", f"{path.name}-{_digest(content)}"

    def _there(self, name: str) -> Path | None:
        """Where a bundle of this name is, if there is one."""
        staged = self.staged.get(name)
        if staged is not None:
            return staged
        return self.place / name if (self.place / name / CONTENT).exists() else None

    @property
    def place(self) -> Path:
        return self.folder / FINDINGS

    def _better(self, path: Path, there: Path, name: str, mine: Finding, theirs: Finding) -> Arrived:
        if _rank(mine, path) >= _rank(theirs, there):
            self._learn(path, there, name)
            return Arrived(name, there, None, Arrival.KNOWN)
        staged = self._stage(path, name, there)
        return Arrived(name, staged, mine, Arrival.BETTER)

    def _stage(self, path: Path, name: str, there: Path | None = None) -> Path:
        """Copy a bundle; what was found out about the one that it replaces goes with it."""
        target = self._folder() / name
        with explained(target):
            fresh = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self._folder())) / name
            shutil.copytree(path, fresh, symlinks=True, ignore=_odd)
            for file in _LEARNED if there is not None else ():
                if (there / file).is_file() and not (fresh / file).exists():  # type: ignore[operator]
                    shutil.copy2(there / file, fresh / file)  # type: ignore[operator]
            if target.exists():
                shutil.rmtree(target)
            os.rename(fresh, target)
        self.staged[name] = target
        return target

    def _learn(self, path: Path, there: Path, name: str) -> None:
        """What was found out about a bundle that is there already, and is not known there."""
        new = [file for file in _LEARNED if (path / file).is_file() and not (there / file).exists()]
        if new and name not in self.staged:
            there = self._stage(there, name)
        with explained(there):
            for file in new:
                shutil.copy2(path / file, there / file)

    def _folder(self) -> Path:
        if self._staging is None:
            with explained(self.folder):
                self._staging = Path(tempfile.mkdtemp(prefix=MERGING, dir=self.folder))
        return self._staging

    def put(self) -> None:
        """Put all that was brought in its place, durably. What is replaced steps aside as it does for any writer."""
        if not self.staged:
            return
        with explained(self.place):
            os.sync()  # one call for thousands of files
            self._aside = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self.place))
            for name, staged in self.staged.items():
                target = self.place / name
                aside = self._aside / name if target.exists() else None
                if aside is not None:
                    os.rename(target, aside)
                self._undo.append((target, aside))
                os.rename(staged, target)
            sync_folder(self.place)

    def undo(self) -> None:
        """Make the folder what it was before."""
        for target, aside in reversed(self._undo):
            with suppress(OSError):
                if target.exists():
                    shutil.rmtree(target)
                if aside is not None:
                    os.rename(aside, target)
        self._undo.clear()

    def close(self) -> None:
        """Remove what is left of the way here."""
        for left in filter(None, (self._staging, self._aside)):
            shutil.rmtree(left, ignore_errors=True)


def _content(path: Path) -> bytes:
    """The data of a bundle. Raises ``BundleError``."""
    try:
        if not (path / CONTENT).is_file():
            raise OSError("no regular file")
        return (path / CONTENT).read_bytes()
    except OSError as error:
        raise BundleError(f"{path / CONTENT} cannot be read: {error.strerror or error}", False) from None


def _rank(finding: Finding, path: Path) -> tuple[bool, int, int, str]:
    """Less is better; by content at last, so that it does not matter which comes first."""
    return (
        finding.minimized is None, finding.best.size, -finding.repeats, _digest(_content(path)),
    )  # fmt: skip


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _odd(folder: str, names: list[str]) -> list[str]:
    """What is no part of a bundle: links, pipes and the like."""
    with os.scandir(folder) as entries:
        plain = {one.name for one in entries if one.is_file(follow_symlinks=False) or one.is_dir(follow_symlinks=False)}
    return [name for name in names if name.startswith(TEMPORARY) or name not in plain]
