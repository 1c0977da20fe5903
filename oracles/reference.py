"""The name of the reference: what every other engine's observations are compared with."""

from __future__ import annotations

from typing import Final

REFERENCE: Final = "interpreter"
"""The reference interpreter's engine id, family, and name in observations, records and signatures."""
