"""Eight faults at once, told apart as causes: what that costs beside looking for each alone.

    python benchmarks/together.py [--seeds 1,2,3,4,5] [--count 8] [--times 3] [--steer yes|no|both]
                                  [--folder FOLDER]

For each seed, named faults of the compiler are drawn: first a loud one, which shows in at least one case of ten, then
others that do not, until there are ``--count`` that a campaign with each alone finds and minimizes within 60 CPU
seconds. Then a campaign runs with all of them at once, for ``--times`` times the CPU seconds that they took one by one.
One row for each: CPU seconds of all processes, cases, causes, and faults with exactly one cause. In ``--folder`` what
was drawn and the campaigns' folders are kept; a draw that is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.fault import Area
from fuzz.selfcheck.together import Together, fitting_targets, known_capabilities, look, loudness

MINIMIZE = 15.0
LOUD = 0.1
SAMPLE = 40


def alone(fault: str, seed: int) -> float | None:
    """CPU seconds to find and minimize a fault; None if it is not found."""
    outcome = look(
        Together((fault,), fitting_targets(), seed, 60.0, minimize=MINIMIZE, first=True), known_capabilities()
    )
    return outcome.cpu if outcome.of(fault) else None


def draw(seed: int, count: int) -> tuple[list[str], float]:
    """The faults, the loud one first, and the CPU seconds that they take one by one."""
    names = [fault.name for fault in all_faults().values() if fault.area not in (Area.INTERPRET, Area.CHECK)]
    random.Random(seed).shuffle(names)
    chosen: list[str] = []
    total = 0.0
    for name in names:
        if len(chosen) == count:
            break
        loud = loudness(Together((name,), fitting_targets(), seed, None, SAMPLE), known_capabilities()) >= LOUD
        if all_faults()[name].partner or loud is bool(chosen):
            continue
        cpu = alone(name, seed)
        print(f"  {name}: {'not found' if cpu is None else f'{cpu:.1f} s'}", file=sys.stderr, flush=True)
        if cpu is not None:
            chosen.append(name)
            total += cpu
    return chosen, total


def drawn(seed: int, count: int, folder: Path | None) -> tuple[list[str], float]:
    """``draw``, or what it gave before in this folder."""
    kept = folder / f"drawn-{seed}-{count}.json" if folder else None
    if kept is not None and kept.exists():
        faults, single = json.loads(kept.read_text())
        return faults, single
    made = draw(seed, count)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(made))
    return made


def row(seed: int, faults: list[str], single: float, times: float, steer: bool, folder: Path | None) -> str:
    how = Together(tuple(faults), fitting_targets(), seed, single * times, minimize=MINIMIZE, steer=steer)
    outcome = look(how, known_capabilities(), folder and folder / f"seed-{seed}{'' if steer else '-no-steer'}")
    once = [name for name in faults if len(outcome.of(name)) == 1]
    for name, shown in outcome.causes:
        print(f"  {name}: {', '.join(shown) or 'no fault alone'}", file=sys.stderr, flush=True)
    print(f"  not one cause: {sorted(set(faults) - set(once))}", file=sys.stderr, flush=True)
    return (f"| {seed} | {'yes' if steer else 'no'} | {single:.0f} | {outcome.cpu:.0f} | {outcome.cpu / single:.1f} "
            f"| {outcome.cases} | {len(outcome.causes)} | {len(once)} of {len(faults)} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--times", type=float, default=3.0)
    parser.add_argument("--steer", choices=("yes", "no", "both"), default="both")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    print("| seed | steered | one by one, CPU s | together, CPU s | times | cases | causes | faults with one cause |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for seed in map(int, args.seeds.split(",")):
        faults, single = drawn(seed, args.count, args.folder)
        print(f"  seed {seed}: {' '.join(faults)}", file=sys.stderr, flush=True)
        for steer in {"yes": (True,), "no": (False,), "both": (True, False)}[args.steer]:
            print(row(seed, faults, single, args.times, steer, args.folder), flush=True)


if __name__ == "__main__":
    main()
