"""What was found out about a bundle after it was stored, in files of their own beside ``finding.json``.

``releases.json`` has a strip for each engine that was bisected, ``explanation.json`` an explanation for each one that
was explained. What cannot be read any more is as good as not there: it can be found out again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from fuzz.archive.disk import write_file
from fuzz.records.explanation import Explanation
from fuzz.records.strip import Strip

RELEASES: Final = "releases.json"
EXPLANATION: Final = "explanation.json"
_MOST: Final = 16 << 20

_T = TypeVar("_T", bound=Strip | Explanation)


def strips(bundle: Path) -> tuple[Strip, ...]:
    """What releases did, an engine each."""
    return _read(bundle / RELEASES, Strip.from_json)


def explanations(bundle: Path) -> tuple[Explanation, ...]:
    """Why it is wrong, an engine each."""
    return _read(bundle / EXPLANATION, Explanation.from_json)


def keep_strip(bundle: Path, strip: Strip) -> None:
    """Keep a strip, in place of an older one of the same engine. Raises ``ArchiveError`` where it cannot be written."""
    _keep(bundle / RELEASES, strips(bundle), strip)


def keep_explanation(bundle: Path, made: Explanation) -> None:
    """Keep an explanation, in place of an older one for the same engine. Raises ``ArchiveError``."""
    _keep(bundle / EXPLANATION, explanations(bundle), made)


def _read(path: Path, read: Callable[[dict[str, Any]], _T]) -> tuple[_T, ...]:
    try:
        if not path.is_file() or path.stat().st_size > _MOST:
            return ()
        return tuple(map(read, json.loads(path.read_bytes())))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _keep(path: Path, before: tuple[_T, ...], new: _T) -> None:
    kept = [*(one for one in before if one.engine != new.engine), new]
    write_file(path, json.dumps([one.to_json() for one in kept], indent=1).encode() + b"\n")
