"""JUnit XML, as CI systems read it: each cause is a test.

It fails if the cause was seen in the last night; a known issue is skipped with its link, and so is what the last night
could not have seen; what it could have seen and did not (gone) passes. A second suite is the run itself: what did not
work there is an error. A run without findings passes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from fuzz.records.morning import CauseNews, Group, Morning
from fuzz.records.printable import one_line, printable_lines
from fuzz.report.phrases import bundle, commands, count, sentence, since, stamp, to_do, within

FILE: Final = "junit.xml"

_MOST: Final = 4000


def render(morning: Morning) -> str:
    """The whole report as text."""
    root = ET.Element("testsuites", name="wasm-codegen-fuzz")
    last = morning.last
    lasted = max(0.0, last.night.ended - last.night.started) if last and last.night.ended else 0.0
    causes = ET.SubElement(root, "testsuite", name="causes")
    for news in morning.causes:
        _cause(causes, news, morning)
    run = ET.SubElement(root, "testsuite", name="run")
    for name, trouble in _run(morning):
        test = _case(run, "run", name)
        for kind, text in trouble:
            made = ET.SubElement(test, "error", message=_line(text), type=kind)
            made.text = _body(text)
    for suite in (causes, run):
        _counted(suite, lasted if suite is run else 0.0, stamp(last.night.started) if last else "")
    totals = {name: sum(int(suite.get(name, "0")) for suite in (causes, run)) for name in _COUNTS}
    root.attrib.update({name: str(number) for name, number in totals.items()}, time=f"{lasted:.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


_COUNTS: Final = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def _counted(suite: ET.Element, lasted: float, started: str) -> None:
    for name, tag in _COUNTS.items():
        found = suite.iter(tag) if tag == "testcase" else (case for case in suite if case.find(tag) is not None)
        suite.set(name, str(sum(1 for _ in found)))
    suite.set("time", f"{lasted:.3f}")
    if started:
        suite.set("timestamp", started.removesuffix("Z"))


def _cause(suite: ET.Element, news: CauseNews, morning: Morning) -> None:
    test = _case(suite, f"{news.cause.family}.{news.cause.kind}", f"{news.title} ({news.key})")
    text = f"{sentence(news)}\n{news.group.value}: {news.why}; {since(news, morning)}\n"
    if news.bundles:
        text += f"{within(morning.place, bundle(news))}\n"
    match news.group:
        case Group.NEW | Group.AGAIN:
            made = ET.SubElement(test, "failure", message=_line(sentence(news)), type=news.group.value)
            lines = commands(news, morning.place)
            made.text = _body("\n".join([f"{text}To do: {to_do(news)}.", *lines, ""]))
        case Group.KNOWN:
            ET.SubElement(test, "skipped", message=_line(f"known issue: {news.issue}"))
        case Group.UNSEEN:
            ET.SubElement(test, "skipped", message=_line(f"not seen: {news.why}"))
        case Group.GONE:
            ET.SubElement(test, "system-out").text = _body(text)


def _run(morning: Morning) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tests of the run: what has to work, and what did not."""
    failures = morning.failures
    for part in morning.last.engines if morning.last else ():
        yield f"engine {part.engine}", [("engine", part.trouble)] if part.trouble else []
    for kind, name in (
        ("harness", "the harness works"),
        ("bundle", "the bundles can be read"),
        ("night", f"cases are compared to the end ({count(morning.stats.compared, 'case')})"),
    ):
        texts = [f"{failure.what}: {failure.text}" for failure in failures if failure.kind == kind]
        yield name, [(kind, "\n".join(texts))] if texts else []


def _case(suite: ET.Element, classname: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_line(classname), name=_line(name), time="0")


def _line(text: str) -> str:
    return one_line(text, 500)


def _body(text: str) -> str:
    """XML has no control characters at all, escaped or not: they are shown as Python would write them."""
    shown = printable_lines(text)
    return shown if len(shown) <= _MOST else f"{shown[:_MOST]}...\n"
