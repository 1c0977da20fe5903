"""Which features a module uses: the one place that knows, behind both the validator's refusals and a case's needs.

The instruction table names the feature of each row; what is here are the features that show in types, sections,
immediates and constant expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Final, NamedTuple

from wasm.decode import decode
from wasm.errors import WasmError
from wasm.features import ALL, Feature
from wasm.isa import OPS, Imm, Instr, Op
from wasm.leb import Reader
from wasm.module import HEADER, Elem, Expr, ExternType, Module, Section, SegmentMode
from wasm.valtypes import (
    FUNCREF,
    V128,
    ArrayType,
    CompositeType,
    FuncType,
    GlobalType,
    HeapType,
    MemType,
    RecGroup,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
    ref,
)

F = Feature
TAGS: Final = None
"""Stands for "either proposal that has tags and ``throw``": EXCEPTIONS or LEGACY_EXCEPTIONS."""


class Use(NamedTuple):
    """A use of a feature, with the item in words, or the defined function and the instruction."""

    feature: Feature | None
    place: str = ""
    func: int | None = None
    instr: int = 0


_GC_HEAPS: Final = frozenset(("any", "eq", "i31", "struct", "array", "none", "nofunc", "noextern"))
_FUNC: Final = ref("func", False)
_GLOBAL_GET: Final = OPS["global.get"]
_REF_FUNC: Final = OPS["ref.func"]
_EXTENDED: Final = frozenset(OPS[f"{t}.{name}"] for t in ("i32", "i64") for name in ("add", "sub", "mul"))
_ROW: Final = itemgetter(0)
_LEGACY: Final = frozenset(row for row in OPS.values() if row.feature is F.LEGACY_EXCEPTIONS)
_TYPED: Final = frozenset((Imm.BLOCK_TYPE, Imm.TYPES, Imm.HEAP, Imm.CAST))
_TYPED_OPS: Final = frozenset(row for row in OPS.values() if _TYPED.intersection(row.imms))
_OP_FEATURES: Final[dict[Op, tuple[Feature | None, ...]]] = {
    **{row: (row.feature,) for row in OPS.values() if row.feature is not None},
    OPS["throw"]: (TAGS,),
    OPS["return_call_ref"]: (F.FUNCTION_REFERENCES, F.TAIL_CALL),
}


def required_features(module: Module) -> frozenset[Feature]:
    """The least set of features under which the module, if it is valid at all, is valid.

    Tags and ``throw`` belong to both exception proposals; alone they ask for the one of version 3.0.
    """
    used = _used(module)
    if TAGS in used and F.LEGACY_EXCEPTIONS not in used:
        used.add(F.EXCEPTIONS)
    return frozenset(feature for feature in used if feature is not None)


def features_of_bytes(content: bytes) -> frozenset[str]:
    """The names of the features that bytes use if they decode, whether they are valid or not; none if they do not.

    What is no module under any set of features is none for an engine that lacks some. A section counts even if it is
    empty: an engine without the feature knows no such section.
    """
    try:
        used = required_features(decode(content))
    except WasmError:
        return frozenset()
    return frozenset(feature.value for feature in used | {f for id_, f in _OF_SECTIONS.items() if id_ in _ids(content)})


_OF_SECTIONS: Final = {Section.TAG: F.EXCEPTIONS, Section.DATA_COUNT: F.BULK_MEMORY}


def _ids(content: bytes) -> set[int]:
    """The ids of a module's sections; it decodes."""
    reader, found = Reader(content), set()
    reader.pos = len(HEADER)
    while reader.left:
        found.add(reader.byte())
        reader.take(reader.u32())
    return found


def first_refused(module: Module, features: frozenset[Feature]) -> Use | None:
    """The first use of a feature outside of ``features``; None if there is none."""
    off = ALL - features
    # The usual sets: this feature shows in instructions only, and reading off a set of rows is all it takes.
    if not off or (off == {F.LEGACY_EXCEPTIONS} and _LEGACY.isdisjoint(_ops(module))):
        return None
    allowed: set[Feature | None] = set(features)
    if F.EXCEPTIONS in features or F.LEGACY_EXCEPTIONS in features:
        allowed.add(TAGS)
    if _used(module) <= allowed:
        return None
    return next(use for uses in (_item_uses, _instr_uses) for use in uses(module) if use.feature not in allowed)


