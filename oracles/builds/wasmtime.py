"""Wasmtime's C API crate as a shared library in the cache, one folder per release and build.

``wasmtime-builds/33.0.0+regalloc2-0.12.1`` holds the library with the ``Cargo.toml`` and the ``Cargo.lock`` that it
was made from. Until it is done, everything is in ``.work-...`` beside it, so that an interrupted build goes on; the
lock and the move into place are those of every release (``oracles/provision.py``).
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from oracles import clients, provision
from oracles.builds import cargo
from oracles.builds.manifest import (
    C_API,
    LIB,
    LIBRARY,
    chosen_features,
    is_patched,
    locked_version,
    manifest,
    reversioned,
    seed_manifest,
    source,
)
from oracles.builds.options import Build
from oracles.emulation import TARGETS, Target, cargo_settings
from oracles.engine import EngineUnavailable
from oracles.provision import folder_size, provide

NAME: Final = "wasmtime-builds"
_RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\Z")
_ROOM: Final = 1 << 30
"""Bytes that must be free to begin: what a build takes until it is done, by far (docs/engines.md)."""
MINUTES: Final = "5 to 15 minutes on two cores"


def version_of(release: str, build: Build) -> str:
    """What is said to be loaded, and the name of its folder: ``33.0.0+regalloc2-0.12.1``."""
    return f"{release}+{'plain' if build == Build() else build}"


def _name(target: str) -> str:
    """The folder in the cache for builds of a target, "" for this machine's."""
    return f"{NAME}-{target}" if target else NAME


def at_hand() -> tuple[tuple[str, Build, str], ...]:
    """The builds in the cache, releases newest first, each with its target, "" for this machine."""
    found = []
    for target in ("", *TARGETS):
        for name in provision.installed(_name(target)):
            release, _, words = name.partition("+")
            found.append((release, Build.parse("on" if words == "plain" else words), target))
    return tuple(found)


def unfinished() -> tuple[str, ...]:
    """The folders in which builds are under way, or were interrupted."""
    try:
        folders = [provision.cache_root() / _name(target) for target in ("", *TARGETS)]
        return tuple(sorted(str(path) for folder in folders for path in folder.glob(".work-*")))
    except EngineUnavailable:
        return ()


def is_at_hand(release: str, build: Build, target: str = "") -> bool:
    return version_of(release, build) in provision.installed(_name(target))


def library(release: str, build: Build, offline: bool = False, target: str = "") -> Path:
    """The library of a build for a target, made if it is not there yet. Raises ``EngineUnavailable``."""
    if not _RELEASE.match(release):
        raise EngineUnavailable(f"{release} is no release that can be built: write one as wasmtime@33.0.0")
    version = version_of(release, build)
    work = provision.cache_root() / _name(target) / f".work-{version}"

    def install(folder: Path) -> None:
        _make(release, build, work, folder, TARGETS[target] if target else None)

    folder = provide(_name(target), version, install, offline)
    if work.is_dir():
        shutil.rmtree(work, ignore_errors=True)
    return folder / LIBRARY


def _make(release: str, build: Build, work: Path, folder: Path, target: Target | None) -> None:
    """Build in ``work`` and put what is kept into ``folder``."""
    words = ", ".join(filter(None, (target.name if target else "", build.words)))
    what = f"wasmtime {release}" + (f" ({words})" if words else "")
    program = cargo.find_cargo(what)
    if target:
        cargo_settings(target, what)
    begun = (work / "target").is_dir()
    work.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(work).free) < _ROOM:
        raise EngineUnavailable(f"{what} takes up to {_ROOM >> 20} MB while it is built: {work} has {free >> 20} MB")
    _say(f"building {what} by cargo: {MINUTES} and up to {_ROOM >> 20} MB while it lasts, about 25 MB are kept")
    _say(f"an interrupted build goes on where it was; {work} has it" + (", begun before" if begun else ""))
    start = time.monotonic()
    total = len(_prepared(program, release, build, work, what, target))
    built = cargo.build(program, work, total, what, target)
    taken = folder_size(work)
    shutil.copyfile(built, folder / LIBRARY)
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copyfile(work / name, folder / name)
    seconds, size = int(time.monotonic() - start), (folder / LIBRARY).stat().st_size
    took = f"{seconds // 60}:{seconds % 60:02} minutes and {taken >> 20} MB"
    _say(f"built {what}: {total} crates, {took}, {size >> 20} MB are kept")


