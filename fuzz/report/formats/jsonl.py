"""JSON lines: one ``finding`` per stored bundle, then the ``summary`` (docs/json.md)."""

from __future__ import annotations

import json

from fuzz.records.summary import Summary


def render(summary: Summary) -> str:
    """The whole report as text."""
    objects = [{"type": "finding", **stored.to_json()} for stored in summary.findings] + [summary.to_json()]
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects)
