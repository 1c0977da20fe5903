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

    With ``steer`` causes that are known have a say in what further cases are made of (``fuzz.campaign.steering``), with
    ``allot`` what targets gave in how many cases they get (``fuzz.campaign.allotment``), both by epochs of ``epoch``
    cases. With a ``shard`` only its part of the case numbers (of the first ``cases`` cases) is run, and nothing steers
    or allots but what was known before.
    ``bisect_seconds`` is for finding out which releases show what is new, at the end, 0 for not at all. With
    ``fail_on_any`` the exit code is about all findings in the folder that no known issue explains, else about new ones;
    about those that are only slow with ``fail_on_slow``.

    ``stop_at`` is a hard end (by ``time.monotonic``): whatever slots do then is ended within ``LAST_WORDS``;
    ``bisect_until`` is one for finding out about releases. Raises ``ValueError`` for epochs of no cases.
    """

    seconds: float | None = 60.0
    cases: int | None = None
    jobs: int = 1
    max_per_signature: int = 3
    minimize_seconds: float = 60.0
    epoch: int = EPOCH
    steer: bool = True
    allot: bool = False
    fail_on_any: bool = False
    fail_on_slow: bool = False
    bisect_seconds: float = 0.0
    shard: Shard | None = None
    stop_at: float | None = None
    bisect_until: float | None = None

    def __post_init__(self) -> None:
        if self.epoch < 1:
            raise ValueError(f"an epoch has 1 case or more, not {self.epoch}")
