"""Eight faults at once, told apart as causes: what that costs beside looking for each alone.

    python benchmarks/together.py [--seeds 1,2,3,4,5] [--count 8] [--times 3] [--steer yes|no|both]

For each seed, named faults of the compiler are drawn: first a loud one, which shows in at least one case of ten, then
others that do not, until there are ``--count`` that are found alone within 20 CPU seconds. Each alone is looked for and
minimized by ``fuzz selfcheck``; then all together by ``fuzz selfcheck --together`` for ``--times`` times the CPU
seconds that they took one by one (of which a quarter is kept for what is minimized after the time). One row for each:
CPU seconds, cases, causes, and faults with exactly one cause. CPU seconds are those of all processes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.fault import Area
from fuzz.selfcheck.search import Search, capabilities
from fuzz.selfcheck.together import Together, loudness
from generators.registry import load_target, wasm_target_names

ROOT = Path(__file__).resolve().parent.parent
LOUD = 0.1
SAMPLE = 40
KNOWN = capabilities(Search((), 1))
FEATURES = frozenset.intersection(*(one.features for one in KNOWN.values()))
TARGETS = tuple(name for name in wasm_target_names() if load_target(name).needs <= FEATURES)


def run(*words: str) -> tuple[list[dict[str, Any]], float]:
    """The lines of ``fuzz selfcheck --json`` and the CPU seconds of all that it started."""
    before = os.times()
    command = [sys.executable, "-m", "fuzz", "selfcheck", "--json", "--offline", "--jobs", "1",
               "--target", ",".join(TARGETS), *words]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    after = os.times()
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines, after.children_user + after.children_system - before.children_user - before.children_system


def alone(fault: str, seed: int) -> float | None:
    """CPU seconds to find and minimize a fault; None if it is not found."""
    lines, cpu = run("--fault", fault, "--seed", str(seed), "--seconds", "20s")
    found = next(line for line in lines if line["type"] == "search")["found"]
    return cpu if found and found["minimized"] is not None else None


def draw(seed: int, count: int) -> tuple[list[str], float]:
    """The faults, the loud one first, and the CPU seconds that they take one by one."""
    names = [fault.name for fault in all_faults().values() if fault.area not in (Area.INTERPRET, Area.CHECK)]
    random.Random(seed).shuffle(names)
    chosen: list[str] = []
    total = 0.0
    for name in names:
        if len(chosen) == count:
            break
        loud = loudness(Together((name,), TARGETS, seed, None, SAMPLE), KNOWN) >= LOUD
        if all_faults()[name].partner or loud is bool(chosen):
            continue
        cpu = alone(name, seed)
        print(f"  {name}: {'not found' if cpu is None else f'{cpu:.1f} s'}", file=sys.stderr, flush=True)
        if cpu is not None:
            chosen.append(name)
            total += cpu
    return chosen, total


def row(seed: int, faults: list[str], single: float, times: float, steer: bool) -> str:
    words = [word for name in faults for word in ("--fault", name)]
    seconds = f"{single * times * 0.75:.0f}s"
    words += [] if steer else ["--no-steer"]
    (made,), cpu = run("--together", *words, "--seed", str(seed), "--seconds", seconds)
    once = [name for name in faults if sum(name in shown for _, shown in made["causes"]) == 1]
    for name, shown in made["causes"]:
        print(f"  {name}: {', '.join(shown) or 'no fault alone'}", file=sys.stderr, flush=True)
    print(f"  not one cause: {sorted(set(faults) - set(once))}", file=sys.stderr, flush=True)
    return (f"| {seed} | {'yes' if steer else 'no'} | {single:.0f} | {cpu:.0f} | {cpu / single:.1f} | {made['cases']} "
            f"| {len(made['causes'])} | {len(once)} of {len(faults)} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--times", type=float, default=3.0)
    parser.add_argument("--steer", choices=("yes", "no", "both"), default="both")
    args = parser.parse_args()
    print("| seed | steered | one by one, CPU s | together, CPU s | times | cases | causes | faults with one cause |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for seed in map(int, args.seeds.split(",")):
        faults, single = draw(seed, args.count)
        print(f"  seed {seed}: {' '.join(faults)}", file=sys.stderr, flush=True)
        for steer in {"yes": (True,), "no": (False,), "both": (True, False)}[args.steer]:
            print(row(seed, faults, single, args.times, steer), flush=True)


if __name__ == "__main__":
    main()
