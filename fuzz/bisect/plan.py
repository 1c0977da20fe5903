"""Which releases to ask next. Plain arithmetic on what is known; nothing is run here.

A history may have any form: one bad range, several, or none, with releases in it that cannot be asked. Where a good and
a bad release stand next to each other among those that were asked, there is an *edge* between them, and the release in
the middle of it is asked, or the nearest to the middle that nobody has asked yet: a release that cannot be asked sends
the search to its neighbours, outward. That ends when each edge has nothing unasked in it.

Old releases mostly lack what a case needs, all up to one of them. So where nothing good is known on one side of a bad
release, those that cannot be asked stand for its other side, and the edge to them is searched in the same way; of what
is behind it two in a row are asked before they are believed.

Where the history has one range, this takes three runs (the release that is known, the newest, the oldest) and for each
end that lies inside the list at most the logarithm of the releases on that side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from fuzz.records.strip import State

IN_A_ROW: Final = 2
"""So many releases in a row that cannot be asked are believed to be the end of what can be."""


def most_runs(count: int) -> int:
    """How many releases are asked, where none of them is bad, before the search is given up."""
    return math.ceil(math.log2(max(count, 1))) + 4


def next_to_ask(count: int, known: Mapping[int, State], begin: Sequence[int] = ()) -> tuple[int, ...]:
    """The releases to ask next, by their places among ``count``, oldest first; none where the search is at its end.

    They do not depend on each other, so they can be fetched at once. ``begin`` are places of releases that are
    suspected; they and both ends come first.
    """
    if count == 0:
        return ()
    first = [place for place in dict.fromkeys((*begin, count - 1, 0)) if place not in known]
    if first:
        return tuple(first)
    if State.BAD not in known.values():
        return tuple(_widest_gap(known)) if len(known) < most_runs(count) else ()
    return tuple(dict.fromkeys(_edges(count, known)))


def _widest_gap(known: Mapping[int, State]) -> Iterator[int]:
    """The middle of the longest stretch that nobody has asked: nothing bad was met yet."""
    older, newer = max(pairwise(sorted(known)), key=lambda pair: pair[1] - pair[0], default=(0, 0))
    if newer - older > 1:
        yield (older + newer) // 2


def _edges(count: int, known: Mapping[int, State]) -> Iterator[int]:
    asked = sorted(place for place, state in known.items() if state is not State.CANNOT)
    for older, newer in pairwise(asked):
        if known[older] is not known[newer]:
            yield from _nearest_to_middle(older, newer, known)
    if known[asked[0]] is State.BAD:
        yield from _outer(asked[0], -1, -1, known)
    if known[asked[-1]] is State.BAD:
        yield from _outer(asked[-1], count, 1, known)


def _nearest_to_middle(older: int, newer: int, known: Mapping[int, State]) -> Iterator[int]:
    middle = (older + newer) // 2
    unasked = [place for place in range(older + 1, newer) if place not in known]
    if unasked:
        yield min(unasked, key=lambda place: (abs(place - middle), place))


def _outer(bad: int, end: int, step: int, known: Mapping[int, State]) -> Iterator[int]:
    """Between the outermost bad release and those beyond it, of which none can be asked as far as is known."""
    beyond = range(bad + step, end, step)
    nearest = next((place for place in beyond if place in known), None)
    if nearest is None:
        return
    older, newer = sorted((bad, nearest))
    if newer - older > 1:
        yield from _nearest_to_middle(older, newer, known)
        return
    for place in beyond[:IN_A_ROW]:
        if place not in known:
            yield place
            return
