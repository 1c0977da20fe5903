"""Drawing the types of a module: structs, arrays and functions in recursion groups, with chains of subtypes.

    (rec (type $0 (sub (struct (field (mut i32)) (field (ref null $1)))))
         (type $1 (sub $0 (struct (field (mut i32)) (field (ref null $1)) (field i8)))))
    (type $2 (array (mut (ref $0))))

Every type has values of finite size: a reference that cannot be null leads to an earlier type only (spec 3.2.6 and
3.3.10 give the rules of fields and matching). A group may come twice: equal groups are one type, and a group that
differs in nothing but finality is another (spec 3.1.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import NARROW, WIDE, Config, draw_size
from generators.draw.signatures import draw_type
from wasm.builder import ModuleBuilder
from wasm.canonical import Types
from wasm.features import Feature
from wasm.limits import SUBTYPE_DEPTH
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I8,
    I16,
    I32,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    HeapType,
    PackedType,
    RefType,
    StorageType,
    StructType,
    SubType,
    ValType,
    ref,
)

KINDS: Final = {StructType: "struct", ArrayType: "array", FuncType: "func"}
ABSTRACT: Final = ("any", "eq", "struct", "array", "i31")
"""The abstract heap types of the internal hierarchy that have values."""

_COUNTS: Final = tuple(round(28 ** (i / 255) ** 0.8) for i in range(256))
_GROUPS: Final = weighted((1, 130), (2, 50), (3, 34), (4, 20), (6, 12), (9, 10))
_KIND: Final = weighted(("struct", 150), ("array", 70), ("func", 36))
_STORAGE: Final = weighted(("number", 90), ("i8", 24), ("i16", 24), ("type", 66), ("abstract", 36), ("extern", 16))
_LIGHT: Final = 12
"""A reference that cannot be null leads to types whose smallest value takes at most so many instructions."""
_SHAPES: Final = shares(("groups", 12), ("chain", 1), ("wide", 3))
"""groups  groups of a few types each
chain   before them, one chain of supertypes as long as ``_CHAINS`` says
wide    the first struct is as wide as a signature of the target ``params``
"""
_CHAINS: Final = (9, 12, 17, 33, 60)
_NEW_FIELD: Final = 7
"""One link of a chain in so many has a field more than the one before."""
_OPERANDS: Final = shares(("number", 5), ("own", 2), ("abstract", 1))


@dataclass(frozen=True, slots=True)
class Defined:
    """A type: ``parent`` is its declared supertype, ``depth`` how many are above it, ``open`` that it may have more.

    ``weight`` is about how many instructions its smallest value takes.
    """

    index: int
    composite: CompositeType
    parent: int | None
    depth: int
    open: bool
    weight: int

    @property
    def kind(self) -> str:
        return KINDS[type(self.composite)]

    @property
    def fields(self) -> tuple[FieldType, ...]:
        """The fields of a struct, or the one of an array."""
        match self.composite:
            case StructType(fields):
                return fields
            case ArrayType(element):
                return (element,)
            case FuncType():
                return ()


def value_type(storage: StorageType) -> ValType:
    """What is on the stack for a field: packed fields are i32 there."""
    return I32 if isinstance(storage, PackedType) else storage


@dataclass(slots=True)
class Lattice:
    """The types of one module, by index, in the order of their definition; ``of`` draws them all."""

    builder: ModuleBuilder
    config: Config
    source: ChoiceSource
    types: dict[int, Defined] = field(default_factory=dict)
    _known: Types | None = None
    _matches: dict[tuple[RefType, RefType], bool] = field(default_factory=dict)

    @staticmethod
    def of(builder: ModuleBuilder, config: Config, source: ChoiceSource, aggregates: bool) -> Lattice:
        """Types for a module: functions only unless ``aggregates``, none without function references."""
        lattice = Lattice(builder, config, source)
        if config.allows(Feature.FUNCTION_REFERENCES):
            lattice._draw(aggregates and config.allows(Feature.GC))
        lattice._known = Types(builder.module.types)
        return lattice

    def all(self, kind: str) -> list[Defined]:
        """The types of a kind: ``struct``, ``array`` or ``func``."""
        return [defined for defined in self.types.values() if defined.kind == kind]

    def subtypes(self, index: int) -> list[Defined]:
        """The types whose values are values of this one, itself first."""
        target = ref(index)
        others = [other for other in self.types.values() if other.index != index]
        return [self.types[index], *(other for other in others if self.matches(ref(other.index), target))]

    def matches(self, sub: RefType, above: RefType) -> bool:
        """Whether a value of the one type is one of the other (spec 3.3.3)."""
        key = sub, above
        answer = self._matches.get(key)
        if answer is None:
            assert self._known is not None
            answer = self._matches[key] = self._known.is_subtype(sub, above)
        return answer

    # Drawing

    def _draw(self, aggregates: bool) -> None:
        source = self.source
        room = _COUNTS[source.below(256)]
        shape = source.pick(_SHAPES)
        wide = draw_size(source, WIDE, self.config.max_params) if shape == "wide" else None
        groups: list[tuple[SubType, ...]] = []
        if aggregates and shape == "chain":
            self._chain(source.pick(_CHAINS))
        while room > 0:
            size = min(source.weighted(_GROUPS), room) if self.config.allows(Feature.GC) else 1
            room -= size
            groups.append(self._group(size, aggregates, wide))
            wide = None
        if self.config.allows(Feature.GC) and source.one_in(4):
            self._again(source.pick(groups), source.one_in(3))

    def _group(self, size: int, aggregates: bool, wide: int | None) -> tuple[SubType, ...]:
        """A recursion group; its types may refer to all of it."""
        start = self.builder.type_count
        end = start + size
        group = tuple([self._type(i, end, aggregates, wide if i == start else None) for i in range(start, end)])
        self.builder.rec_group(group)
        return group

    def _again(self, group: tuple[SubType, ...], opened: bool) -> None:
        """The same group once more, as equal types, or as others because they are open now."""
        start = self.builder.type_count
        old = next(index for index, defined in self.types.items() if defined.composite is group[0].composite)
        shifted = _Shift(old, len(group), start - old)
        for i, sub in enumerate(group):
            first = self.types[old + i]
            parent = None if first.parent is None else shifted.index(first.parent)
            composite = shifted.composite(sub.composite)
            self.types[start + i] = Defined(
                start + i, composite, parent, first.depth, first.open or opened, first.weight
            )
        self.builder.rec_group(
            tuple(
                SubType(
                    self.types[start + i].composite, tuple(map(shifted.index, sub.supertypes)), sub.final and not opened
                )
                for i, sub in enumerate(group)
            )
        )

    def _chain(self, length: int) -> None:
        """Structs, each below the one before it: deeper than any table of supertypes that is looked at first."""
        for i in range(length):
            start = self.builder.type_count
            parent = self.types[start - 1] if i else None
            fields = parent.fields if parent else ()
            if i % _NEW_FIELD == 0:
                fields = (*fields, self._field(start, start + 1))
            self.builder.rec_group((self._define(start, StructType(fields), parent, i < length - 1),))

    def _type(self, index: int, end: int, aggregates: bool, wide: int | None) -> SubType:
        """Type ``index``, in a group that ends before ``end``."""
        source = self.source
        kind = source.weighted(_KIND) if aggregates else "func"
        parent = None
        if self.config.allows(Feature.GC) and source.chance(13, 16):
            parents = [p for p in self.types.values() if p.kind == kind and p.open and p.depth < SUBTYPE_DEPTH - 1]
            parents.sort(key=lambda p: -p.depth)
            if parents:
                # Mostly one of the deepest, so that chains grow.
                parent = source.pick(parents[:2] if source.chance(3, 4) else parents)
        composite: CompositeType
        match kind:
            case "struct":
                composite = StructType(self._fields(index, end, parent, wide))
            case "array":
                composite = ArrayType(self._narrowed(parent.fields[0], index) if parent else self._field(index, end))
            case _:
                composite = self._function(index, end, parent)
        is_open = self.config.allows(Feature.GC) and source.chance(6, 8)
        return self._define(index, composite, parent, is_open)

    def _define(self, index: int, composite: CompositeType, parent: Defined | None, is_open: bool) -> SubType:
        depth = parent.depth + 1 if parent else 0
        defined = Defined(index, composite, parent.index if parent else None, depth, is_open, 1)
        weight = 1 + sum(map(self._weight, defined.fields)) if isinstance(composite, StructType) else 2
        self.types[index] = replace(defined, weight=weight)
        return SubType(composite, (parent.index,) if parent else (), not is_open)

    def _weight(self, field_: FieldType) -> int:
        storage = field_.storage
        if isinstance(storage, RefType) and not storage.nullable and isinstance(storage.heap, int):
            return self.types[storage.heap].weight
        return 1

    def _fields(self, index: int, end: int, parent: Defined | None, wide: int | None) -> tuple[FieldType, ...]:
        source = self.source
        inherited = [self._narrowed(field_, index) for field_ in parent.fields] if parent else []
        if wide is not None:
            pattern = [self._field(index, end) for _ in range(1 + source.below(6))]
            return (*inherited, *(pattern[i % len(pattern)] for i in range(wide)))
        count = draw_size(source, NARROW, 24)
        return (*inherited, *(self._field(index, end) for _ in range(count if parent else max(1, count))))

    def _field(self, index: int, end: int) -> FieldType:
        return FieldType(self._storage(index, end), not self.source.chance(3, 8))

    def _storage(self, index: int, end: int) -> StorageType:
        source = self.source
        match source.weighted(_STORAGE):
            case "i8":
                return I8
            case "i16":
                return I16
            case "type":
                return self._reference(index, end)
            case "abstract":
                heap = source.pick(ABSTRACT)
                return ref(heap, heap in ("struct", "array") or not source.one_in(4))
            case "extern":
                return ref("extern", not source.one_in(4))
            case _:
                return draw_type(source, self.config)

    def _reference(self, index: int, end: int) -> RefType:
        """A reference to a type of this group or before it; if it is not null, to a light one before this."""
        source = self.source
        heap = source.pick([*self.types, *range(index, end)])
        light = heap < index and self.types[heap].weight <= _LIGHT
        return ref(heap, not light or not source.one_in(2))

    def _narrowed(self, field_: FieldType, index: int) -> FieldType:
        """A field of a subtype: the same, or a narrower one where the field cannot be written."""
        storage = field_.storage
        if field_.mutable or not isinstance(storage, RefType) or self.source.one_in(2):
            return field_
        return FieldType(self._narrower(storage, index), False)

    def _narrower(self, type_: RefType, index: int) -> RefType:
        """A type at or below this one, of the types before ``index``."""
        heap = type_.heap
        lower = [t for t in self.types.values() if t.index < index and t.weight <= _LIGHT and self._declared(t, heap)]
        if heap in ("any", "eq") and not self.source.one_in(2):
            return ref("i31", type_.nullable and self.source.one_in(2))
        if not lower:
            return type_
        return ref(self.source.pick(lower).index, type_.nullable and self.source.one_in(2))

    def _declared(self, defined: Defined, heap: HeapType) -> bool:
        """Whether a type is below a heap type by what was declared: ``matches`` knows whole modules only."""
        if isinstance(heap, str):
            return heap == defined.kind or (heap in ("any", "eq") and defined.kind != "func")
        at: Defined | None = defined
        while at is not None and at.index != heap:
            at = None if at.parent is None else self.types[at.parent]
        return at is not None

    def _function(self, index: int, end: int, parent: Defined | None) -> FuncType:
        """A function type; below a parent, its parameters take more and its results give less."""
        source = self.source
        if parent is not None:
            assert isinstance(parent.composite, FuncType)
            params = tuple(self._wider(type_) for type_ in parent.composite.params)
            results = tuple(
                self._narrower(type_, index) if isinstance(type_, RefType) and source.one_in(2) else type_
                for type_ in parent.composite.results
            )
            return FuncType(params, results)
        limit = min(self.config.max_params, self.config.max_results)
        counts = [draw_size(source, NARROW, min(limit, 12)) for _ in range(2)]
        params, results = (tuple(self._operand(index, end) for _ in range(count)) for count in counts)
        return FuncType(params, results)

    def _operand(self, index: int, end: int) -> ValType:
        source = self.source
        kind = source.pick(_OPERANDS)
        if kind == "number":
            return draw_type(source, self.config)
        if self.config.allows(Feature.GC):
            return self._reference(index, end) if kind == "own" else ref(source.pick(ABSTRACT))
        earlier = [EXTERNREF, FUNCREF, *map(ref, self.types)]
        return source.pick(earlier)

    def _wider(self, type_: ValType) -> ValType:
        """A type at or above this one."""
        if not isinstance(type_, RefType) or self.source.one_in(2):
            return type_
        heap = type_.heap
        if isinstance(heap, int) and heap in self.types:
            defined = self.types[heap]
            heap = defined.parent if defined.parent is not None else defined.kind
        elif heap == "i31":
            heap = "eq"
        return ref(heap)


@dataclass(frozen=True, slots=True)
class _Shift:
    """A copy of ``count`` types from ``start`` on, ``by`` indices further."""

    start: int
    count: int
    by: int

    def index(self, index: int) -> int:
        return index + self.by if self.start <= index < self.start + self.count else index

    def storage(self, storage: StorageType) -> StorageType:
        if isinstance(storage, RefType) and isinstance(storage.heap, int):
            return ref(self.index(storage.heap), storage.nullable)
        return storage

    def value(self, type_: ValType) -> ValType:
        moved = self.storage(type_)
        assert not isinstance(moved, PackedType)
        return moved

    def composite(self, composite: CompositeType) -> CompositeType:
        match composite:
            case StructType(fields):
                return StructType(tuple(FieldType(self.storage(f.storage), f.mutable) for f in fields))
            case ArrayType(element):
                return ArrayType(FieldType(self.storage(element.storage), element.mutable))
            case FuncType(params, results):
                return FuncType(tuple(map(self.value, params)), tuple(map(self.value, results)))
