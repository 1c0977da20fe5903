"""Find which releases of an engine show a finding: first bad, last bad, first fixed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Final

from fuzz.bisect.builds import bisect_builds
from fuzz.bisect.history import Bisected, Options, bisect
from fuzz.bisect.keeping import keep
from fuzz.bisect.question import Question, about
from fuzz.bisect.shelf import DISK, PARALLEL
from fuzz.cli.arguments import (
    add_calls,
    add_json,
    add_limits,
    add_offline,
    add_trust,
    duration,
    jobs,
    path,
    positive,
    size,
)
from fuzz.cli.asked import asked_engines, need_trust
from fuzz.cli.bisecting import Telling, print_result
from fuzz.cli.cases import load_piece
from fuzz.intake.piece import Piece
from fuzz.records.exit_code import ExitCode
from fuzz.records.strip import State
from fuzz.trial.limits import limits_for
from oracles.engine import (
    EngineId,
    Limits,
    Releases,
    UsageError,
    kinds_of,
    released,
    releases_for,
    releases_of,
)
from wasm.case import Case, CaseKind

EXAMPLES: Final = (
    "bisect reports/NIGHT/findings/NAME",
    "bisect case.wat --invoke 'f(i32:24, i32:1)' --engine wasmtime@33.0.0:opt=none",
    "bisect case.wasm --engine v8:liftoff --from 18 --all --disk 4G",
    "bisect case.wasm --command './try.sh {build} {case}' --builds build-1 build-2 build-3",
)
EXITS: Final = {
    0: "a history was found: what is bad, and where that begins and ends",
    1: "nothing bad was met",
    3: "it could not be asked, or the time was over first",
}
_CODES: Final = (ExitCode.UNUSABLE, ExitCode.FINDINGS, ExitCode.CLEAN)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "a bundle, whose dissenting engines are searched; or any file that fuzz replay takes, with --engine"
    parser.add_argument("case", type=path, metavar="BUNDLE|FILE", help=words)
    words = (
        "an engine, with a release that is bad if one is known, as wasmtime@33.0.0:opt=none; several times for several"
    )
    parser.add_argument("--engine", action="append", metavar="ID", help=words)
    parser.add_argument(
        "--from", dest="first", default="", metavar="V", help="the oldest release to ask, as 31 or 31.0.0"
    )
    parser.add_argument("--to", dest="last", default="", metavar="V", help="the newest release to ask")
    parser.add_argument("--all", action="store_true", help="ask every release")
    parser.add_argument("--tries", type=positive, metavar="N", help="run each release N times: one bad try is enough "
                        "(default: once, and more often for a finding that shows only sometimes)")  # fmt: skip
    parser.add_argument("--time", type=duration, metavar="T", help="begin no further release after this long")
    add_offline(parser)
    words = f"releases to fetch at once (default: {PARALLEL})"
    parser.add_argument("--parallel", type=jobs, default=PARALLEL, metavar="N", help=words)
    words = f"room for releases that were not there before (default: {DISK >> 30}G); older ones are taken away again"
    parser.add_argument("--disk", type=size, default=DISK, metavar="SIZE", help=words)
    parser.add_argument("--no-cache", action="store_true", help="ask again what earlier runs have asked")
    words = "run a command for each build instead; it exits with 0 for good, 125 for neither, 1 to 127 for bad"
    parser.add_argument(
        "--command", dest="shell", metavar="CMD", help=f"{words} ({{case}}, {{calls}}, {{build}} are filled in)"
    )
    parser.add_argument("--builds", nargs="+", default=[], metavar="BUILD", help="the builds for it, oldest first")
    add_trust(parser)
    add_calls(parser)
    add_limits(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Search, print and keep the history of each engine; the code is the worst of theirs."""
    piece = load_piece(args)
    if piece.case is None:
        raise UsageError(f"{piece.name} is {piece.what}, with assertions of its own: give one of its modules")
    limits = limits_for(piece.case.size, args.cpu, args.memory, args.wall)
    with Telling(args.json) as telling:
        if args.shell is not None:
            found = [_builds(args, piece.case, limits, telling)]
        else:
            found = list(_engines(args, piece, piece.case, limits, telling))
    for result in found:
        print_result(result, args.json)
    codes = [_code(result) for result in found]
    return next(code for code in _CODES if code in codes)


