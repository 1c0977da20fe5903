"""What a folder holds, as a page for people or a file for machines: what is new, again, gone, known."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from fuzz.archive.morning import morning
from fuzz.archive.report_files import FOLDER, format_names, format_of, save, write_reports
from fuzz.cli.arguments import path
from fuzz.cli.names import listed, one_of
from fuzz.records.exit_code import ExitCode
from fuzz.records.morning import CauseNews, Morning
from fuzz.report.upstream import upstream
from oracles.engine import UsageError

EXAMPLES: Final = (
    "report reports/NIGHT",
    "report reports/NIGHT --format html --out morning.html",
    "report reports/NIGHT --write html,junit,sarif",
    "report reports/NIGHT --upstream 3",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=path, metavar="DIR", help="the output folder of runs")
    what = parser.add_mutually_exclusive_group()
    words = "markdown (the default), html, junit, sarif, jsonl, github or fuzzmanager (docs/reports.md)"
    what.add_argument("--format", default="markdown", metavar="F", help=words)
    words = f"several formats at once, as html,junit,sarif: files in DIR/{FOLDER}, whose names are printed"
    what.add_argument("--write", metavar="F,F", help=words)
    words = (
        "a report on one cause for the engine's maintainers, as Markdown: its number ('fuzz causes DIR'), or a bundle"
    )
    what.add_argument("--upstream", metavar="CAUSE", help=words)
    parser.add_argument("--out", type=path, metavar="FILE", help="write to a file (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Print or write what was asked for. In a job of GitHub Actions a report that is printed annotates the job besides,
    by standard error."""
    names = format_names()
    if args.write is not None:
        if args.out is not None:
            raise UsageError(f"--write names its files itself, in DIR/{FOLDER}: leave out --out, or use --format")
        wanted = listed(args.write, "write", names, "format")
    else:
        wanted = (one_of(args.format, "format", names),)
    if not args.dir.is_dir():
        raise UsageError(f"there is no folder {args.dir}")
    told = morning(args.dir)
    if args.upstream is not None:
        _put(upstream(told, _cause(told, args.upstream)), args.out)
    elif args.write is not None:
        for file in write_reports(told, wanted, args.dir / FOLDER):
            print(file)
    else:
        _put(format_of(wanted[0]).render(told), args.out)
        if os.environ.get("GITHUB_ACTIONS") == "true" and args.format != "github":
            print(format_of("github").render(told), end="", file=sys.stderr)
    return ExitCode.CLEAN


def _put(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
        return
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}: make it first")
    if out.is_dir():
        raise UsageError(f"{out} is a folder: name a file in it")
    save(out, text)


def _cause(told: Morning, name: str) -> CauseNews:
    """The cause that a person means: by its number, by its key, or by one of its bundles."""
    wanted = Path(name).name
    for news in told.causes:
        if wanted in (str(news.cause.id or ""), news.key) or wanted in news.bundles:
            return news
    known = ", ".join(news.name for news in told.causes[:20])
    raise UsageError(
        f"there is no cause {name!r} in {told.place}: " + (f"there are {known}" if known else "it has none")
    )
