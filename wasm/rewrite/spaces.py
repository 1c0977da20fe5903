"""The index spaces of a module (spec 2.5.1): what is in them and how many."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from wasm.module import ExternKind, Import, ImportedFunc, Module
from wasm.valtypes import GlobalType, MemType, TableType, TagType


class Space(Enum):
    """The index spaces of a module. Locals, labels and fields are indices within one function or type."""

    TYPE = "type"
    FUNC = "func"
    TABLE = "table"
    MEMORY = "memory"
    GLOBAL = "global"
    TAG = "tag"
    ELEM = "elem"
    DATA = "data"


SPACE_OF: Final = {
    ExternKind.FUNC: Space.FUNC,
    ExternKind.TABLE: Space.TABLE,
    ExternKind.MEMORY: Space.MEMORY,
    ExternKind.GLOBAL: Space.GLOBAL,
    ExternKind.TAG: Space.TAG,
}
"""The space of what is imported and exported."""


def kind_of_import(item: Import) -> ExternKind:
    """What an import brings in."""
    match item.type:
        case ImportedFunc():
            return ExternKind.FUNC
        case TableType():
            return ExternKind.TABLE
        case MemType():
            return ExternKind.MEMORY
        case GlobalType():
            return ExternKind.GLOBAL
        case TagType():
            return ExternKind.TAG


def defined(module: Module, kind: ExternKind) -> list[Any]:
    """The module's own list of the items of a kind that it defines itself."""
    match kind:
        case ExternKind.FUNC:
            return module.funcs
        case ExternKind.TABLE:
            return module.tables
        case ExternKind.MEMORY:
            return module.memories
        case ExternKind.GLOBAL:
            return module.globals
        case ExternKind.TAG:
            return module.tags


def imported_counts(module: Module) -> dict[Space, int]:
    """How many items of each space are imported: the index of the first one that the module defines itself."""
    counts = dict.fromkeys(Space, 0)
    for item in module.imports:
        counts[SPACE_OF[kind_of_import(item)]] += 1
    return counts


def space_sizes(module: Module) -> dict[Space, int]:
    """How many items each index space has, imports included."""
    imported = imported_counts(module)
    return {
        Space.TYPE: sum(map(len, module.types)),
        Space.ELEM: len(module.elems),
        Space.DATA: len(module.datas),
        **{SPACE_OF[kind]: imported[SPACE_OF[kind]] + len(defined(module, kind)) for kind in ExternKind},
    }
