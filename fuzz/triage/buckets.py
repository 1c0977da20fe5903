"""A cap on how many findings of one bucket are stored and worked on: an old bug must not eat the night."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from fuzz.records.finding import Signature

DEFAULT_STORED: Final = 3


class Admission(Enum):
    """What becomes of a finding: first of its bucket (stored, minimized), stored as another example, or counted."""

    FIRST = "first"
    STORED = "stored"
    COUNTED = "counted"


@dataclass(slots=True)
class Buckets:
    """Stored findings by the key of ``Signature.bucket``. ``limit`` is how many of one are stored, at least 1."""

    limit: int = DEFAULT_STORED
    stored: dict[str, int] = field(default_factory=dict)

    def admit(self, signature: Signature) -> Admission:
        """Say what to do with a finding, and take note of it."""
        key = signature.bucket.key
        stored = self.stored.get(key, 0)
        if stored >= self.limit:
            return Admission.COUNTED
        self.stored[key] = stored + 1
        return Admission.FIRST if stored == 0 else Admission.STORED

    def full(self) -> frozenset[str]:
        """Keys of buckets of which no further example is wanted; their findings need no retry."""
        return frozenset(key for key, stored in self.stored.items() if stored >= self.limit)

    def load(self, signature: Signature) -> None:
        """Take into account a finding that an earlier run stored."""
        key = signature.bucket.key
        self.stored[key] = self.stored.get(key, 0) + 1
