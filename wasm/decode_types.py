"""Types from bytes (spec 5.3)."""

from __future__ import annotations

from typing import Final

from wasm.leb import Reader
from wasm.limits import PARAMS, RESULTS, STRUCT_FIELDS, TYPES
from wasm.valtypes import (
    ABSTRACT_HEAP_CODES,
    ARRAY_FORM,
    FUNC_FORM,
    HAS_MAXIMUM,
    I8,
    I16,
    INDEX64,
    NO_TYPE,
    NUM_TYPES,
    PAGE_SIZE,
    REC_FORM,
    REF_FORM,
    REF_NULL_FORM,
    SHARED,
    STRUCT_FORM,
    SUB_FINAL_FORM,
    SUB_FORM,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    HeapType,
    Limits,
    MemType,
    RecGroup,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    ValType,
    ref,
)

ABSTRACT_HEAPS: Final[dict[int, str]] = {code: name for name, code in ABSTRACT_HEAP_CODES.items()}
ONE_BYTE_TYPES: Final[dict[int, ValType]] = {
    **{t.code: t for t in NUM_TYPES},
    **{code: ref(name) for code, name in ABSTRACT_HEAPS.items()},
}
"""Value types that are a single byte: numbers, vectors, and nullable references to abstract heap types."""


def heap_type(reader: Reader) -> HeapType:
    abstract = ABSTRACT_HEAPS.get(reader.peek())
    if abstract is not None:
        reader.pos += 1
        return abstract
    start = reader.pos
    index = reader.signed(33)
    if index < 0:
        raise reader.fail("malformed heap type", start)
    return index


def ref_type(reader: Reader) -> RefType:
    code = reader.byte()
    if code in (REF_FORM, REF_NULL_FORM):
        return ref(heap_type(reader), code == REF_NULL_FORM)
    abstract = ABSTRACT_HEAPS.get(code)
    if abstract is None:
        raise reader.fail("malformed reference type", reader.pos - 1)
    return ref(abstract)


def val_type(reader: Reader) -> ValType:
    short = ONE_BYTE_TYPES.get(reader.peek())
    if short is not None:
        reader.pos += 1
        return short
    if reader.data[reader.pos] in (REF_FORM, REF_NULL_FORM):
        return ref_type(reader)
    raise reader.fail("malformed value type")


def val_types(reader: Reader, what: str, limit: int) -> tuple[ValType, ...]:
    """A vector of value types."""
    count = reader.count(what, 1, limit)
    return tuple([val_type(reader) for _ in range(count)])


def block_type(reader: Reader) -> ValType | int | None:
    code = reader.peek()
    if code == NO_TYPE:
        reader.pos += 1
        return None
    if code in ONE_BYTE_TYPES or code in (REF_FORM, REF_NULL_FORM):
        return val_type(reader)
    start = reader.pos
    index = reader.signed(33)
    if index < 0:
        raise reader.fail("malformed block type", start)
    return index


def field_type(reader: Reader) -> FieldType:
    storage: StorageType
    code = reader.peek()
    if code == I8.code or code == I16.code:
        reader.pos += 1
        storage = I8 if code == I8.code else I16
    else:
        storage = val_type(reader)
    return FieldType(storage, mutability(reader))


def mutability(reader: Reader) -> bool:
    flag = reader.byte()
    if flag > 1:
        raise reader.fail("malformed mutability", reader.pos - 1)
    return flag == 1


def composite_type(reader: Reader) -> CompositeType:
    code = reader.byte()
    if code == FUNC_FORM:
        params = val_types(reader, "parameters", PARAMS)
        return FuncType(params, val_types(reader, "results", RESULTS))
    if code == STRUCT_FORM:
        count = reader.count("fields", 2, STRUCT_FIELDS)
        return StructType(tuple([field_type(reader) for _ in range(count)]))
    if code == ARRAY_FORM:
        return ArrayType(field_type(reader))
    raise reader.fail("malformed definition type", reader.pos - 1)


def sub_type(reader: Reader) -> SubType:
    code = reader.peek()
    if code != SUB_FORM and code != SUB_FINAL_FORM:
        return SubType(composite_type(reader))
    reader.pos += 1
    supers = tuple([reader.u32() for _ in range(reader.count("supertypes", 1, TYPES))])
    return SubType(composite_type(reader), supers, code == SUB_FINAL_FORM)


def type_section(reader: Reader) -> list[RecGroup]:
    """The recursion groups of a type section."""
    groups: list[RecGroup] = []
    total = 0
    plain: dict[SubType, RecGroup] = {}
    for _ in range(reader.count("types", 2, TYPES)):
        start = reader.pos
        if reader.peek() == REC_FORM:
            reader.pos += 1
            group = tuple([sub_type(reader) for _ in range(reader.count("types", 2, TYPES - total))])
        else:
            # Equal definitions share one object: a module of a million times the same type stays small.
            single = sub_type(reader)
            group = plain.setdefault(single, (single,))
        total += len(group)
        if total > TYPES:
            raise reader.fail(f"too many types: the limit is {TYPES}", start, limit=True)
        groups.append(group)
    return groups


def _limits(reader: Reader, flags: int) -> Limits:
    # Always 64 bits wide (spec 5.3.12): what a 32-bit memory can't have is invalid, not malformed.
    minimum = reader.u64()
    return Limits(minimum, reader.u64() if flags & HAS_MAXIMUM else None)


def mem_type(reader: Reader) -> MemType:
    flags = reader.byte()
    if flags > HAS_MAXIMUM | SHARED | INDEX64 | PAGE_SIZE:
        raise reader.fail("malformed limits flags", reader.pos - 1)
    limits = _limits(reader, flags)
    page_log2 = 16
    if flags & PAGE_SIZE:
        start = reader.pos
        page_log2 = reader.u32()
        if page_log2 >= 64:
            raise reader.fail("invalid custom page size", start)
    return MemType(limits, bool(flags & INDEX64), bool(flags & SHARED), page_log2)


def table_type(reader: Reader) -> TableType:
    element = ref_type(reader)
    flags = reader.byte()
    if flags & ~(HAS_MAXIMUM | INDEX64):
        raise reader.fail("malformed limits flags", reader.pos - 1)
    return TableType(element, _limits(reader, flags), bool(flags & INDEX64))


def global_type(reader: Reader) -> GlobalType:
    type_ = val_type(reader)
    return GlobalType(type_, mutability(reader))
