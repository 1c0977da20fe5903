"""Workers around crates: a build that was interrupted goes on with what it has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oracles.crates import build
from oracles.engine import EngineUnavailable

CARGO = """#!/bin/sh
# The first time it builds something and fails, as one that is out of time; the second time it finds that and ends.
if [ -f "$CARGO_TARGET_DIR/half" ]; then
    mkdir -p "$CARGO_TARGET_DIR/release" && echo "$ENGINE_VERSION" > "$CARGO_TARGET_DIR/release/worker"
else
    mkdir -p "$CARGO_TARGET_DIR" && touch "$CARGO_TARGET_DIR/half"
    echo "error: interrupted" >&2
    exit 1
fi
"""


def test_a_build_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    (source / "src").mkdir(parents=True)
    (source / "Cargo.toml").write_text('wasmer = "=VERSION"\n')
    cargo = tmp_path / "cargo"
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.raises(EngineUnavailable, match="error: interrupted"):
        build("wasmer", "7.5.0", source, tmp_path / "worker")
    kept = cache / "wasm-codegen-fuzz" / "wasmer" / ".work-7.5.0"
    assert (kept / "half").is_file()
    build("wasmer", "7.5.0", source, tmp_path / "worker")
    assert (tmp_path / "worker").read_text() == "7.5.0\n"
    assert (source / "Cargo.toml").read_text() == 'wasmer = "=7.5.0"\n'
    assert not kept.exists()
