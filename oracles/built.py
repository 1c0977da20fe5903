"""Engines that are libraries: a worker of ours is built around a release, once, by the language's own tool.

The worker's source is a folder in ``oracles/workers``; what is built goes into the cache beside other releases
(``oracles.provision``), ``wazero/1.12.0/worker-DIGEST``, and is built anew where the source has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oracles.clients import quietly
from oracles.engine import EngineUnavailable
from oracles.provision import cache_root, folder_size, installed, last_of, provide, remove
from oracles.versions import is_release, version_key

WORKERS: Final = Path(__file__).parent / "workers"


@dataclass(frozen=True, slots=True)
class BuiltReleases:
    """``Releases`` of a library. ``listed()`` gives the registry's versions; ``build(version, source, target)`` builds
    the worker in the folder ``source``, a copy of its own, into the file or folder ``target``. Both raise
    ``EngineUnavailable``. ``since``: older releases have another interface."""

    name: str
    listed: Callable[[], list[str]]
    build: Callable[[str, Path, Path], None]
    since: str = "0"
    shared: tuple[Path, ...] = ()
    """Folders of source besides the worker's own."""
    kept: str = ""
    """The folder in the cache, where it is not ``name``."""

    @property
    def _folder(self) -> str:
        return self.kept or self.name

    def offered(self) -> list[str]:
        wanted = {one for one in self.listed() if is_release(one) and version_key(one) >= version_key(self.since)}
        return sorted(wanted, key=version_key)

    def at_hand(self) -> list[str]:
        return sorted(filter(is_release, installed(self._folder)), key=version_key)

    def fetch(self, version: str) -> None:
        with quietly():
            self.worker(version, False)

    def size(self, version: str) -> int:
        return folder_size(cache_root() / self._folder / version)

    def remove(self, version: str) -> bool:
        return remove(self._folder, version)

    def worker(self, version: str, offline: bool) -> Path:
        """The worker built around a release, building it if needed. Raises ``EngineUnavailable``."""
        source = WORKERS / self.name
        name = f"worker-{_digest((source, *self.shared))}"

        def make(folder: Path) -> None:
            with tempfile.TemporaryDirectory(prefix="fuzz-build-") as temporary:
                copy = Path(temporary) / "source"
                shutil.copytree(source, copy)
                target = Path(temporary) / "target"
                self.build(version, copy, target)
                shutil.move(target, folder / f".{name}.{os.getpid()}")
                os.replace(folder / f".{name}.{os.getpid()}", folder / name)

        folder = provide(self._folder, version, make, offline)
        if not (folder / name).exists():
            if offline:
                text = "was built for an older worker: run once without --offline"
                raise EngineUnavailable(f"{self.name} {version} {text}")
            make(folder)
        return folder / name

    def chosen(self, version: str, offline: bool, named: str = "") -> tuple[str, Path]:
        """The release that is asked for, or the newest at hand if that is "", and its worker. ``named`` is how an id
        names one. Raises ``EngineUnavailable``."""
        version = version or last_of(self.at_hand(), named or f"{self.name}@VERSION")
        return version, self.worker(version, offline)


def _digest(folders: Iterable[Path]) -> str:
    """Of a worker's source."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                whole.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:12]


def tool(name: str, what: str) -> str:
    """The path of a language's own tool. Raises ``EngineUnavailable``."""
    found = shutil.which(name)
    if found is None:
        raise EngineUnavailable(f"{what} is built by {name}, which is not installed")
    return found
