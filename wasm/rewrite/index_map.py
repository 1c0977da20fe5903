"""The index map: every index in an instruction, an item or a module, put through one function.

    (func $f (call $g))  with  {f: 1, g: 0}  becomes  (func $g) (func $f (call 0))

Which immediates hold indices is read off the kinds (``wasm.isa.Imm``) that an instruction's row lists, so a new
instruction needs no line here; a new *kind* of immediate does, and ``tests/rewriting`` asks for it. Labels and locals
are indices within one function: they have functions of their own (``labels_of``, ``with_labels``, ``local_of``,
``with_local``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeAlias

from wasm.isa import Imm, Instr, MemArg, Op
from wasm.module import Data, Elem, Expr, ExternType, Func, Global, Import, ImportedFunc, Module, SegmentMode, Table
from wasm.rewrite.spaces import SPACE_OF, Space
from wasm.valtypes import (
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    RefType,
    StructType,
    SubType,
    TableType,
    TagType,
    ValType,
    ref,
)


class Dangling(Exception):
    """An edit would leave a reference to an item that it takes out; the edit is not possible."""


IndexMap: TypeAlias = Callable[[Space, int], int]
"""From (index space, old index) to the new index. Raises ``Dangling`` where there is none."""


# Types.


def map_ref(type_: RefType, to: IndexMap) -> RefType:
    """A reference type; those to abstract heap types stay."""
    return ref(to(Space.TYPE, type_.heap), type_.nullable) if isinstance(type_.heap, int) else type_


def map_value_type(type_: ValType, to: IndexMap) -> ValType:
    """A value type; only references to defined types change."""
    return map_ref(type_, to) if isinstance(type_, RefType) else type_


def map_composite(composite: CompositeType, to: IndexMap) -> CompositeType:
    """A function, struct or array type."""

    def field_of(item: FieldType) -> FieldType:
        storage = item.storage
        return FieldType(map_ref(storage, to), item.mutable) if isinstance(storage, RefType) else item

    match composite:
        case FuncType(params, results):
            return FuncType(tuple(map_value_type(t, to) for t in params), tuple(map_value_type(t, to) for t in results))
        case StructType(fields):
            return StructType(tuple(field_of(item) for item in fields))
        case ArrayType(item):
            return ArrayType(field_of(item))


def map_sub(sub: SubType, to: IndexMap) -> SubType:
    """A type definition."""
    return SubType(map_composite(sub.composite, to), tuple(to(Space.TYPE, i) for i in sub.supertypes), sub.final)


# Instructions.

_PartMap: TypeAlias = Callable[[Any, IndexMap], Any]
"""From one immediate to the same with its indices mapped."""


def _index_in(space: Space) -> _PartMap:
    return lambda index, to: to(space, index)


def _map_memarg(value: MemArg, to: IndexMap) -> MemArg:
    align, offset, memory = value
    return MemArg(align, offset, to(Space.MEMORY, memory))


def _map_heap(value: Any, to: IndexMap) -> Any:
    """A heap type, or a block type that is a type index or a value type."""
    if isinstance(value, int):
        return to(Space.TYPE, value)
    return map_ref(value, to) if isinstance(value, RefType) else value


def _map_types(value: tuple[ValType, ...], to: IndexMap) -> tuple[ValType, ...]:
    return tuple(map_value_type(type_, to) for type_ in value)


def _map_cast(value: Any, to: IndexMap) -> Any:
    label, source, target = value
    return (label, map_ref(source, to), map_ref(target, to))


def _map_catches(value: Any, to: IndexMap) -> Any:
    return tuple(c if c.tag is None else c._replace(tag=to(Space.TAG, c.tag)) for c in value)


_PART_MAPS: Final[dict[Imm, _PartMap]] = {
    Imm.FUNC: _index_in(Space.FUNC),
    Imm.TYPE: _index_in(Space.TYPE),
    Imm.TABLE: _index_in(Space.TABLE),
    Imm.MEMORY: _index_in(Space.MEMORY),
    Imm.GLOBAL: _index_in(Space.GLOBAL),
    Imm.TAG: _index_in(Space.TAG),
    Imm.DATA: _index_in(Space.DATA),
    Imm.ELEM: _index_in(Space.ELEM),
    Imm.MEMARG: _map_memarg,
    Imm.BLOCK_TYPE: _map_heap,
    Imm.HEAP: _map_heap,
    Imm.TYPES: _map_types,
    Imm.CAST: _map_cast,
    Imm.CATCHES: _map_catches,
}
"""The kinds of immediates that hold indices of the module."""


@cache
def _maps_of(op: Op) -> tuple[_PartMap | None, ...] | None:
    """How to map each of a row's immediates; None if none of them holds an index."""
    maps = tuple(_PART_MAPS.get(kind) for kind in op.imms)
    return maps if any(maps) else None


