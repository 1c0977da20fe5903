"""Run a case and print every engine's outcome side by side."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from fuzz.bisect.question import Answer, Question, about, read, worst
from fuzz.cli.arguments import add_calls, add_engines, add_json, add_limits, add_trust, path
from fuzz.cli.asked import asked_engines
from fuzz.cli.cases import Asked, load
from fuzz.cli.parser import GIT_BISECT
from fuzz.cli.replayed import Shown, print_json, print_text
from fuzz.cli.streams import say
from fuzz.corpus.folder import entries, is_corpus
from fuzz.corpus.replay import replay
from fuzz.records.exit_code import ExitCode
from fuzz.records.printable import one_line
from fuzz.records.strip import State
from fuzz.report.live import emit
from fuzz.report.suite import print_suite
from fuzz.trial.bench import Bench, default_engines
from fuzz.trial.compared import compared
from fuzz.trial.instances import trials
from fuzz.trial.limits import limits_for
from oracles.engine import EngineUnavailable, UsageError, open_engine
from oracles.judge.verdict import Disagree
from oracles.suite.by_cases import open_session
from oracles.suite.spectest import run_suite
from oracles.suite.wast import need_tool

EXAMPLES: Final = (
    "replay reports/NIGHT/findings/NAME",
    "replay case.wat --invoke 'f(i32:24, i32:1)' --engine interpreter --engine wasmtime@33:opt=none",
    "replay corpus/night --engine wasmtime@33",
    "replay BUNDLE --git-bisect --engine wasmtime@/path/to/libwasmtime.so",
)
EXITS: Final = {
    0: "the engines agree",
    1: "they do not",
    3: "nothing was compared, or an engine or standard output cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "a bundle, or a file: a module (binary or text), a .wast script, a script with a module's bytes, a case's "
    words += ".json; packed or not; or a corpus (fuzz corpus), of which every case is run"
    parser.add_argument("case", type=path, metavar="BUNDLE|FILE|DIR", help=words)
    add_engines(parser)
    add_trust(parser)
    add_calls(parser)
    add_limits(parser)
    parser.add_argument("--fresh", action="store_true", help="a fresh instance for each call")
    words = "exit as git bisect run wants it: 0 good, 1 bad, 125 could not be asked, 128 a mistake in the command"
    parser.add_argument(GIT_BISECT, action="store_true", help=words)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run each piece and compare: 1 if any shows a disagreement, 3 if of any nothing was compared, else 0."""
    if is_corpus(args.case):
        return _corpus(args)
    pieces = load(args)
    codes = [_script(asked, args) if asked.piece.script is not None else _case(asked, args) for asked in pieces]
    return next((code for code in (ExitCode.FINDINGS, ExitCode.UNUSABLE) if code in codes), ExitCode.CLEAN)


def _corpus(args: argparse.Namespace) -> ExitCode:
    """A folder of cases, a line each, on the same workers one after the other."""
    if args.invoke or args.git_bisect:
        raise UsageError(f"{args.case} is a corpus, whose cases bring their calls: name one file in it")
    cases = entries(args.case)
    engines = asked_engines(args.engine or default_engines({entry.case.kind for _, entry in cases}), args.offline)
    size = max(entry.case.size for _, entry in cases)
    bench = Bench(engines, limits_for(size, args.cpu, args.memory, args.wall), args.offline)
    wrong = compared = 0
    try:
        for one in replay(bench, cases):
            wrong, compared = wrong + bool(one.wrong), compared + one.compared
            if args.json:
                row = {"type": "replayed", "version": 1, "file": str(one.path), "wrong": list(one.wrong)}
                emit(sys.stdout, row | {"compared": one.compared})
            else:
                words = "; ".join(one.wrong) or ("as expected" if one.compared else "nothing compared")
                say(f"{one.path.name}: {words}")
        for reason in bench.broken.values():
            print(f"fuzz: {one_line(reason)}", file=sys.stderr)
    finally:
        bench.close()
    if not args.json:
        say(f"{len(cases)} cases, {compared} compared, {wrong} wrong")
    return ExitCode.FINDINGS if wrong else ExitCode.UNUSABLE if bench.broken or not compared else ExitCode.CLEAN


def _case(asked: Asked, args: argparse.Namespace) -> ExitCode:
    bench = Bench(asked.engines, asked.limits, args.offline)
    try:
        for reason in bench.broken.values():
            print(f"fuzz: {one_line(reason)}", file=sys.stderr)
        releases = {name: seat.capabilities.version for name, seat in bench.seats.items()}
        before = asked.piece.finding.before if asked.piece.finding is not None else ()
        parts = trials(bench, asked.case, args.fresh, before)
        shown = [Shown(first, trial, compared(trial)) for first, trial in parts]
        if args.json:
            print_json(shown, releases, bench.broken)
        else:
            print_text(asked.case, shown, releases)
        broken = bool(bench.broken)
        if args.git_bisect:
            return ExitCode.UNUSABLE if broken else _answer(asked, shown, list(bench.seats))
    finally:
        bench.close()
    if any(isinstance(one.trial.verdict, Disagree) for one in shown):
        return ExitCode.FINDINGS
    return ExitCode.UNUSABLE if broken or all(one.compared.nothing for one in shown) else ExitCode.CLEAN


def _answer(asked: Asked, shown: Sequence[Shown], engines: Sequence[str]) -> ExitCode:
    """What ``fuzz bisect`` would say: bad if an engine is, good only if all that is asked of it was compared."""
    found = asked.piece.finding
    if found is not None and len(shown) == 1:
        question = about(found, asked.case, asked.limits)
    else:
        question = Question(asked.case)
    answers = [read(one.trial, engine, question) for one in shown for engine in engines]
    answer = worst(answers) if answers else Answer(State.CANNOT, "no engine was named beside the reference")
    print(f"fuzz: {answer.state.value}: {one_line(answer.why)}", file=sys.stderr)
    return {State.GOOD: ExitCode.CLEAN, State.BAD: ExitCode.FINDINGS, State.CANNOT: ExitCode.UNUSABLE}[answer.state]


def _script(asked: Asked, args: argparse.Namespace) -> ExitCode:
    """A script's modules and assertions on each engine; what it asserts is what to hold them against."""
    codes = []
    with tempfile.TemporaryDirectory() as folder:
        name = Path(asked.piece.name)
        path = Path(folder) / name.with_suffix(".wast").name
        path.write_bytes(asked.piece.script or b"")
        need_tool(path)
        for id in asked.engines:
            try:
                engine = open_engine(id, asked.limits, args.offline)
                results = (replace(result, path=name) for result in run_suite([path], partial(open_session, engine)))
                codes.append(print_suite(results, id, args.json, sys.stdout))
                engine.close()
            except (EngineUnavailable, UsageError) as error:
                print(f"fuzz: {one_line(str(error))}", file=sys.stderr)
                codes.append(ExitCode.UNUSABLE)
    return next((code for code in (ExitCode.FINDINGS, ExitCode.UNUSABLE) if code in codes), ExitCode.CLEAN)
