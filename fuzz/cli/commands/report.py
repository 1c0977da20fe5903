"""A report of what a folder holds."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from typing import Final

from fuzz.archive.recorded import recorded
from fuzz.cli.arguments import path
from fuzz.report import formats
from oracles.engine import UsageError
from wasm.errors import nearest

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
    if args.format not in names:
        raise UsageError(f"no format {args.format!r}{nearest(args.format, names)}: there are {', '.join(names)}")
    if not args.dir.is_dir():
        raise UsageError(f"there is no folder {args.dir}")
    module = importlib.import_module(f"fuzz.report.formats.{args.format}")
    print(module.render(recorded(args.dir)), end="")
    return 0
