"""The summary of all that an output folder holds, for reports on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fuzz.archive.archive import bucket_counts, read_findings, read_journal
from fuzz.records.stats import Stats
from fuzz.records.summary import BundleRow, Summary


def recorded(folder: Path) -> Summary:
    """The summary of all that a folder's journal and bundles hold, over all its series."""
    rows = read_journal(folder)
    series = [row for row in rows if row["row"] == "series"]
    targets = tuple(dict.fromkeys(target for row in series for target in row["targets"]))
    last: dict[str, Any] = series[-1] if series else {"seed": 0, "version": ""}
    summary = Summary(targets, last["seed"], last["version"], folder)
    done: set[tuple[str, int]] = set()
    current = ""
    counts = bucket_counts(rows)
    notes: set[str] = set()
    for row in rows:
        match row["row"]:
            case "series":
                current = f"{row['targets']} {row['seed']} {row['version']}"
            case "batch" if not done.issuperset((current, number) for number in row["numbers"]):
                done.update((current, number) for number in row["numbers"])
                summary.stats.add(Stats.from_json(row["stats"]))
    for path, finding in read_findings(folder):
        number = max(1, counts[finding.signature.bucket.key])
        size = len(finding.best.content)
        summary.bundles.append(BundleRow(path, finding.signature, number, finding.known, finding.stable, size))
        summary.engines |= {run.engine: run.version for run in finding.runs}
        notes.update(filter(None, finding.environment.get("notes", "").split("; ")))
    summary.notes = sorted(notes)
    summary.engines |= {engine: summary.engines.get(engine, "") for engine in summary.stats.engine_cases}
    return summary
