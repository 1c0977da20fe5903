"""What the targets reach: the sizes of generated modules and call sites, beside the hard caps of other generators.

    python benchmarks/shapes.py [--cases 300] [--seed 1] [--grid]

So many cases of each target, of an enumeration spread evenly over it. Parameters, results and operands are the most of
any call site; block values, locals, nesting and labels the most that a module itself has. ``--grid`` adds call sites
per kind at each operand boundary. The tables are Markdown; docs/targets.md quotes them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.records.target_yield import measure
from generators.draw.operands import KINDS
from generators.registry import make_case, sample_of, wasm_target_names
from wasm.case import Case
from wasm.decode import decode

SIZES = ("block values", "locals", "nesting", "labels")
HEAD = ("target", "params", "results", "operands", *SIZES, "instructions", "wide", "240+ operands")
PEERS = (
    ("wasm-smith", 20, 20, "", 20, 100, 100, "", 100),
    ("Binaryen -ttf", 10, 6, "", "", 20, 55, "", ""),
    ("V8's fuzzers", 15, 15, "", "", "", "", "", ""),
    ("cranelift-fuzzgen", 16, 16, "", "", "", "", "", ""),
    ("regalloc2's ion fuzzer", "", "", 41, "", "", "", "", ""),
)
"""Name and hard caps, in the order of ``HEAD``; read in sources of 2026.

What bounds nesting in wasm-smith is its default of 100 instructions."""


def row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def reached(target: str, cases: list[Case]) -> str:
    sites = [site for case in cases for site in case.sites]
    modules = [measure(decode(case.content)) for case in cases]
    wide = sum(any(site.wide for site in case.sites) for case in cases)
    many = sum(any(site.operands >= 240 for site in case.sites) for case in cases)
    most = [max(getattr(site, name) for site in sites) for name in ("params", "results", "operands")]
    sizes = [max(module[name] for module in modules) for name in SIZES]
    median = round(statistics.median(module["instructions"] for module in modules))
    return row((target, *most, *sizes, median, f"{100 * wide / len(cases):.0f}%", f"{100 * many / len(cases):.1f}%"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grid", action="store_true")
    options = parser.parse_args()
    grid: Counter[tuple[str, int]] = Counter()
    print(row(HEAD))
    print(row(["---"] * len(HEAD)))
    for target in wasm_target_names():
        cases = [make_case(target, options.seed, index) for index in sample_of(target, options.cases)]
        grid.update((site.kind, site.operands) for case in cases for site in case.sites)
        print(reached(target, cases), flush=True)
    for name, *caps in PEERS:
        print(row((name, *caps, *[""] * (len(HEAD) - len(caps) - 1))))
    if options.grid:
        edges = (*range(252, 260), *range(510, 515))
        print()
        print(row(("kind", *edges)))
        print(row(["---"] * (len(edges) + 1)))
        for kind in KINDS:
            print(row((kind, *(grid[kind, edge] for edge in edges))))


if __name__ == "__main__":
    main()
