"""Engines in Rust: their releases as cargo knows them, and a worker built around one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from oracles.built import WORKERS, tool
from oracles.clients import run_client
from oracles.emulation import TARGETS, cargo_settings
from oracles.engine import EngineUnavailable
from oracles.provision import cache_root, provide

SHARED: Final = WORKERS / "rust"
"""Source that all workers in Rust have besides their own."""
_BUILD_SECONDS: Final = 10_800.0
"""Wasmer, of 268 packages, takes more than an hour of two cores that others use as well."""


def listed(crate: str) -> list[str]:
    """Every version of a crate that the registry has for this machine, yanked ones left out."""
    run_client([tool("cargo", crate), "info", "--quiet", crate], f"the list of {crate} releases")
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    part = f"{crate[:2]}/{crate[2:4]}/{crate}"
    found: list[str] = []
    # The answer of cargo's client to a question about a crate is every version, which it keeps as JSON objects.
    for file in sorted((home / "registry" / "index").glob(f"*/.cache/{part}")):
        for piece in file.read_bytes().split(b"\0"):
            if piece.startswith(b"{"):
                row = json.loads(piece)
                found += [] if row.get("yanked") else [row["vers"]]
    if not found:
        raise EngineUnavailable(f"cargo did not say which releases of {crate} there are")
    return found


def build(crate: str, version: str, source: Path, target: Path, folder: str = "") -> None:
    """Build the worker in ``source``, whose ``Cargo.toml`` has VERSION where the release stands. ``folder`` is that of
    the engine in the cache, where it is not ``crate``.

    Crates that are built stay in the cache until the worker is, so that a build that was interrupted goes on.
    """
    manifest = source / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("VERSION", version))
    kept = cache_root() / (folder or crate) / f".work-{version}"
    _built(source, f"{crate} {version}", target, {"ENGINE_VERSION": version}, folder=kept)
    shutil.rmtree(kept, ignore_errors=True)


def sources(crate: str, version: str, suffix: str, offline: bool) -> Path:
    """The folder in the cache with those files of a crate's source whose names end so, in the folders that they lie in.

    cargo brings the crate, as it does for whoever depends on it; nothing is built. Raises ``EngineUnavailable``.
    """

    def install(folder: Path) -> None:
        what = f"{crate} {version}"
        with tempfile.TemporaryDirectory(prefix="fuzz-crate-") as temporary:
            asking = Path(temporary)
            (asking / "src").mkdir()
            (asking / "src" / "lib.rs").touch()
            (asking / "Cargo.toml").write_text(_ASKING.format(crate=crate, version=version))
            words = [tool("cargo", what), "metadata", "--quiet", "--format-version", "1"]
            words += ["--manifest-path", str(asking / "Cargo.toml")]
            said = run_client(words, what)
        # Whatever else cargo says stands on lines of its own.
        whole = next((line for line in said.splitlines() if line.startswith('{"packages"')), "")
        if not whole:
            raise EngineUnavailable(f"cargo did not say where it put {what}")
        found = [one["manifest_path"] for one in json.loads(whole)["packages"] if one["name"] == crate]
        home = Path(found[0]).parent
        for path in sorted(home.rglob(f"*{suffix}")):
            kept = folder / path.relative_to(home)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept)

    return provide(f"{crate}{suffix}", version, install, offline)


_ASKING: Final = """[package]
name = "asking"
version = "0.0.0"
edition = "2021"

[dependencies]
{crate} = {{ version = "={version}", default-features = false }}

[workspace]
"""


def build_for(name: str, source: Path, target: Path) -> None:
    """Build the worker in ``source`` for the machine of that name (``emulation.TARGETS``)."""
    what = f"the worker for {name}"
    _built(source, what, target, cargo_settings(TARGETS[name], what), TARGETS[name].triple)


def _built(
    source: Path, what: str, target: Path, settings: Mapping[str, str], triple: str = "", folder: Path | None = None
) -> None:
    """Build it with the source that all workers share, for a triple or else for this machine, in ``folder``.

    Which compiler is enough for the crates is found out by trying (``--ignore-rust-version``).
    """
    for path in SHARED.glob("*.rs"):
        shutil.copy(path, source / "src" / path.name)
    folder = folder or source / "target"
    environment = {**settings, "RUSTFLAGS": "", "CARGO_TARGET_DIR": str(folder)}
    words = [tool("cargo", what), "build", "--quiet", "--release", "--ignore-rust-version"]
    words += ["--manifest-path", str(source / "Cargo.toml")]
    words += ["--target", triple] if triple else []
    run_client(["env", *(f"{key}={value}" for key, value in environment.items()), *words], what, _BUILD_SECONDS)
    shutil.move(folder / triple / "release" / "worker", target)
