"""Makes the helpers of this folder importable, also in the slots that nights start, and those of tests/harness."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "harness"))
