"""Show one generated case: text, shape, the interpreter's outcome."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Final

from fuzz.archive.wast import to_wat
from fuzz.cli.arguments import add_without, natural, positive
from fuzz.cli.cases import generated
from fuzz.cli.streams import say
from fuzz.records.printable import one_line
from fuzz.trial.account import passed_sites
from oracles.engine import UsageError
from oracles.interpreter import run_case
from oracles.judge.equality import show
from oracles.mutants import mutant_of
from wasm.case import Case, CaseKind

EXAMPLES: Final = (
    "show --target returns --seed 1 --index 6",
    "show --target returns --seed 1 --index 6 --mutant 2",
    "show --target returns --seed 1 --index 6 --without exceptions,gc",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", required=True, metavar="T")
    parser.add_argument("--seed", type=natural, required=True, metavar="N")
    parser.add_argument("--index", type=natural, required=True, metavar="I")
    add_without(parser)
    words = "the K-th neutral mutant of the case in its place (docs/mutants.md)"
    parser.add_argument("--mutant", type=positive, metavar="K", help=words)


def run(args: argparse.Namespace) -> int:
    """Print one case: its text, its shape and what the interpreter does with it."""
    case = generated(args.target, args.seed, args.index, args.without)
    if args.mutant is not None:
        mutant = mutant_of(case, args.mutant)
        if mutant is None:
            raise UsageError(f"this case has no mutant {args.mutant}: nothing in it could be written otherwise")
        say(f";; mutant {args.mutant} by {', '.join(mutant.by)}")
        case = mutant.case
    if case.kind is CaseKind.MACHINE:
        print(case.content.decode().rstrip())
        return 0
    for name, content in case.before:
        print(f"{to_wat(content).rstrip()}\n;; is registered as {one_line(name)}\n")
    print(to_wat(case.content).rstrip())
    print()
    for line in describe(case):
        say(f";; {line}")
    return 0


def describe(case: Case) -> list[str]:
    """The shape of a case and the reference's outcomes, as lines."""
    seen = run_case(case)
    passed = passed_sites(case, seen)
    lines = [f"{case.size} bytes; needs {', '.join(sorted(case.features)) or 'nothing beyond 1.0'}"]
    sites = Counter((s.kind, s.params, s.results, s.operands, i in passed) for i, s in enumerate(case.sites))
    for (kind, params, results, operands, done), number in sites.items():
        times = f"{number} x " if number > 1 else ""
        reached = "executed past its last result" if done else "not executed to its last result"
        lines.append(f"{times}{kind} call: {params} parameters, {results} results, {operands} operands; {reached}")
    if case.labels:
        lines.append(f"labels: {', '.join(sorted(case.labels))}")
    if not seen.instantiated:
        lines.append(f"instantiation: {show(seen.instantiation)}")
    for invocation, outcome in zip(case.invocations, seen.outcomes, strict=False):
        lines.append(f"{str(invocation)[:300]} by {invocation.entry.value}: {show(outcome)}")
    if seen.notes is not None:
        lines.append(f"{seen.notes.steps} steps, depth {seen.notes.depth}, {seen.notes.pages} pages")
    return lines
