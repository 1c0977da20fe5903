"""Modules that rename, for engines that find a module's imports by the names of instances alone.

Such an engine cannot be handed the items of one import each from another place. So between them stands a *glue* module,
which imports each item from where it is and exports it under the name that is asked for. It has no code.

    (module (import "s" "i0" (memory 1)) (import "h" "i1" (func (type 0)))
      (export "mem" (memory 0)) (export "f" (func 0)))

Where items are: ``h`` the host's functions (``i<import>``, ``trap``), ``s`` and ``f`` the peers, ``subject`` the module
under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oracles.remote.imports import ImportPlan
from oracles.remote.interface import FUNC, GLOBAL, TAG, Interface
from oracles.remote.sources import NoImport, Source
from oracles.remote.wasmbytes import export_entry, import_entry, section, type_section
from wasm.leb import unsigned
from wasm.module import HEADER, ExternKind, Section

SUBJECT = "subject"
_PLACES = {"host": "h", "store": "s", "funcs": "f"}
_TAG_FORM = b"\0"


class Item(NamedTuple):
    """An item to rename: where it is, its sort and its type as in an import, and its new name."""

    module: str
    name: str
    sort: int
    raw: bytes
    new: str


def glue(interface: Interface, items: Iterable[Item]) -> bytes:
    """A module that imports items and exports them under new names; ``interface`` has the types that they name."""
    imports: list[bytes] = []
    exports: list[bytes] = []
    counts: dict[int, int] = {}
    for item in items:
        imports.append(import_entry(item.module, item.name, ExternKind(item.sort), item.raw))
        exports.append(export_entry(item.new, item.sort, counts.get(item.sort, 0)))
        counts[item.sort] = counts.get(item.sort, 0) + 1
    types = type_section(interface.type_count, interface.type_bytes, ()) if interface.type_count else b""
    return b"".join((HEADER, types, section(Section.IMPORT, imports), section(Section.EXPORT, exports)))


def import_glue(interface: Interface, plan: ImportPlan) -> list[tuple[str, bytes]]:
    """For each module that is imported from its glue. Raises ``NoImport`` for what names alone cannot tell apart."""
    spaces: dict[str, dict[str, Source]] = {}
    for source in plan.sources:
        if source.how == "extern":
            raise NoImport("a global with a reference of the host")
        space = spaces.setdefault(source.item.module, {})
        if space.setdefault(source.item.name, source).same != source.same:
            raise NoImport(f"two imports of other types are called {source.item.module}.{source.item.name}")
    return [
        (module, glue(interface, (
            Item(_PLACES[one.how], f"i{one.same}", one.item.sort, one.item.raw, name) for name, one in space.items()
        )))
        for module, space in spaces.items()
    ]  # fmt: skip


def call_glue(
    interface: Interface, export: str, func: int, tags: Sequence[tuple[str, int, int]], plan: ImportPlan | None
) -> bytes:
    """What a wrapper imports as ``m``: the function ``f`` and the tags ``t0``, ...; ``tags`` are name, index and
    position of the import or -1."""
    items = [Item(SUBJECT, export, FUNC, unsigned(interface.funcs[func]), "f")]
    for k, (name, index, at) in enumerate(tags):
        raw = _TAG_FORM + unsigned(interface.tags[index])
        place = ("s", f"i{plan.sources[at].same}") if at >= 0 and plan is not None else (SUBJECT, name)
        items.append(Item(*place, TAG, raw, f"t{k}"))
    return glue(interface, items)


def read_glue(interface: Interface, globals_: Iterable[tuple[str, bytes]]) -> bytes:
    """What a reader module imports as ``g``: globals by name and encoded type."""
    return glue(interface, (Item(SUBJECT, name, GLOBAL, raw, f"g{k}") for k, (name, raw) in enumerate(globals_)))
