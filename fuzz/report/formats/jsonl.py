"""JSON lines: one ``finding`` per stored bundle, one ``cause`` per cause, then the ``summary`` (docs/json.md)."""

from __future__ import annotations

import json
from typing import Any, Final

from fuzz.records.morning import CauseNews, Morning
from fuzz.report.phrases import sentence

FILE: Final = "report.jsonl"


def render(morning: Morning) -> str:
    """The whole report as text."""
    objects = [{"type": "finding", **stored.to_json()} for stored in morning.summary.findings]
    objects += [_cause(news) for news in morning.causes]
    objects.append(morning.summary.to_json())
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects)


def _cause(news: CauseNews) -> dict[str, Any]:
    cause = news.cause
    strips = news.example.strips if news.example else ()
    explanations = news.example.explanations if news.example else ()
    return {
        "type": "cause",
        "id": cause.id,
        "key": news.key,
        "name": cause.name,
        "kind": cause.kind,
        "phase": cause.phase,
        "family": cause.family,
        "essentials": list(cause.essentials),
        "state": news.state.value,
        "why": news.why,
        "known": cause.known,
        "link": cause.link,
        "sentence": sentence(news),
        "cases": news.times,
        "first": news.first,
        "last": news.last,
        "nights": [list(pair) for pair in news.nights],
        "targets": list(news.targets),
        "bundles": list(news.bundles),
        "strips": [strip.to_json() for strip in strips],
        "explanations": [told.to_json() for told in explanations],
    }
