"""Near misses in declarations: one type, limit, initialiser, segment or export of a valid module made almost right.

``near_miss`` makes one, of these or of ``generators.validity.near_code``'s:

    (type (sub final 0 (struct)))   ->  (type (sub 0 (struct)))          # a type that may have subtypes
    (memory 1 2)                    ->  (memory 2 1)                     # a minimum above the maximum
    (export "f" (func 0))           ->  two of that name
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from generators.validity.near_code import CODE_MISSES
from wasm.fragment import code, template
from wasm.module import Export, Expr, ExternKind, Import, ImportedFunc, Module, SegmentMode
from wasm.valtypes import (
    F32,
    F64,
    I32,
    I64,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    RefType,
    StructType,
    SubType,
    TableType,
    TagType,
    ref,
)

_EDGES: Final = (0, 1, 65535, 65536, 65537, 1 << 32, (1 << 48) - 1, 1 << 48, (1 << 48) + 1, (1 << 64) - 1)

"""Around the ends of sizes: a memory's pages in 32 and 64 bits, indices, fields of the binary format."""

_TRIES: Final = 4
"""Misses drawn for one change: a small module has nothing to change for many of them."""


def near_miss(source: ChoiceSource, config: Config, module: Module) -> bool:
    """Change one thing in place, a second one seldom; False if nothing was found to change."""
    changed = False
    for _ in range(1 + source.one_in(10)):
        for _ in range(_TRIES):
            table = CODE_MISSES if source.one_in(2) else _DECLARED
            if source.weighted(table)(source, config, module):
                changed = True
                break
    return changed


# --- types ---

_OF_SUB_TYPES: Final = shares(
    ("finality", 1), ("another supertype", 1), ("two supertypes", 1), ("turned round", 1), ("composite", 2)
)


def _sub_type(source: ChoiceSource, config: Config, module: Module) -> bool:
    """Another finality, supertype or composite; a subtype and its supertype the wrong way round."""
    if not module.types:
        return False
    at = source.below(len(module.types))
    group = list(module.types[at])
    which = source.below(len(group))
    sub = group[which]
    kind = source.pick(_OF_SUB_TYPES)
    count = len(module.flat_types())
    if kind == "finality":
        group[which] = replace(sub, final=not sub.final)
    elif kind == "another supertype":
        group[which] = replace(sub, supertypes=() if sub.supertypes else (source.below(count),))
    elif kind == "two supertypes":
        group[which] = replace(sub, supertypes=(*sub.supertypes, source.below(count + 1)))
    elif kind == "turned round" and sub.supertypes:
        return _turned_round(module, at, which)
    else:
        group[which] = replace(sub, composite=_composite(source, config, count, sub.composite))
    module.types[at] = tuple(group)
    return True


def _turned_round(module: Module, at: int, which: int) -> bool:
    """A subtype gets its supertype's definition and the other way round."""
    places = [(i, k) for i, group in enumerate(module.types) for k in range(len(group))]
    parent = module.types[at][which].supertypes[0]
    if parent >= len(places):
        return False
    above = places[parent]
    groups: list[list[SubType]] = [list(group) for group in module.types]
    low, high = groups[at][which], groups[above[0]][above[1]]
    groups[at][which] = replace(low, composite=high.composite)
    groups[above[0]][above[1]] = replace(high, composite=low.composite)
    module.types = [tuple(group) for group in groups]
    return True


def _composite(source: ChoiceSource, config: Config, count: int, composite: CompositeType) -> CompositeType:
    match composite:
        case FuncType(params, results):
            type_ = draw_value_type(source, config, count + source.one_in(8))
            return source.pick(
                (
                    FuncType((*params, type_), results),
                    FuncType(params, (*results, type_)),
                    FuncType(params[1:], results),
                    FuncType(params, (type_, *results[1:])),
                )
            )
        case StructType(fields):
            if not fields or source.one_in(4):
                return StructType(fields[:-1] if fields else (FieldType(draw_value_type(source, config, count)),))
            at = source.below(len(fields))
            return StructType((*fields[:at], _field(source, config, count, fields[at]), *fields[at + 1 :]))
        case ArrayType(field):
            return ArrayType(_field(source, config, count, field))


def _field(source: ChoiceSource, config: Config, count: int, field: FieldType) -> FieldType:
    if not source.chance(2, 3):
        return replace(field, mutable=not field.mutable)
    if isinstance(field.storage, RefType) and source.one_in(2):
        return replace(field, storage=ref(field.storage.heap, not field.storage.nullable))
    return replace(field, storage=draw_value_type(source, config, count + source.one_in(8)))


