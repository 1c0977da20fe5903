"""A corpus as a folder: what is in it, and adding to it without doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fuzz.archive.archive import Reader
from fuzz.archive.bundles import CONTENT, FINDINGS, read_bundle
from fuzz.archive.database import NAME
from fuzz.archive.disk import explained
from fuzz.corpus.entry import Entry, entry_of_finding, read_entry
from fuzz.records.history import StoredFinding
from oracles.engine import UsageError


def is_corpus(path: Path) -> bool:
    """Whether this is a folder of cases: none with a finding in it, and no output folder of runs."""
    if not path.is_dir() or (path / CONTENT).exists() or (path / NAME).exists():
        return False
    return any(_is_case(file) for file in path.glob("*.json"))


def _is_case(file: Path) -> bool:
    """Whether a file is meant as a case, whatever is wrong with it."""
    try:
        return file.is_file() and b'"content"' in file.read_bytes()
    except OSError:
        return False


def is_output(path: Path) -> bool:
    """Whether this is an output folder of runs."""
    return (path / NAME).exists()


def entries(folder: Path) -> list[tuple[Path, Entry]]:
    """The cases of a corpus by name. Raises ``UsageError``."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found = [(path, read_entry(path)) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise UsageError(f"{folder} has no case in it (NAME.json): fuzz corpus add puts some there")
    return found


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding: the files, and how many cases were there already."""

    files: tuple[Path, ...]
    doubles: int


def add(into: Path, new: Iterable[Entry]) -> Added:
    """Put cases into a folder (made if there is none), each once. Raises ``UsageError`` or ``ArchiveError``."""
    with explained(into):
        into.mkdir(parents=True, exist_ok=True)
    known = known_digests(into)
    files, doubles = [], 0
    for entry in new:
        if entry.digest in known:
            doubles += 1
            continue
        known.add(entry.digest)
        files.append(entry.write(into))
    return Added(tuple(files), doubles)


def known_digests(folder: Path) -> set[str]:
    """The digests of the cases that are there."""
    return {read_entry(path).digest for path in folder.glob("*.json")}


def entries_of_output(folder: Path) -> list[Entry]:
    """The smallest minimized case of each cause of an output folder. Raises ``ArchiveError``."""
    with Reader(folder) as reader:
        rows = best_rows(reader.findings(), reader.causes.root)
    return [entry_of_finding(read_bundle(folder / FINDINGS / row.bundle)) for row in rows]


def best_rows(rows: Iterable[StoredFinding], root: Callable[[int], int]) -> list[StoredFinding]:
    """Of each cause the smallest finding that is minimized and repeats."""
    best: dict[int, StoredFinding] = {}
    for row in sorted(rows, key=lambda row: (row.size, row.bundle)):
        if row.cause is not None and row.minimized and row.stable:
            best.setdefault(root(row.cause), row)
    return [best[cause] for cause in sorted(best)]
