"""Merge equal types: everything that names the later one names the first.

    (module (type $a (func)) (type $b (func)) (func (type $b) nop))

becomes, with ``nop`` to stay,

    (module (type $a (func)) (func (type $a) nop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import BULK, Edit, Scope
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import item_weight
from wasm.rewrite.index_map import map_module
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space
from wasm.valtypes import SubType

TIER: Final = BULK
SCOPE: Final = Scope.ANY


def edits(subject: Subject) -> list[Edit]:
    """An edit (later, first) for each type that stands alone in its group and repeats another one."""
    first: dict[SubType, int] = {}
    possible, index = [], 0
    for group in subject.module.types:
        if len(group) == 1:
            original = first.setdefault(group[0], index)
            if original != index:
                possible.append(Edit((index, original), item_weight(subject.module, Space.TYPE, index)))
        index += len(group)
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    merged = {edit.what[0]: edit.what[1] for edit in edits}
    module = map_module(subject.module, lambda space, i: merged.get(i, i) if space is Space.TYPE else i)
    removal = Removal()
    for index in merged:
        removal.add(Space.TYPE, index)
    return Subject(remove_items(module, removal), subject.invocations)
