"""Watching a run: a live view in a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import IO, Any, Final

from fuzz.records.finding import Finding
from fuzz.records.printable import printable
from fuzz.records.summary import Observer, Summary
from fuzz.report.words import progress_line, summary_lines

_PLAIN_EVERY: Final = 10.0
"""Seconds between progress lines where there is no terminal."""


def observer(json_lines: bool, stream: IO[str] | None = None) -> Observer:
    """The observer for this standard output: JSON lines if asked for, live if it is a terminal, else plain lines."""
    out = stream or sys.stdout
    if json_lines:
        return JsonLines(out)
    return Terminal() if out.isatty() else Plain(out)


def emit(stream: IO[str], fields: dict[str, Any]) -> None:
    """Write one JSON object as a line."""
    stream.write(json.dumps(fields, separators=(",", ":")) + "\n")
    stream.flush()


class JsonLines:
    """One object per line (docs/json.md)."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.last = time.monotonic()

    def started(self, summary: Summary) -> None:
        fields = {"type": "start", "version": 1, "targets": list(summary.targets), "seed": summary.seed}
        emit(self.stream, fields | {"generators": summary.generators, "out": str(summary.out)})

    def tick(self, summary: Summary) -> None:
        if time.monotonic() - self.last >= _PLAIN_EVERY:
            self.last = time.monotonic()
            fields = {"type": "progress", "wall_seconds": round(summary.wall_seconds, 1), "cases": summary.stats.cases}
            since = None if summary.new_at is None else round(summary.wall_seconds - summary.new_at, 1)
            fields |= {"findings": len(summary.findings), "since_new": since}
            emit(self.stream, fields | summary.now.to_json())

    def stored(self, finding: Finding, path: Path, first: bool) -> None:
        fields = {"type": "finding", "bundle": str(path), "signature": finding.signature.to_json()}
        emit(self.stream, fields | {"known": finding.known, "stable": finding.stable, "first": first})

    def minimized(self, finding: Finding, path: Path) -> None:
        fields = {"type": "minimized", "bundle": str(path), "signature": finding.signature.to_json()}
        emit(self.stream, fields | {"from": finding.case.size, "bytes": finding.best.size})

    def note(self, text: str) -> None:
        emit(self.stream, {"type": "note", "text": text})

    def finished(self, summary: Summary) -> None:
        emit(self.stream, summary.to_json())


class Plain:
    """Lines of text."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.last = time.monotonic()

    def line(self, text: str) -> None:
        print(printable(text), file=self.stream, flush=True)

    def started(self, summary: Summary) -> None:
        self.line(f"{', '.join(summary.targets)} with seed {summary.seed}, into {summary.out}")
        if summary.resumed:
            self.line(f"going on after {summary.resumed} cases")

    def tick(self, summary: Summary) -> None:
        if time.monotonic() - self.last >= _PLAIN_EVERY:
            self.last = time.monotonic()
            self.line(progress_line(summary))

    def stored(self, finding: Finding, path: Path, first: bool) -> None:
        words = "known" if finding.known else "NEW" if first else "again"
        self.line(f"{words}: {finding.signature}")
        self.line(f"  {path}")

    def minimized(self, finding: Finding, path: Path) -> None:
        sizes = f"{finding.case.size} to {finding.best.size} bytes"
        self.line(f"minimized from {sizes}: {path}")

    def note(self, text: str) -> None:
        self.line(f"note: {text}")

    def finished(self, summary: Summary) -> None:
        for text in summary_lines(summary):
            self.line(text)


class Terminal:
    """A live view by rich: rates, engines, findings, and the sizes of calls."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(highlight=False)
        self.live = Live(console=self.console, refresh_per_second=4, transient=True)
        self.plain = Plain(sys.stdout)
        self.plain.line = self._print  # type: ignore[method-assign]
        self.shown = False

    def _print(self, text: str) -> None:
        self.console.print(printable(text), markup=False, soft_wrap=True)

    def started(self, summary: Summary) -> None:
        self.plain.started(summary)
        self.live.start()
        self.shown = True

    def tick(self, summary: Summary) -> None:
        self.live.update(_view(summary))

    def stored(self, finding: Finding, path: Path, first: bool) -> None:
        self.plain.stored(finding, path, first)

    def minimized(self, finding: Finding, path: Path) -> None:
        self.plain.minimized(finding, path)

    def note(self, text: str) -> None:
        self.plain.note(text)

    def finished(self, summary: Summary) -> None:
        if self.shown:
            self.live.stop()
        self.plain.finished(summary)


def _view(summary: Summary) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    stats = summary.stats
    engines = Table(box=None, pad_edge=False)
    for title in ("engine", "release", "cases", "CPU s", "ms a case"):
        engines.add_column(title, justify="left" if title in ("engine", "release") else "right")
    for engine, release in summary.engines.items():
        cases, cpu = stats.engine_cases.get(engine, 0), stats.engine_cpu.get(engine, 0.0)
        each = f"{1000 * cpu / cases:.1f}" if cases else ""
        engines.add_row(Text(printable(engine)), Text(printable(release)), str(cases), f"{cpu:.1f}", each)
    shapes = Table(box=None, pad_edge=False)
    for title in ("results", "cases", "params", "cases", "operands", "cases", "call", "cases"):
        shapes.add_column(title, justify="right")
    columns = [_histogram(summary, word) for word in ("results", "params", "operands", "call")]
    for i in range(max(map(len, columns), default=0)):
        cells = [column[i] if i < len(column) else ("", "") for column in columns]
        shapes.add_row(*(part for cell in cells for part in cell))
    return Group(Text(progress_line(summary)), engines, shapes)


def _histogram(summary: Summary, word: str) -> list[tuple[str, str]]:
    """The bars (range, cases) of one histogram in order of size; kinds of calls by name."""
    sizes = {k.split(" ", 1)[1]: n for k, n in summary.stats.shapes.items() if k.startswith(word + " ")}
    ordered = sorted(sizes.items(), key=lambda item: (_start(item[0]), item[0]))
    return [(size, str(number)) for size, number in ordered]


def _start(size: str) -> int:
    head = size.split("..")[0]
    return int(head) if head.isdigit() else 0
