"""Drop exports, with the calls of them, and the start function.

    (module (func (export "a")) (func (export "b")) (func $s) (start $s))

becomes, with ``export "b"`` to stay,

    (module (func) (func (export "b")) (func $s))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import BULK, Edit, Scope
from fuzz.reduce.operation import with_module
from fuzz.reduce.subject import Subject

TIER: Final = BULK
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    module = subject.module
    possible = [Edit((k,), 3 + len(item.name)) for k, item in enumerate(module.exports)]
    return possible + ([Edit((None,), 3)] if module.start is not None else [])


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone = {edit.what[0] for edit in edits}
    module = replace(
        subject.module,
        exports=[item for k, item in enumerate(subject.module.exports) if k not in gone],
        start=None if None in gone else subject.module.start,
    )
    return with_module(subject, module)
