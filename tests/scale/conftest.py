"""Makes the helpers of this folder and of ``tests/harness`` importable, also in the slots that campaigns start."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "harness")]
