"""How long and how wide a run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fuzz.campaign.shards import Shard
from fuzz.campaign.steering import EPOCH

LAST_WORDS: Final = 5.0
"""Seconds that an interrupted run waits for how far minimizing has come."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how wide to run. ``seconds`` or ``cases`` bounds it; ``minimize_seconds`` 0 minimizes nothing.

    ``epoch`` is by how many case numbers steering goes (``fuzz.campaign.steering``), 0 for not at all. With a ``shard``
    only its part of the case numbers (of those below ``cases``) is run, and nothing steers but what was known before.
    ``bisect_seconds`` is for finding out which releases show what is new, at the end, 0 for not at all. With
    ``fail_on_any`` the exit code is about all findings in the folder that no known issue explains, else about new ones.

    ``stop_at`` is a hard end (by ``time.monotonic``): whatever slots do then is ended within ``LAST_WORDS``;
    ``bisect_until`` is one for finding out about releases.
    """

    seconds: float | None = 60.0
    cases: int | None = None
    jobs: int = 1
    max_per_signature: int = 3
    minimize_seconds: float = 60.0
    epoch: int = EPOCH
    fail_on_any: bool = False
    bisect_seconds: float = 0.0
    shard: Shard | None = None
    stop_at: float | None = None
    bisect_until: float | None = None