def _used(module: Module) -> set[Feature | None]:
    used = {use.feature for use in _item_uses(module)}
    ops = _ops(module)
    for row in ops:
        used.update(_OP_FEATURES.get(row, ()))
    if not ops.isdisjoint(_TYPED_OPS):
        different = {instr for func in module.funcs for instr in func.body if instr[0] in _TYPED_OPS}
        for row, imm in different:
            used.update(_imm_features(row, imm))
    return used


def _ops(module: Module) -> set[Op]:
    ops: set[Op] = set()
    for func in module.funcs:
        ops.update(map(_ROW, func.body))
    return ops


def _instr_uses(module: Module) -> Iterator[Use]:
    for index, func in enumerate(module.funcs):
        for at, (row, imm) in enumerate(func.body):
            for feature in (*_OP_FEATURES.get(row, ()), *(_imm_features(row, imm) if row in _TYPED_OPS else ())):
                yield Use(feature, func=index, instr=at)


def _imm_features(row: Op, imm: Any) -> Iterable[Feature]:
    for kind, value in zip(row.imms, imm if len(row.imms) > 1 else (imm,), strict=True):
        if kind is Imm.BLOCK_TYPE:
            if isinstance(value, int):
                yield F.MULTI_VALUE
            elif value is not None:
                yield from _type_features(value)
        elif kind is Imm.HEAP:
            yield from _heap_features(value)
        elif kind is Imm.TYPES:
            yield from _all_features(value)
        elif kind is Imm.CAST:
            yield from _all_features(value[1:])


def _heap_features(heap: HeapType) -> Iterator[Feature]:
    yield F.REFERENCE_TYPES
    if isinstance(heap, int):
        yield F.FUNCTION_REFERENCES
    elif heap in _GC_HEAPS:
        yield F.GC
    elif heap == "exn":
        yield F.EXCEPTIONS
    elif heap == "noexn":  # "when combined with the GC proposal", says that of exceptions
        yield from (F.EXCEPTIONS, F.GC)


def _type_features(type_: StorageType) -> Iterator[Feature]:
    if isinstance(type_, RefType):
        yield from _heap_features(type_.heap)
        if not type_.nullable:
            yield F.FUNCTION_REFERENCES
    elif type_ is V128:
        yield F.SIMD


def _all_features(types: Iterable[StorageType]) -> set[Feature]:
    return {feature for type_ in set(types) for feature in _type_features(type_)}


def _item_uses(module: Module) -> Iterator[Use]:
    """What shows outside of function bodies, and in the types of locals."""
    index = 0
    for group in module.types:
        for feature in _group_features(group):
            yield Use(feature, f"type {index}")
        if group and _names(group[0].composite, index):
            yield Use(F.GC, f"type {index}")  # function references alone know types that stand before
        index += len(group)
    tables = memories = 0
    externs: list[tuple[str, ExternType]] = [(f"import {i}", item_.type) for i, item_ in enumerate(module.imports)]
    externs += [(f"table definition {i}", table.type) for i, table in enumerate(module.tables)]
    externs += [(f"memory definition {i}", memory) for i, memory in enumerate(module.memories)]
    externs += [(f"tag definition {i}", tag) for i, tag in enumerate(module.tags)]
    externs += [(f"global definition {i}", item_.type) for i, item_ in enumerate(module.globals)]
    for place, type_ in externs:
        yield from (Use(feature, place) for feature in _extern_features(type_))
        tables += isinstance(type_, TableType)
        memories += isinstance(type_, MemType)
        if tables > 1:
            yield Use(F.REFERENCE_TYPES, place)
        if memories > 1:
            yield Use(F.MULTI_MEMORY, place)
    for index, func in enumerate(module.funcs):
        for feature in _all_features([local for _, local in func.locals]):
            yield Use(feature, f"locals of defined function {index}")
    yield from _initialiser_uses(module)


