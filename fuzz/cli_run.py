"""``fuzz run``."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from fuzz.campaign.archive import Archive, Series
from fuzz.campaign.bench import canonical, default_engines
from fuzz.campaign.loop import Campaign, Settings
from fuzz.campaign.slot import Plan
from fuzz.report.live import observer
from fuzz.triage import known
from generators.registry import GENERATOR_VERSION, load_target, target_names
from oracles.engine import UsageError

DEFAULT_SECONDS: Final = 60.0


def run(args: argparse.Namespace) -> int:
    """Run a campaign; gives the exit code of its summary."""
    targets = _targets(args.target)
    engines = canonical(args.engine or default_engines(load_target(name).kind for name in targets))
    issues = known.load(args.known) if args.known else known.none()
    seconds = args.time if args.time is not None else None if args.cases is not None else DEFAULT_SECONDS
    settings = Settings(
        seconds=seconds,
        cases=args.cases,
        jobs=args.jobs or len(os.sched_getaffinity(0)),
        max_per_signature=args.max_per_signature,
        minimize_seconds=0.0 if args.no_minimize else args.minimize_time,
    )
    folder = args.out or _new_folder()
    archive = Archive(folder)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        series = Series(targets, _seed(args.seed, archive, targets), GENERATOR_VERSION)
        plan = Plan(tuple(engines), series, offline=args.offline)
        summary = Campaign(plan, settings, archive, issues, observer(args.json)).run()
    finally:
        signal.signal(signal.SIGTERM, previous)
        archive.close()
    return int(summary.exit_code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """A polite request to end is treated as an interrupt from the keyboard."""
    raise KeyboardInterrupt


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in target_names():
            raise UsageError(f"no target {name!r}: there are {', '.join(target_names())}")
    if not names:
        raise UsageError(f"--target names nothing: there are {', '.join(target_names())}")
    return names


def _seed(given: int | None, archive: Archive, targets: tuple[str, ...]) -> int:
    """The seed: as given, or that of the folder's last series with these targets, or a random one."""
    if given is not None:
        return given
    last = archive.last_seed(targets, GENERATOR_VERSION)
    return secrets.randbelow(1 << 32) if last is None else last


def _new_folder() -> Path:
    return Path("reports") / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
