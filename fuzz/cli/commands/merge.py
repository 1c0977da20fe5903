"""Bring the output folders of several runs or machines together into one."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import Final

from fuzz.archive.archive import Reader
from fuzz.archive.merging.merge import Merged, merge
from fuzz.cli.arguments import add_json, path
from fuzz.cli.streams import say
from fuzz.records.exit_code import ExitCode
from fuzz.report.live import emit

EXAMPLES: Final = (
    "merge shard1 shard2 shard3 shard4 --into reports/all",
    "merge machines/*/out --into reports/all --json",
)
EXITS: Final = {
    0: "merged",
    3: "a folder is damaged, holds no campaign or is in use (nothing was changed), or a bundle could not be read (all "
    "else was merged)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "output folders of runs; they stay as they are"
    parser.add_argument("dir", nargs="+", type=path, metavar="DIR", help=words)
    words = "where to: an output folder, made if it is not there; merging the same folder again changes nothing"
    parser.add_argument("--into", required=True, type=path, metavar="DIR", help=words)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    start = time.monotonic()
    merged = merge(args.dir, args.into)
    seconds = time.monotonic() - start
    with Reader(args.into) as reader:
        causes = len(reader.causes.all())
    if args.json:
        row = {"type": "merged", "version": 1, "into": str(args.into), **asdict(merged), "all_causes": causes}
        emit(sys.stdout, row | {"wall_seconds": round(seconds, 3)})
    else:
        for line in _lines(args, merged, causes, seconds):
            say(line)
    return ExitCode.UNUSABLE if merged.unreadable else ExitCode.CLEAN


def _lines(args: argparse.Namespace, merged: Merged, causes: int, seconds: float) -> list[str]:
    better = f", {merged.better} better than what was there" if merged.better else ""
    return [
        f"Merged {merged.folders} folders into {args.into} in {seconds:.1f} s",
        f"  new there: {merged.nights} nights, {merged.cases} cases, {merged.findings} findings{better}, "
        f"{merged.sightings} sightings",
        f"  {merged.causes} causes are new, {merged.united} were one that was there; {causes} causes in all",
        *(f"  left where it is: {line}" for line in merged.unreadable),
    ]
