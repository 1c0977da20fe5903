"""Two memories or two tables change places; what a module means does not change.

(memory 0) (memory 1) ... (i32.load 1)    with 0 and 1 exchanged is    (memory 1) (memory 0) ... (i32.load 0)
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from wasm.module import ExternKind, Module
from wasm.rewrite.index_map import map_module
from wasm.rewrite.spaces import SPACE_OF, Space, defined, kind_of_import

Plural: TypeAlias = Literal[ExternKind.MEMORY, ExternKind.TABLE]
"""What a module can have several of that refer to no earlier ones."""


def exchanged(module: Module, kind: Plural, one: int, other: int) -> Module | None:
    """The module with two items of a kind exchanged, by index; None where one is imported and the other is not, since
    imports come first."""
    space = SPACE_OF[kind]
    imported = [at for at, item in enumerate(module.imports) if kind_of_import(item) is kind]
    if (one < len(imported)) != (other < len(imported)):
        return None
    new = {one: other, other: one}

    def to(where: Space, index: int) -> int:
        return new.get(index, index) if where is space else index

    made = map_module(module, to)
    if one < len(imported):
        places, items = (imported[one], imported[other]), made.imports
    else:
        places, items = (one - len(imported), other - len(imported)), defined(made, kind)
    first, second = places
    items[first], items[second] = items[second], items[first]
    return made
