"""Hundreds of findings of different bugs, brought together: is each bug one cause, and each cause one bug?

    python benchmarks/telling.py FOLDER [--faults 12] [--seed 1] [--seconds 60] [--each 15]
                                        [--settle 30] [--engine wasmtime@7.0.0 ...]

For each of ``--faults`` named faults of the compiler, drawn with ``--seed`` among those that show, and for each engine
a campaign of its own stores up to ``--each`` findings of every cause and makes them smaller, for so many CPU seconds,
and then for ``--settle`` more finds out about what is left, as the next night would.
FOLDER gets an output folder for each, and ``all``, into which they are merged. A row for each: findings, of them
minimized, causes by itself, and the causes in ``all`` that they are of; findings without a cause yet are of none. Which
bugs an old release has nobody tells but a person: its causes are listed (``fuzz causes FOLDER/all show ID``, ``fuzz
bisect``).
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.merging.merge import merge
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.fault import Area
from fuzz.records.history import Series
from fuzz.selfcheck.search import LIMITS
from fuzz.selfcheck.together import Together, Watch, fitting_targets, known_capabilities, look, settled
from fuzz.triage import known as issues
from generators.registry import version_of, wasm_target_names
from oracles.reference import REFERENCE

MINIMIZE = 15.0


def of_faults(args: argparse.Namespace) -> dict[str, Path]:
    """A folder for each fault that showed."""
    names = [fault.name for fault in all_faults().values()
             if fault.area not in (Area.INTERPRET, Area.CHECK) and not fault.partner]  # fmt: skip
    random.Random(args.seed).shuffle(names)
    made: dict[str, Path] = {}
    for number, name in enumerate(names):
        if len(made) == args.faults:
            break
        # A seed of its own: one case that shows two faults would be one finding.
        how = Together(
            (name,),
            fitting_targets(),
            args.seed * 1000 + number,
            args.seconds,
            minimize=MINIMIZE,
            steer=False,
            each=args.each,
            settle=args.settle,
        )
        folder = args.folder / name
        if not folder.exists():
            look(how, known_capabilities(), folder)
        if findings(folder):
            made[name] = folder
            print(f"  {name}: {len(findings(folder))} findings", file=sys.stderr, flush=True)
    return made


def of_engine(engine: str, args: argparse.Namespace) -> Path:
    """The folder of a campaign on an engine, with all targets that make modules."""
    folder: Path = args.folder / engine
    if folder.exists():
        return folder
    names = tuple(wasm_target_names())
    archive = Archive(folder)
    try:
        plan = Plan((REFERENCE, engine), Series(names, args.seed, version_of(names)), LIMITS)
        settings = Settings(None, None, 1, args.each, MINIMIZE, steer=False)
        how = Together((), names, args.seed, args.seconds, settle=args.settle)
        Campaign(plan, settings, archive, issues.none(), Watch(how)).run()
        settled(plan, settings, archive, how)
    finally:
        archive.close()
    return folder


def findings(folder: Path) -> dict[str, tuple[int | None, bool]]:
    """By bundle its cause, or that which this is a part of, and whether it was minimized."""
    with Reader(folder) as reader:
        roots = reader.causes.roots()
        return {row.bundle: (roots.get(row.cause or 0), row.minimized) for row in reader.findings()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--each", type=int, default=15)
    parser.add_argument("--settle", type=float, default=30.0)
    parser.add_argument("--engine", action="append", default=[])
    args = parser.parse_args()
    folders = of_faults(args) | {engine: of_engine(engine, args) for engine in args.engine}
    merge(list(folders.values()), args.folder / "all")
    every = findings(args.folder / "all")
    of: dict[int, set[str]] = {}
    print("| bug or engine | findings | minimized | causes by itself | causes in all |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, folder in folders.items():
        own = findings(folder)
        ids = sorted({id for bundle in own if bundle in every and (id := every[bundle][0]) is not None})
        for id in ids:
            of.setdefault(id, set()).add(name)
        minimized = sum(done for _, done in own.values())
        alone = len({cause for cause, _ in own.values()} - {None})
        print(f"| {name} | {len(own)} | {minimized} | {alone} | {' '.join(map(str, ids))} |")
    bare = sum(cause is None for cause, _ in every.values())
    print(f"\n{len(every)} findings, {bare} of them without a cause yet, {len(of)} causes; of more than one: "
          f"{[of[id] for id in of if len(of[id]) > 1]}")  # fmt: skip


if __name__ == "__main__":
    main()
