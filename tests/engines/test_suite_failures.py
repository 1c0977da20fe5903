"""The official suite on engines with failures: each file in ``suite/`` names them, and they are what fails now.

``passed``, ``failed`` and ``unsupported`` are commands of the whole core, as ``fuzz spectest --engine ENGINE`` counts
them; the test runs the files that have failures, or many of them, and one that has none.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oracles.engine import Engine, EngineUnavailable, open_engine, releases_of
from oracles.suite.by_cases import ByCases, open_session
from oracles.suite.spectest import LIMITS, run_suite
from oracles.suite.wast import scripts as scripts_in
from tests.conftest import suite_root

DATA = Path(__file__).parent / "suite"
CLEAN = "i32"
"""A script that every engine passes, but one that validates nothing."""
MOST = 24
"""Of the scripts that fail so many are asked at most, spread over all of them."""
FEW = 3
"""Of an engine that starts a process for each instance it is so many, the smallest ones."""


def failing(engine: Any, scripts: list[Path]) -> dict[str, list[int]]:
    """The lines that fail, by script."""
    results = list(run_suite(scripts, partial(open_session, engine)))
    assert not [result.error for result in results if result.error]
    return {result.path.stem: [one.line for one in result.failures] for result in results if result.failures}


def opened(id: str, release: str) -> Engine:
    """An engine in a release, or a skipped test where this machine does not have that."""
    name, colon, settings = id.partition(":")
    fetched = releases_of(name) is not None
    try:
        engine = open_engine(f"{name}@{release}{colon}{settings}" if fetched else id, LIMITS, offline=True)
        here = engine.capabilities.version
    except EngineUnavailable as error:
        pytest.skip(str(error))
    if not fetched and here != release:
        engine.close()
        pytest.skip(f"{id} is {here} here")
    return engine


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_what_fails_is_what_is_named(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    root = suite_root()
    if root is None:
        pytest.skip("no official test suite: set WASM_SPEC_TESTSUITE to its folder")
    engine = opened(data["engine"], data["release"])
    assert sum(map(len, data["failures"].values())) == data["failed"]
    rows = list(data["failures"])
    clean = [CLEAN] if CLEAN not in rows else []
    core = root / "core"
    at = {str(path.relative_to(core).with_suffix("")): path for path in scripts_in(core)}
    asked = rows[:: 1 + len(rows) // MOST]
    if isinstance(open_session(engine), ByCases):
        asked = sorted(rows, key=lambda row: at[row].stat().st_size)[:FEW]
    known = {row.rpartition("/")[2]: row for row in asked}
    scripts = [at[row] for row in [*asked, *clean]]
    seen = failing(engine, scripts)
    engine.close()
    assert {known[stem]: lines for stem, lines in seen.items()} == {
        row: data["failures"][row] for row in known.values()
    }
    for row in rows:
        assert data["why"].get(row), f"{row} has no reason"
