"""Merge functions of one type: everything that names the one names the other.

    (module (func $f) (func call $f))

becomes, with ``call`` to stay,

    (module (func $f call $f))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import POLISH, Edit
from fuzz.reduce.operation import with_module
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs
from fuzz.reduce.weights import item_weight
from wasm.module import ExternKind
from wasm.rewrite.index_map import map_module
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space

TIER: Final = POLISH


def edits(subject: Subject) -> list[Edit]:
    """An edit (gone, kept) for each two neighbours among the functions of one type, both ways."""
    module = subject.module
    first = len(module.imported(ExternKind.FUNC))
    last: dict[int, int] = {}
    possible = []
    for index, func in enumerate(module.funcs, first):
        other = last.get(func.type_index)
        if other is not None:
            possible.append(Edit((other, index), item_weight(module, Space.FUNC, other)))
            possible.append(Edit((index, other), item_weight(module, Space.FUNC, index)))
        last[func.type_index] = index
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    """Of edits that would go round in a circle, the first ones count."""
    merged: dict[int, int] = {}

    def kept(index: int) -> int:
        while index in merged:
            index = merged[index]
        return index

    for edit in edits:
        gone, other = edit.what
        if gone not in merged and kept(other) != gone:
            merged[gone] = other
    module = map_module(subject.module, lambda space, i: kept(i) if space is Space.FUNC else i)
    removal = Removal()
    for index in merged:
        removal.add(Space.FUNC, index)
    return with_module(subject, declare_refs(remove_items(module, removal)))
