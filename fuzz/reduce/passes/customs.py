"""Drop custom sections.

    (module (func nop)) (@custom "a" "1") (@custom "b" "22") (@custom "c" "")

becomes, with ``@custom "b"`` to stay,

    (module (func nop)) (@custom "b" "22")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import BULK, Edit, Scope
from fuzz.reduce.subject import Subject

TIER: Final = BULK
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    return [Edit((k,), len(c.name) + len(c.data) + 3) for k, c in enumerate(subject.module.customs)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone = {edit.what[0] for edit in edits}
    kept = [custom for k, custom in enumerate(subject.module.customs) if k not in gone]
    return Subject(replace(subject.module, customs=kept), subject.invocations)
