"""Signatures made narrower: what the passes that do it share."""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.reduce.contract import Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.subject import Subject, sort_key
from fuzz.reduce.usage import func_names
from wasm.encode import encode
from wasm.valtypes import FuncType

Lost = dict[int, tuple[set[int], set[int]]]


def positions(subject: Subject) -> list[Edit]:
    """An edit (type, "results" or "params", position) for each, grouped by type and side, the longest groups first."""
    groups = []
    uses = [func.type_index for func in subject.module.funcs]
    for index, sub in enumerate(subject.module.flat_types()):
        if isinstance(sub.composite, FuncType):
            weight = 1 + uses.count(index)
            for side in ("results", "params"):
                count = len(getattr(sub.composite, side))
                groups.append([Edit((index, side, k), weight, (index, side)) for k in range(count)])
    groups.sort(key=lambda group: -len(group))
    return [edit for group in groups for edit in group]


def narrow(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    """The smaller one of two ways: instructions that lose an operand vanish with it, or get a constant instead."""
    best: Subject | None = None
    for collapse in (True, False):
        operation = Operation(subject, collapse=collapse)
        for index, (params, results) in _by_type(edits).items():
            operation.narrow(index, frozenset(params), frozenset(results))
        made = operation.finish()
        if best is None or _key(made) < _key(best):
            best = made
        if not collapse or not _touches_code(subject, edits):
            break
    return best


def _by_type(edits: Sequence[Edit]) -> Lost:
    lost: Lost = {}
    for edit in edits:
        index, side, k = edit.what
        params, results = lost.setdefault(index, (set(), set()))
        (results if side == "results" else params).add(k)
    return lost


def _touches_code(subject: Subject, edits: Sequence[Edit]) -> bool:
    return any(func_names(func) for func in subject.module.funcs) and bool(edits)


def _key(subject: Subject) -> tuple[object, ...]:
    return sort_key(subject, encode(subject.module))
