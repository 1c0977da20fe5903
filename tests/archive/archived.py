"""Findings and folders for tests of the archive, made without running an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fuzz.archive import bundle
from fuzz.archive.disk import write_folder
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.records.history import Series, Sighting
from fuzz.records.stats import Stats
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.case import Case, Provenance
from wasm.embedding import Returned

SERIES = Series(("returns", "params"), 7, "1")
EMPTY = b"\0asm\1\0\0\0"


def finding(
    index: int, kind: Kind = Kind.VALUE, *engines: str, release: str = "1.0.0", known: str = "", target: str = "returns"
) -> Finding:
    """A finding on case ``index`` of ``SERIES`` in which these engines (default: ``fast``) dissent."""
    dissents = tuple(Dissent(engine, "fast", kind, "invoke", "invoke 0") for engine in engines or ("fast",))
    runs = tuple(EngineRun(dissent.engine, release, "fast", (Returned(()),)) for dissent in dissents)
    return Finding(
        case=Case(EMPTY, provenance=Provenance(target, 7, index, "1")),
        verdict=Disagree(dissents, ("interpreter",), ("fast",)),
        signature=Signature("fast", "invoke", kind.value),
        runs=runs,
        repeats=3,
        tries=3,
        known=known,
    )


BUCKET = finding(0).signature.bucket.key
TRAP = finding(0, Kind.TRAP).signature.bucket.key


def sighting(index: int, bucket: str = BUCKET, engine: str = "fast", release: str = "1.0.0", **more: Any) -> Sighting:
    """One engine's disagreement on case ``index`` of target returns."""
    return Sighting("returns", 7, index, "1", bucket, engine, release, **more)


def old_folder(folder: Path, rows: list[dict[str, Any]], findings: tuple[Finding, ...] = ()) -> None:
    """A folder as releases before the archive left it: a journal, and bundles."""
    (folder / "findings").mkdir(parents=True)
    for one in findings:
        write_folder(folder / "findings" / bundle.name(one), bundle.files(one), bundle.EXECUTABLE)
    (folder / "journal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def series_row(series: Series = SERIES) -> dict[str, Any]:
    return {"row": "series", "journal": 1, **series.to_json()}


def batch_row(numbers: list[int], **counts: Any) -> dict[str, Any]:
    return {"row": "batch", "numbers": numbers, "stats": Stats(cases=len(numbers), **counts).to_json()}


def finding_row(one: Finding) -> dict[str, Any]:
    return {"row": "finding", "bundle": bundle.name(one), "bucket": one.signature.bucket.key}
