"""Plots as inline SVG, without scripts: bars beside their names, and columns over nights.

A plot is drawn 340 units wide, so that its words have the page's size on a phone. Colours are classes of the page's
style. Its name and its numbers are there as text for those who do not see it.

    bars("Cases by target", [Bar("simd", 250, "250"), Bar("memory", 250, "250")])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from fuzz.records.printable import one_line

_WIDTH: Final = 340
_ROW: Final = 34
_HEIGHT: Final = 120
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A name, its number, and the words that stand for the number; ``whole`` is what it is a part of, or 0."""

    name: str
    value: float
    words: str
    whole: float = 0.0


@dataclass(frozen=True, slots=True)
class Column:
    """One night: its name, and two numbers that stand on each other."""

    name: str
    low: int
    high: int


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Bars, one below the other; a name stands above its bar, the number at its right."""
    most = max((max(row.value, row.whole) for row in rows), default=0) or 1
    parts = []
    for number, row in enumerate(rows):
        top = number * _ROW
        parts.append(
            f'<text class="name" x="0" y="{top + 13}">{_text(row.name, 34)}</text>'
            f'<text class="number" x="{_WIDTH}" y="{top + 13}" text-anchor="end">{_text(row.words, 22)}</text>'
        )
        if row.whole:
            parts.append(f'<rect class="whole" x="0" y="{top + 18}" width="{_length(row.whole, most)}" height="10"/>')
        parts.append(f'<rect class="part" x="0" y="{top + 18}" width="{_length(row.value, most)}" height="10"/>')
    told = "; ".join(f"{row.name}: {row.words}" for row in rows)
    return _drawn(title, told, max(1, len(rows)) * _ROW, parts)  # fmt: skip


def columns(title: str, low: str, high: str, nights: Sequence[Column]) -> Markup:
    """A column for each night; ``low`` and ``high`` name the two parts."""
    most = max((night.low + night.high for night in nights), default=0) or 1
    each = _WIDTH / max(1, len(nights))
    wide = min(40.0, max(1.0, each - _GAP))
    parts = [f'<line class="axis" x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}"/>']
    for number, night in enumerate(nights):
        left = _short(number * each + (each - wide) / 2)
        tall, taller = ((_HEIGHT - 18) * value / most for value in (night.low, night.low + night.high))
        parts.append(f'<rect class="low" x="{left}" y="{_short(_HEIGHT - tall)}" width="{_short(wide)}" '
                     f'height="{_short(tall)}"/><rect class="high" x="{left}" y="{_short(_HEIGHT - taller)}" '
                     f'width="{_short(wide)}" height="{_short(taller - tall)}"/>')  # fmt: skip
        if each >= 28:
            middle = _short(number * each + each / 2)
            parts.append(f'<text class="number" x="{middle}" y="{_short(_HEIGHT - taller - 4)}" '
                         f'text-anchor="middle">{night.low + night.high}</text>')  # fmt: skip
    if nights:
        ends = [(nights[0].name, "start", 0)]
        ends += [(nights[-1].name, "end", _WIDTH)] if len(nights) > 1 else []
        parts += [f'<text class="name" x="{x}" y="{_HEIGHT + 16}" text-anchor="{anchor}">{_text(name, 22)}</text>'
                  for name, anchor, x in ends]  # fmt: skip
    told = "; ".join(f"{night.name}: {night.low} {low}, {night.high} {high}" for night in nights)
    return _drawn(title, told, _HEIGHT + 22, parts)


def _drawn(title: str, told: str, height: int, parts: Iterable[str]) -> Markup:
    label = escape(one_line(f"{title}. {told}", 2000))
    return Markup(  # every text in it was escaped
        f'<svg class="plot" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}">{"".join(parts)}</svg>'
    )


def _text(text: str, most: int) -> Markup:
    return escape(one_line(text, most))


def _length(value: float, most: float) -> str:
    return _short(_WIDTH * value / most)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