def _code(result: Bisected) -> ExitCode:
    states = {one.state for one in result.strip.tried}
    if not result.complete or not states & {State.GOOD, State.BAD}:
        return ExitCode.UNUSABLE
    return ExitCode.CLEAN if State.BAD in states else ExitCode.FINDINGS


def _options(args: argparse.Namespace) -> Options:
    deadline = None if args.time is None else time.monotonic() + args.time
    return Options(args.first, args.last, args.all, args.offline, args.parallel, args.disk, not args.no_cache, deadline)


def _builds(args: argparse.Namespace, case: Case, limits: Limits, telling: Telling) -> Bisected:
    if args.engine:
        raise UsageError("--command runs what it says, and no engine: leave out one of --command and --engine")
    if args.builds and "{build}" not in args.shell:
        raise UsageError("--command has no {build} in it, so that all of --builds would be the same")
    return bisect_builds(
        args.shell, args.builds, Question(case, tries=args.tries or 1, limits=limits), _options(args), telling
    )


def _engines(
    args: argparse.Namespace, piece: Piece, case: Case, limits: Limits, telling: Telling
) -> Iterator[Bisected]:
    if args.builds:
        raise UsageError("--builds is for --command: an engine's releases are bounded by --from and --to")
    options = _options(args)
    for engine, releases, begin in _subjects(args, piece):
        _need_kind(piece.name, case.kind, EngineId.read(engine).name)
        found = piece.finding
        if found is None:
            question = Question(case, tries=args.tries or 1, limits=limits)
        else:
            question = about(found, case, limits, args.tries, engine)
        result = bisect(EngineId.read(engine), releases, question, options, begin, telling)
        if found is not None and args.case.is_dir():
            own = case == found.best
            notes = keep(args.case, found, result) if own else ["this is not the finding's own case: nothing is kept"]
            for note in notes:
                telling.note(note)
        yield result


def _need_kind(case: str, kind: CaseKind, engine: str) -> None:
    """Raises ``UsageError`` where an engine does not take a case."""
    if kind not in kinds_of(engine):
        what = "a machine function" if kind is CaseKind.MACHINE else "a module"
        others = ", ".join(name for name in released() if kind in kinds_of(name))
        raise UsageError(f"{case} is {what}, which {engine} does not take: name one of {others}, or use --command")


def _subjects(args: argparse.Namespace, piece: Piece) -> list[tuple[str, Releases, list[str]]]:
    """Whom to search: the engine's id, its releases, and those that are suspected."""
    found = piece.finding
    versions = {run.engine: run.version for run in found.runs} if found is not None else {}
    seen = [(one.engine, versions.get(one.engine, "")) for one in found.verdict.dissents] if found is not None else []
    if args.engine:
        asked = asked_engines(args.engine, args.offline)
    elif found is not None:
        asked = [engine for engine, _ in seen if releases_for(EngineId.read(engine)) is not None]
        if not asked:
            names = ", ".join(engine for engine, _ in seen)
            raise UsageError(
                f"{piece.name} is about {names}, of which there are no releases: name an engine by --engine"
            )
        need_trust(piece.name, [str(EngineId.read(engine).released()) for engine in asked], args.trust)
    else:
        raise UsageError(f"{piece.name} names no engine: add --engine, with a release that is bad if you know one")
    subjects: dict[str, tuple[str, Releases, list[str]]] = {}
    for engine in asked:
        id = EngineId.read(engine)
        begin = [id.version] if id.version else []
        begin += [version for other, version in seen if EngineId.read(other).name == id.name]
        subjects.setdefault(str(id.released()), (engine, _releases(id, bool(args.engine)), begin))
    return list(subjects.values())


def _releases(id: EngineId, named: bool) -> Releases:
    found = releases_for(id)
    if found is None and releases_of(id.name) is not None:
        raise UsageError(f"no registry has releases for {id}, and each would be a build: ask one by one, by --engine")
    if found is None:
        raise UsageError(
            f"there are no releases of {id.name}, only of {', '.join(released())}: --command runs other builds"
        )
    if id.unreleased and named:
        raise UsageError(f"{id} is one build: write {id.name}@VERSION, or see docs/bisecting.md for git bisect")
    return found
