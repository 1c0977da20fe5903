"""Writing so that a kill at any moment leaves either the old or the new, never a half; and one writer per folder."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wasm.errors import UserError

TEMPORARY: Final = ".tmp-"
"""How names of things begin that are not whole yet; ``sweep`` removes them."""

MERGING: Final = ".merging-"
"""How the folder's name begins in which bundles of other archives wait for their places."""


class ArchiveError(UserError):
    """The output folder cannot be used or written: one line that says why and what to do. Exit code 3."""

    exit_code = 3


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating system's error into an ``ArchiveError`` that names the path and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(path) from None
        raise ArchiveError(f"cannot write {path}: {error.strerror or error}") from None


def no_space(path: Path) -> ArchiveError:
    """The error for a full disk."""
    return ArchiveError(
        f"no space left for {path}: free some and run the same command again; what was recorded is intact"
    )


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file's content at once and durably (temporary file, fsync, rename, fsync of the folder)."""
    with explained(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)
            os.rename(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_folder(
    path: Path, files: Mapping[str, bytes], executable: frozenset[str] = frozenset(), keep: Iterable[str] = ()
) -> None:
    """Make a folder with these files appear at once and durably. An existing folder is exchanged; what ``keep`` names
    in it stays."""
    with explained(path):
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
        try:
            for name, content in files.items():
                with open(temporary / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(temporary / name, 0o755 if name in executable else 0o644)
            for name in keep:
                if (path / name).is_dir():
                    shutil.copytree(path / name, temporary / name, symlinks=True)
                else:
                    shutil.copy2(path / name, temporary / name, follow_symlinks=False)
            os.chmod(temporary, 0o755)
            sync_folder(temporary)
            if path.exists():
                # Rename cannot replace a folder that has content; the old one steps aside under a temporary name.
                aside = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
                os.rename(path, aside / path.name)
                os.rename(temporary, path)
                shutil.rmtree(aside, ignore_errors=True)
            else:
                os.rename(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what an interrupted run left half-written, and bring back a folder that had stepped aside."""
    for left in folder.glob(f"{MERGING}*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_dir():
            for aside in left.iterdir():
                if aside.is_dir() and not (folder / aside.name).exists():
                    os.rename(aside, folder / aside.name)
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


class FolderLock:
    """One run per folder: an advisory lock that the kernel lets go of when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        with explained(self._path):
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise ArchiveError(
                f"another run (process {holder}) is writing to {folder}: wait for it or choose another --out"
            ) from None
        try:
            with explained(self._path):
                os.ftruncate(self._handle, 0)
                os.write(self._handle, f"{os.getpid()}\n".encode())
        except ArchiveError:
            self.release()
            raise

    def release(self) -> None:
        os.close(self._handle)
