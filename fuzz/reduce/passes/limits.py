"""Shrink memories and tables: no maximum, a minimum of 0 or of half.

    (module (memory 3 9) (table 5 700 funcref) (func nop))

becomes, with ``nop`` to stay,

    (module (memory 0) (table 0 funcref) (func nop))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.subject import Subject
from wasm.module import Table
from wasm.valtypes import Limits

TIER: Final = CODE
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    """Edits (``memory`` or ``table``, number, new limits), the boldest first."""
    module = subject.module
    possible = []
    for kind, all_limits in (
        ("memory", [memory.limits for memory in module.memories]),
        ("table", [table.type.limits for table in module.tables]),
    ):
        for k, limits in enumerate(all_limits):
            tries = [Limits(0), Limits(limits.minimum), Limits(0, limits.maximum)]
            tries += [replace(limits, minimum=limits.minimum // 2), Limits(limits.minimum, limits.minimum)]
            possible += [Edit((kind, k, smaller)) for smaller in dict.fromkeys(tries) if smaller != limits]
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    memories, tables = list(subject.module.memories), list(subject.module.tables)
    done: set[tuple[str, int]] = set()
    for edit in edits:
        kind, k, limits = edit.what
        if (kind, k) in done:
            continue
        done.add((kind, k))
        if kind == "memory":
            if memories[k].shared and limits.maximum is None:
                return None
            memories[k] = replace(memories[k], limits=limits)
        else:
            tables[k] = Table(replace(tables[k].type, limits=limits), tables[k].init)
    return Subject(replace(subject.module, memories=memories, tables=tables), subject.invocations)
