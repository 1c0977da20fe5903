"""Generate cases, run them on all engines, keep every disagreement."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from fuzz.archive.archive import Archive
from fuzz.campaign import feedback
from fuzz.campaign.cluster import open_cluster
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.cli.arguments import (
    add_engines,
    add_json,
    duration,
    jobs,
    mutants,
    natural,
    natural_or_all,
    path,
    positive,
    shard,
)
from fuzz.cli.asked import asked_engines
from fuzz.cli.chosen import ALL, chosen_targets, need_mutants
from fuzz.cli.names import listed
from fuzz.cli.stopping import stoppable
from fuzz.records.history import Series
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.trial.bench import default_engines
from generators.config import DEFAULT
from generators.peer import peer_names
from generators.registry import kind_of, load_target, version_of
from oracles.engine import UsageError
from oracles.reference import REFERENCE

DEFAULT_SECONDS: Final = 60.0

EXAMPLES: Final = (
    "run --time 10m",
    "run --target returns --time 10m",
    "run --target mixed,simd --cases 3000 --seed 7 --engine wasmtime@33 --engine v8:liftoff --out findings",
    "run --target calls --time 8h --out findings --known corpus/known/wasmtime.toml --json",
    "run --target mixed --mutants 3 --engine wasmtime --time 10m",
    "run --target mixed --cases 100000 --seed 7 --shard 2/4 --out shard2",
    "run --target mixed --time 8h --cluster tcp://scheduler:8786 --out findings",
)
EXITS: Final = {0: "no finding, or known ones only", 1: "new findings"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    words = "what to generate (see fuzz targets), in turn (default: all, by their weights)"
    what.add_argument("--target", metavar="T[,T...]", help=words)
    words = "take modules from other projects' generators instead: wasm-smith, wasm-smith:wide or ttf"
    what.add_argument("--generator", metavar="G[,G...]", help=words)
    add_engines(parser)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--time", type=duration, metavar="T", help="how long, as 10m (default: 60s)")
    words = "how many cases; all: once through a target that is an enumeration"
    budget.add_argument("--cases", type=natural_or_all, metavar="N", help=words)
    parser.add_argument("--seed", type=natural, metavar="N", help="the seed (default: random, and printed)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=jobs, metavar="N", help="slots that run cases (default: the CPUs)")
    words = "run the cases on the workers of a Dask scheduler, or of local:N that are started here (docs/scale.md)"
    where.add_argument("--cluster", metavar="ADDRESS", help=words)
    words = "only the I-th of N parts of the cases, to be merged later; steered by what was known before, nothing else"
    parser.add_argument("--shard", type=shard, metavar="I/N", help=words)
    parser.add_argument("--out", type=path, metavar="DIR", help="where to record (default: a new folder in reports/)")
    words = "known issues (TOML); several times for several files"
    parser.add_argument("--known", type=path, action="append", metavar="FILE", help=words)
    words = "beside each case so many neutral mutants of it: modules that have to do the same (docs/mutants.md)"
    parser.add_argument("--mutants", type=mutants, default=0, metavar="N", help=words)
    words = "who says that an answer is wrong: the reference, or each engine itself by what it answers for mutants"
    parser.add_argument("--judge", choices=["reference", "itself"], default="reference", help=words)
    words = "also find what takes far more time or memory to compile than in proportion to its size (docs/slow.md)"
    parser.add_argument("--slow", action="store_true", help=words)
    words = "keep cases that execute something new here; target mutate starts from those of earlier runs"
    parser.add_argument("--feedback", type=path, metavar="DIR", help=words)
    words = "a corpus (fuzz corpus) that targets mutate and mixed start from"
    parser.add_argument("--seeds", type=path, metavar="DIR", help=words)
    parser.add_argument(
        "--max-per-signature", type=positive, default=3, metavar="N", help="examples to store of one kind"
    )
    minimize = parser.add_mutually_exclusive_group()
    minimize.add_argument("--no-minimize", action="store_true", help="store findings as they are")
    minimize.add_argument("--minimize-time", type=duration, default=60.0, metavar="T", help="for each (default: 60s)")
    words = "at the end find out which releases show each new cause, for this long in all (docs/bisecting.md)"
    parser.add_argument("--bisect", type=duration, default=0.0, metavar="T", help=words)
    words = "exit with 1 for new causes only, for any that no known issue explains, or for new ones and also for those "
    words += "that --slow finds (default: new)"
    parser.add_argument("--fail-on", choices=["any", "new", "slow"], default="new", help=words)
    words = "make cases with what known causes need as often as without"
    parser.add_argument("--no-steer", action="store_true", help=words)
    words = "let each target take all of its turns, whatever it finds; of named targets each does (docs/campaign.md)"
    parser.add_argument("--no-allot", action="store_true", help=words)
    words = "make cases with what an engine lacks as often as without: it is not compared on them (docs/campaign.md)"
    parser.add_argument("--no-narrow", action="store_true", help=words)
    words = "where three engines without common code do the same, run only one in N cases on the interpreter, too"
    parser.add_argument("--sparing", type=positive, default=1, metavar="N", help=words)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run a campaign; gives the exit code of its summary."""
    targets = _names(args)
    version = version_of(targets)
    engines = asked_engines(args.engine or default_engines(map(kind_of, set(targets))), args.offline)
    if engines == [REFERENCE]:
        raise UsageError("the interpreter has nothing to be compared with: name another engine with --engine")
    issues = known.together([known.load(file) for file in args.known or ()])
    seconds = args.time if args.time is not None else None if args.cases is not None else DEFAULT_SECONDS
    _check(args)
    if args.judge == "itself":
        need_mutants(targets)
    cpus = len(os.sched_getaffinity(0))
    settings = Settings(
        seconds=seconds,
        cases=_all_of(targets) if args.cases == ALL else args.cases,
        jobs=args.jobs or cpus,
        max_per_signature=args.max_per_signature,
        minimize_seconds=0.0 if args.no_minimize else args.minimize_time,
        steer=not args.no_steer,
        allot=args.generator is None and args.target in (None, ALL) and not args.no_allot,
        fail_on_any=args.fail_on == "any",
        fail_on_slow=args.fail_on == "slow",
        bisect_seconds=args.bisect,
        shard=args.shard,
    )
    if args.feedback is not None:
        feedback.begin(args.feedback)
    if args.seeds is not None and not args.seeds.is_dir():
        raise UsageError(f"there is no folder {args.seeds}: fuzz corpus makes one")
    folder = args.out or _new_folder()
    with ExitStack() as stack:
        by = open_cluster(args.cluster, cpus) if args.cluster is not None else None
        if by is not None:
            stack.callback(by.close)
        archive = Archive(folder)
        stack.callback(archive.close)
        stack.enter_context(stoppable())
        series = Series(targets, _seed(args.seed, archive, targets, version), version)
        plan = Plan(
            tuple(engines), series, offline=args.offline, feedback=args.feedback, seeds=args.seeds,
            mutants=args.mutants, by_mutants=args.judge == "itself", slow=args.slow,
            narrow=not args.no_narrow, sparing=args.sparing,
        )  # fmt: skip
        summary = Campaign(plan, settings, archive, issues, observer(args.json), by).run()
    if args.out is None and not (summary.stats.all_cases or summary.findings or summary.errors):
        _forget(folder)
        print(f"fuzz: nothing was recorded, so {folder} is gone again", file=sys.stderr)
    return int(summary.exit_code)


