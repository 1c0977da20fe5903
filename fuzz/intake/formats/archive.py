"""A zip or a tar: a bundle, or modules with or without other files beside them. Nothing is written to the disk."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from fuzz.intake.bundles import FINDING, piece_of_files
from fuzz.intake.formats.packed import limited
from fuzz.intake.piece import Given, Piece
from oracles.engine import UsageError

WHAT: Final = "an archive"
MOST_FILES: Final = 1000
_TAR_MAGIC: Final = (257, b"ustar")


def fits(content: bytes) -> bool:
    start, magic = _TAR_MAGIC
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06")) or content[start : start + len(magic)] == magic


def read(given: Given) -> list[Piece]:
    try:
        files = dict(_zip_files(given) if given.content.startswith(b"PK") else _tar_files(given))
    except (zipfile.BadZipFile, tarfile.TarError, RuntimeError, EOFError, OSError) as error:
        # zipfile says by a RuntimeError that a file is encrypted, or packed in a way that it does not know.
        raise UsageError(f"{given.name} cannot be unpacked: {error}") from None
    bundles = [PurePosixPath(name).parent for name in files if PurePosixPath(name).name == FINDING]
    if bundles:
        return [_bundle(given, files, folder) for folder in sorted(bundles)]
    pieces: list[Piece] = []
    for name, content in sorted(files.items()):
        try:
            pieces += given.inside(given.within(name, content))
        except UsageError:
            continue  # notes and scripts that lie beside a module
    if not pieces:
        raise UsageError(f"{given.name} has no module in it, only {', '.join(sorted(files)[:8]) or 'nothing'}")
    return pieces


def _bundle(given: Given, files: dict[str, bytes], folder: PurePosixPath) -> Piece:
    inside = {
        PurePosixPath(name).name: content for name, content in files.items() if PurePosixPath(name).parent == folder
    }
    return piece_of_files(f"{given.name}/{folder}", inside, given.wish)


def _zip_files(given: Given) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(given.content)) as archive:
        items = [item for item in archive.infolist() if not item.is_dir()]
        _few(given, len(items))
        for item in items:
            with archive.open(item) as file:
                yield item.filename, limited(file, f"{given.name}/{item.filename}")


def _tar_files(given: Given) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(given.content)) as archive:
        items = [item for item in archive if item.isfile()]
        _few(given, len(items))
        for item in items:
            file = archive.extractfile(item)
            if file is not None:
                yield item.name, limited(file, f"{given.name}/{item.name}")


def _few(given: Given, count: int) -> None:
    if count > MOST_FILES:
        raise UsageError(f"{given.name} has {count} files in it: unpack it and give the one that matters")
