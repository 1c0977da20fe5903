"""The modules of given levels, which mean together what the whole program meant (``generators.linking.levels``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from generators.linking.levels import KIND_OF, Key, Levels, named
from wasm.isa import OPS
from wasm.module import Elem, Export, ExternKind, ExternType, Import, ImportedFunc, Module, SegmentMode
from wasm.rewrite.index_map import map_module
from wasm.rewrite.spaces import SPACE_OF, Space, defined, imported_counts, kind_of_import
from wasm.valtypes import FUNCREF

_LETTERS: Final = {
    ExternKind.FUNC: "f", ExternKind.TABLE: "t", ExternKind.MEMORY: "m", ExternKind.GLOBAL: "g", ExternKind.TAG: "e",
}  # fmt: skip
_OWN: Final = frozenset((Space.TYPE, Space.ELEM, Space.DATA))
"""Spaces whose indices stay: all modules have all types, and the last one has the segments."""
_REF_FUNC: Final = OPS["ref.func"]
HOST: Final = "env"
"""Where a module imports from what the host makes in its place."""


@dataclass(slots=True)
class Split:
    """``modules`` by level, the case's own last. ``funcs`` has the functions of the last one by their old indices;
    ``routes`` by which way each import came: (level, key) to the level that it is imported from."""

    modules: list[Module]
    funcs: dict[int, int]
    routes: dict[tuple[int, Key], int]


Via = Callable[[int, int], int]
"""From the levels of an item and of a module that imports it, which one it is imported from."""
Declared = Callable[[ExternType], ExternType]
"""From the type of an item to the type that an import of it is declared at."""


@dataclass(slots=True)
class _Part:
    """One module while it is put together; indices are those of the whole program."""

    module: Module
    own: list[Key]
    needed: set[Key]
    exports: set[Key] = field(default_factory=set)
    sources: dict[Key, int] = field(default_factory=dict)


def name_of(key: Key) -> str:
    """Under which name earlier modules export an item; a number by itself does not tell one message from another."""
    return f"{_LETTERS[KIND_OF[key[0]]]} {key[1]}"


def place_of(level: int) -> str:
    """Under which name the module of a level is registered."""
    return f"m {level}"


def split(module: Module, levels: Levels, via: Via, declared: Declared, asked: dict[Key, int] | None = None) -> Split:
    """Split a program. ``asked`` are items that modules besides these import, each from the module of its level."""
    parts = [_part(module, levels, level) for level in range(levels.last + 1)]
    for key in asked or ():
        parts[levels.of[key]].exports.add(key)
    routes: dict[tuple[int, Key], int] = {}
    for level in range(levels.last, -1, -1):
        part = parts[level]
        for key in _ordered(part.needed):
            source = via(levels.of[key], level)
            part.sources[key] = routes[level, key] = source
            parts[source].exports.add(key)
            if source > levels.of[key]:
                parts[source].needed.add(key)
    types = _types(module)
    made, maps = [], []
    for level, part in enumerate(parts):
        imports = module.imports if level == levels.last else []
        built, index = _built(part, imports, levels, types, declared)
        made.append(built)
        maps.append(index)
    return Split(made, maps[-1][Space.FUNC], routes)


def _ordered(keys: set[Key]) -> list[Key]:
    return sorted(keys, key=lambda key: (key[0].value, key[1]))


def _part(module: Module, levels: Levels, level: int) -> _Part:
    """What a module has itself, and what it names of others."""
    counts, own = imported_counts(module), []
    lists: dict[ExternKind, list[object]] = {}
    for kind in ExternKind:
        space = SPACE_OF[kind]
        keys = [(space, i) for i in range(counts[space], counts[space] + len(defined(module, kind)))]
        mine = [key for key in keys if levels.of[key] == level]
        own += mine
        here = [key for key in mine if key not in levels.hosted]
        lists[kind] = [defined(module, kind)[key[1] - counts[space]] for key in here]
    part = Module(
        types=list(module.types), funcs=lists[ExternKind.FUNC], tables=lists[ExternKind.TABLE],  # type: ignore[arg-type]
        memories=lists[ExternKind.MEMORY], globals=lists[ExternKind.GLOBAL], tags=lists[ExternKind.TAG],  # type: ignore[arg-type]
    )  # fmt: skip
    if level == levels.last:
        part.exports, part.start, part.elems = list(module.exports), module.start, list(module.elems)
        part.datas, part.has_data_count = list(module.datas), module.has_data_count
        part.exports += _shown(module, levels)
    _declare(part)
    seen: set[Key] = set()

    def see(space: Space, index: int) -> int:
        seen.add((space, index))
        return index

    map_module(part, see)
    return _Part(part, own, {key for key in seen if levels.of.get(key, level) < level})


def _shown(module: Module, levels: Levels) -> list[Export]:
    """Exports of what can change and would not be seen at the end otherwise."""
    shown = {(SPACE_OF[item.kind], item.index) for item in module.exports}
    counts = imported_counts(module)
    found = []
    for kind in (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.GLOBAL):
        space = SPACE_OF[kind]
        for index, item in enumerate(defined(module, kind), counts[space]):
            constant = kind is ExternKind.GLOBAL and not item.type.mutable
            linking = kind is ExternKind.TABLE and index == levels.links
            if (space, index) not in shown and not constant and not linking:
                found.append(Export(f"shown {name_of((space, index))}", kind, index))
    return found


def _declare(part: Module) -> None:
    """A segment for the functions that bodies refer to and nothing else of the module names (spec 3.4.1)."""
    used = {imm for func in part.funcs for op, imm in func.body if op is _REF_FUNC}
    named_ = {item.index for item in part.exports if item.kind is ExternKind.FUNC}
    named_ |= {key[1] for item in part.globals for key in named(item.init) if key[0] is Space.FUNC}
    named_ |= {key[1] for item in part.tables for key in named(item.init or ()) if key[0] is Space.FUNC}
    named_ |= {key[1] for elem in part.elems for expr in elem.init for key in named(expr) if key[0] is Space.FUNC}
    if missing := sorted(used - named_):
        init = tuple(((_REF_FUNC, func),) for func in missing)
        part.elems.append(Elem(FUNCREF, init, SegmentMode.DECLARATIVE))


def _types(module: Module) -> dict[Space, list[ExternType]]:
    return {
        Space.FUNC: [ImportedFunc(index) for index in module.func_type_indices()],
        Space.TABLE: list(module.table_types()),
        Space.MEMORY: list(module.memory_types()),
        Space.GLOBAL: list(module.global_types()),
        Space.TAG: list(module.tag_types()),
    }


def _built(
    part: _Part, imports: list[Import], levels: Levels, types: dict[Space, list[ExternType]], declared: Declared,
) -> tuple[Module, dict[Space, dict[int, int]]]:  # fmt: skip
    """A part with its own indices. ``imports`` are those that the whole program had, in the last module."""
    maps: dict[Space, dict[int, int]] = {space: {} for space in Space}
    given = list(imports)
    for item in imports:
        table = maps[SPACE_OF[kind_of_import(item)]]
        table[len(table)] = len(table)
    for key, source in part.sources.items():
        given.append(Import(place_of(source), name_of(key), declared(types[key[0]][key[1]])))
        _next(maps, key)
    hosted = [key for key in part.own if key in levels.hosted]
    for key in hosted:
        given.append(Import(HOST, f"{name_of(key)}", types[key[0]][key[1]]))
        _next(maps, key)
    for key in part.own:
        if key not in levels.hosted:
            _next(maps, key)
    exports = [Export(name_of(key), KIND_OF[key[0]], key[1]) for key in _ordered(part.exports)]
    raw = replace(part.module, imports=given, exports=[*part.module.exports, *exports])
    return map_module(raw, lambda space, index: index if space in _OWN else maps[space][index]), maps


def _next(maps: dict[Space, dict[int, int]], key: Key) -> None:
    maps[key[0]][key[1]] = len(maps[key[0]])