def _all_of(targets: tuple[str, ...]) -> int:
    """How many cases one target has."""
    names = sorted(set(targets))
    count = load_target(names[0]).count if len(names) == 1 and names[0] not in peer_names() else None
    if count is None:
        raise UsageError("--cases all goes with one target whose cases are an enumeration: --target pairs --cases all")
    return count(DEFAULT)


def _check(args: argparse.Namespace) -> None:
    """What does not go together."""
    if args.shard is not None and args.seed is None:
        raise UsageError("--shard needs --seed: all shards are parts of one series")
    if args.judge == "itself" and not args.mutants:
        raise UsageError("--judge itself needs mutants: --mutants 3")
    if args.sparing > 1 and (args.mutants or args.slow):
        raise UsageError("--sparing leaves out what --mutants and --slow look at: use it without them")
    if args.fail_on == "slow" and not args.slow:
        raise UsageError("--fail-on slow needs --slow: without it nobody looks at times")
    if args.cluster is not None and args.feedback is not None:
        raise UsageError("--feedback needs a folder that all slots have: it does not go with --cluster")


def _forget(folder: Path) -> None:
    """Leave no folder of our own choice behind in which nothing is: the run could not start."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # others are in it
        folder.parent.rmdir()


def _names(args: argparse.Namespace) -> tuple[str, ...]:
    """The targets, or the peers, to take cases from in turn."""
    if args.generator is not None:
        return listed(args.generator, "generator", peer_names())
    return chosen_targets(ALL if args.target is None else args.target, args.engine or ())


def _seed(given: int | None, archive: Archive, targets: tuple[str, ...], version: str) -> int:
    """The seed: as given, or that of the folder's last series with these targets, or a random one."""
    if given is not None:
        return given
    last = archive.last_seed(targets, version)
    return secrets.randbelow(1 << 32) if last is None else last


def _new_folder() -> Path:
    return Path("reports") / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
