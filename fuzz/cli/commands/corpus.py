"""Keep cases as seeds and regressions: add minimized findings to a folder, merge, distill, count."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fuzz.cli.arguments import add_json, path
from fuzz.cli.streams import say
from fuzz.corpus.distill import distilled, kinds_of
from fuzz.corpus.entry import Entry, entry_of, entry_of_finding
from fuzz.corpus.folder import add, entries, entries_of_output, is_output
from fuzz.intake.piece import Wish
from fuzz.intake.reading import bring
from fuzz.records.exit_code import ExitCode
from fuzz.report.live import emit
from oracles.engine import UsageError

EXAMPLES: Final = (
    "corpus add reports/NIGHT --into corpus/night",
    "corpus merge corpus/night other/corpus --into corpus/all",
    "corpus distill corpus/all --into corpus/small",
    "corpus stats corpus/small",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    words = "put cases into a corpus: bundles, cases or modules, or the smallest of each cause of an output folder"
    adding = actions.add_parser("add", help=words)
    adding.add_argument("what", nargs="+", type=path, metavar="BUNDLE|FILE|DIR")
    merging = actions.add_parser("merge", help="put the cases of several corpora into one, each once")
    merging.add_argument("what", nargs="+", type=path, metavar="DIR")
    words = "the fewest cases that still execute all instructions and have all shapes (seeds, not regressions)"
    small = actions.add_parser("distill", help=words)
    small.add_argument("what", type=path, metavar="DIR")
    for action in (adding, merging, small):
        action.add_argument("--into", required=True, type=path, metavar="DIR", help="the corpus to add to")
    counting = actions.add_parser("stats", help="what there is in a corpus")
    counting.add_argument("what", type=path, metavar="DIR")
    add_json(counting)


def run(args: argparse.Namespace) -> int:
    """A corpus is a folder of case files; nothing in it is ever removed."""
    match args.action:
        case "add":
            _put(args.into, (entry for one in args.what for entry in _brought(one)))
        case "merge":
            _put(args.into, (_complete(entry) for folder in args.what for _, entry in entries(folder)))
        case "distill":
            _distill(args.what, args.into)
        case _:
            _stats(args.what, args.json)
    return ExitCode.CLEAN


def _brought(given: Path) -> Iterator[Entry]:
    if is_output(given):
        found = entries_of_output(given)
        if not found:
            print(f"fuzz: {given} has no minimized finding with a cause", file=sys.stderr)
        yield from found
        return
    for piece in bring(given, Wish()):
        if piece.finding is not None:
            yield entry_of_finding(piece.finding)
        elif piece.case is not None:
            yield entry_of(piece.case, given.stem)
        else:
            raise UsageError(f"{piece.name} is {piece.what}, with assertions of its own: give one of its modules")


def _complete(entry: Entry) -> Entry:
    """What has no expected outcomes gets them."""
    return entry if entry.expected is not None else entry_of(entry.case, entry.origin)


def _put(into: Path, new: Iterator[Entry]) -> None:
    done = add(into, new)
    for file in done.files:
        say(str(file))
    there = f", {done.doubles} were there already" if done.doubles else ""
    say(f"{len(done.files)} cases added to {into}{there}")


def _distill(folder: Path, into: Path) -> None:
    if into.resolve() == folder.resolve():
        raise UsageError(f"--into {into} is the corpus itself: name another folder")
    found = {file.name: entry for file, entry in entries(folder)}
    kinds = {name: kinds_of(entry) for name, entry in found.items()}
    chosen = distilled(kinds, {name: entry.case.size for name, entry in found.items()})
    words = len(set().union(*kinds.values()))
    done = add(into, (found[name] for name in chosen))
    say(f"{len(chosen)} of {len(found)} cases have all {words} words; {len(done.files)} added to {into}")


def _stats(folder: Path, json_lines: bool) -> None:
    found = entries(folder)
    kinds = [kinds_of(entry) for _, entry in found]
    words = set().union(*kinds)
    rows = {word for word in words if " " not in word}
    targets = Counter(entry.case.provenance.target for _, entry in found)
    row: dict[str, object] = {
        "type": "corpus",
        "version": 1,
        "cases": len(found),
        "bytes": sum(entry.case.size for _, entry in found),
        "calls": sum(len(entry.case.invocations) for _, entry in found),
        "with_expected": sum(entry.expected is not None for _, entry in found),
        "doubles": len(found) - len({entry.digest for _, entry in found}),
        "instructions": len(rows),
        "words": len(words),
        "targets": dict(sorted(targets.items())),
    }
    if json_lines:
        emit(sys.stdout, row)
        return
    say(f"{row['cases']} cases, {row['bytes']} bytes, {row['calls']} calls; {row['with_expected']} with outcomes")
    say(f"{row['doubles']} are there twice; {row['instructions']} kinds of instruction, {row['words']} words in all")
    say(", ".join(f"{count} of {target}" for target, count in sorted(targets.items())))
