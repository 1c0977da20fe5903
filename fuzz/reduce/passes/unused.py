"""Drop items that neither an export nor the start function can reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import BULK, Edit
from fuzz.reduce.edits import Removal, remove_items, space_sizes
from fuzz.reduce.operation import with_module
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs, reachable
from fuzz.reduce.weights import item_weight

TIER: Final = BULK


def edits(subject: Subject) -> list[Edit]:
    module = subject.module
    live = reachable(module)
    return [
        Edit((space, index), item_weight(module, space, index))
        for space, size in space_sizes(module).items()
        for index in range(size)
        if (space, index) not in live
    ]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    removal = Removal()
    for edit in edits:
        removal.add(*edit.what)
    return with_module(subject, declare_refs(remove_items(subject.module, removal)))
