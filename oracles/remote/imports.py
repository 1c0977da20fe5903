"""All imports of a case, as data for the workers: where each comes from, and the modules that some come from.

Imports that agree in module, name and type are one and the same item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

from oracles.remote.interface import Interface
from oracles.remote.peers import function_peer, store_peer
from oracles.remote.sources import Source, signature_of, source_of


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All imports in order, and the peer modules' bytes (empty where there is no need for one)."""

    sources: tuple[Source, ...]
    store: bytes = b""
    funcs: bytes = b""
    funcs_from: tuple[tuple[str, str], ...] = ()
    """Where each import of the function peer is, and what it is called there."""

    @property
    def active(self) -> bool:
        """Whether any source is."""
        return any(source.active for source in self.sources)


Names: TypeAlias = Mapping[str, frozenset[str]]
"""What the modules export that come before a case's own, by the name that each is registered under."""
NO_NAMES: Final[Names] = MappingProxyType({})


@lru_cache(maxsize=64)
def plan_imports(interface: Interface, host_kinds: frozenset[str], passes: bool = True) -> ImportPlan:
    """Decide on every import. Raises ``NoImport``, and ``Unreadable`` for type indices that do not fit."""
    return plan_linked(interface, host_kinds, NO_NAMES, passes)


def plan_linked(interface: Interface, host_kinds: frozenset[str], linked: Names, passes: bool = True) -> ImportPlan:
    """The same where instances may have the imports. A mapping has no hash, so that nothing is remembered."""
    seen: dict[tuple[str, str, int, bytes], int] = {}
    sources: list[Source] = []
    for index, item in enumerate(interface.imports):
        same = seen.setdefault((item.module, item.name, item.sort, item.raw), index)
        if item.name in linked.get(item.module, ()):
            sources.append(Source(item, "linked", same, signature=signature_of(interface, item)))
        else:
            sources.append(source_of(interface, item, same, host_kinds, passes))
    plan = tuple(sources)
    funcs, places = function_peer(interface, plan)
    return ImportPlan(plan, store_peer(interface, plan), funcs, places)
