"""Run a case and print every engine's outcome side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz import VERSION
from fuzz.cli.arguments import add_calls, add_engines, add_json
from fuzz.cli.cases import load
from fuzz.records.exit_code import ExitCode
from fuzz.report.live import emit
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench, Trial
from oracles.judge.equality import show
from oracles.judge.verdict import Disagree, verdict_to_json
from wasm.embedding import Observation, Outcome, outcome_to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="BUNDLE|FILE", help="a bundle, a .wasm, a .wat, or a case's .json")
    add_engines(parser)
    add_calls(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the case and compare; the exit code says whether all agree."""
    case, engines = load(args)
    bench = Bench(engines, offline=args.offline)
    try:
        for reason in bench.broken.values():
            print(f"fuzz: {reason}", file=sys.stderr)
        trial = bench.run(case)
        if args.json:
            _print_json(bench, trial)
        else:
            _print_text(bench, trial)
    finally:
        bench.close()
    if isinstance(trial.verdict, Disagree):
        return ExitCode.FINDINGS
    return ExitCode.UNUSABLE if bench.broken else ExitCode.CLEAN


def _everyone(trial: Trial) -> tuple[Observation, ...]:
    return (trial.reference, *trial.observations)


def _print_text(bench: Bench, trial: Trial) -> None:
    seen = _everyone(trial)
    width = max(len(item.engine) for item in seen)
    for item in seen:
        if item.engine in bench.seats:
            print(f"{item.engine:{width}}  release {bench.seats[item.engine].capabilities.version}")
    print("\ninstantiation")
    for item in seen:
        print(f"  {item.engine:{width}}  {'done' if item.instantiated else _line(item.instantiation)}")
    for i, invocation in enumerate(trial.case.invocations):
        print(f"\n{str(invocation)[:300]} by {invocation.entry.value}")
        for item in seen:
            print(f"  {item.engine:{width}}  {_line(item.outcomes[i]) if i < len(item.outcomes) else 'not reached'}")
    print()
    for poison in trial.verdict.poisons:
        print(f"not counted: {poison.engine}, {poison.reason}, {_from(poison.start)}")
    if not isinstance(trial.verdict, Disagree):
        alone = f"only {seen[0].engine} has a vote: there is nothing to compare it with"
        print("all agree" if trial.compared else alone)
        return
    for signature, dissents in split(trial.verdict):
        print(f"DISAGREEMENT: {signature}")
        for dissent in dissents:
            print(f"  {dissent.engine}, {dissent.where}: {dissent.detail}")
    print(f"agreeing: {', '.join(trial.verdict.agreeing) or 'nobody'}")
    print(f"probably wrong: {', '.join(trial.verdict.suspects)}")


def _line(outcome: Outcome) -> str:
    """An outcome in one line, whatever an engine's message looks like."""
    return " ".join(show(outcome).split())


def _from(start: int) -> str:
    return "altogether" if start < 0 else f"from call {start} on"


def _print_json(bench: Bench, trial: Trial) -> None:
    for item in _everyone(trial):
        release = bench.seats[item.engine].capabilities.version if item.engine in bench.seats else VERSION
        fields = {"type": "engine", "version": 1, "id": item.engine, "release": release, "phase": item.phase.value}
        outcomes = [outcome_to_json(outcome) for outcome in item.outcomes]
        emit(sys.stdout, fields | {"instantiation": outcome_to_json(item.instantiation), "outcomes": outcomes})
    findings = split(trial.verdict) if isinstance(trial.verdict, Disagree) else []
    fields = {"type": "verdict", "version": 1, **verdict_to_json(trial.verdict)}
    emit(
        sys.stdout, fields | {"signatures": [signature.to_json() for signature, _ in findings], "broken": bench.broken}
    )