def map_instr(instr: Instr, to: IndexMap) -> Instr:
    """The instruction with every index of the module mapped; labels, locals and fields stay."""
    op, imm = instr
    maps = _maps_of(op)
    if maps is None:
        return instr
    if len(maps) == 1:
        (map_,) = maps
        assert map_ is not None
        return (op, map_(imm, to))
    return (op, tuple([part if map_ is None else map_(part, to) for map_, part in zip(maps, imm, strict=True)]))


def names_in(instr: Instr, see: Callable[[Space, int], None]) -> None:
    """Call ``see`` for every index of the module that an instruction holds."""

    def to(space: Space, index: int) -> int:
        see(space, index)
        return index

    map_instr(instr, to)


def map_expr(expr: Iterable[Instr], to: IndexMap) -> Expr:
    """A constant expression, or any other instructions."""
    return tuple(map_instr(instr, to) for instr in expr)


# Labels and locals.

_LABELS_IN: Final[dict[Imm, Callable[[Any], tuple[int, ...]]]] = {
    Imm.LABEL: lambda value: (value,),
    Imm.LABELS: lambda value: (*value[0], value[1]),
    Imm.CAST: lambda value: (value[0],),
    Imm.CATCHES: lambda value: tuple(clause.label for clause in value),
}
"""The kinds of immediates that hold labels."""

_PUT_LABELS: Final[dict[Imm, Callable[[Any, Sequence[int]], Any]]] = {
    Imm.LABEL: lambda _, labels: labels[0],
    Imm.LABELS: lambda _, labels: (tuple(labels[:-1]), labels[-1]),
    Imm.CAST: lambda value, labels: (labels[0], *value[1:]),
    Imm.CATCHES: lambda value, labels: tuple(
        clause._replace(label=label) for clause, label in zip(value, labels, strict=True)
    ),
}


@cache
def _label_part(op: Op) -> int | None:
    """Which of a row's immediates holds labels; at most one does."""
    return next((k for k, kind in enumerate(op.imms) if kind in _LABELS_IN), None)


def labels_of(instr: Instr) -> tuple[int, ...]:
    """The labels (relative depths) that an instruction names, in the order of its immediates."""
    op, imm = instr
    part = _label_part(op)
    if part is None:
        return ()
    return _LABELS_IN[op.imms[part]](imm if len(op.imms) == 1 else imm[part])


def with_labels(instr: Instr, labels: Sequence[int]) -> Instr:
    """The instruction with other labels: as many as it had, but of ``br_table`` any number from one on."""
    op, imm = instr
    part = _label_part(op)
    if part is None:
        return instr
    put = _PUT_LABELS[op.imms[part]]
    if len(op.imms) == 1:
        return (op, put(imm, labels))
    return (op, (*imm[:part], put(imm[part], labels), *imm[part + 1 :]))


@cache
def _local_part(op: Op) -> int | None:
    return next((k for k, kind in enumerate(op.imms) if kind is Imm.LOCAL), None)


