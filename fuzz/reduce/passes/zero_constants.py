"""Set constants, memory offsets and alignments to zero.

    (module (memory 1) (func i32.const 777 i32.load offset=99 drop))

becomes, with ``i32.load`` to stay,

    (module (memory 1) (func i32.const 0 i32.load align=1 drop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.constants import constants, with_constants
from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.subject import Subject

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return [Edit((place, 0), weight) for place, _, weight in constants(subject)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    return with_constants(subject, {edit.what[0]: edit.what[1] for edit in edits})
