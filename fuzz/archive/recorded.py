"""What an output folder holds, as the records that reports are made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from fuzz.archive.archive import bucket_counts, read_findings, read_journal
from fuzz.records.stats import Stats
from fuzz.records.summary import Stored, Summary


def stored_findings(folder: Path, counts: Counter[str]) -> list[Stored]:
    """The bundles of a folder, by name. ``counts`` is how often each bucket was seen (``bucket_counts``)."""
    return [
        Stored(
            path, finding.signature, max(1, counts[finding.signature.bucket.key]), finding.known, finding.stable,
            len(finding.best.content),
        )
        for path, finding in read_findings(folder)
    ]  # fmt: skip


def recorded(folder: Path) -> Summary:
    """The summary of all that a folder's journal and bundles hold, over all its series."""
    entries = read_journal(folder)
    series = [entry for entry in entries if entry["row"] == "series"]
    targets = tuple(dict.fromkeys(target for entry in series for target in entry["targets"]))
    last: dict[str, Any] = series[-1] if series else {"seed": 0, "version": ""}
    summary = Summary(targets, last["seed"], last["version"], folder)
    done: set[tuple[str, int]] = set()
    current = ""
    for entry in entries:
        match entry["row"]:
            case "series":
                current = f"{entry['targets']} {entry['seed']} {entry['version']}"
            case "batch" if not done.issuperset((current, number) for number in entry["numbers"]):
                done.update((current, number) for number in entry["numbers"])
                summary.stats.add(Stats.from_json(entry["stats"]))
    summary.findings = stored_findings(folder, bucket_counts(entries))
    notes: set[str] = set()
    for _, finding in read_findings(folder):
        summary.engines |= {run.engine: run.version for run in finding.runs}
        notes.update(filter(None, finding.environment.get("notes", "").split("; ")))
    summary.notes = sorted(notes)
    summary.engines |= {engine: summary.engines.get(engine, "") for engine in summary.stats.engine_cases}
    return summary
