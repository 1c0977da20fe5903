"""A strip as cells to draw: each release that was asked, and how many were not between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fuzz.records.strip import Strip


@dataclass(frozen=True, slots=True)
class Cell:
    """``state`` is good, bad, cannot, or skipped for ``number`` releases on offer that nobody asked."""

    state: str
    release: str = ""
    why: str = ""
    number: int = 1


def cells(strip: Strip) -> Iterator[Cell]:
    """The cells, oldest release first."""
    tried = {one.release: one for one in strip.tried}
    skipped = 0
    for release in strip.offered:
        one = tried.get(release)
        if one is None:
            skipped += 1
            continue
        if skipped:
            yield Cell("skipped", number=skipped)
        skipped = 0
        yield Cell(one.state.value, release, one.why)
    if skipped:
        yield Cell("skipped", number=skipped)
