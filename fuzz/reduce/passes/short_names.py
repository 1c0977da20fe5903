"""Shorten the names of exports and imports, and the calls with them.

    (module (import "spectest" "print" (func)) (func (export "long")) (func (export "keep")))

becomes, with ``"keep"`` and ``"print"`` to stay,

    (module (import "" "print" (func)) (func (export "a")) (func (export "keep")))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.subject import Subject

TIER: Final = CODE
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    """Names that another one could replace with fewer letters."""
    exports = subject.module.exports
    spare = next(_names({item.name for item in exports}))
    possible = [
        Edit(("export", k), len(e.name) - len(spare)) for k, e in enumerate(exports) if len(e.name) > len(spare)
    ]
    for k, item in enumerate(subject.module.imports):
        possible += [Edit((part, k), len(getattr(item, part))) for part in ("module", "name") if getattr(item, part)]
    return possible


def _names(taken: set[str]) -> Iterator[str]:
    """Short names that are free: a to z, then a1 and so on. Never the empty one, which reports could not show."""
    for number in count():
        for letter in "abcdefghijklmnopqrstuvwxyz":
            name = f"{letter}{number or ''}"
            if name not in taken:
                yield name


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    exports, imports = list(subject.module.exports), list(subject.module.imports)
    renamed = {edit.what[1] for edit in edits if edit.what[0] == "export"}
    free = _names({item.name for k, item in enumerate(exports) if k not in renamed})
    names = {}
    for k in sorted(renamed):
        names[exports[k].name] = next(free)
        exports[k] = replace(exports[k], name=names[exports[k].name])
    for edit in edits:
        part, k = edit.what
        if part != "export":
            imports[k] = replace(imports[k], **{part: ""})
    calls = tuple(replace(call, export=names.get(call.export, call.export)) for call in subject.invocations)
    return Subject(replace(subject.module, exports=exports, imports=imports), calls)
