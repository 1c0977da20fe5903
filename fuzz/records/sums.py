"""Counts that add up exactly, whatever was counted where: those of cases, batches, shards and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

_S = TypeVar("_S", bound="Sums")


@dataclass(slots=True)
class Sums:
    """A dataclass whose fields are numbers, ``Counter``s, and mappings from names to numbers or to other ``Sums``.

    Its field list is all there is: adding and both ways of JSON follow from it. JSON has the fields by name, in their
    order; mappings sorted by name; fractions with four places. The field of a mapping to ``Sums`` says which, for
    reading JSON, in its metadata: ``field(default_factory=dict, metadata={"of": TargetYield})``.
    """

    def add(self: _S, other: _S) -> None:
        """Add what ``other`` counts; nothing of it is shared afterwards."""
        for item in fields(self):
            setattr(self, item.name, _sum(getattr(self, item.name), getattr(other, item.name)))

    def to_json(self) -> dict[str, Any]:
        return {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls: type[_S], data: Mapping[str, Any]) -> _S:
        """Read ``to_json``'s form. What is not there, because an older release did not count it, is zero."""
        sums = cls()
        for item in fields(cls):
            if item.name in data:
                zero, read = getattr(sums, item.name), data[item.name]
                if of := item.metadata.get("of"):
                    read = {name: of.from_json(value) for name, value in read.items()}
                setattr(sums, item.name, type(zero)(read))
        return sums


def _sum(mine: Any, theirs: Any) -> Any:
    """The sum of two values of one field; ``mine`` may be changed, ``theirs`` is left alone."""
    if isinstance(mine, Sums):
        mine.add(theirs)
    elif isinstance(mine, Counter):
        mine.update(theirs)
    elif isinstance(mine, dict):
        for name, value in theirs.items():
            mine[name] = _sum(mine[name] if name in mine else type(value)(), value)
    else:
        return mine + theirs
    return mine


def _to_json(value: Any) -> Any:
    if isinstance(value, Sums):
        return value.to_json()
    if isinstance(value, dict):
        return {name: _to_json(one) for name, one in sorted(value.items())}
    return round(value, 4) if isinstance(value, float) else value
