"""What was generated, counted: call sites by kind and operands, widths, features, entries. Summaries print these.

A shape is nested dictionaries of counts with string keys, so shapes are JSON, and merging two is adding them up.
"""

from __future__ import annotations

from typing import Any, Final

from wasm.case import Case

Counts = dict[str, Any]
"""Counts by name, nested: each value is an ``int`` or again ``Counts``."""

MANY_OPERANDS: Final = 240
_EXACT: Final = (*range(240, 261), *range(509, 516), 999, 1000)
_EDGES: Final = (0, 4, 8, 20, 64, 128, 239, 508, 998, 1 << 32)


def _name(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"{low}-{high}" if high < 1 << 32 else f"{low}+"


_BUCKETS: Final = tuple(_name(low + 1 if i else 0, high) for i, (low, high) in enumerate(zip((0, *_EDGES), _EDGES)))  # noqa: B905


def bucket(size: int) -> str:
    """The histogram bar that a size belongs to; every size near a known limit has a bar of its own."""
    if size in _EXACT:
        return str(size)
    return next(name for name, high in zip(_BUCKETS, _EDGES, strict=True) if size <= high)


def shape_of(case: Case) -> Counts:
    """The shape of one case: ``cases``, ``wide`` and ``many_operands`` are 0 or 1, histograms count call sites."""
    kinds: Counts = {}
    shape: Counts = {
        "cases": 1,
        "wide": int(any(site.wide for site in case.sites)),
        "many_operands": int(any(site.operands >= MANY_OPERANDS for site in case.sites)),
        "bytes": len(case.content),
        "invocations": len(case.invocations),
        "sites": len(case.sites),
        "kinds": kinds,
        "features": dict.fromkeys(sorted(case.features), 1),
        "labels": dict.fromkeys(sorted(case.labels), 1),
        "targets": {case.provenance.target: 1},
        "entries": {_entries(case): 1},
    }
    for site in case.sites:
        bars = kinds.setdefault(site.kind, {"params": {}, "results": {}, "operands": {}})
        for name, size in (("params", site.params), ("results", site.results), ("operands", site.operands)):
            bar = bucket(size)
            bars[name][bar] = bars[name].get(bar, 0) + 1
    return shape


def _entries(case: Case) -> str:
    """``both`` if some export is called both ways, else the one way, or ``mixed``."""
    ways: dict[str, set[str]] = {}
    for invocation in case.invocations:
        ways.setdefault(invocation.export, set()).add(invocation.entry.value)
    if any(len(found) > 1 for found in ways.values()):
        return "both"
    used = set().union(*ways.values())
    return used.pop() if len(used) == 1 else "mixed" if used else "none"


def merge(into: Counts, shape: Counts) -> Counts:
    """Add ``shape`` to ``into``, in place, and give it back."""
    for name, value in shape.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = into.get(name, 0) + value
    return into


def passed_wide_sites(case: Case, executed: frozenset[int]) -> bool | None:
    """Whether every wide call site was passed; ``executed`` indexes ``Case.sites``. None for a case without any."""
    wide = [i for i, site in enumerate(case.sites) if site.wide]
    return executed.issuperset(wide) if wide else None
