"""Types (spec 2.3): interned, so that equality is identity and hashing is as fast as it gets.

A type index inside a ``RefType`` refers to the module at hand. Types of different modules are compared through
``wasm.canonical``, never by their indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias, final


@final
class NumType:
    """A number or vector type: ``i32 i64 f32 f64 v128``. There is one object of each; compare with ``is``."""

    __slots__ = ("bits", "code", "name")
    _made: ClassVar[dict[str, NumType]] = {}

    def __init__(self, name: str, code: int, bits: int) -> None:
        self.name, self.code, self.bits = name, code, bits
        self._made[name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return _num, (self.name,)


def _num(name: str) -> NumType:
    return NumType._made[name]


I32: Final = NumType("i32", 0x7F, 32)
I64: Final = NumType("i64", 0x7E, 64)
F32: Final = NumType("f32", 0x7D, 32)
F64: Final = NumType("f64", 0x7C, 64)
V128: Final = NumType("v128", 0x7B, 128)
NUM_TYPES: Final = (I32, I64, F32, F64, V128)

HeapType: TypeAlias = str | int
"""An abstract heap type by its spec name, or a type index of the module."""

ABSTRACT_HEAP_CODES: Final = {
    "func": 0x70,
    "extern": 0x6F,
    "any": 0x6E,
    "eq": 0x6D,
    "i31": 0x6C,
    "struct": 0x6B,
    "array": 0x6A,
    "exn": 0x69,
    "noexn": 0x74,
    "nofunc": 0x73,
    "noextern": 0x72,
    "none": 0x71,
}
"""Abstract heap types with their binary codes (spec 5.3.4)."""

REF_NULL_FORM: Final = 0x63
REF_FORM: Final = 0x64
"""What a reference type begins with (spec 5.3.5) where no single byte stands for it; the heap type follows."""
ARRAY_FORM, STRUCT_FORM, FUNC_FORM = 0x5E, 0x5F, 0x60
"""What a composite type begins with (spec 5.3.9)."""
REC_FORM, SUB_FINAL_FORM, SUB_FORM = 0x4E, 0x4F, 0x50
"""What a recursion group of several types, and a sub type with supertypes or open to subtypes, begin with (5.3.10)."""
NO_TYPE: Final = 0x40
"""The block type without parameters and results (spec 5.4.1)."""
TABLE_WITH_INIT: Final = b"\x40\0"
"""What a table begins with that has an initial value (spec 5.5.7)."""
HAS_MAXIMUM, SHARED, INDEX64, PAGE_SIZE = 1, 2, 4, 8
"""Flags of limits (spec 5.3.12) and, for the last, of the custom-page-sizes proposal."""


@final
class RefType:
    """A reference type ``(ref null? heap)``; made by ``ref`` only, so that equal types are the same object."""

    __slots__ = ("heap", "nullable")

    def __init__(self, heap: HeapType, nullable: bool) -> None:
        self.heap, self.nullable = heap, nullable

    def __repr__(self) -> str:
        if self.nullable and isinstance(self.heap, str):
            return SHORTHANDS.get(self.heap, f"{self.heap}ref")
        return f"(ref {'null ' if self.nullable else ''}{self.heap})"

    def __reduce__(self) -> tuple[Any, ...]:
        return ref, (self.heap, self.nullable)


SHORTHANDS: Final = {"none": "nullref", "nofunc": "nullfuncref", "noextern": "nullexternref", "noexn": "nullexnref"}

_REFS: dict[tuple[HeapType, bool], RefType] = {}


def ref(heap: HeapType, nullable: bool = True) -> RefType:
    """The reference type to ``heap``: always the same object for the same arguments."""
    key = (heap, nullable)
    interned = _REFS.get(key)
    if interned is None:
        interned = _REFS[key] = RefType(heap, nullable)
    return interned


FUNCREF: Final = ref("func")
EXTERNREF: Final = ref("extern")
ANYREF: Final = ref("any")
EXNREF: Final = ref("exn")

ValType: TypeAlias = NumType | RefType


@final
class PackedType:
    """A storage type narrower than a value: ``i8`` or ``i16`` (spec 2.3.9)."""

    __slots__ = ("bits", "code", "name")
    _made: ClassVar[dict[str, PackedType]] = {}

    def __init__(self, name: str, code: int, bits: int) -> None:
        self.name, self.code, self.bits = name, code, bits
        self._made[name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return _packed, (self.name,)


def _packed(name: str) -> PackedType:
    return PackedType._made[name]


I8: Final = PackedType("i8", 0x78, 8)
I16: Final = PackedType("i16", 0x77, 16)
StorageType: TypeAlias = ValType | PackedType


@dataclass(frozen=True, slots=True)
class FuncType:
    params: tuple[ValType, ...] = ()
    results: tuple[ValType, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldType:
    storage: StorageType
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class StructType:
    fields: tuple[FieldType, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrayType:
    field: FieldType


CompositeType: TypeAlias = FuncType | StructType | ArrayType


@dataclass(frozen=True, slots=True)
class SubType:
    """A composite type with its declared supertypes (type indices; at most one in version 3.0) and finality."""

    composite: CompositeType
    supertypes: tuple[int, ...] = ()
    final: bool = True


RecGroup: TypeAlias = tuple[SubType, ...]
"""Types that may refer to each other (spec 2.3.11); a plain type definition is a group of one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes: in pages for memories, in elements for tables. ``maximum`` is None where there is none."""

    minimum: int
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class MemType:
    """A memory type. ``page_log2`` is 16, or 0 with custom page sizes; ``index64`` selects 64-bit addresses."""

    limits: Limits
    index64: bool = False
    shared: bool = False
    page_log2: int = 16

    @property
    def index_type(self) -> NumType:
        return I64 if self.index64 else I32


@dataclass(frozen=True, slots=True)
class TableType:
    ref: RefType
    limits: Limits
    index64: bool = False

    @property
    def index_type(self) -> NumType:
        return I64 if self.index64 else I32


@dataclass(frozen=True, slots=True)
class GlobalType:
    type: ValType
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class TagType:
    """A tag's type: the index of a function type without results (version 3.0)."""

    type_index: int
