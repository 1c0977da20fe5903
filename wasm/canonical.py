"""Types across modules: canonical ids for iso-recursive types, subtyping, and matching of imports (spec 3.1.2, 3.3).

Two type definitions are the same type if their recursion groups are equal once every index that leaves the group is
replaced by the type it names and every index into the group by its position there (spec 3.1.3, rolling up). Groups are
interned under exactly that key for the whole process, so that "the same type" is "the same id", in whichever modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, Final, TypeAlias, final
from weakref import WeakValueDictionary

from wasm.module import ExternType, ImportedFunc
from wasm.valtypes import (
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    HeapType,
    Limits,
    MemType,
    PackedType,
    RecGroup,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
    ValType,
)

BOT: Final = RefType("bot", True)
"""What an unreachable stack holds: a value type below every other (spec 3.1.1). Made by hand: no module has it."""

BOT_REF: Final = RefType("bot", False)
"""A reference of unknown heap type, as ``ref.as_non_null`` leaves on an unreachable stack."""

_ABOVE: Final[dict[str, tuple[str, ...]]] = {
    "eq": ("any",),
    "i31": ("eq", "any"),
    "struct": ("eq", "any"),
    "array": ("eq", "any"),
    "none": ("i31", "struct", "array", "eq", "any"),
    "nofunc": ("func",),
    "noextern": ("extern",),
    "noexn": ("exn",),
}
_TOP: Final = {
    **dict.fromkeys(("any", "eq", "i31", "struct", "array", "none"), "any"),
    "func": "func",
    "nofunc": "func",
    "extern": "extern",
    "noextern": "extern",
    "exn": "exn",
    "noexn": "exn",
}
_KIND: Final[dict[type, str]] = {FuncType: "func", StructType: "struct", ArrayType: "array"}
_BOTTOM: Final = {"func": "nofunc", "struct": "none", "array": "none"}


@final
class _Canonical:
    """One interned type: its id and the ids of its supertypes, nearest first."""

    __slots__ = ("__weakref__", "above", "id")

    def __init__(self, above: tuple[int, ...]) -> None:
        self.id = next(_IDS)
        self.above = above


@final
class _Group:
    """One interned recursion group. ``uses`` keeps the groups alive whose members its key names by id."""

    __slots__ = ("__weakref__", "members", "uses")

    def __init__(self, members: tuple[_Canonical, ...], uses: tuple[_Group, ...]) -> None:
        self.members, self.uses = members, uses


_IDS: Final = count()
# Weak, for a process that fuzzes all night sees millions of types; each Types object keeps those of its own module.
_GROUPS: Final[WeakValueDictionary[Any, _Group]] = WeakValueDictionary()
_BY_ID: Final[WeakValueDictionary[int, _Canonical]] = WeakValueDictionary()


def canonical_subtype(sub: int, super_: int) -> bool:
    """Whether the defined type with canonical id ``sub`` matches the one with id ``super_`` (spec 3.3.10)."""
    if sub == super_:
        return True
    own = _BY_ID.get(sub)
    return own is not None and super_ in own.above


_Key: TypeAlias = Any


@final
class Types:
    """The types of one module, by index. Ids that it hands out are good for as long as it lives.

    Every index in ``groups`` must be in range, as ``wasm.validate`` makes sure; ids are made when first asked for, so
    that a module without concrete reference types never pays for them.
    """

    __slots__ = ("_canonical", "_interned", "_pending", "flat")

    def __init__(self, groups: Iterable[RecGroup]) -> None:
        groups = tuple(groups)
        self.flat: list[SubType] = [sub for group in groups for sub in group]
        self._pending = iter(groups)
        self._canonical: list[_Canonical] = []
        self._interned: list[_Group] = []

    def expand(self, index: int) -> CompositeType:
        """The composite type behind a type index. Raises ``IndexError`` if there is none."""
        return self.flat[index].composite

    def func(self, index: int) -> FuncType | None:
        """The function type at ``index``; None if there is no such type or it is of another kind."""
        if 0 <= index < len(self.flat):
            composite = self.flat[index].composite
            if type(composite) is FuncType:
                return composite
        return None

    def canonical_id(self, index: int) -> int:
        """The process-wide id of the type at ``index``: equal for equal types of all modules."""
        canonical = self._canonical
        while index >= len(canonical):
            self._intern_next()
        return canonical[index].id

    def _intern_next(self) -> None:
        group = next(self._pending)
        first = len(self._canonical)
        uses: dict[int, _Group] = {}
        key = tuple(self._sub_key(sub, first, uses) for sub in group)
        canonical = _GROUPS.get(key)
        if canonical is None:
            members: list[_Canonical] = []
            for sub in group:
                above: tuple[int, ...] = ()
                if sub.supertypes:
                    index = sub.supertypes[0]
                    parent = self._canonical[index] if index < first else members[index - first]
                    above = (parent.id, *parent.above)
                members.append(_Canonical(above))
                _BY_ID[members[-1].id] = members[-1]
            canonical = _GROUPS[key] = _Group(tuple(members), tuple(uses.values()))
        self._canonical.extend(canonical.members)
        self._interned.extend([canonical] * len(group))

    def _sub_key(self, sub: SubType, first: int, uses: dict[int, _Group]) -> _Key:
        composite = sub.composite
        supertypes = tuple(self._index_key(index, first, uses) for index in sub.supertypes)
        # A wide signature has few different types: one look at their set decides whether it can be its own key.
        if isinstance(composite, FuncType):
            if any(type(t) is RefType and type(t.heap) is int for t in {*composite.params, *composite.results}):
                params = tuple(self._type_key(t, first, uses) for t in composite.params)
                results = tuple(self._type_key(t, first, uses) for t in composite.results)
                return sub.final, supertypes, params, results
            return sub.final, supertypes, composite
        if isinstance(composite, StructType):
            fields = tuple(self._field_key(field, first, uses) for field in composite.fields)
            return sub.final, supertypes, "struct", fields
        return sub.final, supertypes, "array", self._field_key(composite.field, first, uses)

    def _field_key(self, field: FieldType, first: int, uses: dict[int, _Group]) -> _Key:
        return field.mutable, self._type_key(field.storage, first, uses)

    def _type_key(self, type_: StorageType, first: int, uses: dict[int, _Group]) -> _Key:
        if type(type_) is RefType and type(type_.heap) is int:
            return type_.nullable, self._index_key(type_.heap, first, uses)
        return type_

    def _index_key(self, index: int, first: int, uses: dict[int, _Group]) -> int:
        """An id, or for a member of the same group its position counted down from -1."""
        if index >= first:
            return first - index - 1
        uses[index] = self._interned[index]
        return self._canonical[index].id

    def is_subtype(self, sub: ValType, super_: ValType) -> bool:
        """Value type matching within this module (spec 3.3.3)."""
        if sub is super_ or sub is BOT:
            return True
        if type(sub) is not RefType or type(super_) is not RefType or (sub.nullable and not super_.nullable):
            return False
        return sub.heap == super_.heap or self.heap_matches(sub.heap, super_.heap)

    def heap_matches(self, sub: HeapType, super_: HeapType) -> bool:
        """Heap type matching within this module (spec 3.3.2)."""
        return heap_matches(self, sub, self, super_)

    def top(self, heap: HeapType) -> str:
        """The abstract type above all of the hierarchy that ``heap`` is in: any, func, extern or exn."""
        return _TOP[heap if isinstance(heap, str) else self.kind(heap)]

    def kind(self, index: int) -> str:
        """``func``, ``struct`` or ``array``: the abstract heap type right above a defined type."""
        return _KIND[type(self.flat[index].composite)]

    def composite_matches(self, sub: CompositeType, super_: CompositeType) -> bool:
        """Composite type matching (spec 3.3.6 to 3.3.9), as a declared supertype requires."""
        match sub, super_:
            case FuncType(), FuncType():
                return self.all_match(super_.params, sub.params) and self.all_match(sub.results, super_.results)
            case StructType(), StructType():
                shared = sub.fields[: len(super_.fields)]
                return len(shared) == len(super_.fields) and all(map(self._field_matches, shared, super_.fields))
            case ArrayType(), ArrayType():
                return self._field_matches(sub.field, super_.field)
        return False

    def all_match(self, subs: tuple[ValType, ...], supers: tuple[ValType, ...]) -> bool:
        """Result type matching: position by position (spec 3.3.4)."""
        return subs == supers or (len(subs) == len(supers) and all(map(self.is_subtype, subs, supers)))

    def storage_matches(self, sub: StorageType, super_: StorageType) -> bool:
        """Storage type matching (spec 3.3.8)."""
        if type(sub) is PackedType or type(super_) is PackedType:
            return sub is super_
        return self.is_subtype(sub, super_)

    def _field_matches(self, sub: FieldType, super_: FieldType) -> bool:
        if sub.mutable is not super_.mutable or not self.storage_matches(sub.storage, super_.storage):
            return False
        return not sub.mutable or self.storage_matches(super_.storage, sub.storage)


def heap_matches(sub_types: Types, sub: HeapType, super_types: Types, super_: HeapType) -> bool:
    """Heap type matching between modules: each index is looked up in the ``Types`` beside it (spec 3.3.2)."""
    if isinstance(sub, int):
        if isinstance(super_, int):
            return canonical_subtype(sub_types.canonical_id(sub), super_types.canonical_id(super_))
        sub = sub_types.kind(sub)
    elif isinstance(super_, int):
        return sub == _BOTTOM[super_types.kind(super_)] or sub == "bot"
    return sub == super_ or sub == "bot" or super_ in _ABOVE.get(sub, ())


def type_matches(sub_types: Types, sub: ValType, super_types: Types, super_: ValType) -> bool:
    """Value type matching between modules (spec 3.3.3)."""
    if type(sub) is not RefType or type(super_) is not RefType:
        return sub is super_
    if sub.nullable and not super_.nullable:
        return False
    return heap_matches(sub_types, sub.heap, super_types, super_.heap)


def limits_match(given: Limits, wanted: Limits) -> bool:
    """Limits matching (spec 3.3.12): at least the minimum, at most the maximum if one is asked for."""
    if given.minimum < wanted.minimum:
        return False
    return wanted.maximum is None or (given.maximum is not None and given.maximum <= wanted.maximum)


def matches_extern(given_types: Types, given: ExternType, wanted_types: Types, wanted: ExternType) -> bool:
    """Whether an export of type ``given`` may be linked to an import of type ``wanted`` (spec 3.3.17).

    The minimum of ``given`` must be the current size, for a memory or table that has grown (spec 4.7.2).
    """
    match given, wanted:
        case ImportedFunc(), ImportedFunc():
            return canonical_subtype(
                given_types.canonical_id(given.type_index), wanted_types.canonical_id(wanted.type_index)
            )
        case TagType(), TagType():
            return given_types.canonical_id(given.type_index) == wanted_types.canonical_id(wanted.type_index)
        case MemType(), MemType():
            shape = (given.index64, given.shared, given.page_log2)
            return shape == (wanted.index64, wanted.shared, wanted.page_log2) and limits_match(
                given.limits, wanted.limits
            )
        case TableType(), TableType():
            same = given.index64 == wanted.index64 and limits_match(given.limits, wanted.limits)
            return same and _equivalent(given_types, given.ref, wanted_types, wanted.ref)
        case GlobalType(), GlobalType():
            if given.mutable is not wanted.mutable:
                return False
            if given.mutable:
                return _equivalent(given_types, given.type, wanted_types, wanted.type)
            return type_matches(given_types, given.type, wanted_types, wanted.type)
    return False


def _equivalent(a_types: Types, a: ValType, b_types: Types, b: ValType) -> bool:
    return type_matches(a_types, a, b_types, b) and type_matches(b_types, b, a_types, a)
