"""What a case costs, stage by stage, and how many cases a CPU second gives with 1, 4 and 7 engines.

    python benchmarks/pipeline.py [--cases 200] [--target returns]

CPU milliseconds, medians. ``protocol, comparing, accounting`` is what the harness spends on a case beside the
reference: sending it, reading replies, judging, counting. The workers' CPU is by their own account.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.records.stats import Stats
from fuzz.trial.account import account
from fuzz.trial.bench import Bench
from generators.registry import make_case
from oracles.interpreter import run_case
from wasm.decode import decode
from wasm.validate import validate

ENGINES = (
    "wasmtime:opt=speed",
    "wasmtime:winch",
    "wasmtime:opt=none",
    "wasmtime:regalloc=single_pass",
    "wasmtime:pulley",
    "v8:liftoff",
    "v8:turbofan",
)


def timed(work: Callable[[int], object], count: int) -> list[float]:
    found = []
    for index in range(count):
        start = time.process_time()
        work(index)
        found.append(1000 * (time.process_time() - start))
    return found


def show(name: str, values: list[float]) -> None:
    spread = statistics.quantiles(values, n=10)[-1]
    print(f"{name:<44}{statistics.median(values):>9.2f}{statistics.mean(values):>9.2f}{spread:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--target", default="returns")
    args = parser.parse_args()
    count = args.cases
    cases = [make_case(args.target, 1, index) for index in range(count)]
    print(f"{count} cases of {args.target}, CPU ms a case{'median':>19}{'mean':>9}{'p90':>9}")
    generating = timed(lambda i: make_case(args.target, 2, i), count)
    show("generate and encode", generating)
    checking = timed(lambda i: validate(decode(cases[i].content)), count)
    show("decode and validate", checking)
    show("reference interpreter, decoding included", timed(lambda i: run_case(cases[i]), count))
    for number in (1, 4, 7):
        run_with(number, cases, statistics.mean(generating))


def run_with(number: int, cases: list, generating: float) -> None:  # type: ignore[type-arg]
    """One campaign's inner loop over the first ``number`` engines."""
    bench = Bench(ENGINES[:number])
    for name, reason in bench.broken.items():
        print(f"{name}: {reason}")
    stats = Stats()
    beside: list[float] = []
    workers: dict[str, list[float]] = {}
    for case in cases:
        before, reference = time.process_time(), bench.reference_cpu
        trial = bench.run(case)
        account(stats, trial)
        spent = time.process_time() - before - (bench.reference_cpu - reference)
        beside.append(1000 * spent)
        for observation in trial.observations:
            cpu = 1000 * sum(seconds for _, seconds in observation.cpu)
            workers.setdefault(observation.engine, []).append(cpu)
    total = sum(map(sum, workers.values())) + sum(beside) + 1000 * bench.reference_cpu + generating * len(cases)
    print(f"with {number} engines and the reference: {1000 * len(cases) / total:.0f} cases per CPU second")
    show("  protocol, comparing, accounting", beside)
    if number == len(ENGINES):
        for name, values in workers.items():
            show(f"  {name}", values)
    bench.close()


if __name__ == "__main__":
    main()
