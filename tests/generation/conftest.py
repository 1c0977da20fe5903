"""What tests of generated cases share: the reference interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracles.engine import Engine, open_engine


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Engine]:
    engine = open_engine("interpreter")
    yield engine
    engine.close()
