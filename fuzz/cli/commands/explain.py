"""Say why a finding is wrong: the settings, the function and the first wrong operation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz.archive import learned
from fuzz.archive.disk import write_file
from fuzz.cli.arguments import add_calls, add_json, add_limits, add_offline, add_trust, duration, path
from fuzz.cli.cases import Asked, load_one
from fuzz.cli.names import one_of
from fuzz.cli.streams import say
from fuzz.explain.asking import Subject, subject_of
from fuzz.explain.explaining import INSTRUMENTS, Wish, explain
from fuzz.explain.words import PAGE, lines, page
from fuzz.records.exit_code import ExitCode
from fuzz.records.explanation import Explanation
from fuzz.records.printable import one_line
from fuzz.records.strip import State
from fuzz.report.live import emit
from fuzz.trial.bench import Bench
from fuzz.trial.compared import compared
from oracles.engine import EngineId, EngineUnavailable, UsageError
from oracles.judge.verdict import Disagree
from oracles.reference import REFERENCE

EXAMPLES: Final = (
    "explain reports/NIGHT/findings/NAME",
    "explain case.wat --invoke 'f(i32:24, i32:1)' --engine wasmtime@33:opt=none --only operation",
)
EXITS: Final = {
    0: "something is explained",
    1: "nothing could be explained",
    3: "it could not be run: an engine or standard output cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=path, metavar="BUNDLE|FILE")
    words = "the engine that is wrong (default: the first of the bundle's, or of the default ones, that is)"
    parser.add_argument("--engine", action="append", metavar="ID", help=words)
    add_offline(parser)
    add_trust(parser)
    add_calls(parser)
    add_limits(parser)
    words = f"instruments, of {', '.join(INSTRUMENTS)} (default: all)"
    parser.add_argument("--only", metavar="WHAT[,WHAT]", default=",".join(INSTRUMENTS), help=words)
    parser.add_argument("--time", type=duration, metavar="T", help="ask nothing more after this long")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Explain the first engine that is wrong; a bundle keeps what was found out."""
    only = _only(args.only)
    asked = load_one(args)
    subject = _subject(asked, args.offline)
    wish = Wish(only, args.time, _right_releases(args.case, subject.engine))
    made = explain(subject, wish, asked.limits, args.offline)
    folder: Path = args.case
    kept = folder.is_dir() and asked.piece.finding is not None
    if kept:
        learned.keep_explanation(folder, made)
        write_file(folder / PAGE, page(learned.explanations(folder)).encode())
    if args.json:
        emit(sys.stdout, {"type": "explanation", "version": 1, **made.to_json()})
    else:
        _print(subject, made, folder if kept else None)
    return ExitCode.CLEAN if is_explained(made) else ExitCode.FINDINGS


def _only(text: str) -> frozenset[str]:
    names = frozenset(one_of(name.strip(), "instrument", INSTRUMENTS) for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"--only names nothing: there are {', '.join(INSTRUMENTS)}")
    return names


def _right_releases(folder: Path, engine: str) -> tuple[str, ...]:
    """Those in which `fuzz bisect` found the bundle's case right, the nearest to the wrong one first."""
    id = EngineId.parse(engine)
    without = str(id.released())
    for strip in learned.strips(folder) if folder.is_dir() else ():
        if str(EngineId.parse(strip.engine)) == without:
            good = [one.release for one in strip.tried if one.state is State.GOOD]
            here = strip.offered.index(id.version) if id.version in strip.offered else len(strip.offered)
            return tuple(sorted(good, key=lambda release: abs(strip.offered.index(release) - here)))
    return ()


def is_explained(made: Explanation) -> bool:
    """Whether any instrument had an answer."""
    return bool(made.fingerprint or made.function or made.item or made.operation or made.stages)


def _subject(asked: Asked, offline: bool) -> Subject:
    """The finding of the first engine that dissents. Raises ``UsageError`` or ``EngineUnavailable``."""
    engines = [id for id in asked.engines if id != REFERENCE]
    if not engines:
        raise UsageError("the interpreter is what others are compared with: name the engine that is wrong by --engine")
    before = asked.piece.finding.before if asked.piece.finding is not None else ()
    bench = Bench(engines, asked.limits, offline)
    try:
        for reason in bench.broken.values():
            print(f"fuzz: {one_line(reason)}", file=sys.stderr)
        if not bench.seats:
            raise EngineUnavailable("none of the engines can be used")
        trial = bench.run_after(before, asked.case)
        subjects = [found for id in bench.seats if (found := subject_of(trial, id, before)) is not None]
        if not subjects:
            done = compared(trial)
            if done.nothing or bench.broken:
                raise EngineUnavailable(f"nothing to explain was seen: {done}{_reasons(done.reasons)}")
            raise UsageError(f"all engines agree ({done}): nothing to explain")
        if len(subjects) > 1:
            others = ", ".join(one.engine for one in subjects[1:])
            text = f"explaining {subjects[0].engine}; --engine names another one that is wrong: {others}"
            print(f"fuzz: {text}", file=sys.stderr)
        if isinstance(trial.verdict, Disagree) and REFERENCE in trial.verdict.suspects and len(bench.seats) > 1:
            print("fuzz: most engines contradict the reference here, which is taken for right", file=sys.stderr)
        return subjects[0]
    finally:
        bench.close()


def _reasons(reasons: Sequence[str]) -> str:
    return f": {'; '.join(reasons[:4])}" if reasons else ""


def _print(subject: Subject, made: Explanation, folder: Path | None) -> None:
    say(one_line(f"{made.engine}, {subject.dissent.where}: {subject.dissent.detail}", 400))
    for line in lines(made):
        say(f"  {line}")
    if made.code:
        say(f"  {'code':11} {made.code.count(chr(10))} lines of machine code that differ")
    if folder is not None:
        say(
            f"{made.cpu_seconds:.1f} CPU seconds; {folder / PAGE} has all of it, {folder / learned.EXPLANATION} as JSON"
        )
    else:
        say(f"{made.cpu_seconds:.1f} CPU seconds")
