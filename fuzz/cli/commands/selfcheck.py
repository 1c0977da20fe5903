"""Put known faults into the project and look for them."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Final

from fuzz.cli.arguments import add_json, add_offline, duration, jobs, natural, path
from fuzz.cli.names import listed
from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.mutants import Mutant, sample
from fuzz.records.regular_file import read_regular
from fuzz.selfcheck.search import Search, capabilities
from fuzz.selfcheck.searches import run_searches
from fuzz.selfcheck.tables import Row, closing, heading, line, page, score
from fuzz.selfcheck.together import Together, look
from generators.peer import peer_names
from generators.registry import known_targets, load_target, target_names, version_of
from oracles.engine import UsageError
from wasm.case import CaseKind
from wasm.errors import nearest

OURS: Final = "ours"
"""The column of our own targets."""
JUDGES: Final = ("reference", "itself")
MUTANTS: Final = 1
"""Of each case, where mutants are the judge: in the same time other cases show more than other mutants of the same."""

EXAMPLES: Final = (
    "selfcheck --seconds 20s",
    "selfcheck --list",
    "selfcheck --mutants 100 --out mutants.jsonl",
)
EXITS: Final = {0: "each fault was found", 1: "one was missed", 3: "a search failed, or standard output cannot be used"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="name all faults")
    parser.add_argument("--target", metavar="T[,T...]", help="what to generate (default: all targets that fit)")
    words = "who generates, a column each: ours (the targets, the default), wasm-smith, wasm-smith:wide, ttf"
    parser.add_argument("--generator", default="ours", metavar="G[,G...]", help=words)
    words = "who says that something is wrong, a column each: reference (all judges that there are), itself (only the "
    words += "faulty part itself, by what it answers for a neutral mutant of each case; docs/mutants.md)"
    parser.add_argument("--judge", default=JUDGES[0], metavar="J[,J]", help=words)
    parser.add_argument("--by-target", action="store_true", help="each target alone, a column each")
    words = "a fault, or a mutant as MODULE#NUMBER; several times for several (default: all named faults)"
    parser.add_argument("--fault", action="append", metavar="NAME", help=words)
    words = "mutants of the compiler instead of the named faults, or beside those given by --fault"
    parser.add_argument("--mutants", type=natural, default=0, metavar="N", help=words)
    parser.add_argument("--mutant-seed", type=natural, default=20261123, metavar="N", help="(default: 20261123)")
    parser.add_argument("--baseline", action="store_true", help="no fault at all: nothing may be found")
    parser.add_argument("--seconds", type=duration, default=20.0, metavar="T", help="CPU time per fault (default: 20s)")
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="the cases' seed (default: 1)")
    minimize = parser.add_mutually_exclusive_group()
    minimize.add_argument("--no-minimize", action="store_true", help="do not make findings smaller")
    words = "for making a finding smaller, beside the time to find it (default: 15s)"
    minimize.add_argument("--minimize-time", type=duration, default=15.0, metavar="T", help=words)
    words = "append JSON lines to this file, and leave out what it has already"
    parser.add_argument("--out", type=path, metavar="FILE", help=words)
    words = "only print Markdown tables of what these files of --out hold, generators side by side"
    parser.add_argument("--table", type=path, nargs="+", metavar="FILE", help=words)
    parser.add_argument("--jobs", type=jobs, metavar="N", help="searches at once (default: the CPUs)")
    words = "put all faults that are named in at once, and see whether a campaign tells them apart as causes"
    parser.add_argument("--together", action="store_true", help=words)
    parser.add_argument("--no-steer", action="store_true", help="with --together: without steering")
    add_offline(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look for every chosen fault; 0 if each was found, 1 if one was missed, 3 if a search failed."""
    if args.list:
        _list()
        return 0
    if args.table:
        print(page([row for path in args.table for row in _read(path)[1]]), end="")
        return 0
    if args.together:
        return _together(args)
    names, columns = _names(args), _columns(args)
    judges = listed(args.judge, "judge", JUDGES)
    how = [Search(targets, args.seed, args.seconds, offline=args.offline, generator=_title(column, judge),
                  minimize=0.0 if args.no_minimize else args.minimize_time, mutants=MUTANTS * (judge == "itself"))
           for column, targets in columns.items() for judge in judges]  # fmt: skip
    every = [target for targets in columns.values() for target in targets]
    head = {"type": "selfcheck", "version": 1, "generators": version_of(every), "seed": args.seed,
            "seconds": args.seconds, "columns": {one.generator: one.targets for one in how}}  # fmt: skip
    rows = _earlier(args.out, head)
    done = {(row["name"], row["generator"]) for row in rows}
    wanted = [(name, one) for name in names for one in how if (name, one.generator) not in done]
    if args.out and not rows:
        _keep(args.out, head)
    if args.json:
        _say(head)
    else:
        print(heading(), flush=True)
    for result in run_searches(wanted, capabilities(how[0]), args.jobs or len(os.sched_getaffinity(0))):
        row = {"type": "search", **result.to_json()}
        rows.append(row)
        if args.out:
            _keep(args.out, row)
        if args.json:
            _say(row)
        else:
            print(line(row), flush=True)
    return _close(args, [row for row in rows if row["name"] in names])


