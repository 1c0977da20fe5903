"""Whether allotting turns by what targets gave pays: causes found in the same CPU time, with it and without.

    python benchmarks/allotment.py [--seconds 600] [--rounds 60]      computed, with bugs whose rates are drawn
    python benchmarks/allotment.py FOLDER...                          counted, in output folders of fuzz run

Computed: each round draws bugs, each with a rate in one target's cases (or in two) between one case in 30 and one in
30,000; both ways search for the same bugs with the costs and weights of the targets' files, by the rule that runs use.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.archive import Reader
from fuzz.campaign.allotment import AFTER, LONG, Gave, allotted
from fuzz.campaign.steering import EPOCH
from fuzz.records.epoch import FULL
from generators.registry import load_target, wasm_target_names
from generators.schedule import turns

NAMES: Final = wasm_target_names()
TURNS: Final = Counter(turns(NAMES))
COSTS: Final = {name: load_target(name).cost for name in NAMES}
WEIGHTS: Final = [load_target(name).weight for name in NAMES]

Bugs = list[dict[str, float]]
"""The share of cases that show each bug, by target."""


def _bugs(number: int, of: Callable[[random.Random], list[str]], rng: random.Random) -> Bugs:
    return [{target: 10 ** -rng.uniform(1.5, 4.5) for target in of(rng)} for _ in range(number)]


def _in_few(rng: random.Random) -> Bugs:
    hot = rng.sample(NAMES, 3)
    return _bugs(30, lambda rng: [rng.choice(hot)], rng)


WORLDS: Final[Mapping[str, Callable[[random.Random], Bugs]]] = {
    "20 in memory and mixed, as in 7.0.0": lambda rng: _bugs(20, lambda _: ["memory", "mixed"], rng),
    "30 in three targets": _in_few,
    "20 in three targets, 20 in all": lambda rng: _in_few(rng)[:20] + _bugs(20, lambda rng: [rng.choice(NAMES)], rng),
    "40 in all targets alike": lambda rng: _bugs(40, lambda rng: [rng.choice(NAMES)], rng),
    "40 in all targets by weight": lambda rng: _bugs(40, lambda rng: rng.choices(NAMES, WEIGHTS), rng),
}


def found(bugs: Bugs, seconds: float, allot: bool, rng: random.Random) -> int:
    """How many of the bugs a run of so many CPU seconds meets."""
    gave: list[dict[str, Gave]] = []
    left = list(bugs)
    spent = 0.0
    while spent < seconds:
        known = gave[: max(0, len(gave) - AFTER + 1)][-LONG:]
        parts = dict(allotted(known, COSTS)) if allot else {}
        taken = {name: TURNS[name] * parts.get(name, FULL) for name in NAMES}
        cases = {name: round(EPOCH * part / sum(taken.values())) for name, part in taken.items()}
        cost = sum(cases[name] * COSTS[name] for name in NAMES) / 1000
        new: Counter[str] = Counter()
        for bug in left[:]:
            shows = {name: rate * cases[name] for name, rate in bug.items()}
            if rng.random() * cost < (1 - math.exp(-sum(shows.values()))) * min(cost, seconds - spent):
                left.remove(bug)
                new[rng.choices(list(shows), list(shows.values()))[0]] += 1
        gave.append({name: Gave(cases[name], new[name]) for name in NAMES})
        spent += cost
    return len(bugs) - len(left)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    for folder in args.folders:
        _count(folder)
    for name, world in WORLDS.items() if not args.folders else ():
        pairs = []
        for seed in range(args.rounds):
            bugs = world(random.Random(seed))
            pairs.append(
                [mean(found(bugs, args.seconds, allot, random.Random(n)) for n in range(5)) for allot in (False, True)]
            )
        without, with_ = (mean(pair[way] for pair in pairs) for way in (0, 1))
        better = sum(pair[1] > pair[0] for pair in pairs)
        print(f"{name}: {without:.1f} without, {with_:.1f} with ({with_ / without - 1:+.0%}); "
              f"more in {better} of {args.rounds} worlds")  # fmt: skip


def _count(folder: Path) -> None:
    """What a folder's runs have cost and found, and in which targets."""
    with Reader(folder) as reader:
        stats = reader.stats()
        spent = stats.harness_cpu + sum(stats.engine_cpu.values())
        causes, parts = reader.causes.all(), reader.causes.all(merged=True)
        print(f"{folder}: {stats.cases} cases, {spent:.0f} CPU s, {len(causes)} causes of {len(parts)} parts, "
              f"{60 * len(parts) / spent:.2f} parts a CPU minute")  # fmt: skip
        shares = Counter[str](stats.target_cpu)
        whole = sum(shares.values())
        print("  CPU time: " + ", ".join(f"{name} {cpu / whole:.0%}" for name, cpu in shares.most_common(6)))


if __name__ == "__main__":
    main()
