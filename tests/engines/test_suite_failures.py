"""The official suite on engines with failures: each file in ``suite/`` names them, and they are what fails now.

``passed``, ``failed`` and ``unsupported`` are commands of the whole core, as ``fuzz spectest --engine ENGINE`` counts
them; the test runs the files that have failures, and one that has none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracles.engine import EngineUnavailable, Limits, open_engine
from oracles.suite.spectest import run_suite
from tests.conftest import suite_root

DATA = Path(__file__).parent / "suite"
CLEAN = "i32"
"""A script that every engine passes."""


def failing(engine: Any, scripts: list[Path]) -> dict[str, list[int]]:
    """The lines that fail, by script."""
    results = run_suite(scripts, engine.open_script)
    return {result.path.stem: [one.line for one in result.failures] for result in results if result.failures}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_what_fails_is_what_is_named(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    root = suite_root()
    if root is None:
        pytest.skip("no official test suite: set WASM_SPEC_TESTSUITE to its folder")
    name, _, settings = data["engine"].partition(":")
    try:
        engine = open_engine(f"{name}@{data['release']}{':' if settings else ''}{settings}", Limits(), offline=True)
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert sum(map(len, data["failures"].values())) == data["failed"]
    known = {row.rpartition("/")[2]: row for row in data["failures"]}
    scripts = [found for row in [*known.values(), CLEAN] for found in (root / "core").glob(f"{row}.*")]
    seen = failing(engine, scripts)
    engine.close()
    assert {known[stem]: lines for stem, lines in seen.items()} == data["failures"]
    for row in data["failures"]:
        assert data["why"].get(row), f"{row} has no reason"
