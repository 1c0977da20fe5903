"""How often each target makes the shapes that outside bugs needed (``generators.shapes``), per 1,000 cases.

    python benchmarks/outside.py [--cases 300] [--seed 1] [--target T ...] [--shape WORDS]

So many cases of each target, of an enumeration spread evenly over it. The table is Markdown; docs/targets.md quotes it:
of each shape the two targets that make it most often, and how many targets make it at all. What no target made comes
first.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.config import EVERYTHING
from generators.registry import make_case, sample_of, wasm_target_names
from generators.shapes.catalogue import SHAPES, shapes_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", nargs="+", default=list(wasm_target_names()))
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {shape.name: Counter() for shape in SHAPES}
    for target in options.target:
        for index in sample_of(target, options.cases):
            for name in shapes_in(make_case(target, options.seed, index, EVERYTHING)):
                counts[name][target] += 1
        print(f"{target}: {sum(target in found for found in counts.values())} shapes", file=sys.stderr, flush=True)
    print("| shape | after | by 1,000 cases | targets |")
    print("| --- | --- | --- | --- |")
    for shape in sorted(SHAPES, key=lambda shape: counts[shape.name].most_common(1)[:1] != []):
        found = counts[shape.name]
        most = ", ".join(f"{name} {1000 * count / options.cases:.0f}" for name, count in found.most_common(2))
        said = f"`{shape.name}`" if shape.name.startswith("(") else shape.name
        print(f"| {said} | {shape.after} | {most or 'none'} | {len(found)} |")


if __name__ == "__main__":
    main()