def _prepared(program: str, release: str, build: Build, work: Path, what: str, target: Target | None) -> frozenset[str]:
    """Write ``Cargo.toml``, ``Cargo.lock`` and the source, unless they are there whole; the crates to be built."""
    ready = work / "ready"
    if not ready.exists():
        _write(program, release, build, work, what)
        ready.touch()
    return cargo.metadata(program, work, what, target.triple if target else "").built


def _write(program: str, release: str, build: Build, work: Path, what: str) -> None:
    """The crate's own ``Cargo.lock`` is what upstream released it with; from before there was one in it (cargo 1.84),
    the newest fitting releases of foreign crates are taken, and Cranelift's is named."""
    seeded = _seeded(program, work, C_API, release, what)
    c_api, wasmtime = seeded.package(C_API) or {}, seeded.package("wasmtime") or {}
    features = chosen_features(build, c_api.get("features", {}), wasmtime.get("features", {}))
    _package(work, manifest(release, build, features), source(features))
    published = seeded.source(C_API) / "Cargo.lock"
    if published.is_file():
        shutil.copyfile(published, work / "Cargo.lock")
    found = cargo.metadata(program, work, what)
    pins = () if published.is_file() else _pins(found)
    patch = f"crates/regalloc2-{build.regalloc2}" if build.regalloc2 else ""
    if patch:
        resolved = locked_version((work / "Cargo.lock").read_text(encoding="utf-8"), "regalloc2")
        if not resolved:
            raise EngineUnavailable(f"{what} cannot be built: this release has no regalloc2, or several")
        other = _seeded(program, work, "regalloc2", build.regalloc2, what)
        _copy_crate(other.source("regalloc2"), work / patch, resolved)
    if patch or pins:
        _package(work, manifest(release, build, features, pins, patch), source(features))
        cargo.metadata(program, work, what)
    if patch and not is_patched((work / "Cargo.lock").read_text(encoding="utf-8"), "regalloc2"):
        raise EngineUnavailable(f"{what} cannot be built: cargo did not take regalloc2 {build.regalloc2} for its own")


def _seeded(program: str, work: Path, name: str, version: str, what: str) -> cargo.Metadata:
    """What there is to know of a crate before anything is built of it; its source is fetched."""
    folder = work / f"seed-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    return cargo.metadata(program, _package(folder, seed_manifest(name, version)), what)


def _package(folder: Path, text: str, lib: str = LIB) -> Path:
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(text, encoding="utf-8")
    (folder / "src" / "lib.rs").write_text(lib, encoding="utf-8")
    return folder


def _pins(found: cargo.Metadata) -> Iterable[tuple[str, str]]:
    """Cranelift at the release that Wasmtime's own crate names: by its caret cargo would take a later one."""
    dependent = found.package("wasmtime-cranelift") or {}
    for one in dependent.get("dependencies", ()):
        if one["name"] == "cranelift-codegen":
            yield "cranelift-codegen", one["req"].lstrip("^=")


def _copy_crate(source: Path, target: Path, version: str) -> None:
    """A crate's source with another version of its own."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    text = (source / "Cargo.toml").read_text(encoding="utf-8")
    (target / "Cargo.toml").write_text(reversioned(text, version), encoding="utf-8")


def _say(text: str) -> None:
    if not clients.is_quiet():
        print(f"fuzz: {text}", file=sys.stderr)
