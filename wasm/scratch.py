"""Temporary folders that outlast nobody: the next one takes away what killed processes left behind.

A process that is killed cleans up nothing. So each folder is locked by the process that made it, the kernel lets go of
the lock when that process ends, however it ends, and what nobody holds is taken away when the next folder is made, or
when who has killed processes of ours says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Final

_PREFIX: Final = "fuzz-scratch-"


class Scratch:
    """A folder ``fuzz-scratch-KIND-...`` among the temporary files: there as long as this object and this process."""

    def __init__(self, kind: str) -> None:
        sweep()
        while True:
            self.path = tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-")
            lock = _held(self.path)
            if lock is not None:
                break
        self._finalizer = weakref.finalize(self, _end, self.path, lock)

    def close(self) -> None:
        """Take it away, once."""
        self._finalizer()


def _held(path: str) -> int | None:
    """A descriptor that holds a folder; None if somebody else holds it, or has just taken it away."""
    with contextlib.suppress(OSError):
        lock = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)
    return None


def sweep() -> None:
    """Take away the folders of processes that are no more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if (lock := _held(str(path))) is not None:
            _end(str(path), lock)


def _end(path: str, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
