"""Make a case as small as it can be and still show its finding."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fuzz.archive import bundle
from fuzz.archive.archive import read_bundle
from fuzz.archive.disk import write_file, write_folder
from fuzz.cli.arguments import add_calls, add_engines, add_json, duration, positive
from fuzz.cli.cases import load, need_engines
from fuzz.records.finding import Finding
from fuzz.reduce import Budget, NotInteresting, Reduction, command_predicate, reduce_case
from fuzz.report.live import emit
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import finding_about, same_finding
from fuzz.trial.retry import TRIES, finding
from oracles.engine import UsageError
from oracles.judge.verdict import Disagree
from wasm.case import Case, CaseKind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="BUNDLE|FILE")
    add_engines(parser)
    add_calls(parser)
    words = "a command that gets the file's path and exits with 0 if it is interesting (default: the engines disagree "
    parser.add_argument("--predicate", metavar="CMD", help=words + "as they do on the input)")
    parser.add_argument("--time", type=duration, metavar="T", help="stop after this long")
    parser.add_argument("--runs", type=positive, metavar="N", help="stop after this many questions")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the module (default: beside the input)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Reduce a file or a bundle and write the result; a bundle without ``--out`` gets its own case replaced."""
    if args.predicate:
        case, _ = load(argparse.Namespace(**{**vars(args), "engine": ["interpreter"]}))
        _finish(args, case, _reduce(args, case, command_predicate(args.predicate)), None, None)
        return 0
    case, engines = load(args)
    if args.case.is_dir():
        case = read_bundle(args.case).case if not args.invoke else case
    bench = Bench(engines, offline=args.offline)
    try:
        need_engines(bench)
        found = _first_finding(bench, case)
        _finish(args, case, _reduce(args, case, same_finding(bench, found)), bench, found)
    finally:
        bench.close()
    return 0


def _first_finding(bench: Bench, case: Case) -> Finding:
    trial = bench.run(case)
    if not isinstance(trial.verdict, Disagree):
        if not bench.seats:
            raise NotInteresting
        if not trial.compared:
            raise UsageError("no engine has a vote on this case: nothing to minimize")
        about = "on whether these bytes are a module" if case.kind is CaseKind.BYTES else "on this case"
        raise UsageError(f"all engines agree {about}: nothing to minimize")
    signatures = split(trial.verdict)
    if len(signatures) > 1:
        print(f"fuzz: {len(signatures)} findings in one; minimizing {signatures[0][0]}", file=sys.stderr)
    return finding(bench, trial, signatures[0][0], TRIES)


def _reduce(args: argparse.Namespace, case: Case, question: Callable[[Case], bool]) -> Reduction:
    """Reduce, telling about progress: as JSON lines, in a terminal, or not at all."""
    last = time.monotonic()

    def progress(runs: int, size: int) -> None:
        nonlocal last
        if time.monotonic() - last < 1.0:
            return
        last = time.monotonic()
        if args.json:
            emit(sys.stdout, {"type": "progress", "runs": runs, "bytes": size})
        elif sys.stderr.isatty():
            print(f"\r{runs} runs, {size} bytes ", end="", file=sys.stderr, flush=True)

    budget = Budget(seconds=args.time, runs=args.runs)
    result = reduce_case(case, question, budget=budget, on_progress=progress)
    if not args.json and sys.stderr.isatty():
        print(file=sys.stderr)
    return result


def _finish(
    args: argparse.Namespace, case: Case, result: Reduction, bench: Bench | None, found: Finding | None
) -> None:
    folder: Path = args.case
    where = args.out
    if folder.is_dir() and where is None and bench is not None and found is not None:
        original = read_bundle(folder)
        again = finding_about(bench, replace(found, case=original.case), result.case) or found
        kept = replace(again, repeats=original.repeats, tries=original.tries, known=original.known)
        write_folder(folder, bundle.files(kept), bundle.EXECUTABLE)
        where = folder
    else:
        where = where or _beside(folder, result.case.kind)
        write_file(where, result.case.content)
        if result.case.invocations:
            write_file(where.with_suffix(".json"), json.dumps(result.case.to_json()).encode() + b"\n")
    seconds = round(result.seconds, 2)
    if args.json:
        fields = {"type": "minimized", "version": 1, "out": str(where), "from": len(case.content)}
        fields |= {"bytes": len(result.case.content), "runs": result.runs, "cached": result.cached, "seconds": seconds}
        calls = [invocation.to_json() for invocation in result.case.invocations]
        emit(sys.stdout, fields | {"finished": result.finished, "invocations": calls})
        return
    end = "" if result.finished else " (the budget ended it)"
    print(
        f"{len(case.content)} to {len(result.case.content)} bytes in {result.runs} runs and {seconds} s{end}: {where}"
    )
    for invocation in result.case.invocations:
        print(f"  {str(invocation)[:300]}")


def _beside(path: Path, kind: CaseKind) -> Path:
    return path / f"minimized{kind.suffix}" if path.is_dir() else path.with_name(f"{path.stem}.min{kind.suffix}")
