"""What the harness itself spends on a case: encoding the request, waking up, reading replies; per case and engine.

    python benchmarks/engine_protocol.py [--cases 300] [--target returns] [--engine ID ...]

``harness`` is CPU time of this process from ``start`` to the last result, all engines at once; ``encode`` is the part
that makes the request, once for all settings of an engine. ``engine`` is the workers' CPU time, by their own account.
All in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.registry import make_case
from oracles.engine import open_engine
from oracles.remote.imports import plan_imports
from oracles.remote.interface import read_interface
from oracles.remote.protocol import Flavour, encode_case
from oracles.remote.sources import CALLBACK_KINDS
from oracles.remote.wrapper import _plain

DEFAULT = ("wasmtime", "wasmtime:opt=none", "wasmtime:regalloc=single_pass", "wasmtime:winch", "wasmtime:pulley")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--target", default="returns")
    parser.add_argument("--engine", action="append")
    args = parser.parse_args()
    engines = [open_engine(name) for name in args.engine or DEFAULT]
    for engine in engines:
        _ = engine.capabilities
    harness: list[float] = []
    encoding: list[float] = []
    working: dict[str, list[float]] = {str(engine.id): [] for engine in engines}
    for index in range(args.cases):
        case = make_case(args.target, 1, index)
        start = time.process_time()
        encode_case(case, Flavour(CALLBACK_KINDS, True))
        encoding.append(time.process_time() - start)
        for memory in (_plain, read_interface, plan_imports):  # so that the request below does the work itself
            memory.cache_clear()
        start = time.process_time()
        pending = [engine.start(case) for engine in engines]
        observations = [one.result() for one in pending]
        harness.append(time.process_time() - start)
        for observation in observations:
            working[observation.engine].append(sum(seconds for _, seconds in observation.cpu))
    for engine in engines:
        engine.close()
    print(f"{args.cases} cases of {args.target}, {len(engines)} engines{'median':>16}{'mean':>8}{'p90':>8}")
    for name, spent in (("harness", harness), ("encode", encoding), *working.items()):
        row = [1000 * one for one in (statistics.median(spent), statistics.mean(spent))]
        row.append(1000 * statistics.quantiles(spent, n=10)[-1])
        print(f"{name:<40}" + "".join(f"{value:>8.3f}" for value in row))


if __name__ == "__main__":
    main()
