"""The name section (spec appendix, and the extended-name-section proposal): what a module's author called things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from wasm.errors import Malformed
from wasm.leb import Reader
from wasm.module import Module

NameMap: TypeAlias = Mapping[int, str]
IndirectNameMap: TypeAlias = Mapping[int, NameMap]


@dataclass(slots=True)
class Names:
    """Names by index; of ``locals``, ``labels`` and ``fields`` by function or type index first.

    Labels are counted in the order in which their blocks open. Nothing here is checked against the module: indices may
    be out of range, and names empty or the same.
    """

    module: str | None = None
    funcs: NameMap = field(default_factory=dict)
    locals: IndirectNameMap = field(default_factory=dict)
    labels: IndirectNameMap = field(default_factory=dict)
    types: NameMap = field(default_factory=dict)
    tables: NameMap = field(default_factory=dict)
    memories: NameMap = field(default_factory=dict)
    globals: NameMap = field(default_factory=dict)
    elems: NameMap = field(default_factory=dict)
    datas: NameMap = field(default_factory=dict)
    fields: IndirectNameMap = field(default_factory=dict)
    tags: NameMap = field(default_factory=dict)


def parse_names(module: Module) -> Names:
    """The names that the module's name sections give.

    A name section that breaks off or is malformed gives what it has up to there and is no error: a custom section
    can't make a module malformed.
    """
    names = Names()
    for custom in module.customs:
        if custom.name == "name":
            try:
                _section(Reader(custom.data), names)
            except Malformed:
                continue
    return names


def _section(reader: Reader, names: Names) -> None:
    while reader.left:
        kind = reader.byte()
        part = Reader(reader.take(reader.u32()))
        if kind == 0:
            names.module = part.name()
        elif kind in _SUBSECTIONS:
            attribute, read = _SUBSECTIONS[kind]
            setattr(names, attribute, read(part))


_MANY: Final = 1 << 32


def _map(reader: Reader) -> dict[int, str]:
    names: dict[int, str] = {}
    for _ in range(reader.count("names", 2, _MANY)):
        index = reader.u32()
        names[index] = reader.name()
    return names


def _indirect(reader: Reader) -> dict[int, dict[int, str]]:
    maps: dict[int, dict[int, str]] = {}
    for _ in range(reader.count("names", 2, _MANY)):
        index = reader.u32()
        maps[index] = _map(reader)
    return maps


_SUBSECTIONS: Final[dict[int, tuple[str, Callable[[Reader], object]]]] = {
    1: ("funcs", _map),
    2: ("locals", _indirect),
    3: ("labels", _indirect),
    4: ("types", _map),
    5: ("tables", _map),
    6: ("memories", _map),
    7: ("globals", _map),
    8: ("elems", _map),
    9: ("datas", _map),
    10: ("fields", _indirect),
    11: ("tags", _map),
}
