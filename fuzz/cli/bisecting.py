"""What ``fuzz bisect`` prints: how the search goes, and the history that came of it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from fuzz.bisect.history import Bisected
from fuzz.bisect.question import Answer
from fuzz.cli.streams import say
from fuzz.records.printable import one_line
from fuzz.records.strip_text import LEGEND, sign_lines, words
from fuzz.report.live import emit


class Telling:
    """A line for each release that was asked, on standard error, and in a terminal what is being waited for; JSON lines
    on standard output if asked for."""

    def __init__(self, json_lines: bool) -> None:
        self.json_lines = json_lines
        self._status: Any = None

    def __enter__(self) -> Telling:
        if not self.json_lines and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("asking releases")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def fetching(self, what: str) -> None:
        if self._status is not None:
            self._status.update(f"fetching {one_line(what)}")
        elif not self.json_lines:
            self._line(f"fetching {what}")

    def asked(self, engine: str, release: str, answer: Answer) -> None:
        if self.json_lines:
            row = {"type": "asked", "engine": engine, "release": release, "state": answer.state.value}
            emit(sys.stdout, row | {"why": answer.why, "shows": answer.shows})
        else:
            self._line(f"{release}: {answer.state.value}: {answer.why}")

    def note(self, text: str) -> None:
        print(f"fuzz: {one_line(text)}", file=sys.stderr)

    def _line(self, text: str) -> None:
        print(f"fuzz: {one_line(text)[:300]}", file=sys.stderr, flush=True)


def print_result(result: Bisected, json_lines: bool) -> None:
    """The strip in words and signs, or as a JSON line."""
    strip = result.strip
    if json_lines:
        ranges = [
            {"last_good": one.last_good, "first_bad": one.first_bad, "last_bad": one.last_bad,
             "first_fixed": one.first_fixed, "exact": one.exact}
            for one in strip.ranges()
        ]  # fmt: skip
        row = {"type": "strip", "version": 1, **strip.to_json(), "ranges": ranges, "words": list(words(strip))}
        row |= {"showing": sorted(result.showing), "runs": result.runs, "known": result.known}
        row |= {"fetched": result.fetched, "removed": result.removed, "tries": result.tries}
        emit(sys.stdout, row | {"seconds": round(result.seconds, 2), "complete": result.complete})
        return
    say(f"{strip.engine}: {strip.offered[0]} to {strip.offered[-1]}, {LEGEND}")
    for line in sign_lines(strip):
        say(f"  {line}")
    for line in words(strip):
        say(f"  {line}")
    say(f"  {_work(result)}")


def _work(result: Bisected) -> str:
    tries = f", {result.tries} times each" if result.tries > 1 else ""
    known = f", {result.known} known from before" if result.known else ""
    removed = f" ({result.removed} taken away again)" if result.removed else ""
    fetched = f", {result.fetched} fetched{removed}" if result.fetched else ""
    end = "" if result.complete else "; the time was over before the search was"
    return f"{result.runs} releases asked now{tries}{known}{fetched}, in {result.seconds:.1f} s{end}"
