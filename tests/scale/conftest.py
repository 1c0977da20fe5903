"""The mistaken engine, and findings without an engine, are those of ``tests/harness``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "harness"))