def _groups(source: ChoiceSource, config: Config, module: Module) -> bool:
    """Two groups become one, or one comes apart, or two change places: names point forward then, or elsewhere."""
    del config
    if len(module.types) < 2:
        return False
    at = source.below(len(module.types) - 1)
    first, second = module.types[at : at + 2]
    kind = source.pick(("one", "change places", "apart"))
    if kind == "one":
        module.types[at : at + 2] = [(*first, *second)]
    elif kind == "change places":
        module.types[at : at + 2] = [second, first]
    elif len(first) > 1:
        module.types[at : at + 1] = [(sub,) for sub in first]
    else:
        module.types[at : at + 1] = []
    return True


# --- imports and definitions ---


def _limits(source: ChoiceSource, limits: Limits) -> Limits:
    match source.pick(("wrong way round", "maximum", "no maximum", "minimum")):
        case "wrong way round":
            return Limits(limits.minimum + 1, limits.minimum)
        case "maximum":
            # Sizes that an engine would have to reserve at once are its own affair: only maxima go up.
            return Limits(limits.minimum, source.pick(_EDGES))
        case "no maximum":
            return Limits(limits.minimum, None)
    return Limits(source.below(3), limits.maximum)


_OF_MEMORIES: Final = shares(("width", 1), ("shared", 1), ("limits", 4))


def _memory(source: ChoiceSource, memory: MemType) -> MemType:
    match source.pick(_OF_MEMORIES):
        case "width":
            return replace(memory, index64=not memory.index64)
        case "shared":
            return replace(memory, shared=not memory.shared)
    return replace(memory, limits=_limits(source, memory.limits))


def _table(source: ChoiceSource, config: Config, module: Module, table: TableType) -> TableType:
    match source.pick(("null", "heap type", "width", "limits")):
        case "null":
            return replace(table, ref=ref(table.ref.heap, not table.ref.nullable))
        case "heap type":
            return replace(table, ref=ref(draw_heap_type(source, config, len(module.flat_types()))))
        case "width":
            return replace(table, index64=not table.index64)
    return replace(table, limits=_limits(source, table.limits))


def _global_type(source: ChoiceSource, config: Config, module: Module, type_: GlobalType) -> GlobalType:
    if source.one_in(2):
        return replace(type_, mutable=not type_.mutable)
    return replace(type_, type=draw_value_type(source, config, len(module.flat_types()) + source.one_in(8)))


def _defined_type(source: ChoiceSource, config: Config, module: Module) -> bool:
    """The type of a table, memory, tag or global: code and initialisers were written for another one."""
    spaces: list[list[Any]] = [module.tables, module.memories, module.tags, module.globals]
    filled = [space for space in spaces if space]
    if not filled:
        return False
    space = source.pick(filled)
    at = source.below(len(space))
    if space is module.memories:
        module.memories[at] = _memory(source, module.memories[at])
    elif space is module.tags:
        module.tags[at] = TagType(source.below(len(module.flat_types()) + 1))
    elif space is module.tables:
        table = module.tables[at]
        init = None if source.one_in(4) else table.init
        module.tables[at] = replace(table, type=_table(source, config, module, table.type), init=init)
    else:
        definition = module.globals[at]
        module.globals[at] = replace(definition, type=_global_type(source, config, module, definition.type))
    return True


def _imported(source: ChoiceSource, config: Config, module: Module) -> bool:
    if not module.imports:
        return False
    at = source.below(len(module.imports))
    item = module.imports[at]
    count = len(module.flat_types())
    type_ = item.type
    match type_:
        case ImportedFunc():
            type_ = ImportedFunc(source.below(count + 1))
        case TableType():
            type_ = _table(source, config, module, type_)
        case MemType():
            type_ = _memory(source, type_)
        case GlobalType():
            type_ = _global_type(source, config, module, type_)
        case TagType():
            type_ = TagType(source.below(count + 1))
    if source.one_in(8):
        del module.imports[at]
    else:
        module.imports[at] = Import(item.module, item.name, type_)
    return True


# --- initialisers and segments ---


def _expr(source: ChoiceSource, config: Config, module: Module, expr: Expr) -> Expr:
    """Another constant, a global that is mutable or comes later, an instruction that is not constant, too many."""
    match source.pick(_OF_EXPRESSIONS):
        case "global":
            return _GLOBAL(at=source.below(len(module.global_types()) + 1))
        case "function":
            return _FUNC(at=source.below(len(module.func_type_indices()) + 1))
        case "null":
            return _NULL(heap=draw_heap_type(source, config, len(module.flat_types())))
        case "one more":
            return (*expr, source.pick(_NOT_CONSTANT))
        case "one less":
            return expr[:-1]
        case "twice":
            return (*expr, *expr)
    return source.pick(_ONES)


