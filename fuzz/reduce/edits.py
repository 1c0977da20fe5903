"""Renumbering: take items out of a module, or merge them, and keep every index in it right.

Everything that names an item by its index is found through the instruction table's immediate kinds, so a new
instruction needs no line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any, Final, TypeAlias

from wasm.isa import Imm, Instr, MemArg, Op
from wasm.module import (
    Data,
    Elem,
    Export,
    Expr,
    ExternKind,
    Func,
    Global,
    Import,
    ImportedFunc,
    Module,
    SegmentMode,
    Table,
)
from wasm.valtypes import (
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
    ValType,
    ref,
)


class Space(Enum):
    """The index spaces of a module (spec 2.5.1)."""

    TYPE = "type"
    FUNC = "func"
    TABLE = "table"
    MEMORY = "memory"
    GLOBAL = "global"
    TAG = "tag"
    ELEM = "elem"
    DATA = "data"


SPACE_OF: Final = {
    ExternKind.FUNC: Space.FUNC,
    ExternKind.TABLE: Space.TABLE,
    ExternKind.MEMORY: Space.MEMORY,
    ExternKind.GLOBAL: Space.GLOBAL,
    ExternKind.TAG: Space.TAG,
}

_INDEX_IMMS: Final = {
    Imm.FUNC: Space.FUNC,
    Imm.TYPE: Space.TYPE,
    Imm.TABLE: Space.TABLE,
    Imm.MEMORY: Space.MEMORY,
    Imm.GLOBAL: Space.GLOBAL,
    Imm.TAG: Space.TAG,
    Imm.DATA: Space.DATA,
    Imm.ELEM: Space.ELEM,
}
_NAMING_IMMS: Final = frozenset({*_INDEX_IMMS, Imm.MEMARG, Imm.BLOCK_TYPE, Imm.HEAP, Imm.TYPES, Imm.CAST, Imm.CATCHES})


class Dangling(Exception):
    """An edit would leave a reference to an item that it takes out; the edit is not possible."""


IndexMap: TypeAlias = Callable[[Space, int], int]
"""From (index space, old index) to the new index. Raises ``Dangling`` where there is none."""


@cache
def _naming(op: Op) -> bool:
    return any(imm in _NAMING_IMMS for imm in op.imms)


def map_value_type(type_: ValType, to: IndexMap) -> ValType:
    if isinstance(type_, RefType) and isinstance(type_.heap, int):
        return ref(to(Space.TYPE, type_.heap), type_.nullable)
    return type_


def _map_ref(type_: RefType, to: IndexMap) -> RefType:
    return ref(to(Space.TYPE, type_.heap), type_.nullable) if isinstance(type_.heap, int) else type_


def _map_imm(kind: Imm, value: Any, to: IndexMap) -> Any:
    space = _INDEX_IMMS.get(kind)
    if space is not None:
        return to(space, value)
    match kind:
        case Imm.MEMARG:
            align, offset, memory = value
            return MemArg(align, offset, to(Space.MEMORY, memory))
        case Imm.BLOCK_TYPE | Imm.HEAP if isinstance(value, int):
            return to(Space.TYPE, value)
        case Imm.BLOCK_TYPE if value is not None:
            return map_value_type(value, to)
        case Imm.TYPES:
            return tuple(map_value_type(type_, to) for type_ in value)
        case Imm.CAST:
            label, source, target = value
            return (label, _map_ref(source, to), _map_ref(target, to))
        case Imm.CATCHES:
            return tuple(c if c.tag is None else c._replace(tag=to(Space.TAG, c.tag)) for c in value)
    return value


def map_instr(instr: Instr, to: IndexMap) -> Instr:
    """The instruction with every item index mapped; labels, locals and fields stay."""
    op, imm = instr
    if not _naming(op):
        return instr
    if len(op.imms) == 1:
        return (op, _map_imm(op.imms[0], imm, to))
    return (op, tuple(_map_imm(kind, value, to) for kind, value in zip(op.imms, imm, strict=True)))


def map_expr(expr: Iterable[Instr], to: IndexMap) -> Expr:
    return tuple(map_instr(instr, to) for instr in expr)


def _map_storage(type_: StorageType, to: IndexMap) -> StorageType:
    return _map_ref(type_, to) if isinstance(type_, RefType) else type_


def map_composite(composite: CompositeType, to: IndexMap) -> CompositeType:
    def field_of(item: FieldType) -> FieldType:
        return FieldType(_map_storage(item.storage, to), item.mutable)

    match composite:
        case FuncType(params, results):
            return FuncType(tuple(map_value_type(t, to) for t in params), tuple(map_value_type(t, to) for t in results))
        case StructType(fields):
            return StructType(tuple(field_of(item) for item in fields))
        case ArrayType(item):
            return ArrayType(field_of(item))


def map_func(func: Func, to: IndexMap) -> Func:
    """The function with every item index mapped; the same object where nothing changed."""
    body = [map_instr(instr, to) for instr in func.body]
    locals_ = [(count, map_value_type(type_, to)) for count, type_ in func.locals]
    index = to(Space.TYPE, func.type_index)
    if index == func.type_index and body == func.body and locals_ == func.locals:
        return func
    return Func(index, locals_, body)


def _map_extern(item: Import, to: IndexMap) -> Import:
    match item.type:
        case ImportedFunc(index):
            return replace(item, type=ImportedFunc(to(Space.TYPE, index)))
        case TagType(index):
            return replace(item, type=TagType(to(Space.TYPE, index)))
        case TableType() as table:
            return replace(item, type=replace(table, ref=_map_ref(table.ref, to)))
        case GlobalType(type_, mutable):
            return replace(item, type=GlobalType(map_value_type(type_, to), mutable))
        case _:
            return item


def _map_elem(elem: Elem, to: IndexMap) -> Elem:
    active = elem.mode is SegmentMode.ACTIVE
    return Elem(
        _map_ref(elem.type, to),
        tuple(map_expr(item, to) for item in elem.init),
        elem.mode,
        to(Space.TABLE, elem.table) if active else 0,
        map_expr(elem.offset, to),
    )


def _map_data(data: Data, to: IndexMap) -> Data:
    active = data.mode is SegmentMode.ACTIVE
    return Data(data.init, data.mode, to(Space.MEMORY, data.memory) if active else 0, map_expr(data.offset, to))


def map_module(module: Module, to: IndexMap) -> Module:
    """The module with every index mapped, items unmoved. A name section would lie about it and is left out."""
    return Module(
        types=[
            tuple(
                SubType(map_composite(sub.composite, to), tuple(to(Space.TYPE, i) for i in sub.supertypes), sub.final)
                for sub in group
            )
            for group in module.types
        ],
        imports=[_map_extern(item, to) for item in module.imports],
        funcs=[map_func(func, to) for func in module.funcs],
        tables=[
            Table(
                replace(table.type, ref=_map_ref(table.type.ref, to)),
                None if table.init is None else map_expr(table.init, to),
            )
            for table in module.tables
        ],
        memories=list(module.memories),
        tags=[TagType(to(Space.TYPE, tag.type_index)) for tag in module.tags],
        globals=[
            Global(GlobalType(map_value_type(item.type.type, to), item.type.mutable), map_expr(item.init, to))
            for item in module.globals
        ],
        exports=[replace(item, index=to(SPACE_OF[item.kind], item.index)) for item in module.exports],
        start=None if module.start is None else to(Space.FUNC, module.start),
        elems=[_map_elem(elem, to) for elem in module.elems],
        datas=[_map_data(data, to) for data in module.datas],
        customs=[custom for custom in module.customs if custom.name != "name"],
        has_data_count=module.has_data_count,
    )


def space_sizes(module: Module) -> dict[Space, int]:
    """How many items each index space has, imports included."""
    return {
        Space.TYPE: sum(map(len, module.types)),
        Space.ELEM: len(module.elems),
        Space.DATA: len(module.datas),
        **{SPACE_OF[kind]: len(module.imported(kind)) + len(defined(module, kind)) for kind in ExternKind},
    }


def defined(module: Module, kind: ExternKind) -> list[Any]:
    """The list of the items of a kind that the module defines itself."""
    match kind:
        case ExternKind.FUNC:
            return module.funcs
        case ExternKind.TABLE:
            return module.tables
        case ExternKind.MEMORY:
            return module.memories
        case ExternKind.GLOBAL:
            return module.globals
        case ExternKind.TAG:
            return module.tags


@dataclass(slots=True)
class Removal:
    """The items to take out, by index space."""

    gone: dict[Space, set[int]] = field(default_factory=lambda: {space: set() for space in Space})

    def add(self, space: Space, index: int) -> None:
        self.gone[space].add(index)

    def __bool__(self) -> bool:
        return any(self.gone.values())


def _keep(items: Sequence[Any], gone: set[int], first: int = 0) -> list[Any]:
    return [item for index, item in enumerate(items, first) if index not in gone]


def remove_items(module: Module, removal: Removal) -> Module:
    """Take items out and renumber the rest. Exports, the start function and element entries of removed items go too.

    Raises ``Dangling`` if something that stays still names an item that goes.
    """
    tables: dict[Space, Mapping[int, int]] = {}
    for space, size in space_sizes(module).items():
        gone = removal.gone[space]
        if gone:
            tables[space] = {old: new for new, old in enumerate(i for i in range(size) if i not in gone)}

    def to(space: Space, index: int) -> int:
        table = tables.get(space)
        if table is None:
            return index
        if index not in table:
            raise Dangling(f"{space.value} {index}")
        return table[index]

    return map_module(_without(module, removal), to)


def _without(module: Module, removal: Removal) -> Module:
    gone = removal.gone
    counts = dict.fromkeys(ExternKind, 0)
    imports = []
    for item in module.imports:
        kind = kind_of_import(item)
        if counts[kind] not in gone[SPACE_OF[kind]]:
            imports.append(item)
        counts[kind] += 1
    lost_funcs = gone[Space.FUNC]
    first_type, types = 0, []
    for group in module.types:
        first_type += len(group)
        kept = tuple(_keep(group, gone[Space.TYPE], first_type - len(group)))
        if kept:
            types.append(kept)
    return Module(
        types=types,
        imports=imports,
        funcs=_keep(module.funcs, lost_funcs, counts[ExternKind.FUNC]),
        tables=_keep(module.tables, gone[Space.TABLE], counts[ExternKind.TABLE]),
        memories=_keep(module.memories, gone[Space.MEMORY], counts[ExternKind.MEMORY]),
        tags=_keep(module.tags, gone[Space.TAG], counts[ExternKind.TAG]),
        globals=_keep(module.globals, gone[Space.GLOBAL], counts[ExternKind.GLOBAL]),
        exports=[item for item in module.exports if item.index not in gone[SPACE_OF[item.kind]]],
        start=None if module.start in lost_funcs else module.start,
        elems=_keep([_without_funcs(elem, lost_funcs) for elem in module.elems], gone[Space.ELEM]),
        datas=_keep(module.datas, gone[Space.DATA]),
        customs=list(module.customs),
        has_data_count=module.has_data_count,
    )


def _without_funcs(elem: Elem, lost: set[int]) -> Elem:
    if not lost:
        return elem
    return replace(elem, init=tuple(e for e in elem.init if not (e and e[0][0].name == "ref.func" and e[0][1] in lost)))


def kind_of_import(item: Import) -> ExternKind:
    match item.type:
        case ImportedFunc():
            return ExternKind.FUNC
        case TableType():
            return ExternKind.TABLE
        case GlobalType():
            return ExternKind.GLOBAL
        case TagType():
            return ExternKind.TAG
        case _:
            return ExternKind.MEMORY


def names_in(instr: Instr, see: Callable[[Space, int], None]) -> None:
    """Call ``see`` for every item index that an instruction holds."""

    def to(space: Space, index: int) -> int:
        see(space, index)
        return index

    map_instr(instr, to)


def without_exports(module: Module, gone: Iterable[Export]) -> Module:
    lost = set(gone)
    return replace(module, exports=[item for item in module.exports if item not in lost])
