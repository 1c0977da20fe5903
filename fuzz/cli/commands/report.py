"""A report of what a folder holds."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from typing import Final

from fuzz.archive.recorded import recorded
from fuzz.cli.arguments import path
from fuzz.cli.names import one_of
from fuzz.report import formats
from oracles.engine import UsageError

EXAMPLES: Final = (
    "report reports/NIGHT",
    "report reports/NIGHT --format jsonl",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=path, metavar="DIR")
    parser.add_argument("--format", default="markdown", metavar="F", help="markdown (the default) or jsonl")


def run(args: argparse.Namespace) -> int:
    """Print the report in the format asked for."""
    names = sorted(item.name for item in pkgutil.iter_modules(formats.__path__))
    one_of(args.format, "format", names)
    if not args.dir.is_dir():
        raise UsageError(f"there is no folder {args.dir}")
    module = importlib.import_module(f"fuzz.report.formats.{args.format}")
    print(module.render(recorded(args.dir)), end="")
    return 0
