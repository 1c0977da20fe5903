"""Counting findings by bucket, with a cap on how many duplicates are stored and worked on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from fuzz.finding import Signature

DEFAULT_STORED: Final = 3


class Admission(Enum):
    """What becomes of a finding: first of its bucket (stored, minimized), stored as another example, or counted."""

    FIRST = "first"
    STORED = "stored"
    COUNTED = "counted"


@dataclass(slots=True)
class Buckets:
    """Counts by the key of ``Signature.bucket``. ``limit`` is how many of one bucket are stored, at least 1."""

    limit: int = DEFAULT_STORED
    counts: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)

    def admit(self, signature: Signature) -> Admission:
        """Count one more of a bucket and say what to do with it."""
        key = signature.bucket.key
        self.counts[key] = self.counts.get(key, 0) + 1
        stored = self.stored.get(key, 0)
        if stored >= self.limit:
            return Admission.COUNTED
        self.stored[key] = stored + 1
        return Admission.FIRST if stored == 0 else Admission.STORED

    def full(self) -> frozenset[str]:
        """Keys of buckets of which no further example is wanted; their findings need no retry."""
        return frozenset(key for key, stored in self.stored.items() if stored >= self.limit)

    def load(self, signature: Signature, count: int = 1) -> None:
        """Take into account a finding that an earlier run stored."""
        key = signature.bucket.key
        self.stored[key] = self.stored.get(key, 0) + 1
        self.counts[key] = max(self.counts.get(key, 0), count, self.stored[key])
