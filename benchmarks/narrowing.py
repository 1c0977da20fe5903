"""Which share of cases an engine is compared on, with narrowing and without, alone and beside Wasmtime's Cranelift.

    python benchmarks/narrowing.py [--cases 200] [--targets returns,mixed,all] [--beside wasmtime] ENGINE...

A case that needs a feature that the engine lacks, or one whose answer the reference has none for, is not compared.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.archive import Archive
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.cli.chosen import chosen_targets
from fuzz.records.history import Series
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.trial.bench import canonical


def compared(engines: list[str], target: str, cases: int, narrow: bool) -> str:
    """``164 of 200`` cases, for the first of these engines."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder) / "out")
        try:
            series = Series(chosen_targets(target, engines), 1, "benchmark")
            plan = Plan(tuple(engines), series, offline=True, narrow=narrow)
            how = Settings(None, cases, 1, minimize_seconds=0, steer=False)
            stats = Campaign(plan, how, archive, known.none(), observer(True, io.StringIO())).run().stats
        finally:
            archive.close()
    silent = stats.engine_silent.get(engines[0], 0)
    return f"{stats.engine_cases.get(engines[0], 0) - silent} of {stats.cases}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="+", metavar="ENGINE")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--targets", default="returns,mixed,all")
    parser.add_argument("--beside", default="", help="engines beside it, with commas")
    args = parser.parse_args()
    beside = [name for name in args.beside.split(",") if name]
    print("| engine | target | without narrowing | with |\n|---|---|---|---|")
    for engine in args.engines:
        for target in args.targets.split(","):
            bench = canonical([engine, *beside])
            wide, narrow = (compared(bench, target, args.cases, on) for on in (False, True))
            print(f"| `{engine}` | {target} | {wide} | {narrow} |", flush=True)


if __name__ == "__main__":
    main()
