"""Replace whole function bodies by ``unreachable``.

    (module (func nop) (func i32.const 7 drop))

becomes, with ``nop`` to stay,

    (module (func nop) (func unreachable))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import BULK, Edit, Scope
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs
from fuzz.reduce.weights import body_weight
from wasm.isa import OPS
from wasm.module import Func

TIER: Final = BULK
SCOPE: Final = Scope.ANY
_STUB: Final = [OPS["unreachable"].bare, OPS["end"].bare]


def edits(subject: Subject) -> list[Edit]:
    """The longest bodies first, so that halves differ most in what they save."""
    possible = [Edit((k,), body_weight(func) - 2) for k, func in enumerate(subject.module.funcs) if len(func.body) > 2]
    return sorted(possible, key=lambda edit: (-edit.weight, edit.what))


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    funcs = list(subject.module.funcs)
    for edit in edits:
        (k,) = edit.what
        funcs[k] = Func(funcs[k].type_index, [], list(_STUB))
    return Subject(declare_refs(replace(subject.module, funcs=funcs)), subject.invocations)
