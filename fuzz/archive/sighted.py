"""All that a report asks of sightings, for every cause at once, in one pass: there may be millions of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuzz.archive.queries import Queries
from fuzz.records.history import SeenOn


@dataclass(slots=True)
class Sighted:
    """A cause's sightings. ``cases`` showed it, those among them that an older release counted without naming them;
    ``nights`` has cases by night; ``first`` and ``last`` are times, 0 where there is no sighting."""

    cases: int = 0
    nights: dict[int, int] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    seen_on: tuple[SeenOn, ...] = ()
    first: float = 0.0
    last: float = 0.0


class _Count:
    """How many cases, met in order, some row of each is about."""

    __slots__ = ("cases", "first", "last", "latest")

    def __init__(self) -> None:
        self.cases, self.latest = 0, -1
        self.first = self.last = 0.0


_Cell = tuple[_Count, _Count, _Count]
"""What a row counts for: its cause, that in its night, and that on its engine and release."""


def sighted(reader: Queries) -> dict[int, Sighted]:
    """By cause (the one that others are part of), what was seen of it; all causes that have been seen are there."""
    database = reader.database
    roots: dict[int, int] = dict(database.rows("SELECT cause, root FROM roots"))
    engines = {id: (engine, release) for id, engine, release in database.rows("SELECT id, engine, release FROM setups")}
    targets = dict(database.rows("SELECT id, target FROM origins"))
    of_cause: dict[int, _Count] = {}
    of_night: dict[tuple[int, int], _Count] = {}
    of_engine: dict[tuple[int, tuple[str, str]], _Count] = {}
    cells: dict[tuple[int, int, int], _Cell] = {}
    met: dict[int, set[str]] = {}
    case, place = -1, None
    # In the order of the table's key, so that the rows of a case come one after the other.
    for origin, index, setup, cause, time, night in database.each(
        'SELECT origin, "index", setup, cause, time, night FROM sightings WHERE cause IS NOT NULL '
        'ORDER BY origin, "index"'
    ):
        if place != (origin, index):
            place = (origin, index)
            case += 1
        cell = cells.get((cause, setup, night))
        if cell is None:
            root, engine = roots[cause], engines[setup]
            cell = cells[cause, setup, night] = (
                of_cause.setdefault(root, _Count()),
                of_night.setdefault((root, night), _Count()),
                of_engine.setdefault((root, engine), _Count()),
            )
        for count in cell:
            if count.latest != case:
                count.latest = case
                count.cases += 1
        on = cell[2]
        if time < on.first or not on.first:
            on.first = time
        if time > on.last:
            on.last = time
    for cause, origin in database.rows("SELECT DISTINCT cause, origin FROM sightings WHERE cause IS NOT NULL"):
        met.setdefault(roots[cause], set()).add(targets[origin])
    told = {root: Sighted(count.cases, targets=tuple(sorted(met[root]))) for root, count in of_cause.items()}
    for (root, night), count in sorted(of_night.items()):
        told[root].nights[night] = count.cases
    rows = [SeenOn(*engine, on.cases, on.first, on.last) for (_, engine), on in of_engine.items()]
    for (root, _), row in zip(of_engine, rows, strict=True):
        one = told[root]
        one.seen_on = tuple(sorted((*one.seen_on, row), key=lambda on: (on.engine, on.first, on.release)))
        one.first, one.last = min(row.first, one.first or row.first), max(row.last, one.last)
    for cause, cases in database.rows("SELECT cause, sum(cases) FROM tallies WHERE cause IS NOT NULL GROUP BY cause"):
        told.setdefault(roots[cause], Sighted()).cases += cases
    return told
