"""Run the official test suite through an engine."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from fuzz.cli.arguments import add_json, add_offline, path
from fuzz.cli.asked import asked_engines
from fuzz.report.suite import print_suite
from oracles.engine import UsageError, open_engine
from oracles.suite.by_cases import open_session
from oracles.suite.spectest import LIMITS, run_suite
from oracles.suite.wast import need_tool, scripts

EXAMPLES: Final = (
    "spectest spec/test/core --engine wasmtime:winch",
    "spectest spec/test/core/i32.wast",
)
EXITS: Final = {0: "all passed", 1: "a command failed, or a file could not be read"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=path, nargs="?", metavar="DIR|FILE")
    parser.add_argument("--engine", default="interpreter", metavar="ID")
    add_offline(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the official suite through one engine."""
    path = _inside(args.path or _suite())
    need_tool(path)
    engine = open_engine(asked_engines([args.engine], args.offline)[0], LIMITS, args.offline)
    try:
        return print_suite(run_suite([path], partial(open_session, engine)), str(engine.id), args.json, sys.stdout)
    finally:
        engine.close()


def _suite() -> Path:
    """The core of the official suite: ``WASM_SPEC_TESTSUITE``, or where a checkout of this project has it beside it."""
    home = Path(__file__).resolve().parents[4] / "shared" / "spec-testsuite"
    folder = Path(os.environ.get("WASM_SPEC_TESTSUITE", home))
    if not folder.exists():
        raise UsageError("name the suite's folder, or set WASM_SPEC_TESTSUITE (the README says where to get it)")
    return folder


def _inside(path: Path) -> Path:
    """The core of a suite whose root folder is named: proposals beside it are about features that no engine has all of.

    Raises ``UsageError`` where there is nothing to run.
    """
    if path.is_dir():
        inner = next((path / name for name in ("test/core", "core") if (path / name).is_dir()), path)
        if inner != path:
            print(f"fuzz: {path} is a suite's root: running {inner}", file=sys.stderr)
        if not scripts(inner):
            raise UsageError(f"there is no .wast file in {inner}")
        return inner
    if not path.exists():
        raise UsageError(f"there is no {path}")
    if not path.is_file():
        raise UsageError(f"{path} is neither a folder nor a regular file")
    return path
