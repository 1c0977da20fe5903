"""Drop parameters, results and locals in a module that is not valid, with no regard to who passes or names them.

    (module (func (param i64 f32) (result i32) (local f64 v128) local.get 1))

becomes, with ``local.get`` to stay,

    (module (func local.get 1))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.subject import Subject
from wasm.module import Func
from wasm.valtypes import FuncType

TIER: Final = CODE
SCOPE: Final = Scope.INVALID


def edits(subject: Subject) -> list[Edit]:
    """Edits (what, number of the type or function, position), from the last position on."""
    possible = []
    for index, sub in enumerate(subject.module.flat_types()):
        if isinstance(sub.composite, FuncType):
            for what, types in (("params", sub.composite.params), ("results", sub.composite.results)):
                possible += [Edit((what, index, position)) for position in reversed(range(len(types)))]
    for k, func in enumerate(subject.module.funcs):
        possible += [Edit(("locals", k, run), 2) for run in reversed(range(len(func.locals)))]
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone = {edit.what for edit in edits}
    index, types = -1, []
    for group in subject.module.types:
        kept = []
        for sub in group:
            index += 1
            composite = sub.composite
            if isinstance(composite, FuncType):
                params = tuple(t for i, t in enumerate(composite.params) if ("params", index, i) not in gone)
                results = tuple(t for i, t in enumerate(composite.results) if ("results", index, i) not in gone)
                composite = FuncType(params, results)
            kept.append(replace(sub, composite=composite))
        types.append(tuple(kept))
    funcs = [
        Func(func.type_index, [run for i, run in enumerate(func.locals) if ("locals", k, i) not in gone], func.body)
        for k, func in enumerate(subject.module.funcs)
    ]
    return Subject(replace(subject.module, types=types, funcs=funcs), subject.invocations)
