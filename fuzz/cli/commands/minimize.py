"""Make a case as small as it can be and still show its finding."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from fuzz.archive import bundle
from fuzz.archive.bundles import read_bundle
from fuzz.archive.disk import write_file
from fuzz.archive.wast import to_wast
from fuzz.cli.arguments import add_calls, add_engines, add_json, add_limits, add_trust, duration, path, positive
from fuzz.cli.cases import load_one, need_engines
from fuzz.cli.streams import plain, say
from fuzz.records.finding import Finding
from fuzz.reduce import Budget, Reduction, command_predicate, reduce_case
from fuzz.report.live import emit
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.compared import compared
from fuzz.trial.minimize import finding_about, same_finding
from fuzz.trial.retry import TRIES, finding
from oracles.engine import EngineUnavailable, UsageError
from oracles.interpreter import run_case
from oracles.judge.verdict import Disagree
from oracles.reference import REFERENCE
from wasm.case import Case, CaseKind

EXAMPLES: Final = (
    "minimize reports/NIGHT/findings/NAME --time 10m",
    "minimize big.wasm --predicate ./is-interesting --out small.wasm",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=path, metavar="BUNDLE|FILE")
    add_engines(parser)
    add_trust(parser)
    add_calls(parser)
    add_limits(parser)
    words = "a command that gets the file's path and exits with 0 if it is interesting (default: the engines disagree "
    parser.add_argument("--predicate", metavar="CMD", help=words + "as they do on the input)")
    parser.add_argument("--time", type=duration, metavar="T", help="stop after this long")
    parser.add_argument("--runs", type=positive, metavar="N", help="stop after this many questions")
    parser.add_argument(
        "--out", type=path, metavar="FILE", help="where to write the module (default: beside the input)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Reduce a file or a bundle and write the result; a bundle without ``--out`` gets its own case replaced."""
    if args.predicate is not None:
        if not args.predicate.strip():
            raise UsageError("--predicate names no command")
        args.engine = [REFERENCE]
        case = load_one(args).case
        _finish(args, case, _reduce(args, case, command_predicate(args.predicate)), None, None)
        return 0
    asked = load_one(args)
    bench = Bench(asked.engines, asked.limits, args.offline)
    try:
        need_engines(bench)
        found = _first_finding(bench, asked.case)
        _finish(args, asked.case, _reduce(args, asked.case, same_finding(bench, found)), bench, found)
    finally:
        bench.close()
    return 0


def _first_finding(bench: Bench, case: Case) -> Finding:
    trial = bench.run(case)
    if not isinstance(trial.verdict, Disagree):
        done = compared(trial)
        if done.nothing:
            reasons = f": {'; '.join(done.reasons[:4])}" if done.reasons else ""
            raise EngineUnavailable(f"no two engines have an answer on this case, so nothing to minimize{reasons}")
        about = "on whether these bytes are a module" if case.kind is CaseKind.BYTES else f"({done})"
        raise UsageError(f"all engines agree {about}: nothing to minimize")
    signatures = split(trial.verdict)
    if len(signatures) > 1:
        print(f"fuzz: {len(signatures)} findings in one; minimizing {signatures[0][0]}", file=sys.stderr)
    return finding(bench, trial, signatures[0][0], TRIES)


def _reduce(args: argparse.Namespace, case: Case, question: Callable[[Case], bool]) -> Reduction:
    """Reduce, telling about progress. The first Ctrl-C ends it with the best so far, a second one at once."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("fuzz: interrupted: keeping the smallest so far", file=sys.stderr)

    previous = signal.signal(signal.SIGINT, stop)
    try:
        with Progress(args.json) as progress:
            budget = Budget(seconds=args.time, runs=args.runs, stop=lambda: stopped)
            return reduce_case(case, question, budget=budget, on_progress=progress)
    finally:
        signal.signal(signal.SIGINT, previous)


class Progress:
    """Tells how far a reduction is: once a second as JSON lines or in a terminal, else every ten seconds in a line."""

    def __init__(self, json_lines: bool) -> None:
        self.json_lines, self.terminal = json_lines, sys.stderr.isatty()
        self.every = 1.0 if json_lines or self.terminal else 10.0
        self.told = self.begun = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal and not self.json_lines:
            print(file=sys.stderr)

    def __call__(self, runs: int, size: int) -> None:
        now = time.monotonic()
        if now - self.told < self.every:
            return
        self.told = now
        if self.json_lines:
            emit(sys.stdout, {"type": "progress", "runs": runs, "bytes": size})
            return
        end = "" if self.terminal else "\n"
        start = "\r" if self.terminal else "fuzz: "
        print(
            f"{start}{now - self.begun:.0f} s, {runs} runs, {size} bytes ", end=end, file=plain(sys.stderr), flush=True
        )


def _finish(
    args: argparse.Namespace, case: Case, result: Reduction, bench: Bench | None, found: Finding | None
) -> None:
    folder: Path = args.case
    where = args.out
    if folder.is_dir() and where is None and bench is not None and found is not None:
        original = read_bundle(folder)
        again = finding_about(bench, replace(found, case=original.case), result.case) or found
        kept = replace(again, repeats=original.repeats, tries=original.tries, known=original.known)
        bundle.write(folder, kept)
        where = folder
    else:
        where = where or _beside(folder, result.case.kind)
        write_file(where, result.case.content)
        if result.case.before:
            seen = run_case(result.case)
            script = to_wast(result.case, (seen.instantiation, *seen.outcomes))
            write_file(where.with_suffix(".wast"), script.encode())
        if result.case.invocations or result.case.before:
            write_file(where.with_suffix(".json"), json.dumps(result.case.to_json()).encode() + b"\n")
    seconds = round(result.seconds, 2)
    if args.json:
        row = {"type": "minimized", "version": 1, "out": str(where), "from": case.size}
        row |= {"bytes": result.case.size, "runs": result.runs, "cached": result.cached, "seconds": seconds}
        calls = [invocation.to_json() for invocation in result.case.invocations]
        emit(sys.stdout, row | {"finished": result.finished, "invocations": calls})
        return
    end = "" if result.finished else " (the budget ended it)"
    print(f"{case.size} to {result.case.size} bytes in {result.runs} runs and {seconds} s{end}: {where}")
    for invocation in result.case.invocations:
        say(f"  {str(invocation)[:300]}")


def _beside(path: Path, kind: CaseKind) -> Path:
    return path / f"minimized{kind.suffix}" if path.is_dir() else path.with_name(f"{path.stem}.min{kind.suffix}")
