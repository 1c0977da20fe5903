"""What a night is told, and how its time is shared out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.campaign.settings import LAST_WORDS
from fuzz.campaign.shards import Shard
from oracles.engine import UsageError

_LEAST_REPORT: Final = 5.0
_MOST_REPORT: Final = 120.0
_SHARE: Final = 0.05
"""Of the whole time, for the reports."""
_TAIL: Final = 0.1
"""Of the whole time at most, for minimizing after the last case."""
_OVERHEAD: Final = LAST_WORDS + 2.0
"""To end the slots and close the books."""


@dataclass(frozen=True, slots=True)
class Night:
    """A night. Times are seconds; ``minimize``, ``retest``, ``bisect`` and ``explain`` may be 0 for not at all.

    ``targets`` are those of a ``Series``. ``known`` are files. ``seeds`` is a corpus that ``mutate`` starts from,
    ``corpus`` the one that minimized causes are added to. ``reports`` names formats, written to ``out/report``. Of a
    ``shard`` only its part of the cases is run, as of ``fuzz run --shard``. ``mutants``, ``by_mutants``, ``slow`` and
    ``narrow`` are those of a ``Plan``.
    """

    out: Path
    targets: tuple[str, ...]
    engines: tuple[str, ...]
    seconds: float
    cases: int | None = None
    seed: int | None = None
    jobs: int = 1
    minimize: float = 60.0
    retest: float = 0.0
    bisect: float = 0.0
    explain: float = 0.0
    examples: int = 3
    steer: bool = True
    narrow: bool = True
    allot: bool = False
    fail_on_any: bool = False
    fail_on_slow: bool = False
    mutants: int = 0
    by_mutants: bool = False
    slow: bool = False
    offline: bool = False
    known: tuple[Path, ...] = ()
    seeds: Path | None = None
    corpus: Path | None = None
    reports: tuple[str, ...] = ()
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """When, in seconds from the beginning, each part of a night ends at the latest."""

    retest: float
    cases: float
    minimizing: float
    bisecting: float
    explaining: float
    report: float


def shares(night: Night) -> Shares:
    """The time is shared from the end: reports, explaining, releases, minimizing; the rest is for old causes and new
    cases. Raises ``UsageError`` where nothing is left for cases."""
    report = min(_MOST_REPORT, max(_LEAST_REPORT, _SHARE * night.seconds)) if night.reports else 0.0
    explaining = night.seconds - report
    bisecting = explaining - night.explain
    minimizing = bisecting - night.bisect
    cases = minimizing - _OVERHEAD - min(night.minimize, _TAIL * night.seconds)
    if cases <= 0 or night.retest >= cases:
        parts = {"retest": night.retest, "minimize": night.minimize, "bisect": night.bisect}
        parts |= {"explain": night.explain, "the reports": report}
        told = ", ".join(f"{seconds:.0f} s for {name}" for name, seconds in parts.items() if seconds)
        raise UsageError(f"time is {night.seconds:.0f} s, which leaves nothing for cases: {told}; give it more")
    return Shares(night.retest, cases, minimizing, bisecting, explaining, night.seconds)
