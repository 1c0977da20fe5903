"""Makes the helpers of this folder, of tests/harness and tests/archive importable, also in slots."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("scale", "harness", "archive")]
