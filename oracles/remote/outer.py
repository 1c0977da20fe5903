"""What is asked of a module's outside as a whole: its memories, and the tags that have a name there."""

from __future__ import annotations

from typing import NamedTuple

from oracles.remote.interface import MEMORY, TAG, Interface
from wasm.valtypes import SHARED


def outer_memories(interface: Interface) -> list[bytes]:
    """The encoded types of the memories that are imported or exported."""
    imported = [item.raw for item in interface.imports if item.sort == MEMORY]
    return imported + [interface.type_of(MEMORY, item.index) for item in interface.exports if item.sort == MEMORY]


def is_shared(raw: bytes) -> bool:
    """Whether an encoded memory type is that of a shared one."""
    return bool(raw[0] & SHARED)


class KnownTag(NamedTuple):
    """A tag that has a name. ``imported_at`` is its import's position among all imports, -1 if it is exported."""

    tag_index: int
    name: str
    imported_at: int


def known_tags(interface: Interface) -> tuple[KnownTag, ...]:
    """The tags under whose names an engine can tell what was thrown.

    An exported tag goes by its first export's name. Imports that share one tag are listed once.
    """
    known: dict[int, KnownTag] = {}
    for item in interface.exports:
        if item.sort == TAG:
            known.setdefault(item.index, KnownTag(item.index, item.name, -1))
    tag = 0
    seen: set[tuple[str, str, bytes]] = set()
    for at, item_ in enumerate(interface.imports):
        if item_.sort == TAG:
            if (item_.module, item_.name, item_.raw) not in seen:
                known.setdefault(tag, KnownTag(tag, item_.name, at))
            seen.add((item_.module, item_.name, item_.raw))
            tag += 1
    return tuple(known.values())
