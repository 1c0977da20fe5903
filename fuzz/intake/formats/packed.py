"""One file packed by gzip, bzip2 or xz (a tar within goes on to the format for archives)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from io import BytesIO
from typing import IO, Any, Final

from fuzz.intake.piece import Given, Piece
from oracles.engine import UsageError

WHAT: Final = "a packed file"
_MOST: Final = 1 << 28
_OPENERS: Final[dict[bytes, Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


def fits(content: bytes) -> bool:
    return content.startswith(tuple(_OPENERS))


def read(given: Given) -> list[Piece]:
    opener = next(one for magic, one in _OPENERS.items() if given.content.startswith(magic))
    try:
        with opener(BytesIO(given.content)) as file:
            content = limited(file, given.name)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UsageError(f"{given.name} cannot be unpacked: {error}") from None
    return given.inside(given.within("", content))


def limited(file: IO[bytes], name: str) -> bytes:
    """All that a packed file gives, up to a limit: a small file can stand for a very large one."""
    content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise UsageError(f"{name} is over {_MOST >> 20} MiB when it is unpacked: give the module itself")
    return content
