"""Generation: cases per CPU second and target, milliseconds for the median case, beside the processes of the peers.

    python benchmarks/generation.py [--cases 500] [--peers 100]

All figures are CPU time. A target's case is a module and its calls (of an enumeration, cases spread evenly over it);
``encode`` is the part of it that writes the binary. wasm-tools smith and wasm-opt -ttf run once per module, as a
harness without bindings has to run them; their figures are the children's CPU time and ours for starting them. A peer
whose program is missing says so.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.trial.children import children_cpu
from generators.config import EVERYTHING
from generators.peer import NoModule, PeerMissing, open_peer, peer_names
from generators.registry import make_case, sample_of, wasm_target_names
from wasm.decode import decode
from wasm.encode import encode

WARM_UP = 40


def measure(target: str, cases: int) -> list[float]:
    """Print one target's row and give back each case's CPU seconds."""
    for index in range(WARM_UP):
        make_case(target, 2, index)
    spent: list[float] = []
    encoding: list[float] = []
    sizes: list[int] = []
    instructions: list[int] = []
    for index in sample_of(target, cases):
        start = time.process_time()
        case = make_case(target, 1, index)
        spent.append(time.process_time() - start)
        module = decode(case.content)
        instructions.append(sum(len(func.body) for func in module.funcs))
        sizes.append(len(case.content))
        start = time.process_time()
        encode(module)
        encoding.append(time.process_time() - start)
    print(
        f"{target:<16}{cases / sum(spent):>12.0f}{1000 * statistics.median(spent):>12.2f}"
        f"{1000 * statistics.mean(spent):>10.2f}{1000 * statistics.median(encoding):>12.2f}"
        f"{statistics.median(sizes):>12.0f}{statistics.median(instructions):>10.0f}"
    )
    return spent


def peer(name: str, count: int) -> None:
    """Print the row of a peer's processes, as campaigns start them; only what makes the bytes counts."""
    try:
        opened = open_peer(name)
    except PeerMissing as error:
        print(error)
        return
    before = children_cpu() + time.process_time()
    sizes = []
    for index in range(count):
        source = random.Random(f"{name}/1/{index}")
        with suppress(NoModule):
            sizes.append(len(opened.make(source, EVERYTHING)))
    spent = children_cpu() + time.process_time() - before
    if not sizes:
        print(f"{name}: no module")
        return
    rate, each = len(sizes) / spent, 1000 * spent / len(sizes)
    print(f"{name:<16}{rate:>12.0f}{'':>12}{each:>10.2f}{'':>12}{statistics.median(sizes):>12.0f}  {opened.version}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--peers", type=int, default=100)
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {options.cases} cases per target")
    print(f"{'':<16}{'cases/CPU s':>12}{'median ms':>12}{'mean ms':>10}{'encode ms':>12}{'bytes':>12}{'instrs':>10}")
    for target in wasm_target_names():
        measure(target, options.cases)
    for name in peer_names():
        peer(name, options.peers)


if __name__ == "__main__":
    main()
