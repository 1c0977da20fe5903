"""The morning report as a page: one file without scripts or anything from elsewhere, for a phone and a desktop, light
and dark (docs/reports.md says what is on it).

Text of engines and files goes through Jinja's autoescaping, after its control characters were made visible.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fuzz import VERSION
from fuzz.records.morning import Group, Morning
from fuzz.records.printable import printable_lines
from fuzz.records.strip_text import in_short
from fuzz.report import phrases, plots
from fuzz.report.strip_cells import cells
from fuzz.report.upstream import upstream
from fuzz.report.waste import wasted
from fuzz.report.words import percent

FILE: Final = "report.html"

_MOST_REPORTS: Final = 60
"""Upstream reports on the page; of more causes they are made one at a time."""


def render(morning: Morning) -> str:
    """The whole report as text."""
    reported = [news for news in morning.causes if not news.issue][:_MOST_REPORTS]
    reports = {news.name: upstream(morning, news) for news in reported if news.example and not news.example.trouble}
    page: str = _environment().get_template("report.html").render(
        morning=morning, summary=morning.summary, groups=list(Group), reports=reports,
        plots=plots.plots(morning), never=plots.never_executed(morning), wasted=wasted(morning), version=VERSION,
    )  # fmt: skip
    return page


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("fuzz.report"), autoescape=True, finalize=_visible, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(phrases=phrases, percent=percent, cells=cells, in_short=in_short)
    return made


def _visible(value: Any) -> Any:
    """What is put into the page, with control characters shown and not sent."""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value
