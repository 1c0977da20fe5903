"""Drop bytes of data segments and entries of element segments.

    (module (func $f) (memory 1) (table 3 funcref)
      (elem (i32.const 0) $f $f) (data (i32.const 4) "aaab"))

becomes, with ``b"`` to stay,

    (module (func $f) (memory 1) (table 3 funcref)
      (elem (i32.const 0) func) (data (i32.const 4) "b"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs

TIER: Final = CODE
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    module = subject.module
    possible = [Edit(("elem", k, i), 1) for k, elem in enumerate(module.elems) for i in range(len(elem.init))]
    return possible + [Edit(("data", k, i), 1) for k, data in enumerate(module.datas) for i in range(len(data.init))]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone = {edit.what for edit in edits}
    elems = [
        replace(elem, init=tuple(e for i, e in enumerate(elem.init) if ("elem", k, i) not in gone))
        for k, elem in enumerate(subject.module.elems)
    ]
    datas = [
        replace(data, init=bytes(b for i, b in enumerate(data.init) if ("data", k, i) not in gone))
        for k, data in enumerate(subject.module.datas)
    ]
    return Subject(declare_refs(replace(subject.module, elems=elems, datas=datas)), subject.invocations)
