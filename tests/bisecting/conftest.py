"""Makes the helpers of this folder importable, and gives each test a cache of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wasm import plugins

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_cache" not in request.fixturenames:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _own_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001
    """An adapter that a test puts beside the others is forgotten with it."""
    yield
    plugins.forget()


@pytest.fixture
def real_cache() -> None:
    """The test wants releases that were fetched before."""
