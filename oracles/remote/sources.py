"""What an import of a case is given, decided by its names and type: the one meaning of ``wasm.hostmix``.

Functions are host functions where the worker's host can carry their types bit for bit, else functions of a generated
*peer* module (``oracles.remote.peers``). Globals, memories, tables and tags come from a second peer, except globals of
externref types, which only a host can make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oracles.remote.interface import FUNC, GLOBAL, MEMORY, TABLE, TAG, TYPE_NAMES, ImportItem, Interface, Signature
from wasm.hostmix import EXTERN_TOKENS, THROWN_TAG, Act, Behaviour, acts, behaviour, mix

CALLBACK_KINDS: Final = frozenset("ilfdveEcCaAgGxX")
"""A host that takes raw slots takes every kind."""
SCRIPT_KINDS: Final = frozenset("ileEcaAg")
"""A JavaScript host loses NaN bits, cannot take v128 or exceptions, and has no non-null function or struct to give.

Nor has it a global whose type is not nullable: what its constructor makes of a host token is an externref.
"""


_CALLS: Final = (Behaviour.REENTER, Behaviour.CALLBACK)


class NoImport(Exception):
    """An import that no host can provide, in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one import comes from: ``how`` is ``host``, ``funcs``, ``store`` (export ``i<index>``), ``extern``, or
    ``linked``: an export of the instance that is registered under the import's module name (``Case.before``).

    ``same`` is the earlier import that this one shares its item with, or its own index. ``token`` is the host token of
    an ``extern`` global. ``signature`` is set for functions. ``acts`` are those that have something to work on.
    """

    item: ImportItem
    how: str
    same: int
    behaviour: Behaviour = Behaviour.MIX
    token: int = 0
    signature: Signature | None = None
    acts: frozenset[Act] = frozenset()

    @property
    def active(self) -> bool:
        """Whether it takes a host that does more than compute, trap, throw and call an export."""
        return bool(self.acts) or self.behaviour is Behaviour.CALLBACK


def signature_of(interface: Interface, item: ImportItem) -> Signature | None:
    return interface.type_at(item.index) if item.sort == FUNC else None


def source_of(
    interface: Interface, item: ImportItem, same: int, host_kinds: frozenset[str], passes: bool = True
) -> Source:
    """``passes`` says that the host's functions throw what a function that they call throws."""
    if item.sort == FUNC:
        signature = interface.type_at(item.index)
        does = _does(interface, item, signature)
        acting = _acts(interface, item)
        # A host that carries no kind of value hosts nothing, not even functions without any. One that collects garbage
        # before it hands on references would have to keep them alive; WebAssembly does that by itself.
        hosted = (
            bool(host_kinds)
            and does is not Behaviour.THROW
            and not (does in _CALLS and acting and not TYPE_NAMES.keys() >= set(signature.params))
            and (passes or does not in _CALLS or not interface.tags)
            and host_kinds.issuperset(signature.params + signature.results)
        )
        return Source(item, "host" if hosted else "funcs", same, does, 0, signature, acting)
    if item.sort == GLOBAL and (item.kind == "e" or (item.kind == "E" and host_kinds >= CALLBACK_KINDS)):
        bits = mix(item.module, item.name, 0, b"")
        return Source(item, "extern", same, token=bits % EXTERN_TOKENS)
    lettered = item.sort in (GLOBAL, TABLE) and item.kind in ("C", "E", "G", "X")
    if lettered or (item.sort == TABLE and item.kind.isupper()):
        raise NoImport(f"no host value for import {item.module}.{item.name}")
    return Source(item, "store", same)


def _does(interface: Interface, item: ImportItem, signature: Signature) -> Behaviour:
    """The behaviour, or ``TRAP`` where it has nothing to work on."""
    does = behaviour(item.module)
    if does is Behaviour.THROW and thrown_tag(interface) is None:
        return Behaviour.TRAP
    if does is Behaviour.REENTER:
        target = interface.find(item.name, FUNC)
        if target is None or target >= len(interface.funcs):
            return Behaviour.TRAP
        other = interface.signature(target)
        if interface.funcs[target] != item.index and (other != signature or not signature.plain):
            return Behaviour.TRAP
    if does is Behaviour.CALLBACK and called_back(interface, item) is None:
        return Behaviour.TRAP
    if does is Behaviour.MIX and any(kind in "CGX" for kind in signature.results):
        return Behaviour.TRAP
    return does


def called_back(interface: Interface, item: ImportItem) -> int | None:
    """The index of the table that ``wasm.hostmix.Behaviour.CALLBACK`` calls through."""
    table = interface.find(item.name, TABLE)
    return table if table is not None and interface.tables[table] in "cC" else None


def _acts(interface: Interface, item: ImportItem) -> frozenset[Act]:
    """Those that the module has something for."""
    asked = acts(item.module)
    if not asked:
        return asked
    memory, table, held = (interface.find(item.name, sort) for sort in (MEMORY, TABLE, GLOBAL))
    able = {Act.COLLECT}
    if memory is not None:
        able |= {Act.GROW, Act.WRITE}
    if table is not None and interface.tables[table].islower():
        able.add(Act.GROW)
    if held is not None:
        kind, mutable = interface.globals[held]
        if mutable and (kind.islower() or kind == "A"):
            able.add(Act.WRITE)
    return asked & able


def thrown_tag(interface: Interface) -> int | None:
    """The tag index of the imported tag that ``throw`` functions throw."""
    tags = [item for item in interface.imports if item.sort == TAG]
    return next((k for k, item in enumerate(tags) if (item.module, item.name) == THROWN_TAG), None)


def made_kinds(interface: Interface, source: Source) -> str:
    """The kinds of the values that a peer function makes up."""
    if source.behaviour is Behaviour.THROW:
        thrown = thrown_tag(interface)
        return interface.type_at(interface.tags[thrown]).params if thrown is not None else ""
    return source.signature.results if source.signature and source.behaviour is Behaviour.MIX else ""
