"""Runtime values, and how they become values of the embedding.

A number is an ``int``: its bit pattern, and above its width the mask of its open bits (``oracles.interpreter.taint``).
A reference is ``None`` for every null, an ``int`` for an i31 (its unsigned 31 bits), or one of the objects below,
compared by identity. ``any.convert_extern`` and ``extern.convert_any`` keep the object: the hierarchy that a reference
belongs to is known from its static type wherever it matters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias, final

from oracles.interpreter.taint import FORMS, free_nans
from oracles.linking import GlobalItem, TagItem
from oracles.stops import BadArgument
from wasm.canonical import Types, canonical_subtype
from wasm.embedding import SLOT, FreeNan, Returned, Value
from wasm.valtypes import ArrayType, CompositeType, FuncType, NumType, PackedType, StorageType, StructType, ValType

Ref: TypeAlias = Any
"""None, an int (i31), or a Host, Func, Struct, Array or Exn."""


@final
class Host:
    """A host object, known by its token; one object per token (``host``)."""

    __slots__ = ("token",)

    def __init__(self, token: int) -> None:
        self.token = token


@cache
def host(token: int) -> Host:
    """The host object with a token."""
    return Host(token)


@final
class Aggregate:
    """A struct's fields or an array's elements. ``layout`` is shared by all objects of a type of one instance."""

    __slots__ = ("items", "layout")

    def __init__(self, layout: Layout, items: list[Any]) -> None:
        self.layout, self.items = layout, items


@final
class Layout:
    """What is known about a struct or array type of a module: its identity and its storage types."""

    __slots__ = ("composite", "defaults", "masks", "storages", "type_id", "types")

    def __init__(self, types: Types, index: int) -> None:
        self.types = types
        self.type_id = types.canonical_id(index)
        self.composite = composite = types.expand(index)
        if isinstance(composite, StructType):
            self.storages: tuple[StorageType, ...] = tuple(field.storage for field in composite.fields)
        else:
            assert isinstance(composite, ArrayType)
            self.storages = (composite.field.storage,)
        self.masks = tuple(storage_mask(storage) for storage in self.storages)
        self.defaults = [default(storage) for storage in self.storages]


def storage_mask(storage: StorageType) -> int | None:
    """What to keep of a value that is stored in a packed field; None for all of it."""
    return (1 << storage.bits) - 1 if isinstance(storage, PackedType) else None


def default(type_: StorageType) -> Any:
    """The default value (spec 4.2.1): zero or null."""
    return 0 if isinstance(type_, NumType | PackedType) else None


@final
class Exn:
    """An exception: its tag instance and payload (spec 4.2.12)."""

    __slots__ = ("tag", "values")

    def __init__(self, tag: Tag, values: list[Any]) -> None:
        self.tag, self.values = tag, values


@final
class Tag(TagItem):
    """A tag instance: its parameter types; compared by identity."""

    __slots__ = ("params", "type_index", "types")

    def __init__(self, types: Types, type_index: int) -> None:
        self.types, self.type_index = types, type_index
        type_ = types.func(type_index)
        assert type_ is not None
        self.params = type_.params


@final
class Global(GlobalItem):
    """A global instance; ``types`` belongs to the module that defined it."""

    __slots__ = ("mutable", "type", "types", "value")

    def __init__(self, type_: ValType, mutable: bool, types: Types, value: Any) -> None:
        self.type, self.mutable, self.types, self.value = type_, mutable, types, value


class Thrown(Exception):
    """An exception of the program on its way to a handler. Never leaves the interpreter."""

    def __init__(self, exn: Exn) -> None:
        super().__init__("exception")
        self.exn = exn


def is_i31(ref: Ref) -> bool:
    return type(ref) is int


def matches_concrete(ref: Ref, type_id: int) -> bool:
    """Whether a reference that is not null points at an object of a defined type (spec 3.3.2)."""
    if isinstance(ref, Aggregate):
        return canonical_subtype(ref.layout.type_id, type_id)
    own_id: int | None = getattr(ref, "type_id", None)
    return own_id is not None and canonical_subtype(own_id, type_id)


def abstract_test(heap: str) -> Callable[[Ref], bool]:
    """A test of non-null references of the hierarchy for an abstract heap type."""
    return _ABSTRACT[heap]


def _is_composite(kind: type[CompositeType]) -> Callable[[Ref], bool]:
    return lambda ref: isinstance(ref, Aggregate) and isinstance(ref.layout.composite, kind)


_ABSTRACT: Final[dict[str, Callable[[Ref], bool]]] = {
    "any": lambda _: True,
    "func": lambda _: True,
    "extern": lambda _: True,
    "exn": lambda _: True,
    "eq": lambda ref: type(ref) is int or isinstance(ref, Aggregate),
    "i31": is_i31,
    "struct": _is_composite(StructType),
    "array": _is_composite(ArrayType),
    "none": lambda _: False,
    "nofunc": lambda _: False,
    "noextern": lambda _: False,
    "noexn": lambda _: False,
}


def same_ref(a: Ref, b: Ref) -> int:
    """ref.eq"""
    return 1 if a is b or (type(a) is int and type(b) is int and a == b) else 0


# To and from the embedding

Naming: TypeAlias = Callable[[Ref], str | None]
"""Gives the export name of a function; None if it is not exported."""

_DEPTH: Final = 2
_SHOWN: Final = 1000


def identity(ref: Ref, naming: Naming, depth: int = _DEPTH) -> str:
    """The identity of a reference as ``Value.ref`` states it."""
    match ref:
        case None:
            return "null"
        case int():
            return f"i31:{ref}"
        case Host():
            return f"extern:{ref.token}"
        case Exn():
            return "exn"
        case Aggregate():
            kind = "struct" if isinstance(ref.layout.composite, StructType) else "array"
            if not depth:
                return kind
            storages = ref.layout.storages
            shown = ref.items[:_SHOWN]
            each = storages if kind == "struct" else storages * len(shown)
            parts = [_item(item, storage, naming, depth - 1) for item, storage in zip(shown, each, strict=True)]
            more = ",..." if len(ref.items) > _SHOWN else ""
            return f"{kind}({','.join(parts)}{more})"
    name = naming(ref)
    return "func" if name is None else f"func:{name}"


def _item(item: Any, storage: StorageType, naming: Naming, depth: int) -> str:
    if isinstance(storage, PackedType):
        return f"{storage.name}:{item:#x}"
    return str(to_value(storage, item, naming, depth))


def to_value(type_: ValType, value: Any, naming: Naming, depth: int = _DEPTH) -> Value:
    """One value for the embedding; open bits are dropped."""
    if isinstance(type_, NumType):
        return Value(type_.name, value & (1 << type_.bits) - 1)
    return Value("ref", 0, identity(value, naming, depth))


def to_returned(types: tuple[ValType, ...], values: list[Any], naming: Naming) -> tuple[Returned, bool]:
    """The values packed, and whether open bits among them are in a form that ``FreeNan`` cannot say."""
    slots, refs = bytearray(), []
    names: list[str] = []
    free: list[FreeNan] = []
    unsayable = False
    for index, (type_, value) in enumerate(zip(types, values, strict=True)):
        if isinstance(type_, NumType):
            names.append(type_.name)
            if value >> type_.bits:
                nans = free_nans(index, type_, value)
                unsayable |= nans is None
                free += nans or ()
                value &= (1 << type_.bits) - 1
            slots += value.to_bytes(SLOT, "little")
        else:
            names.append("ref")
            refs.append(identity(value, naming))
            slots += bytes(SLOT)
    return Returned(tuple(names), bytes(slots), tuple(refs), tuple(free)), unsayable


def from_value(value: Value, type_: ValType, types: Types, function: Callable[[str], Ref]) -> Any:
    """A runtime value from the embedding's, for a parameter of a type. Raises ``BadArgument``.

    ``function`` finds an exported function; ``types`` belongs to the module whose parameter it is.
    """
    if isinstance(type_, NumType):
        if value.type != type_.name:
            raise BadArgument(f"{value} is no {type_}")
        return value.bits
    kind, _, rest = value.ref.partition(":")
    if value.type != "ref" or (kind == "null" and not type_.nullable):
        raise BadArgument(f"{value} is no {type_}")
    top = types.top(type_.heap)
    if kind == "null":
        return None
    if kind == "extern" and top in ("extern", "any") and rest.isdigit():
        ref: Ref = host(int(rest))
    elif kind == "i31" and top in ("any", "extern") and rest.isdigit():
        ref = int(rest) & 0x7FFFFFFF
    elif kind == "func" and top == "func":
        ref = function(rest)
    else:
        ref = None
    if ref is None or not matches(ref, type_.heap, types):
        raise BadArgument(f"{value} is no {type_}")
    return ref


def matches(ref: Ref, heap: str | int, types: Types) -> bool:
    """Whether a reference that is not null, of the right hierarchy, points at something of a heap type."""
    if isinstance(heap, int):
        return matches_concrete(ref, types.canonical_id(heap))
    return _ABSTRACT[heap](ref)


def is_func_type(composite: CompositeType) -> bool:
    return isinstance(composite, FuncType)


__all__ = ["FORMS"]
