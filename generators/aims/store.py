"""Files of aims in the cache, one for each release that ``fuzz rules`` read: ``aims/wasmtime@50.0.1.json``."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from generators.aims.aim import VERSION, BadAim, from_json
from generators.aims.listing import Aims
from wasm.cache import cache_root
from wasm.errors import UserError

_NAME: Final = re.compile(r"[a-z0-9]+@[0-9][0-9a-z.+-]*\Z")


class NoAims(UserError):
    """There are no aims of that name: what brings them."""


def folder() -> Path:
    """Where the files are; it need not exist. Raises ``UserError`` where there is no home."""
    return cache_root() / "aims"


def names_at_hand() -> tuple[str, ...]:
    """The releases whose aims are at hand, in alphabetical order."""
    try:
        return tuple(sorted(path.stem for path in folder().glob("*.json") if _NAME.match(path.stem)))
    except UserError:
        return ()


def write_aims(name: str, data: dict[str, Any]) -> Path:
    """Write a file of aims (docs/json.md), whole or not at all."""
    path = folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(aside, path)
    _read.cache_clear()
    return path


def read_aims(name: str) -> Aims:
    """The aims of a release. Raises ``NoAims``, or ``BadAim`` for a file that is none."""
    return _read(name, _path(name).stat().st_mtime_ns)


def read_file(name: str) -> dict[str, Any]:
    """The whole file of a release. Raises ``NoAims``, or ``BadAim`` for a file that is none."""
    path = _path(name)
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise BadAim(f"{path} has form {data['version']}, and this is {VERSION}: fuzz rules writes it anew")
        if not all(isinstance(data[key], kind) for key, kind in (("aims", list), ("left", list), ("files", dict))):
            raise ValueError("a part is missing")
    except (ValueError, KeyError, TypeError) as error:
        raise BadAim(f"{path} is no file of aims ({error}): fuzz rules writes it anew") from None
    return data


def _path(name: str) -> Path:
    path = folder() / f"{name}.json"
    if not _NAME.match(name) or not path.is_file():
        at_hand = ", ".join(names_at_hand()) or "none"
        raise NoAims(f"no aims of {name!r} are at hand: fuzz rules {name or 'wasmtime@VERSION'} reads them "
                     f"(at hand: {at_hand})")  # fmt: skip
    return path


@lru_cache(maxsize=8)
def _read(name: str, _when: int) -> Aims:
    return Aims(name, tuple(map(from_json, read_file(name)["aims"])))
