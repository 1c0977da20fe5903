"""Markdown that fits the summary page of a CI job: what is new, what was seen again, what has gone and what went wrong
on about a screen; details folded below, as far as there is room.

GitHub takes 1 MiB for a step's page; this is at most 64 KiB, and says what it leaves out.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fuzz.records.markdown_text import code, fenced, markdown
from fuzz.records.morning import CauseNews, Example, Group, Morning
from fuzz.records.printable import one_line, printable
from fuzz.records.strip_text import in_short
from fuzz.report.phrases import (
    brief,
    commands,
    count,
    heading,
    headline,
    lasted,
    moment,
    sentence,
    since,
    to_do,
)
from fuzz.report.words import allotment, percent

FILE: Final = "report.md"

MOST_BYTES: Final = 64 << 10
_MOST_LISTED: Final = 8
_MOST_FAILURES: Final = 8
_MOST_ROWS: Final = 40
_MOST_TEXT: Final = 300
_MOST_LINES: Final = 60


def render(morning: Morning) -> str:
    """The whole report as text."""
    page = "\n".join([*_head(morning), *_failures(morning)]) + "\n"
    for group in Group:
        page += _listed(morning, group)
    numbers = _folded("Numbers", _numbers(morning))
    left_out = 0
    for news in morning.causes:
        block = _folded(news.title, _details(news, morning))
        if _size(page) + _size(block) + _size(numbers) + 200 > MOST_BYTES:
            left_out += 1
        else:
            page += block
    if left_out:
        page += f"\nThe details of {count(left_out, 'cause')} have no room here: `fuzz report DIR --format html`.\n"
    return page + (numbers if _size(page) + _size(numbers) <= MOST_BYTES else "")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _head(morning: Morning) -> list[str]:
    summary = morning.summary
    targets = markdown(one_line(", ".join(summary.targets), _MOST_TEXT)) or "no target"
    where = f"seed {summary.seed}" if len(summary.series) < 2 else f"{len(summary.series)} series"
    lines = [f"# {summary.stats.cases} cases of {targets}, {where}", "", f"**{markdown(headline(morning))}**", ""]
    if morning.last is not None:
        night = morning.last.night
        words = [f"Night {night.id}: {moment(night.started)}", lasted(night), count(night.cases, "case")]
        engines = [f"{part.engine} ({part.release})" for part in morning.last.engines if part.release]
        words.append("on " + (", ".join(engines[:6]) + (" and more" if len(engines) > 6 else "") or "no engine"))
        lines += [markdown(one_line(", ".join(filter(None, words)), 500)) + ".", ""]
    return lines


def _failures(morning: Morning) -> list[str]:
    if not (failures := morning.failures):
        return []
    lines = ["## What went wrong with the run", ""]
    lines += [
        f"- **{markdown(one_line(failure.what, 120))}**: {markdown(one_line(failure.text, _MOST_TEXT))}"
        for failure in failures[:_MOST_FAILURES]
    ]
    more = len(failures) - _MOST_FAILURES
    return [*lines, *([f"- and {more} more"] if more > 0 else []), ""]


def _listed(morning: Morning, group: Group) -> str:
    """One part: a line for each of its first causes."""
    found = morning.of(group)
    if not found:
        return ""
    words = {Group.GONE: "why", Group.KNOWN: "issue", Group.UNSEEN: "why"}.get(group, "what is wrong")
    lines = [f"## {heading(group)} ({len(found)})", "", f"| cause | cases | bytes | {words} |", "|---|---|---|---|"]
    for news in found[:_MOST_LISTED]:
        what = news.issue if group is Group.KNOWN else news.why if group in (Group.GONE, Group.UNSEEN) else brief(news)
        stable = "" if news.example is None or news.example.stable else " (unstable)"
        size = news.example.size if news.example and news.example.size else "-"
        title, what = (markdown(one_line(text, most)) for text, most in ((news.title, 160), (what, _MOST_TEXT)))
        lines.append(f"| {title}{stable} | {news.times} | {size} | {what} |")
    if len(found) > _MOST_LISTED:
        lines.append(f"| and {len(found) - _MOST_LISTED} more | | | |")
    return "\n".join([*lines, "", ""])


def _folded(title: str, lines: Iterable[str]) -> str:
    words = html.escape(one_line(title, 200))
    return "\n".join(["<details>", f"<summary>{words}</summary>", "", *lines, "", "</details>", ""])


def _details(news: CauseNews, morning: Morning) -> Iterator[str]:
    yield markdown(one_line(sentence(news), 1000))
    yield ""
    yield f"- {news.group.value}: {markdown(one_line(news.why, _MOST_TEXT))}; {since(news, morning)}"
    if news.issue:
        yield f"- known issue: {markdown(one_line(news.issue, _MOST_TEXT))}"
    if news.bundles:
        yield f"- to do: {markdown(one_line(to_do(news), 500))}"
        yield from (f"- {code(line)}" for line in commands(news, morning.place))
    if news.example is not None:
        yield from _example(news.example)


def _example(example: Example) -> Iterator[str]:
    if example.trouble:
        yield f"- {markdown(one_line(example.trouble, 500))}"
        return
    yield from (f"- {markdown(one_line(words, 500))}" for strip in example.strips if (words := in_short(strip)))
    yield ""
    shown = (line.text[:160] + ("   ;; <-- here" if line.guilty else "") for line in example.lines[:_MOST_LINES])
    yield fenced("\n".join(map(printable, shown)), "wasm")
    if (number := min(_MOST_LINES, len(example.lines))) < example.whole:
        yield from ("", f"{number} of {example.whole} lines.")
    wrong = [step for step in example.steps if step.wrong][:4]
    if wrong:
        yield from ("", "| call | who | outcome |", "|---|---|---|")
    for step in wrong:
        rows = [("expected", step.expected)] if step.expected else []
        rows += [(", ".join(side.engines), side.outcome) for side in step.sides]
        for who, outcome in rows:
            cells = (one_line(step.call, 120), one_line(who, 160), one_line(outcome, 200))
            yield f"| {' | '.join(map(markdown, cells))} |"


def _numbers(morning: Morning) -> Iterator[str]:
    summary = morning.summary
    stats = summary.stats
    if len(summary.series) > 1:
        yield from _table(("series", "seed", "generators", "cases"),
                          [(", ".join(one.targets), str(one.seed), one.generators, str(one.cases))
                           for one in summary.series])  # fmt: skip
    yield from _table(("engine", "release", "cases", "not compared", "CPU s"),
                      [(engine, summary.engines.get(engine, ""), str(cases), str(stats.engine_silent.get(engine, 0)),
                        f"{stats.engine_cpu.get(engine, 0.0):.1f}")
                       for engine, cases in sorted(stats.engine_cases.items())])  # fmt: skip
    yield from _table(("target", "cases", "CPU s"),
                      [(target, str(cases), f"{stats.target_cpu.get(target, 0.0):.1f}")
                       for target, cases in sorted(stats.targets.items())])  # fmt: skip
    if summary.allotted:
        yield f"Turns at the end, by what targets gave: {markdown(one_line(allotment(summary.allotted), 500))}."
        yield ""
    if notes := [*summary.notes[:10], *summary.narrowed[:10]]:
        yield from (*(f"- {markdown(one_line(note, _MOST_TEXT))}" for note in notes), "")
    yield from _table(("cases that", "number", "share"), [
        (word, str(number), percent(number, whole))
        for word, number, whole in (
            ("have a wide call: more than 20 parameters or results", stats.wide_cases, stats.cases),
            ("have a call with 240 or more operands for the register allocator", stats.many_operands, stats.cases),
            ("used the last result of a wide call, of those that have one", stats.wide_passed_site, stats.wide_cases),
            ("were compared with some engine", stats.compared, stats.cases),
            ("let a NaN's bits, which are free, decide something", stats.nan_cases, stats.cases),
        )
    ])  # fmt: skip
    for title, counts in (
        ("how invocations ended in the interpreter", stats.outcomes),
        ("outcomes that were not compared", stats.poisons),
        ("discarded cases", stats.discarded),
        ("sizes of the largest call", stats.shapes),
        ("operands around the limits, by kind of call", stats.operands_by_kind),
    ):
        yield from _table((title, "number"), [(key, str(number)) for key, number in _ordered(counts)])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows[:_MOST_ROWS]:
        yield f"| {' | '.join(markdown(one_line(cell, 120)) for cell in row)} |"
    if len(rows) > _MOST_ROWS:
        yield f"| and {len(rows) - _MOST_ROWS} more {'| ' * len(head)}"
    yield ""


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Histograms in order of size: the words before the first number, then that number."""

    def order(item: tuple[str, int]) -> tuple[str, int, str]:
        words, _, tail = item[0].replace(":", " ").rpartition(" ")
        head = tail.split("..")[0]
        return (words, int(head) if head.isdigit() else 0, item[0])

    return sorted(counts.items(), key=order)
