"""Structs and arrays that constant expressions make: all there are, as long as no function that makes one is compiled.

Compiled code only passes them around and compares their addresses; their contents stay with the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from oracles.stops import MemoryExhaustion
from wasm.canonical import Types
from wasm.valtypes import ArrayType, PackedType, RefType, StorageType, StructType

MAKERS: Final = frozenset(("struct.new", "struct.new_default", "array.new", "array.new_default", "array.new_fixed"))
_LARGEST: Final = 1 << 22
_SHOWN: Final = 1000

NameOf = Callable[[int, RefType, Types, int], str]
"""The identity of a reference of a static type, to a depth."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A struct's fields or an array's elements as bits; ``types`` belongs to the module that its type is of."""

    kind: str
    storages: tuple[StorageType, ...]
    items: tuple[int, ...]
    types: Types

    def show(self, depth: int, name_of: NameOf) -> str:
        """The form of ``Value.ref``: contents to a depth."""
        if not depth:
            return self.kind
        shown = self.items[:_SHOWN]
        storages = self.storages if self.kind == "struct" else self.storages * len(shown)
        parts = [self._item(bits, type_, depth, name_of) for bits, type_ in zip(shown, storages, strict=True)]
        more = ",..." if len(self.items) > _SHOWN else ""
        return f"{self.kind}({','.join(parts)}{more})"

    def _item(self, bits: int, type_: StorageType, depth: int, name_of: NameOf) -> str:
        if isinstance(type_, RefType):
            return f"ref:{name_of(bits, type_, self.types, depth - 1)}"
        return f"{type_.name}:{bits:#x}"


def make(name: str, imm: Any, stack: list[int], types: Types) -> Aggregate:
    """Carry out an instruction of ``MAKERS`` on a stack of bits. Raises ``MemoryExhaustion``."""
    composite = types.expand(imm[0] if name == "array.new_fixed" else imm)
    if isinstance(composite, StructType):
        storages = tuple(field.storage for field in composite.fields)
        items = [0] * len(storages) if name == "struct.new_default" else _pop(stack, len(storages))
        return Aggregate("struct", storages, _stored(items, storages), types)
    assert isinstance(composite, ArrayType)
    storages = (composite.field.storage,)
    if name == "array.new_fixed":
        items = _pop(stack, imm[1])
    else:
        length = stack.pop()
        if length > _LARGEST:
            raise MemoryExhaustion(f"an array of {length} elements")
        items = [0 if name == "array.new_default" else stack.pop()] * length
    return Aggregate("array", storages, _stored(items, storages * len(items)), types)


def _pop(stack: list[int], count: int) -> list[int]:
    first = len(stack) - count
    items = stack[first:]
    del stack[first:]
    return items


def _stored(items: list[int], storages: tuple[StorageType, ...]) -> tuple[int, ...]:
    """What a field keeps of a value: the low bits of a packed one."""
    return tuple(
        item & (1 << type_.bits) - 1 if isinstance(type_, PackedType) else item
        for item, type_ in zip(items, storages, strict=True)
    )
