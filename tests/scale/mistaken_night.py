"""Nights with the mistaken engine, whole, as shards, and on clusters."""

from __future__ import annotations

import io
from pathlib import Path

from mistaken_engine import open_mistaken

from fuzz.archive.archive import Archive, Reader
from fuzz.campaign.crew import Crew
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.campaign.shards import Shard
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.triage.essentials import Essentials
from oracles.engine import Engine, EngineUnavailable, Limits

SERIES = Series(("arith",), 9, "1")
CASES = 24


def open_some(id: str, limits: Limits, offline: bool) -> Engine:
    """The mistaken engine; any other one is not to be had."""
    if not id.startswith("mistaken"):
        raise EngineUnavailable(f"{id} is not here")
    return open_mistaken(id, limits, offline)


def night(
    folder: Path, shard: Shard | None = None, by: Crew | None = None, cases: int = CASES, epoch: int = 1000,
    engines: tuple[str, ...] = ("mistaken",),
) -> Summary:  # fmt: skip
    archive = Archive(folder)
    try:
        plan = Plan(engines, SERIES, opener=open_some)
        settings = Settings(None, cases, 1, epoch=epoch, shard=shard)
        return Campaign(plan, settings, archive, known.none(), observer(True, io.StringIO()), by).run()
    finally:
        archive.close()


def about(folder: Path) -> list[frozenset[str]]:
    """What the causes of a folder are about."""
    with Reader(folder) as reader:
        return sorted(
            (Essentials.of_words(cause.essentials).specific for cause in reader.causes.all()), key=sorted
        )  # fmt: skip
