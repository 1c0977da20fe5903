"""The bundles on the disk beside the rows that speak of them: what is new, changed, gone or not readable.

A bundle is on the disk, whole, before its row is; ``fuzz minimize`` and people change bundles; people take some away
and bring others. So a folder is surveyed when it is opened: by name and stamp, without reading what has not changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.archive.disk import ArchiveError
from fuzz.records.finding import Finding

FINDINGS: Final = "findings"
UNREADABLE: Final = "unreadable"
UNSEEN: Final = "0"
"""The stamp of a row whose bundle has not been read yet: it is looked at whenever the folder is opened."""

GONE: Final = "the bundle is gone"
"""The trouble of a row whose bundle somebody took away."""

CONTENT: Final = "finding.json"


class BundleError(ArchiveError):
    """A bundle that cannot be read; the archive goes on without it. ``broken`` says that its content is to blame."""

    def __init__(self, message: str, broken: bool) -> None:
        super().__init__(message)
        self.broken = broken


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A bundle whose row is missing or out of date. ``stamp`` "" means that the bundle is gone."""

    name: str
    stamp: str


def survey(folder: Path, stamps: Mapping[str, str]) -> Iterator[Surveyed]:
    """What differs from ``stamps``, the bundles' names and stamps as the rows have them ("" for one that is gone)."""
    seen: set[str] = set()
    for name in names(folder / FINDINGS):
        now = stamp(folder / FINDINGS / name)
        if not now and name not in stamps:
            continue  # somebody's folder without a finding in it
        seen.add(name)
        if now != stamps.get(name) or not now:
            yield Surveyed(name, now or UNSEEN)
    yield from (Surveyed(name, "") for name, known in stamps.items() if known and name not in seen)


def stamp(bundle: Path) -> str:
    """What changes when a bundle's data does; "" where there are none."""
    try:
        status = os.stat(bundle / CONTENT)
    except OSError:
        return ""
    return f"{status.st_mtime_ns}:{status.st_size}"


def changed_at(bundle: Path) -> float:
    """When a bundle's data were written; 0 where there are none."""
    try:
        return os.stat(bundle / CONTENT).st_mtime
    except OSError:
        return 0.0


def names(folder: Path) -> list[str]:
    """The folders in a folder, sorted, without those that are not whole yet; none where there is no folder."""
    try:
        with os.scandir(folder) as items:
            return sorted(item.name for item in items if not item.name.startswith(".") and item.is_dir())
    except OSError:
        return []


def read_findings(folder: Path) -> Iterator[tuple[Path, Finding]]:
    """The stored findings of an output folder, by bundle name; raises ``BundleError`` for one that is not readable."""
    for name in names(folder / FINDINGS):
        if stamp(folder / FINDINGS / name):
            yield folder / FINDINGS / name, read_bundle(folder / FINDINGS / name)


def read_bundle(path: Path) -> Finding:
    """Read one bundle. Raises ``BundleError`` with the reason."""
    try:
        content = path / CONTENT
        if content.exists() and not content.is_file():
            raise ValueError(f"{CONTENT} is no regular file")
        return Finding.from_json(json.loads(content.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        told = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        broken = not isinstance(error, OSError) or isinstance(error, FileNotFoundError)
        raise BundleError(f"{path} is no bundle that this release can read: {' '.join(told.split())}", broken) from None


def set_aside(folder: Path, name: str) -> Path | None:
    """Move a bundle out of the findings, so that its case can be stored again; None where that is not possible."""
    place = folder / UNREADABLE
    try:
        place.mkdir(exist_ok=True)
        target = place / name
        number = 2
        while target.exists():
            target = place / f"{name}.{number}"
            number += 1
        os.rename(folder / FINDINGS / name, target)
    except OSError:
        return None
    return target
