"""What the plots of the morning report show: numbers of a ``Morning``, put into bars and columns."""

from __future__ import annotations

from collections import Counter
from typing import Final

from markupsafe import Markup

from fuzz.records.morning import Morning
from fuzz.report.phrases import day
from fuzz.report.svg import Bar, Column, bars, columns
from fuzz.report.words import allotment, percent
from wasm.isa import OPS

_MOST_NIGHTS: Final = 60
_MOST_BARS: Final = 24


def plots(morning: Morning) -> list[tuple[str, str, Markup]]:
    """Title, a line of explanation, and the drawing of each plot for which there are numbers."""
    drawn = [_nights(morning), _targets(morning), _time(morning), *_shapes(morning), _instructions(morning)]
    return [plot for plot in (*drawn, _features(morning)) if plot is not None]


def _nights(morning: Morning) -> tuple[str, str, Markup] | None:
    shown = [one.night for one in morning.nights][-_MOST_NIGHTS:]
    if not shown or not morning.causes:
        return None
    made = []
    for night in shown:
        seen = [news for news in morning.causes if night.id in dict(news.nights)]
        new = sum(news.nights[0][0] == night.id for news in seen)
        made.append(Column(f"night {night.id}, {day(night.started)}", len(seen) - new, new))
    title = "Causes over nights"
    return title, "Below: seen before. Above, in red: new.", columns(title, "seen before", "new", made)


def _targets(morning: Morning) -> tuple[str, str, Markup] | None:
    counts = morning.summary.stats.targets
    rows = [Bar(name, number, f"{number:,}") for name, number in _top(counts)]
    return ("Cases by target", "All nights of the folder.", bars("Cases by target", rows)) if rows else None


def _time(morning: Morning) -> tuple[str, str, Markup] | None:
    rows = [Bar(name, spent, f"{spent:.1f} s") for name, spent in _top(Counter(morning.summary.stats.target_cpu))]
    title = "CPU seconds by target"
    words = "Making its cases, running them on all engines, comparing."
    if parts := morning.summary.allotted:
        words += f" Turns at the end, by what targets gave: {allotment(parts)}."
    return (title, words, bars(title, rows)) if rows else None


def _shapes(morning: Morning) -> list[tuple[str, str, Markup]]:
    drawn = []
    for word, what in (("results", "results"), ("params", "parameters"), ("operands", "operands for the allocator")):
        found = [(key.partition(" ")[2], number) for key, number in morning.summary.stats.shapes.items()
                 if key.startswith(f"{word} ")]  # fmt: skip
        rows = [Bar(size, number, f"{number:,}") for size, number in sorted(found, key=lambda one: _low(one[0]))]
        title = f"Shapes reached: {what}"
        if rows:
            drawn.append((title, f"Cases by the largest number of {what} of a call.", bars(title, rows)))
    return drawn


def _instructions(morning: Morning) -> tuple[str, str, Markup] | None:
    rows = []
    for name, counts in sorted(morning.summary.stats.yields.items())[:_MOST_BARS]:
        if counts.sampled:
            done, made = len(counts.executed), len(counts.generated)
            rows.append(Bar(name, done, f"{done} of {made}", made))
    title = "Kinds of instruction executed"
    words = f"Of those generated, in a sample of each target's cases. The language has {len(OPS)}."
    return (title, words, bars(title, rows)) if rows else None


def _features(morning: Morning) -> tuple[str, str, Markup] | None:
    found: Counter[str] = Counter()
    sampled = 0
    for counts in morning.summary.stats.yields.values():
        found.update(counts.executed_features)
        sampled += counts.sampled
    rows = [Bar(name, number, percent(number, sampled), sampled) for name, number in _top(found)]
    title = "Features executed"
    words = "Share of the sampled cases in which an instruction of the feature was executed."
    return (title, words, bars(title, rows)) if rows else None


def never_executed(morning: Morning) -> list[str]:
    """Instructions that stood in sampled cases and were executed in none."""
    made: set[str] = set()
    done: set[str] = set()
    for counts in morning.summary.stats.yields.values():
        made.update(counts.generated)
        done.update(counts.executed)
    return sorted(made - done)


def _top(counts: Counter[str]) -> list[tuple[str, int]]:
    """The largest first; what there is no room for is one bar."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ordered[_MOST_BARS:])
    return ordered[:_MOST_BARS] + ([("others", rest)] if rest else [])


def _low(size: str) -> int:
    head = size.partition("..")[0]
    return int(head) if head.isdigit() else 0
