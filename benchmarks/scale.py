"""What many machines cost: merging by findings and sightings, the cluster's overhead, and a simulation of many shards.

    python benchmarks/scale.py merge [--findings 1000] [--sightings 1000000] [--machines 10]
    python benchmarks/scale.py cluster [--cases 400] [--rounds 3]
    python benchmarks/scale.py orders [--orders 1000] [--seconds 20]
    python benchmarks/scale.py simulate [--machines 1 20 1000] [--hours 8] [--rate 25] [--causes FOLDER]

``merge`` writes archives as machines would leave them (bundles with all their files, made from one case) and times
merging them: findings alone, sightings alone, and all once more, when nothing is new.

``cluster`` runs the same cases with ``--jobs 2`` and ``--cluster local:2`` in turns and compares the CPU seconds of
both with all their children. What it takes to start and to end is measured by runs of no cases and taken off.

``orders`` tells what the cluster adds where the work is too much to see it: CPU seconds of an order without any cases,
and of a second without any order, with processes and on a cluster.

``simulate`` computes; it measures nothing. Each cause has a rate, the share of cases on which it is seen: those of
``--causes``, an output folder, and beyond what was seen there as many rarer ones as Good and Turing's estimate allows
(causes seen once, over cases), halved in rate one after the other. From these come the expected number of causes that N
machines find, how many findings and sightings they have to merge, and with the seconds of ``merge``, for how long.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.merging.merge import merge
from fuzz.archive.settling import Settling
from fuzz.campaign.cluster import open_cluster
from fuzz.campaign.crew import Crew, Processes
from fuzz.campaign.messages import Idle, Knowledge, Plan, RunCases
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.records.history import Cause, Series, Sighting
from fuzz.records.stats import Stats
from generators.registry import make_case
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.case import Case
from wasm.embedding import Returned

SERIES = Series(("returns",), 1, "1")
CAUSES = 40
BUCKET = Signature("fast", "invoke", "value").bucket.key
PER_CAUSE = 3
"""Findings that a machine stores of a cause."""


def finding(case: Case, index: int) -> Finding:
    dissents = (Dissent("fast", "fast", Kind.VALUE, "invoke", "invoke 0"),)
    return Finding(
        case=replace(case, provenance=replace(case.provenance, index=index)),
        verdict=Disagree(dissents, ("interpreter",), ("fast",)),
        signature=Signature("fast", "invoke", "value"),
        runs=(EngineRun("fast", "1.0.0", "fast", (Returned(()),)),),
        repeats=3,
        tries=3,
    )


def machine(folder: Path, number: int, findings: int, sightings: int) -> None:
    """An archive as one of several machines leaves it: its findings have ``CAUSES`` causes, all machines the same."""
    archive = Archive(folder)
    archive.begin(SERIES)
    first = number * max(findings, sightings, 1)
    archive.record_batch(range(first, first + max(findings, sightings)), Stats(cases=max(findings, sightings)))
    settling = Settling(archive)
    case = make_case("returns", 1, 6)
    for at in range(findings):
        path = archive.record_finding(finding(case, first + at))
        settling.refresh()
        about = (f"i{32 + at % CAUSES}.rotl", "select", "drop")
        settling.settle(path.name, Cause(0, about[0], "value", "invoke", "fast", about, (BUCKET,), ("fast",)), False)
    ids = [cause.id for cause in archive.causes.all(merged=True)] or [None]
    for start in range(0, sightings, 10_000):
        seen = [
            Sighting("returns", 1, first + at, "1", BUCKET, "fast", "1.0.0", ids[at % len(ids)])
            for at in range(start, min(start + 10_000, sightings))
        ]
        archive.record_batch((), Stats(), seen)
    archive.end(0)
    archive.close()


def timed(folders: list[Path], into: Path) -> str:
    """Wall and CPU seconds of merging."""
    wall, cpu = time.perf_counter(), time.process_time()
    merge(folders, into)
    return f"{time.perf_counter() - wall:8.2f} s {time.process_time() - cpu:8.2f} s"


def measure_merge(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=args.dir) as name:
        base = Path(name)
        print(f"{args.machines} machines; wall and CPU seconds of merging them")
        for title, findings, sightings in (
            (f"{args.findings} findings", args.findings, 0),
            (f"{args.sightings} sightings", 0, args.sightings),
        ):
            folders = [base / f"{title}-{number}" for number in range(args.machines)]
            for number, folder in enumerate(folders):
                machine(folder, number, findings // args.machines, sightings // args.machines)
            into = base / f"{title}-all"
            print(f"  {title:<22}{timed(folders, into)}")
            print(f"  {'  the same once more':<22}{timed(folders, into)}")
            with Reader(into) as reader:
                print(f"    {len(reader.findings())} findings, {len(reader.causes.all())} causes in all")


def cpu_of(words: list[str]) -> float:
    """CPU seconds of a Python command with all its children."""
    before = os.times()
    subprocess.run([sys.executable, *words], check=False, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure_cluster(args: argparse.Namespace) -> None:
    """The same cases with processes and on a cluster, in turns. Nothing is minimized, so that the work is the same."""
    base = tempfile.mkdtemp(dir=args.dir)
    common = ["run", "--target", args.target, "--seed", "7", "--no-minimize", "--no-steer"]
    common += [word for engine in args.engine for word in ("--engine", engine)]
    ways = {"--jobs 2": ["--jobs", "2"], "--cluster local:2": ["--cluster", "local:2"]}
    spent: dict[tuple[str, int], list[float]] = {(way, cases): [] for way in ways for cases in (0, args.cases)}
    try:
        for number in range(args.rounds):
            for (way, cases), taken in spent.items():
                out = f"{base}/{number}{way}{cases}".replace(" ", "")
                taken.append(cpu_of(["-m", "fuzz", *common, *ways[way], "--cases", str(cases), "--out", out]))
                print(f"  {way:<18}{cases:6} cases  {taken[-1]:8.2f} CPU s", flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    middle = {key: statistics.median(taken) for key, taken in spent.items()}
    work = {way: middle[way, args.cases] - middle[way, 0] for way in ways}
    mine, theirs = work.values()
    print(f"starting and ending: {middle['--jobs 2', 0]:.2f} and {middle['--cluster local:2', 0]:.2f} CPU s")
    print(f"{args.cases} cases: {mine:.2f} and {theirs:.2f} CPU s, {100 * (theirs / mine - 1):+.1f}%")


def measure_orders(args: argparse.Namespace) -> None:
    print("CPU seconds of all processes of two slots")
    for way in ("local", "here"):
        start = [cpu_of([__file__, "carry", way, "0", "0"]) for _ in range(3)]
        orders = [cpu_of([__file__, "carry", way, str(args.orders), "0"]) for _ in range(3)]
        idle = [cpu_of([__file__, "carry", way, "0", str(args.seconds)]) for _ in range(3)]
        first = statistics.median(start)
        each, second = (
            (statistics.median(one) - first) / of for one, of in ((orders, args.orders), (idle, args.seconds))
        )
        print(
            f"  {way:<6} start and end {first:6.2f} s, an order {1000 * each:6.3f} ms, a second {1000 * second:6.2f} ms"
        )


def carry(args: argparse.Namespace) -> None:
    """Give two slots empty orders in turns, then wait."""
    crew: Crew = Processes(2) if args.way == "here" else open_cluster("local:2", 2)
    plan = Plan(("interpreter",), SERIES)
    runners = [runner for number in range(2) if (runner := crew.start(plan, number)) is not None]
    for runner in runners:
        while not isinstance(runner.pipe.recv(), Idle):
            pass
    for number in range(args.orders):
        pipe = runners[number % 2].pipe
        pipe.send(RunCases((), Knowledge(), None))
        while not isinstance(pipe.recv(), Idle):
            pass
    time.sleep(args.seconds)
    for runner in runners:
        runner.pipe.close()
        runner.end(5.0)
    crew.close()


def simulate(args: argparse.Namespace) -> None:
    rates, cases = seen_rates(args.causes)
    share = sum(rates)
    print(f"{len(rates)} causes seen in {cases} cases; one case in {1 / share:.0f} shows one of them")
    once = sum(rate * cases < 1.5 for rate in rates)
    unseen, rest = once / cases, []
    while once and len(rest) < 60:  # as much as was seen once in all, halved one after the other
        rest.append(unseen / 2 ** (len(rest) + 1))
    rarer = f"one case in {1 / unseen:.0f}" if unseen else "no case"
    print(f"{once} of them were seen once, so about {rarer} shows one that was not seen")
    print(f"{'machines':>8}  {'cases':>13}  {'causes':>7}  {'findings':>9}  {'sightings':>11}  {'merging':>9}")
    for machines in args.machines:
        own = args.rate * args.hours * 3600
        found = sum(1 - math.exp(-rate * own * machines) for rate in (*rates, *rest))
        stored = machines * sum(min(PER_CAUSE, rate * own) for rate in (*rates, *rest))
        seen = machines * own * share
        seconds = stored / 1000 * args.per_findings + seen / 1e6 * args.per_sightings + machines * args.per_folder
        print(f"{machines:8}  {own * machines:13.0f}  {found:7.1f}  {stored:9.0f}  {seen:11.0f}  {seconds:7.0f} s")


def seen_rates(folder: Path) -> tuple[list[float], int]:
    """The share of cases on which each cause of a folder was seen, and the cases."""
    with Reader(folder) as reader:
        cases = reader.stats().cases
        return [reader.times_seen(cause=cause.id) / cases for cause in reader.causes.all()], cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(required=True)
    one = ways.add_parser("merge")
    one.add_argument("--findings", type=int, default=1000)
    one.add_argument("--sightings", type=int, default=1_000_000)
    one.add_argument("--machines", type=int, default=10)
    one.set_defaults(run=measure_merge)
    two = ways.add_parser("cluster")
    two.add_argument("--cases", type=int, default=400)
    two.add_argument("--rounds", type=int, default=3)
    two.add_argument("--target", default="simd,memory")
    two.add_argument("--engine", nargs="+", default=["interpreter", "wasmtime:opt=speed"])
    two.set_defaults(run=measure_cluster)
    extra = ways.add_parser("orders")
    extra.add_argument("--orders", type=int, default=1000)
    extra.add_argument("--seconds", type=float, default=20.0)
    extra.set_defaults(run=measure_orders)
    inner = ways.add_parser("carry")
    inner.add_argument("way", choices=["here", "local"])
    inner.add_argument("orders", type=int)
    inner.add_argument("seconds", type=float)
    inner.set_defaults(run=carry)
    three = ways.add_parser("simulate")
    three.add_argument("--machines", type=int, nargs="+", default=[1, 20, 1000])
    three.add_argument("--hours", type=float, default=8.0)
    three.add_argument("--rate", type=float, required=True, help="cases per second of a machine")
    three.add_argument("--causes", type=Path, required=True, help="an output folder")
    three.add_argument("--per-findings", type=float, required=True, help="seconds of merging 1,000 findings")
    three.add_argument("--per-sightings", type=float, required=True, help="seconds of merging 1,000,000 sightings")
    three.add_argument("--per-folder", type=float, default=0.05, help="seconds of opening one folder")
    three.set_defaults(run=simulate)
    for way in (one, two):
        way.add_argument("--dir", help="where to write (default: the folder for temporary files)")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
