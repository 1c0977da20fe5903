"""Engines in Rust: their releases as cargo knows them, and a worker built around one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

from oracles.built import WORKERS, tool
from oracles.engine import EngineUnavailable
from oracles.provision import run_client

SHARED: Final = WORKERS / "rust"
"""Source that all workers in Rust have besides their own."""


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


def build(crate: str, version: str, source: Path, target: Path) -> None:
    """Build the worker in ``source``, whose ``Cargo.toml`` has VERSION where the release stands."""
    manifest = source / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("VERSION", version))
    for path in SHARED.glob("*.rs"):
        shutil.copy(path, source / "src" / path.name)
    folder = source / "target"
    words = [tool("cargo", crate), "build", "--quiet", "--release", "--manifest-path", str(manifest)]
    run_client(
        ["env", f"ENGINE_VERSION={version}", "RUSTFLAGS=", f"CARGO_TARGET_DIR={folder}", *words], f"{crate} {version}"
    )
    shutil.move(folder / "release" / "worker", target)
