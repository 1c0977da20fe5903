"""What the targets reach: widths and operands of generated call sites, beside the hard caps of other generators.

    python benchmarks/shapes.py [--cases 2000] [--seed 1] [--grid]

The cases are dealt to the targets in turn. ``--grid`` adds call sites per kind at each operand boundary. The tables are
Markdown; docs/targets.md quotes them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.operands import KINDS
from generators.registry import make_case, wasm_target_names
from wasm.case import Case

PEERS = (
    ("wasm-smith", "20", "20", ""),
    ("Binaryen -ttf", "10", "6", ""),
    ("V8's fuzzers", "15", "15", ""),
    ("cranelift-fuzzgen", "16", "16", ""),
    ("regalloc2's ion fuzzer", "", "", "31"),
)
"""Name and hard caps: parameters and results of a signature, operands of an instruction. Read in sources of 2026."""


def row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def widths(target: str, cases: list[Case]) -> str:
    sites = [site for case in cases for site in case.sites]
    wide = sum(any(site.wide for site in case.sites) for case in cases)
    many = sum(any(site.operands >= 240 for site in case.sites) for case in cases)
    return row(
        (
            target, max(site.params for site in sites), max(site.results for site in sites),
            max(site.operands for site in sites), f"{100 * wide / len(cases):.0f}%", f"{100 * many / len(cases):.1f}%",
            f"{len(sites) / len(cases):.1f}",
        )
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grid", action="store_true")
    options = parser.parse_args()
    targets = wasm_target_names()
    by_target: dict[str, list[Case]] = {target: [] for target in targets}
    grid: Counter[tuple[str, int]] = Counter()
    for i in range(options.cases):
        target = targets[i % len(targets)]
        case = make_case(target, options.seed, i // len(targets))
        by_target[target].append(case)
        grid.update((site.kind, site.operands) for site in case.sites)
    print(row(("target", "params", "results", "operands", "wide", "240+ operands", "sites per case")))
    print(row(["---"] * 7))
    for target, cases in by_target.items():
        print(widths(target, cases))
    for name, params, results, operands in PEERS:
        print(row((name, params, results, operands, "", "", "")))
    if options.grid:
        edges = (*range(252, 260), *range(510, 515))
        print()
        print(row(("kind", *edges)))
        print(row(["---"] * (len(edges) + 1)))
        for kind in KINDS:
            print(row((kind, *(grid[kind, edge] for edge in edges))))


if __name__ == "__main__":
    main()
