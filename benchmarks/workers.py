"""What a new worker costs: kept, forked by a nursery, and started from scratch.

    python benchmarks/workers.py [ENGINE...] [--times 20]

A row for each engine: CPU milliseconds of all processes until a small case is done, the median of ``--times``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from wasmtime import wat2wasm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.trial.children import family_cpu
from oracles.engine import Engine, Limits, open_engine
from wasm.case import Case
from wasm.embedding import Invocation


def small() -> Case:
    return Case(bytes(wat2wasm('(module (func (export "f") (result i32) (i32.const 7)))')), (Invocation("f"),))


def cost(engine: Engine, case: Case, times: int, how: str) -> float:
    """Median CPU milliseconds of a case in a worker that is ``kept``, ``forked`` or ``started``."""
    spent = []
    for _ in range(times):
        before = family_cpu()
        if how != "kept":
            engine.renew(from_scratch=how == "started")
        engine.run(case)
        spent.append(family_cpu() - before)
    return 1000 * statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("engines", nargs="*", default=["wasmtime", "compiler"])
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    print("| engine | kept, ms | forked, ms | started, ms |")
    print("| --- | ---: | ---: | ---: |")
    for name in args.engines:
        engine = open_engine(name, Limits())
        case = small()
        engine.run(case)
        engine.renew()
        engine.run(case)
        row = " | ".join(f"{cost(engine, case, args.times, how):.1f}" for how in ("kept", "forked", "started"))
        print(f"| {name} | {row} |", flush=True)
        engine.close()


if __name__ == "__main__":
    main()
