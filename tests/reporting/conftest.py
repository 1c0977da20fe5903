"""Makes the helpers of this folder importable, and those of tests/archive that make archives."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "archive"))