def local_of(instr: Instr) -> int | None:
    """The local that an instruction names; None if it names none."""
    op, imm = instr
    part = _local_part(op)
    if part is None:
        return None
    local: int = imm if len(op.imms) == 1 else imm[part]
    return local


def with_local(instr: Instr, local: int) -> Instr:
    """An instruction that names a local, with another one."""
    op, imm = instr
    part = _local_part(op)
    assert part is not None
    return (op, local if len(op.imms) == 1 else (*imm[:part], local, *imm[part + 1 :]))


def runs(types: Iterable[ValType]) -> list[tuple[int, ValType]]:
    """Locals as runs of one type, as the binary format has them."""
    made: list[tuple[int, ValType]] = []
    for type_ in types:
        if made and made[-1][1] is type_:
            made[-1] = (made[-1][0] + 1, type_)
        else:
            made.append((1, type_))
    return made


# Items and modules.


def map_func(func: Func, to: IndexMap) -> Func:
    """The function with every index mapped; the same object where nothing changed."""
    body = [map_instr(instr, to) for instr in func.body]
    locals_ = [(count, map_value_type(type_, to)) for count, type_ in func.locals]
    index = to(Space.TYPE, func.type_index)
    if index == func.type_index and body == func.body and locals_ == func.locals:
        return func
    return Func(index, locals_, body)


def map_extern(type_: ExternType, to: IndexMap) -> ExternType:
    """The type of an import."""
    match type_:
        case ImportedFunc(index):
            return ImportedFunc(to(Space.TYPE, index))
        case TagType(index):
            return TagType(to(Space.TYPE, index))
        case TableType():
            return replace(type_, ref=map_ref(type_.ref, to))
        case GlobalType():
            return GlobalType(map_value_type(type_.type, to), type_.mutable)
        case _:
            return type_


def _map_table(table: Table, to: IndexMap) -> Table:
    type_ = replace(table.type, ref=map_ref(table.type.ref, to))
    return Table(type_, None if table.init is None else map_expr(table.init, to))


def _map_global(item: Global, to: IndexMap) -> Global:
    return Global(GlobalType(map_value_type(item.type.type, to), item.type.mutable), map_expr(item.init, to))


def _map_elem(elem: Elem, to: IndexMap) -> Elem:
    # The table of a segment that is not active names nothing: it may not even exist.
    return Elem(
        map_ref(elem.type, to),
        tuple(map_expr(item, to) for item in elem.init),
        elem.mode,
        to(Space.TABLE, elem.table) if elem.mode is SegmentMode.ACTIVE else 0,
        map_expr(elem.offset, to),
    )


def _map_data(data: Data, to: IndexMap) -> Data:
    memory = to(Space.MEMORY, data.memory) if data.mode is SegmentMode.ACTIVE else 0
    return Data(data.init, data.mode, memory, map_expr(data.offset, to))


def map_module(module: Module, to: IndexMap) -> Module:
    """The module with every index mapped, items unmoved. A name section would lie about it and is left out."""
    return Module(
        types=[tuple(map_sub(sub, to) for sub in group) for group in module.types],
        imports=[Import(item.module, item.name, map_extern(item.type, to)) for item in module.imports],
        funcs=[map_func(func, to) for func in module.funcs],
        tables=[_map_table(table, to) for table in module.tables],
        memories=list(module.memories),
        tags=[TagType(to(Space.TYPE, tag.type_index)) for tag in module.tags],
        globals=[_map_global(item, to) for item in module.globals],
        exports=[replace(item, index=to(SPACE_OF[item.kind], item.index)) for item in module.exports],
        start=None if module.start is None else to(Space.FUNC, module.start),
        elems=[_map_elem(elem, to) for elem in module.elems],
        datas=[_map_data(data, to) for data in module.datas],
        customs=[custom for custom in module.customs if custom.name != "name"],
        has_data_count=module.has_data_count,
    )