def _group_features(group: RecGroup) -> set[Feature]:
    used: set[Feature] = set()
    if len(group) != 1:
        used.add(F.GC)
    for sub in group:
        used |= _sub_features(sub)
    return used


def _names(composite: CompositeType, index: int) -> bool:
    """Whether a function type names a type from ``index`` on; what has fields needs garbage collection anyway."""
    if not isinstance(composite, FuncType):
        return False
    heaps = [type_.heap for type_ in (*composite.params, *composite.results) if isinstance(type_, RefType)]
    return any(isinstance(heap, int) and heap >= index for heap in heaps)


def _sub_features(sub: SubType) -> set[Feature]:
    gc = {F.GC} if sub.supertypes or not sub.final else set()
    match sub.composite:
        case FuncType(params, results):
            gc |= _all_features({*params, *results})
            return gc | {F.MULTI_VALUE} if len(results) > 1 else gc
        case StructType(fields):
            return _all_features([field.storage for field in fields]) | {F.GC}
        case ArrayType(field):
            return _all_features([field.storage]) | {F.GC}


def _extern_features(type_: ExternType) -> Iterator[Feature | None]:
    match type_:
        case TableType():
            if type_.ref is not FUNCREF:
                yield from _type_features(type_.ref)
            if type_.index64:
                yield F.MEMORY64
        case MemType():
            if type_.index64:
                yield F.MEMORY64
            if type_.shared:
                yield F.THREADS
            if type_.page_log2 != 16:
                yield F.CUSTOM_PAGE_SIZES
        case GlobalType():
            yield from _type_features(type_.type)
        case TagType():
            yield TAGS


def _initialiser_uses(module: Module) -> Iterator[Use]:
    imported = len(module.global_types()) - len(module.globals)
    exprs: list[tuple[str, Expr]] = []
    for index, table in enumerate(module.tables):
        if table.init is not None:
            yield Use(F.FUNCTION_REFERENCES, f"table definition {index}")
            exprs.append((f"table definition {index}", table.init))
    exprs += [(f"global definition {i}", item.init) for i, item in enumerate(module.globals)]
    for index, elem in enumerate(module.elems):
        place = f"element segment {index}"
        for feature in _elem_features(elem):
            yield Use(feature, place)
        exprs.append((place, elem.offset))
        if not _is_plain(elem):
            exprs += [(place, expr) for expr in elem.init]
    for index, data in enumerate(module.datas):
        if data.mode is SegmentMode.PASSIVE:
            yield Use(F.BULK_MEMORY, f"data segment {index}")
        exprs.append((f"data segment {index}", data.offset))
    for place, expr in exprs:
        for instr in expr:
            yield from (Use(feature, place) for feature in _constant_features(instr, imported))


def _is_plain(elem: Elem) -> bool:
    """Whether the segment is a list of functions, which version 1.0 has, rather than one of expressions."""
    return elem.type is _FUNC and all(len(expr) == 1 and expr[0][0] is _REF_FUNC for expr in elem.init)


def _elem_features(elem: Elem) -> Iterator[Feature]:
    if elem.mode is SegmentMode.PASSIVE:
        yield F.BULK_MEMORY
    elif elem.mode is SegmentMode.DECLARATIVE:
        yield F.REFERENCE_TYPES
    if not _is_plain(elem):
        yield from _type_features(elem.type)


def _constant_features(instr: Instr, imported: int) -> Iterator[Feature | None]:
    row, imm = instr
    yield from _OP_FEATURES.get(row, ())
    if row in _TYPED_OPS:
        yield from _imm_features(row, imm)
    elif row in _EXTENDED:
        yield F.EXTENDED_CONST
    elif row is _GLOBAL_GET and imm >= imported:
        yield F.GC  # before that, only imported globals could be named
