"""Whether a finding is about objects that are taken for garbage too early: it goes away where they stay alive.

An object that is collected while somebody still has it leaves anything behind: another object in its place, a crash of
the collector, a type that is none. Which instructions are needed to see that says nothing. So what instructions give is
kept alive (``wasm.rewrite.kept``). If nothing is wrong any more, but is with code in its place that keeps nothing, that
is what it is about, unless there is no object at all, only null; and the rows without which it would come back say
which reference was forgotten:

    (struct.get $s 0 (call $collecting (array.new_data ...)))       is about ``array.new_data``
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from fuzz.triage.neutral import STEPS, row_of, ways_of
from fuzz.triage.readable import module_of
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.isa import OPS
from wasm.rewrite.kept import Kept, giving, kept

_GC: Final = Feature.GC.value
"""Engines with this feature have all that is needed to keep objects."""


def kept_alive(case: Case, rows: Collection[str] | None, form: Kept = Kept.KEEPS) -> Case | None:
    """The case with what instructions of these rows (all, for None) give kept alive; None if that is nothing, or it
    would not mean the same."""
    changed = _with_code(case, rows, form)
    return changed if changed is not None and _means_the_same(case, changed) else None


def _with_code(case: Case, rows: Collection[str] | None, form: Kept) -> Case | None:
    module = module_of(case)
    if module is None:
        return None
    try:
        if not kept(module, _written(rows), form):
            return None
    except (ValueError, WasmError):
        return None
    features = frozenset(feature.value for feature in required_features(module))
    if not features <= case.features and _GC not in case.features:
        return None
    return replace(case.with_content(encode(module)), features=case.features | features)


def _means_the_same(case: Case, changed: Case) -> bool:
    before, after = (run_case(one, None, Budget(steps=STEPS)) for one in (case, changed))
    return (before.instantiation, before.outcomes) == (after.instantiation, after.outcomes)


def _has_objects(case: Case) -> bool:
    """Whether anything but null comes to where references are kept, as far as that can be asked."""
    asked = _with_code(case, None, Kept.QUESTION)
    return asked is None or not _means_the_same(case, asked)


def _written(rows: Collection[str] | None) -> Collection[str] | None:
    """The names of all ways to write these rows."""
    return None if rows is None else {name for row in rows for name in [row, *(op.name for op in ways_of(row))]}


def is_early(case: Case, wrong: Callable[[Case], bool]) -> bool:
    """Whether what is wrong with a case goes away where all objects stay alive, and only there; never with
    null alone, which an engine may take for something else on the operand stack than in a local."""
    alive = kept_alive(case, None)
    if alive is None or wrong(alive):
        return False
    control = kept_alive(case, None, Kept.CONTROL)
    return control is not None and wrong(control) and _has_objects(case)


def forgotten(case: Case, wrong: Callable[[Case], bool], deadline: float = math.inf) -> frozenset[str] | None:
    """The rows whose results have to stay alive for nothing to be wrong; for a case that ``is_early``. One question for
    each row that gives references, those that make objects first: what passes an object on is nearer to where it was
    lost. None if ``time.monotonic()`` comes to ``deadline`` before."""
    module = module_of(case)
    rows = giving(module) if module is not None else []
    for row in list(rows):
        if time.monotonic() > deadline:
            return None
        fewer = [one for one in rows if one != row]
        alive = kept_alive(case, fewer)
        if alive is not None and not wrong(alive):
            rows = fewer
    return frozenset(row_of(OPS[row]) if row in OPS else row for row in rows)
