"""SARIF 2.1.0: each cause is a rule, and its smallest finding the rule's result.

``baselineState`` says what the last night says: new, unchanged (seen again, or not seen because it could not be) or
absent (gone). A known issue is a suppressed result. Failures of the run are notifications of its invocation.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from fuzz import VERSION
from fuzz.records.morning import CauseNews, Failure, Group, Morning, News
from fuzz.records.printable import one_line
from fuzz.report.phrases import FAULTS, file_of, guilty_line, sentence, stamp, to_do, within

FILE: Final = "report.sarif"

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_STATES: Final = {
    News.NEW: "new",
    News.AGAIN: "unchanged",
    News.GONE: "absent",
    News.UNSEEN: "unchanged",
}
_KINDS: Final = {
    Group.NEW: ("fail", "error"),
    Group.AGAIN: ("fail", "warning"),
    Group.KNOWN: ("fail", "note"),
    Group.GONE: ("pass", "none"),
    Group.UNSEEN: ("notApplicable", "none"),
}
"""Kind and level of a result."""

_MOST: Final = 2000


def render(morning: Morning) -> str:
    """The whole report as text."""
    rules: dict[str, dict[str, Any]] = {}
    places: dict[str, int] = {}
    results = []
    for news in morning.causes:
        rules.setdefault(news.key, _rule(news))
        results.append(_result(news, morning, places.setdefault(news.key, len(places))))
    driver = {
        "name": "wasm-codegen-fuzz",
        "semanticVersion": VERSION,
        "rules": list(rules.values()),
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(morning)],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "targets": list(morning.summary.targets),
            "cases": morning.summary.stats.cases,
            "casesOfTheLastNight": morning.stats.cases,
            "nights": len(morning.nights),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(news: CauseNews) -> dict[str, Any]:
    cause = news.cause
    words = one_line(f"{cause.family} {FAULTS.get(cause.kind, cause.kind)}", 200)
    rule: dict[str, Any] = {
        "id": news.key,
        "shortDescription": {"text": one_line(cause.name, 200) or words},
        "fullDescription": {"text": words},
        "properties": {"tags": list(dict.fromkeys(("wasm", one_line(cause.family, 60), one_line(cause.kind, 60))))},
    }
    if news.link and news.link.isascii():
        rule["helpUri"] = quote(news.link, safe=":/?#[]@!$&'()*+,;=%-._~")
    return rule


def _result(news: CauseNews, morning: Morning, index: int) -> dict[str, Any]:
    kind, level = _KINDS[news.group]
    what = {
        "ruleId": news.key,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": one_line(f"{sentence(news)} To do: {to_do(news)}.", _MOST)},
        "locations": [_location(news, morning.place)] if news.bundles else [],
        "baselineState": _STATES[news.state],
        "partialFingerprints": {"causeKey/v1": news.key},
        "occurrenceCount": max(1, news.times),
        "properties": {
            "cause": news.cause.id,
            "state": news.state.value,
            "why": one_line(news.why, 500),
            "essentials": [one_line(word, 200) for word in news.cause.essentials],
            "engines": [one_line(engine, 200) for engine in news.cause.shown_by],
            "releases": [one_line(release, 200) for release in news.cause.wrong_in],
            "targets": [one_line(target, 200) for target in news.targets],
            "firstSeen": stamp(news.first),
            "lastSeen": stamp(news.last),
            "bundles": [one_line(within(morning.place, name), 500) for name in news.bundles],
        },
    }
    if news.group is Group.KNOWN:
        what["suppressions"] = [{"kind": "external", "status": "accepted", "justification": one_line(news.issue, 500)}]
    return what


def _location(news: CauseNews, place: str) -> dict[str, Any]:
    path = file_of(news, place)
    uri = quote(path, errors="replace")
    artifact = {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": guilty_line(news)}}}


def _invocation(morning: Morning) -> dict[str, Any]:
    failures = morning.failures
    made: dict[str, Any] = {"executionSuccessful": not failures}
    if failures:
        made["toolExecutionNotifications"] = [_notification(failure) for failure in failures]
    if morning.last is not None:
        night = morning.last.night
        if night.started:
            made["startTimeUtc"] = stamp(night.started)
        if night.ended:
            made["endTimeUtc"] = stamp(night.ended)
        if night.exit_code is not None:
            made["exitCode"] = night.exit_code
    return made


def _notification(failure: Failure) -> dict[str, Any]:
    return {
        "descriptor": {"id": failure.kind},
        "level": "error",
        "message": {"text": one_line(f"{failure.what}: {failure.text}", _MOST)},
    }
