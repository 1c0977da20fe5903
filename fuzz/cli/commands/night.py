"""Run an unattended night from a configuration: old causes, a campaign, releases, reports, with a hard end."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fuzz.archive.report_files import save
from fuzz.cli.arguments import add_json, path
from fuzz.cli.night_file import DEFAULT_NAME, TEMPLATE, read_night
from fuzz.cli.stopping import stoppable
from fuzz.cli.streams import say
from fuzz.night.retest import Retested
from fuzz.night.running import Told, run_night
from fuzz.night.settings import Night, shares
from fuzz.records.exit_code import ExitCode
from fuzz.records.printable import one_line
from fuzz.report.live import emit, observer
from fuzz.triage import known
from oracles.engine import UsageError

EXAMPLES: Final = (
    "night --init",
    "night night.toml --check",
    "night night.toml",
    "night ci/night.toml --json",
)
EXITS: Final = {
    0: "no finding, or known ones only",
    1: "new findings",
    3: "the harness, an engine, a report or standard output cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = f"the configuration (docs/night.md; default for --init: {DEFAULT_NAME})"
    parser.add_argument("config", type=path, nargs="?", metavar="CONFIG.toml", help=words)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--init", action="store_true", help="write a configuration with comments, and run nothing")
    what.add_argument("--check", action="store_true", help="say what would run, and run nothing")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run a night; gives the exit code of its summary."""
    started = time.monotonic()
    if args.init:
        return _init(args.config or Path(DEFAULT_NAME))
    if args.config is None:
        raise UsageError(f"name a configuration: fuzz night --init writes {DEFAULT_NAME}")
    night = read_night(args.config)
    if args.check:
        return _check(night)
    with stoppable():
        told = run_night(night, observer(args.json), started, tell=lambda one: _retested(one, args.json))
    _close(night, told, time.monotonic() - started, args.json)
    _leave(told.exit_code)
    return told.exit_code


def _init(file: Path) -> int:
    if file.exists():
        raise UsageError(f"{file} is there already: name another file, or edit it")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}: make it first")
    save(file, TEMPLATE.format(name=file.name))
    say(f"{file} is written: edit it, then fuzz night {file} --check")
    return ExitCode.CLEAN


def _check(night: Night) -> int:
    for line in _plan(night):
        say(line)
    return ExitCode.CLEAN


def _plan(night: Night) -> Iterator[str]:
    ends = shares(night)
    turns = Counter(night.targets)
    yield f"out: {night.out}{'' if night.out.exists() else ' (new)'}"
    yield f"targets: {', '.join(f'{name} {100 * n / len(night.targets):.0f}%' for name, n in turns.most_common())}"
    yield f"engines: {', '.join(night.engines)}"
    if night.shard is not None:
        yield f"shard: {night.shard}, with seed {night.seed}"
    until = f", {night.cases} cases at most" if night.cases else ""
    yield f"time: {night.seconds:.0f} s in all, {night.jobs} slots{until}"
    yield f"  old causes: {f'until second {ends.retest:.0f}' if night.retest else 'not tried again'}"
    yield f"  cases: until second {ends.cases:.0f}"
    each = f"{night.minimize:.0f} s each, until second {ends.minimizing:.0f}"
    yield f"  minimizing: {each if night.minimize else 'no'}"
    yield f"  releases of new causes: {f'until second {ends.bisecting:.0f}' if night.bisect else 'not asked'}"
    yield f"  explaining new causes: {f'until second {ends.explaining:.0f}' if night.explain else 'no'}"
    reports = f"{', '.join(night.reports)}, until second {ends.report:.0f}"
    yield f"  reports: {reports if night.reports else 'none'}"
    issues = known.together([known.load(file) for file in night.known])
    yield f"known issues: {len(issues.entries)} in {len(night.known)} files"
    if night.seeds is not None:
        yield f"seeds: {len(list(night.seeds.glob('*.json')))} cases in {night.seeds}"
    if night.corpus is not None:
        yield f"corpus: minimized causes go to {night.corpus}"


def _retested(one: Retested, json_lines: bool) -> None:
    if not json_lines:
        say(str(one))
        sys.stdout.flush()
        return
    state = "again" if one.showing else "gone" if one.gone else "unknown"
    row = {"type": "retested", "cause": one.cause.id, "name": one.cause.name, "known": one.cause.known, "state": state}
    answers = [
        {
            "engine": told.engine,
            "release": told.release,
            "state": told.state.value,
            "shows": told.shows,
            "why": told.why,
        }
        for told in one.answers
    ]
    emit(sys.stdout, row | {"answers": answers})


def _close(night: Night, told: Told, seconds: float, json_lines: bool) -> None:
    gone = sum(one.gone for one in told.retested)
    again = sum(bool(one.showing) for one in told.retested)
    for text in told.missing:
        print(f"fuzz: {one_line(text)}", file=sys.stderr)
    if json_lines:
        row = {"type": "night", "version": 1, "out": str(night.out), "retested": len(told.retested), "gone": gone}
        row |= {"again": again, "not_reached": told.untested, "corpus": [str(file) for file in told.kept]}
        row |= {"reports": [str(file) for file in told.reports], "missing": told.missing}
        emit(sys.stdout, row | {"seconds": round(seconds, 1), "exit_code": int(told.exit_code)})
        return
    if night.retest:
        left = f", {told.untested} not reached" if told.untested else ""
        say(f"Old causes: {len(told.retested)} tried again, {again} still there, {gone} gone{left}")
    if night.corpus is not None:
        say(f"Corpus: {len(told.kept)} cases added to {night.corpus}")
    for file in told.reports:
        say(f"Report: {file}")
    say(f"The night took {seconds:.0f} of {night.seconds:.0f} s")


def _leave(code: ExitCode) -> None:
    """A release that is still being fetched must not hold up the end: Python would wait for its thread."""
    if any(thread.name.startswith("fetch") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code))
