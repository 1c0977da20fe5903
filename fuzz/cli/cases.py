"""``fuzz targets``, ``fuzz show`` and ``fuzz generate``: what the generators make."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from fuzz.archive.disk import explained, write_file
from fuzz.archive.wast import to_wat
from fuzz.trial.account import passed_sites
from generators.registry import load_target, make_case, target_names
from oracles.engine import UsageError
from oracles.interpreter import run_case
from oracles.judge.equality import show
from wasm.case import Case, CaseKind


def targets(args: argparse.Namespace) -> int:  # noqa: ARG001
    """List the targets."""
    width = max(map(len, target_names()))
    for name in target_names():
        print(f"{name:{width}}  {load_target(name).summary}")
    return 0


def _case(target: str, seed: int, index: int) -> Case:
    if target not in target_names():
        raise UsageError(f"no target {target!r}: there are {', '.join(target_names())}")
    return make_case(target, seed, index)


def show_case(args: argparse.Namespace) -> int:
    """Print one case: its text, its shape and what the interpreter does with it."""
    case = _case(args.target, args.seed, args.index)
    if case.kind is CaseKind.MACHINE:
        print(case.content.decode().rstrip())
        return 0
    print(to_wat(case.content).rstrip())
    print()
    for line in describe(case):
        print(f";; {line}")
    return 0


def describe(case: Case) -> list[str]:
    """The shape of a case and the reference's outcomes, as lines."""
    seen = run_case(case)
    passed = passed_sites(case, seen)
    lines = [f"{len(case.content)} bytes; needs {', '.join(sorted(case.features)) or 'nothing beyond 1.0'}"]
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


def generate(args: argparse.Namespace) -> int:
    """Write cases: TARGET-SEED-INDEX.wasm (.mach for machine functions), and .json with calls and origin beside it."""
    folder: Path = args.out
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for index in range(args.count):
        case = _case(args.target, args.seed, index)
        name = f"{args.target}-{args.seed}-{index}"
        write_file(folder / f"{name}{case.kind.suffix}", case.content)
        write_file(folder / f"{name}.json", json.dumps(case.to_json()).encode() + b"\n")
    print(f"{args.count} cases in {folder}")
    return 0
