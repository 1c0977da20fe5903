"""Who has the CPU time of a campaign: engines, the interpreter, making cases and the rest, with 1, 4 and 8 engines.

    python benchmarks/shares.py [--cases 400] [--tree DIR ...] [--also=--sparing=10 ...] [--numbers 1,4,8] [--times 2]
                                [--target mixed] [--engine ID ...]

Each ``fuzz run`` is a process of its own with one slot; of ``--times`` runs of a kind the one with the least CPU time
counts, and the kinds take turns. A ``--tree`` is a checkout whose code is run, this one if none is named: with two of
them, a commit is compared with another. ``--also`` is one more row, with this option of ``fuzz run``. Engines are
taken in the order in which they are named; those of ``ENGINES`` if none is. A row has milliseconds of CPU time a case,
the engines' share, and cases in a CPU second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REFERENCE = "interpreter"
ENGINES = (
    "wasmtime",
    "v8",
    "jsc",
    "wasmtime:winch",
    "wasmtime:opt=none",
    "wasmtime:regalloc=single_pass",
    "wasmtime:pulley",
    "v8:liftoff",
)


@dataclass
class Shares:
    """CPU milliseconds a case."""

    engines: float
    interpreter: float
    making: float
    rest: float

    @property
    def whole(self) -> float:
        return self.engines + self.interpreter + self.making + self.rest

    def __str__(self) -> str:
        parts = "".join(f"{part:>12.2f}" for part in (self.engines, self.interpreter, self.making, self.rest))
        return f"{parts}{self.engines / self.whole:>9.1%}{1000 / self.whole:>12.0f}"


def measure(tree: Path, engines: tuple[str, ...], args: argparse.Namespace, also: str) -> Shares:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fuzz", "run", "--target", args.target, "--cases", str(args.cases)]
        command += ["--seed", "5", "--jobs", "1", "--no-minimize", "--json", "--out", folder]
        command += [word for engine in engines for word in ("--engine", engine)]
        command += [also] if also else []
        environment = os.environ | {"PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(done.stderr)
    summary = json.loads(done.stdout.splitlines()[-1])
    if summary["broken"]:
        sys.exit(f"these cannot be measured: {summary['broken']}")
    each = 1000 / (summary["cases"] + summary.get("spared_cases", 0))
    spent = {engine["id"]: each * engine["cpu_seconds"] for engine in summary["engines"]}
    reference, making = spent.pop(REFERENCE), each * summary["generator_cpu_seconds"]
    rest = each * summary["harness_cpu_seconds"] - making
    return Shares(sum(spent.values()), reference, making, rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--target", default="mixed")
    parser.add_argument("--engine", action="append", metavar="ID")
    parser.add_argument("--tree", type=Path, action="append", metavar="DIR")
    parser.add_argument("--also", action="append", default=[], metavar="OPTION")
    parser.add_argument("--numbers", default="1,4,8")
    parser.add_argument("--times", type=int, default=2)
    args = parser.parse_args()
    engines = tuple(args.engine or ENGINES)
    trees = [tree.resolve() for tree in args.tree or [HERE]]
    kinds = [(tree, "") for tree in trees] + [(trees[-1], also) for also in args.also]
    heads = "".join(f"{head:>12}" for head in ("engines", REFERENCE, "making", "rest"))
    print(f"{'CPU ms a case':<34}{heads}{'engines':>9}{'cases/CPU s':>12}")
    for number in map(int, args.numbers.split(",")):
        best: dict[int, Shares] = {}
        for _ in range(args.times):
            for at, (tree, also) in enumerate(kinds):
                found = measure(tree, engines[:number], args, also)
                if at not in best or found.whole < best[at].whole:
                    best[at] = found
        for at, (tree, also) in enumerate(kinds):
            print(f"{f'{number}, {tree.name} {also}':<34}{best[at]}", flush=True)


if __name__ == "__main__":
    main()
