"""Make constants smaller one by one: 1, half as long, half as large.

    (module (func i64.const 0x7fff0000 drop))

becomes, with ``i64.const > 0`` to stay,

    (module (func i64.const 1 drop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.constants import constants, with_constants
from fuzz.reduce.contract import POLISH, Edit
from fuzz.reduce.subject import Subject

TIER: Final = POLISH


def edits(subject: Subject) -> list[Edit]:
    possible = []
    for place, value, weight in constants(subject):
        tries = (1, value >> (value.bit_length() // 2), value >> 1)
        possible += [Edit((place, smaller), weight) for smaller in dict.fromkeys(tries) if 0 < smaller < value]
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    changes: dict[tuple[str, int, int, str], int] = {}
    for edit in edits:
        changes.setdefault(edit.what[0], edit.what[1])
    return with_constants(subject, changes)
