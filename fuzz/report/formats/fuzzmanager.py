"""Signatures for FuzzManager, a line of JSON for each cause: ``name``, ``signature``, ``metadata``, which it keeps as
``NAME.signature`` and ``NAME.metadata`` (docs/reports.md has the lines that make these files).

A signature matches what a cause's findings have in common as text: a crash or refusal by its message and source file,
in whatever the engine printed; what says nothing by itself, as a wrong value, by the instructions without which it goes
away, in the testcase (``case.wat``). A cause that has neither has no signature: it would match everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from fuzz.records.finding import Signature
from fuzz.records.morning import CauseNews, Morning
from fuzz.records.printable import one_line
from oracles.judge.verdict import Kind
from wasm.isa import OPS

FILE: Final = "fuzzmanager.jsonl"

_SAID: Final = frozenset({Kind.CRASH.value, Kind.REJECT.value})
"""Kinds whose message is the engine's own."""

_FEW: Final = 2
"""A crash at one place is one cause whatever instructions it needs, if those are more (docs/causes.md)."""

_HOLES: Final = {"N": r"\S+", "V": r"\S+", "T": r"\S+", "(...)": r"[(\[].*[)\]]"}
"""What a template has in place of numbers, registers, types and lists (``fuzz.triage.signature``)."""
_HOLE: Final = re.compile(r"(\(\.\.\.\)|\b[NVT]\b)")
_FOLDERS: Final = r"(?:[^\s'\"]*[/\\])?"
_FILE: Final = re.compile(r"(?<![\w/.-])(?=[\w.-]+\.[a-z]{1,5}\b)")


def render(morning: Morning) -> str:
    """The whole report as text."""
    lines = (_line(news) for news in morning.causes)
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines if line["signature"]["symptoms"])


def _line(news: CauseNews) -> dict[str, Any]:
    metadata = {"size": news.times, "shortDescription": one_line(news.title, 200), "frequent": False}
    if news.issue:
        metadata["bug__id"] = one_line(news.issue, 200)
    if news.example is not None:
        metadata |= {"testcase__quality": 0 if news.example.minimized else 5, "testcase__size": news.example.size}
    return {"name": news.key, "signature": {"symptoms": list(_symptoms(news))}, "metadata": metadata}


def _symptoms(news: CauseNews) -> Iterator[dict[str, Any]]:
    rows = [name for name in news.cause.essentials if name in OPS]
    bucket = news.example.signature if news.example is not None else None
    said = bucket is not None and bucket.kind in _SAID and not bucket.mute
    if said and bucket is not None:
        yield from (_pattern("output", pattern) for pattern in (_message(bucket), _place(bucket)) if pattern)
    if not said or len(rows) <= _FEW:
        for mnemonic in sorted({OPS[name].mnemonic for name in rows}):
            yield _pattern("testcase", rf"(?<![\w.]){re.escape(mnemonic)}(?![\w.])")


def _pattern(type_: str, pattern: str) -> dict[str, Any]:
    return {"type": type_, "value": {"value": pattern, "matchType": "pcre"}}


def _message(bucket: Signature) -> str:
    """A template as a pattern: what it left out may be anything, and so may white space and a file's folder."""
    if not re.search(r"[A-Za-z]{3}", bucket.message):
        return ""
    pieces = _HOLE.split(bucket.message)
    return "".join(_HOLES[piece] if at % 2 else _literal(piece) for at, piece in enumerate(pieces))


def _literal(text: str) -> str:
    parts = _FILE.split(text)
    return _FOLDERS.join(re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(part)) for part in parts)


def _place(bucket: Signature) -> str:
    """A source file, below whatever folders and of whatever version of its crate."""
    first, *rest = map(re.escape, bucket.place.split("/"))
    return r"[/\\]".join([rf"\b{first}(?:-\d[\w.+-]*)?" if rest else first, *rest])
