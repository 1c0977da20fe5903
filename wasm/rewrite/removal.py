"""Taking items out of a module: what is left moves up, and every index follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wasm.isa import OPS
from wasm.module import Elem, ExternKind, Module
from wasm.rewrite.index_map import Dangling, map_module
from wasm.rewrite.spaces import SPACE_OF, Space, kind_of_import, space_sizes

_REF_FUNC: Final = OPS["ref.func"]


@dataclass(slots=True)
class Removal:
    """The items to take out, by index space."""

    gone: dict[Space, set[int]] = field(default_factory=lambda: {space: set() for space in Space})

    def add(self, space: Space, index: int) -> None:
        self.gone[space].add(index)

    def __bool__(self) -> bool:
        return any(self.gone.values())


def remove_items(module: Module, removal: Removal) -> Module:
    """Take items out and renumber the rest. Exports, the start function and element entries of removed items go too.

    Raises ``Dangling`` if something that stays still names an item that goes.
    """
    tables: dict[Space, Mapping[int, int]] = {}
    for space, size in space_sizes(module).items():
        gone = removal.gone[space]
        if gone:
            tables[space] = {old: new for new, old in enumerate(i for i in range(size) if i not in gone)}

    def to(space: Space, index: int) -> int:
        table = tables.get(space)
        if table is None:
            return index
        if index not in table:
            raise Dangling(f"{space.value} {index}")
        return table[index]

    return map_module(_without(module, removal), to)


def _keep(items: Sequence[Any], gone: set[int], first: int = 0) -> list[Any]:
    return [item for index, item in enumerate(items, first) if index not in gone]


def _without(module: Module, removal: Removal) -> Module:
    gone = removal.gone
    counts = dict.fromkeys(ExternKind, 0)
    imports = []
    for item in module.imports:
        kind = kind_of_import(item)
        if counts[kind] not in gone[SPACE_OF[kind]]:
            imports.append(item)
        counts[kind] += 1
    lost_funcs = gone[Space.FUNC]
    first_type, types = 0, []
    for group in module.types:
        first_type += len(group)
        kept = tuple(_keep(group, gone[Space.TYPE], first_type - len(group)))
        if kept:
            types.append(kept)
    return Module(
        types=types,
        imports=imports,
        funcs=_keep(module.funcs, lost_funcs, counts[ExternKind.FUNC]),
        tables=_keep(module.tables, gone[Space.TABLE], counts[ExternKind.TABLE]),
        memories=_keep(module.memories, gone[Space.MEMORY], counts[ExternKind.MEMORY]),
        tags=_keep(module.tags, gone[Space.TAG], counts[ExternKind.TAG]),
        globals=_keep(module.globals, gone[Space.GLOBAL], counts[ExternKind.GLOBAL]),
        exports=[item for item in module.exports if item.index not in gone[SPACE_OF[item.kind]]],
        start=None if module.start in lost_funcs else module.start,
        elems=_keep([_without_funcs(elem, lost_funcs) for elem in module.elems], gone[Space.ELEM]),
        datas=_keep(module.datas, gone[Space.DATA]),
        customs=list(module.customs),
        has_data_count=module.has_data_count,
    )


def _without_funcs(elem: Elem, lost: set[int]) -> Elem:
    if not lost:
        return elem
    return replace(elem, init=tuple(e for e in elem.init if not (e and e[0][0] is _REF_FUNC and e[0][1] in lost)))
