"""Annotations of GitHub Actions: a line each that the runner shows beside the job, and in the files of a pull request.

    ::error file=reports/night/findings/NAME/case.wat,line=7,title=new cause 3%3A ...::Cranelift computes ...

New causes and failures of the run are errors, what was seen before is a warning, known issues and what has gone are
notices. GitHub shows ten of a kind for a step: what is new comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fuzz.records.morning import CauseNews, Group, Morning
from fuzz.records.printable import one_line
from fuzz.report.phrases import file_of, guilty_line, headline, sentence, since

FILE: Final = "annotations.txt"

_LEVELS: Final = {
    Group.NEW: "error",
    Group.AGAIN: "warning",
    Group.GONE: "notice",
    Group.KNOWN: "notice",
}
_MOST_TITLE: Final = 200
_MOST: Final = 1500


def render(morning: Morning) -> str:
    """The lines; a first one says in a sentence what there is."""
    return "".join(f"{line}\n" for line in _lines(morning))


def _lines(morning: Morning) -> Iterator[str]:
    yield _line("notice", "Fuzzing", headline(morning))
    for failure in morning.failures:
        yield _line("error", failure.what, failure.text or failure.what)
    yield from (_cause(news, morning) for news in morning.causes if news.group in _LEVELS)


def _cause(news: CauseNews, morning: Morning) -> str:
    text = f"{sentence(news)} ({since(news, morning)})"
    if news.issue:
        text += f" Known: {news.issue}"
    where = (("file", file_of(news, morning.place)), ("line", str(guilty_line(news)))) if news.bundles else ()
    return _line(_LEVELS[news.group], f"{news.group.value}: {news.title}", text, *where)


def _line(level: str, title: str, text: str, *where: tuple[str, str]) -> str:
    properties = (*where, ("title", one_line(title, _MOST_TITLE)))
    words = ",".join(f"{key}={_property(value)}" for key, value in properties)
    return f"::{level} {words}::{_data(one_line(text, _MOST))}"


def _data(text: str) -> str:
    """As the runner reads it back: a text with its percent signs and line ends escaped."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
