"""What the archive costs: recording a batch in the parent, opening a folder with many cases, and each question.

    python benchmarks/archive.py [--cases 10000000] [--batches 2000] [--against FOLDER]

A folder with ``--cases`` cases done over 300 nights is written first, in batches of 10,000 that come out of order with
gaps, with 1,000 findings and 100,000 sightings. Opening is what ``fuzz run`` does before its first case: lock, checks,
survey of the bundles, begin. ``--against`` is a checkout from before the archive, whose journal is fed the same batches
in the same run, in turns.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive import bundle
from fuzz.archive.archive import Archive, Reader
from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Series, Sighting
from fuzz.records.stats import Stats
from fuzz.trial.account import account
from fuzz.trial.bench import Bench
from generators.registry import make_case
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.case import Case, Provenance

SERIES = Series(("returns",), 1, "1")
BATCH = 8
LARGE = 10_000
NIGHTS = 300
FINDINGS = 1_000
SIGHTINGS = 100_000


def timed(work: Callable[[], object], times: int = 5) -> str:
    """Milliseconds of wall time: median, and the slowest."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(taken):9.1f} ms{max(taken):9.1f} ms"


def counts(cases: int) -> list[Stats]:
    """The counts of real batches, each of ``BATCH`` cases of returns."""
    bench = Bench(())
    batches = []
    for start in range(0, cases, BATCH):
        stats = Stats()
        for index in range(start, start + BATCH):
            account(stats, bench.run(make_case("returns", 1, index)))
        batches.append(stats)
    bench.close()
    return batches


def signature(number: int) -> Signature:
    return Signature("fast", "invoke", "value", f"message {number}")


def fill(folder: Path, cases: int, stats: Stats) -> None:
    """A folder as a long campaign leaves it; the bundles have no more than their data."""
    archive = Archive(folder)
    order = list(range(0, cases, LARGE))
    random.Random(1).shuffle(order)
    each = max(1, len(order) // NIGHTS)
    dissents = (Dissent("fast", "fast", Kind.VALUE, "invoke", "invoke 0"),)
    for night, first in enumerate(range(0, len(order), each)):
        archive.begin(SERIES)
        for start in order[first : first + each]:
            archive.record_batch(range(start, start + LARGE - 1), stats)
        per_night = SIGHTINGS * each // len(order)
        seen = [
            Sighting("returns", 1, night * per_night + i, "1", signature(i % 40).key, "fast", f"{night // 60}.0.0")
            for i in range(per_night)
        ]
        archive.record_batch([], Stats(), seen)
        archive.end(0)
    for index in range(FINDINGS):
        case = Case(b"\0asm\1\0\0\0", provenance=Provenance("returns", 1, index, "1"))
        found = Finding(case, Disagree(dissents, (), ("fast",)), signature(index % 40), (), repeats=3, tries=3)
        path = archive.bundles / bundle.name(found)
        path.mkdir()
        (path / "finding.json").write_text(json.dumps(found.to_json()))
    archive.close()
    Archive(folder).close()  # takes the bundles in


def opened(folder: Path) -> None:
    archive = Archive(folder)
    done, _ = archive.begin(SERIES)
    next(done.missing())
    archive.close()


def questions(folder: Path) -> None:
    key = signature(3).key
    with Reader(folder) as reader:
        for name, work in (
            ("first seen", lambda: reader.first_seen(bucket=key)),
            ("last seen", lambda: reader.last_seen(bucket=key)),
            ("how often", lambda: reader.times_seen(bucket=key)),
            ("on which releases", lambda: reader.seen_on(bucket=key)),
            ("findings", reader.findings),
            ("nights", reader.nights),
        ):
            print(f"{name:<44}{timed(work)}")


_JOURNAL = """
import sys, time, json
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fuzz.archive.archive import Archive, Series
from fuzz.records.stats import Stats
rows = json.load(open(sys.argv[3]))
archive = Archive(Path(sys.argv[2]))
archive.begin(Series(("returns",), 1, "1"))
batches = [Stats.from_json(row) for row in rows]
start = time.process_time()
for number in range(int(sys.argv[4])):
    archive.record_batch(list(range(8 * number, 8 * number + 8)), batches[number % len(batches)])
print(1000 * (time.process_time() - start) / 8 / int(sys.argv[4]))
"""


def recorded(batches: list[Stats], times: int) -> float:
    """CPU milliseconds a case of recording batches."""
    with tempfile.TemporaryDirectory() as temporary:
        archive = Archive(Path(temporary))
        archive.begin(SERIES)
        start = time.process_time()
        for number in range(times):
            archive.record_batch(range(BATCH * number, BATCH * number + BATCH), batches[number % len(batches)])
        spent = time.process_time() - start
        archive.close()
    return 1000 * spent / BATCH / times


def journaled(batches: list[Stats], times: int, checkout: Path) -> float:
    """The same by the journal of a checkout from before the archive."""
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "batches.json"
        data.write_text(json.dumps([stats.to_json() for stats in batches]))
        arguments = [str(checkout), str(Path(temporary) / "out"), str(data), str(times)]
        ran = subprocess.run([sys.executable, "-c", _JOURNAL, *arguments], capture_output=True, text=True, check=True)
        return float(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    batches = counts(20 * BATCH)
    for _ in range(3):
        line = f"recording, CPU a case: {recorded(batches, args.batches):.4f} ms"
        if args.against:
            line += f", by the journal: {journaled(batches, args.batches, args.against):.4f} ms"
        print(line)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "out"
        fill(folder, args.cases, batches[0])
        size = (folder / "archive.sqlite").stat().st_size
        print(f"{args.cases} cases, {FINDINGS} findings, {SIGHTINGS} sightings: {size / 1e6:.1f} MB")
        print(f"{'':<44}{'median':>12}{'slowest':>12}")
        print(f"{'opening':<44}{timed(lambda: opened(folder))}")
        questions(folder)


if __name__ == "__main__":
    main()
