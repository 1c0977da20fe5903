"""Reading a file that somebody names: a pipe or a device in its place might never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from oracles.engine import UsageError

LARGEST: Final = 1 << 28
"""Files above this are no module that any engine takes (its own limit is 1 GiB, and decoding takes memory)."""
TOO_LARGE: Final = f"modules of up to {LARGEST >> 20} are read"


def read_regular(path: Path, largest: int, too_large: str) -> bytes:
    """The bytes of a regular file of up to ``largest`` bytes. Raises ``UsageError``, for a larger one with
    ``too_large``."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{path} is no regular file: copy what it gives into one")
            if status.st_size > largest:
                raise UsageError(f"{path} has {status.st_size >> 20} MiB; {too_large}")
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {path}: {reason}") from None
