"""JSON lines: one ``finding`` per stored bundle, then the ``summary`` (docs/json.md)."""

from __future__ import annotations

import json

from fuzz.records.summary import Summary


def render(summary: Summary) -> str:
    """The whole report as text."""
    rows = [{"type": "finding", **row.to_json()} for row in summary.bundles] + [summary.to_json()]
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
