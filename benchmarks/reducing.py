"""Reduce modules under a predicate and print what it took: ``python benchmarks/reducing.py FOLDER [NAME ...]``.

FOLDER holds pairs NAME.wasm and NAME.py or NAME.sh, a command that exits with 0 where the file it gets is interesting.
The tools that the predicates call must be on the PATH. One Markdown row per module: sizes in bytes, predicate runs, the
runs until the module was below 1,000 bytes, CPU seconds of the reducer and of the predicates, and wall seconds.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.reduce import Budget, command_predicate, reduce_case
from wasm.case import Case


def cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def row(module: Path, script: Path, budget: Budget) -> str:
    case = Case(module.read_bytes())
    before = [cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    made = reduce_case(case, command_predicate([str(script.resolve())]), budget=budget)
    own, children = (
        cpu_seconds(who) - start
        for who, start in zip((resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN), before, strict=True)
    )
    small = next((str(runs) for runs, size in made.trace if size < 1000), "never")
    cells = (
        f"{len(case.content):,}", f"{len(made.case.content):,}", str(made.runs), small,
        f"{own:.1f}", f"{children:.1f}", f"{made.seconds:.1f}",
    )  # fmt: skip
    return f"| {module.stem} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="default: all in the folder")
    parser.add_argument("--seconds", type=float, default=170.0, help="wall time per module")
    args = parser.parse_args()
    print("| module | from | to | runs | runs until below 1,000 | own CPU s | predicates' CPU s | wall s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for module in sorted(args.folder.glob("*.wasm")):
        script = next((s for s in (module.with_suffix(".py"), module.with_suffix(".sh")) if s.exists()), None)
        if script is not None and (not args.names or module.stem in args.names):
            print(row(module, script, Budget(seconds=args.seconds)), flush=True)


if __name__ == "__main__":
    main()