_OF_EXPRESSIONS: Final = shares(
    ("global", 1), ("function", 1), ("null", 1), ("one more", 1), ("one less", 1), ("twice", 1), ("type", 2)
)
_GLOBAL: Final = template("global.get $at")
_FUNC: Final = template("ref.func $at")
_NULL: Final = template("ref.null $heap")
_NOT_CONSTANT: Final = code("nop  i32.eqz  drop  i32.add")
_ONES: Final = tuple(template(f"{t}.const $bits")(bits=1) for t in (I32, I64, F32, F64))
_ZERO: Final = code("i32.const 0")


def _initialiser(source: ChoiceSource, config: Config, module: Module) -> bool:
    kind = source.pick(("global", "table", "data", "elem"))
    if kind == "global" and module.globals:
        at = source.below(len(module.globals))
        module.globals[at] = replace(module.globals[at], init=_expr(source, config, module, module.globals[at].init))
    elif kind == "table" and module.tables:
        at = source.below(len(module.tables))
        init = _expr(source, config, module, module.tables[at].init or ())
        module.tables[at] = replace(module.tables[at], init=init)
    elif kind == "data" and module.datas:
        at = source.below(len(module.datas))
        data = module.datas[at]
        if data.mode is SegmentMode.ACTIVE and source.one_in(2):
            module.datas[at] = replace(data, offset=_expr(source, config, module, data.offset))
        elif data.mode is SegmentMode.ACTIVE:
            module.datas[at] = replace(data, memory=data.memory + 1)
        else:
            module.datas[at] = replace(data, mode=SegmentMode.ACTIVE, offset=_ZERO)
    elif module.elems:
        return _elem(source, config, module)
    else:
        return False
    return True


def _elem(source: ChoiceSource, config: Config, module: Module) -> bool:
    at = source.below(len(module.elems))
    elem = module.elems[at]
    kind = source.pick(("missing", "type", "element", "table", "offset", "mode"))
    if kind == "missing":
        # Functions named here may be named by ref.func in code (spec 3.5.14); elsewhere they then may not.
        del module.elems[at]
        return True
    if kind == "type":
        type_ = ref(draw_heap_type(source, config, len(module.flat_types())), source.one_in(2))
        elem = replace(elem, type=type_)
    elif kind == "element" and elem.init:
        which = source.below(len(elem.init))
        changed = _expr(source, config, module, elem.init[which])
        elem = replace(elem, init=(*elem.init[:which], changed, *elem.init[which + 1 :]))
    elif kind == "table" and elem.mode is SegmentMode.ACTIVE:
        elem = replace(elem, table=source.below(len(module.table_types()) + 1))
    elif kind == "offset" and elem.mode is SegmentMode.ACTIVE:
        elem = replace(elem, offset=_expr(source, config, module, elem.offset))
    else:
        mode = source.pick((SegmentMode.PASSIVE, SegmentMode.DECLARATIVE, SegmentMode.ACTIVE))
        elem = replace(elem, mode=mode, offset=_ZERO if mode is SegmentMode.ACTIVE else ())
    module.elems[at] = elem
    return True


# --- exports and start ---


def _export(source: ChoiceSource, config: Config, module: Module) -> bool:
    """The same name twice, an index past the end, a kind of which there is none."""
    del config
    kind = source.pick(tuple(ExternKind))
    if not module.exports or not source.chance(2, 3):
        name = source.pick(("", "f", "\x00", "\U0010ffff", *(item.name for item in module.exports)))
        module.exports.append(Export(name, kind, source.below(3)))
        return True
    at = source.below(len(module.exports))
    item = module.exports[at]
    match source.pick(("twice", "index", "kind")):
        case "twice":
            module.exports.append(item)
        case "index":
            module.exports[at] = replace(item, index=item.index + source.pick((1, 2, 100)))
        case "kind":
            module.exports[at] = replace(item, kind=kind)
    return True


def _start(source: ChoiceSource, config: Config, module: Module) -> bool:
    del config
    module.start = source.below(len(module.func_type_indices()) + 1)
    return True


_DECLARED: Final = weighted(
    (_sub_type, 50), (_defined_type, 60), (_initialiser, 60), (_imported, 26), (_export, 30), (_groups, 18),
    (_start, 12),
)  # fmt: skip
