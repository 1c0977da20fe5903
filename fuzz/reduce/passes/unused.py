"""Drop items that neither an export nor the start function can reach.

    (module (func (export "a")) (func) (global i32 i32.const 1) (memory 1))

becomes, with ``export "a"`` to stay,

    (module (func (export "a")))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import BULK, Edit, Scope
from fuzz.reduce.operation import with_module
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import Item, declare_refs, items_of, reachable, type_names
from fuzz.reduce.weights import item_weight
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space, space_sizes

TIER: Final = BULK
SCOPE: Final = Scope.ANY


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
    """Of unused items, those go too that name the chosen ones."""
    module = subject.module
    users: dict[Item, list[Item]] = {}
    for item, names in items_of(module).items():
        for name in names:
            users.setdefault(name, []).append(item)
    for index, types in type_names(module).items():
        for other in types:
            users.setdefault((Space.TYPE, other), []).append((Space.TYPE, index))
    work: list[Item] = [(edit.what[0], edit.what[1]) for edit in edits]
    removal = Removal()
    while work:
        space, index = work.pop()
        if index not in removal.gone[space]:
            removal.add(space, index)
            work += users.get((space, index), [])
    return with_module(subject, declare_refs(remove_items(module, removal)))