def _title(column: str, judge: str) -> str:
    return column if judge == JUDGES[0] else f"{column} by {judge}"


def _together(args: argparse.Namespace) -> int:
    """0 if every fault was found as exactly one cause."""
    faults = tuple(dict.fromkeys(args.fault or ()))
    if len(faults) < 2 or any("#" in name for name in faults):
        raise UsageError("--together takes two faults or more, each by --fault NAME: fuzz selfcheck --list names them")
    known = capabilities(Search((), args.seed))
    features = frozenset.intersection(*(one.features for one in known.values()))
    (targets,) = list(_columns(args).values())[:1]
    fitting = tuple(
        name for name in targets if load_target(name).kind is CaseKind.WASM and load_target(name).needs <= features
    )
    how = Together(faults, fitting, args.seed, args.seconds, None, args.minimize_time, not args.no_steer,
                   args.jobs or len(os.sched_getaffinity(0)))  # fmt: skip
    outcome = look(how, known)
    if args.json:
        causes = [[name, list(shown)] for name, shown in outcome.causes]
        _say({"type": "together", "version": 1, "faults": list(faults), "causes": causes, "cases": outcome.cases,
              "cpu": round(outcome.cpu, 1), "errors": outcome.errors})  # fmt: skip
    else:
        for name in faults:
            print(f"{name:45} {len(outcome.of(name))} causes: {'; '.join(outcome.of(name)) or 'not found'}")
        for name, shown in outcome.causes:
            if len(shown) != 1:
                print(f"cause {name}: {', '.join(shown) or 'no fault alone shows it'}")
        print(f"{outcome.cases} cases, {outcome.cpu:.1f} s CPU")
    if outcome.errors:
        return 3
    return 0 if outcome.right(faults) else 1


def _close(args: argparse.Namespace, rows: list[Row]) -> int:
    """Print the scores, and give the exit code."""
    for column in dict.fromkeys(row["generator"] for row in rows):
        mine = [row for row in rows if row["generator"] == column]
        summary = score(mine)
        noise = sum(row["noise"] for row in mine)
        if args.json:
            _say({"type": "score", "generator": column, "noise": noise, **summary})
            continue
        print("\n".join(closing(column, summary)))
        if noise:
            print(f"{noise} cases disagree without any fault: run them with fuzz run")
    if any(row["error"] for row in rows):
        return 3
    return 0 if all((row["found"] is not None) is bool(row["name"]) for row in rows) else 1


def _names(args: argparse.Namespace) -> list[str]:
    """What to look for: the named faults, or all; then the mutants. Raises ``UsageError``."""
    known = all_faults()
    chosen: list[str] = list(dict.fromkeys(args.fault or ()))
    for name in chosen:
        if name not in known and not _is_mutant(name):
            raise UsageError(f"no fault {name!r}{nearest(name, known)}: fuzz selfcheck --list names them")
    mutants = [mutant.name for mutant in sample(args.mutants, args.mutant_seed)]
    if args.baseline:
        return [""]
    return chosen + mutants if chosen or mutants else list(known)


def _is_mutant(name: str) -> bool:
    try:
        Mutant.parse(name)
    except ValueError:
        return False
    return True


def _columns(args: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """Who makes the cases: a title to the targets that have their turn in one search. Raises ``UsageError``."""
    ours = tuple(name for name in target_names() if load_target(name).kind in (CaseKind.WASM, CaseKind.MACHINE))
    if args.target is not None:
        ours = listed(args.target, "target", known_targets())
    if args.by_target:
        return {name: (name,) for name in ours}
    columns = listed(args.generator, "generator", (OURS, *peer_names()))
    return {name: ours if name == OURS else (name,) for name in columns}


def _list() -> None:
    for fault in all_faults().values():
        pair = f" (with {fault.partner})" if fault.partner else ""
        print(f"{fault.name:32} {fault.area.value:10} {fault.what}{pair}\n{'':44}after {fault.reference}")


# The file that a long run goes on with.


def _read(path: Path) -> tuple[Row, list[Row]]:
    """The head of a file that ``--out`` made, and its searches. Raises ``UsageError``."""
    try:
        content = read_regular(path, 1 << 30, "that is no list of searches")
        lines = [json.loads(text) for text in content.decode().splitlines()]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None
    if (
        not lines
        or not all(isinstance(line, dict) for line in lines)
        or lines[0].get("type") != "selfcheck"
        or lines[0].get("version") != 1
    ):
        raise UsageError(f"{path} was not made by fuzz selfcheck --out or --json")
    return lines[0], [row for row in lines if row["type"] == "search"]


def _earlier(path: Path | None, head: Row) -> list[Row]:
    """The searches that a file has already, if they were made as these are. Raises ``UsageError``."""
    if path is None or not path.exists():
        return []
    before, rows = _read(path)
    if before != json.loads(json.dumps(head)):
        raise UsageError(f"{path} holds searches made in another way: name another file")
    return rows


def _keep(path: Path, row: Row) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _say(row: Row) -> None:
    print(json.dumps(row), flush=True)
