"""What stored findings of garbage are told as: objects that are collected too early, by the reference that was lost.

    python benchmarks/garbage.py FOLDER

FOLDER is what a run wrote. Each finding of a case with garbage-collected types that still shows is asked anew
(``fuzz.triage.kept_alive``): a row for each, and at the end how many were told so, and as how many causes the run had
recorded those.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.archive import Reader
from fuzz.archive.bundles import read_findings
from fuzz.records.finding import Finding
from fuzz.triage.kept_alive import forgotten, is_early
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import same_finding
from wasm.features import Feature


def told(finding: Finding) -> str | None:
    """What was lost, or that it is about something else; None if it does not show."""
    bench = Bench([run.engine for run in finding.runs], offline=True)
    try:
        question = same_finding(bench, finding)
        if not question(finding.best):
            return None
        if not is_early(finding.best, question):
            return "something else"
        return " ".join(sorted(forgotten(finding.best, question) or ()))
    finally:
        bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with Reader(folder) as reader:
        roots = reader.causes.roots()
        causes = {row.bundle: roots.get(row.cause or 0) for row in reader.findings()}
    lost: Counter[str] = Counter()
    before = set()
    for path, finding in read_findings(folder):
        if not finding.repeats or Feature.GC.value not in finding.best.features:
            continue
        answer = told(finding)
        print(f"{path.name}: {answer or 'does not show'}", file=sys.stderr, flush=True)
        if answer:
            lost[answer] += 1
            before |= {causes.get(path.name)} if answer != "something else" else set()
    print("| what was lost | findings |")
    print("| --- | ---: |")
    for name, count in lost.most_common():
        print(f"| {name} | {count} |")
    early = sum(lost.values()) - lost["something else"]
    print(
        f"\n{early} of {sum(lost.values())} by objects that are collected too early: {len(before)} causes as recorded"
    )


if __name__ == "__main__":
    main()
