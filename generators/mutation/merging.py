"""Two modules in one: the second one's items follow the first one's in every index space, all indices put right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from wasm.isa import Catch, Imm, Instr, MemArg
from wasm.module import (
    Elem,
    Export,
    Expr,
    ExternKind,
    ExternType,
    Func,
    Import,
    ImportedFunc,
    Module,
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
    ref,
)

_SPACES: Final = {
    Imm.FUNC: ExternKind.FUNC,
    Imm.TABLE: ExternKind.TABLE,
    Imm.MEMORY: ExternKind.MEMORY,
    Imm.GLOBAL: ExternKind.GLOBAL,
    Imm.TAG: ExternKind.TAG,
}
_SIZES: Final[dict[ExternKind, Callable[[Module], int]]] = {
    ExternKind.FUNC: lambda module: len(module.func_type_indices()),
    ExternKind.TABLE: lambda module: len(module.table_types()),
    ExternKind.MEMORY: lambda module: len(module.memory_types()),
    ExternKind.GLOBAL: lambda module: len(module.global_types()),
    ExternKind.TAG: lambda module: len(module.tag_types()),
}


@dataclass(frozen=True, slots=True)
class Moved:
    """How one module's indices read in the whole: types and segments go up by a number, items by one of two.

    ``imported`` and ``defined`` have by kind how far the imported items and the others move; ``first`` how many of the
    items are imported.
    """

    types: int
    elems: int
    datas: int
    first: dict[ExternKind, int]
    imported: dict[ExternKind, int]
    defined: dict[ExternKind, int]

    def index(self, kind: ExternKind, index: int) -> int:
        return index + (self.imported if index < self.first[kind] else self.defined)[kind]

    # --- types ---

    def value(self, type_: Any) -> Any:
        """A value type, storage type or heap type."""
        if isinstance(type_, RefType):
            return ref(self.heap(type_.heap), type_.nullable)
        return type_

    def heap(self, heap: str | int) -> str | int:
        return heap + self.types if isinstance(heap, int) else heap

    def sub(self, sub: SubType) -> SubType:
        parents = tuple(parent + self.types for parent in sub.supertypes)
        return SubType(self._composite(sub.composite), parents, sub.final)

    def _composite(self, composite: CompositeType) -> CompositeType:
        match composite:
            case FuncType(params, results):
                return FuncType(tuple(map(self.value, params)), tuple(map(self.value, results)))
            case StructType(fields):
                return StructType(tuple(map(self._field, fields)))
            case ArrayType(field):
                return ArrayType(self._field(field))

    def _field(self, field: FieldType) -> FieldType:
        storage: StorageType = self.value(field.storage)
        return replace(field, storage=storage)

    def extern(self, type_: ExternType) -> ExternType:
        match type_:
            case ImportedFunc(index):
                return ImportedFunc(index + self.types)
            case TagType(index):
                return TagType(index + self.types)
            case TableType():
                return replace(type_, ref=self.value(type_.ref))
            case GlobalType():
                return replace(type_, type=self.value(type_.type))
            case _:
                return type_

    # --- code ---

    def instr(self, instr: Instr) -> Instr:
        row, imm = instr
        if not row.imms:
            return instr
        if len(row.imms) == 1:
            return row, self._imm(row.imms[0], imm)
        return row, tuple(self._imm(kind, part) for kind, part in zip(row.imms, imm, strict=True))

    def _imm(self, kind: Imm, imm: Any) -> Any:
        if kind in _SPACES:
            return self.index(_SPACES[kind], imm)
        match kind:
            case Imm.TYPE:
                return imm + self.types
            case Imm.BLOCK_TYPE:
                return imm + self.types if isinstance(imm, int) else self.value(imm)
            case Imm.DATA:
                return imm + self.datas
            case Imm.ELEM:
                return imm + self.elems
            case Imm.HEAP:
                return self.heap(imm)
            case Imm.TYPES:
                return tuple(map(self.value, imm))
            case Imm.MEMARG:
                return MemArg(imm.align, imm.offset, self.index(ExternKind.MEMORY, imm.memory))
            case Imm.CAST:
                return imm[0], self.value(imm[1]), self.value(imm[2])
            case Imm.CATCHES:
                return tuple(
                    Catch(one.kind, None if one.tag is None else self.index(ExternKind.TAG, one.tag), one.label)
                    for one in imm
                )
            case _:
                return imm

    def expr(self, expr: Expr) -> Expr:
        return tuple(map(self.instr, expr))

    def func(self, func: Func) -> Func:
        runs = [(count, self.value(type_)) for count, type_ in func.locals]
        return Func(func.type_index + self.types, runs, list(map(self.instr, func.body)))

    def elem(self, elem: Elem) -> Elem:
        init = tuple(map(self.expr, elem.init))
        table = self.index(ExternKind.TABLE, elem.table) if elem.offset else 0
        return replace(elem, type=self.value(elem.type), init=init, table=table, offset=self.expr(elem.offset))


def merged(first: Module, second: Module, prefix: str) -> tuple[Module, Moved, Moved]:
    """Both modules in one, and how each one's indices read in it. The second one's exports get ``prefix``.

    The start function is the first one's; custom sections are left out. Whether the whole is valid depends on what it
    needs (several memories) and on limits.
    """
    kinds = tuple(ExternKind)
    imports = [{kind: len(module.imported(kind)) for kind in kinds} for module in (first, second)]
    sizes = {kind: _SIZES[kind](first) for kind in kinds}
    nothing = dict.fromkeys(kinds, 0)
    a = Moved(0, 0, 0, imports[0], nothing, imports[1])
    b = Moved(
        len(first.flat_types()), len(first.elems), len(first.datas), imports[1], imports[0],
        sizes,
    )  # fmt: skip
    module = Module()
    for source, moved in ((first, a), (second, b)):
        module.types += [tuple(map(moved.sub, group)) for group in source.types]
        module.imports += [Import(item.module, item.name, moved.extern(item.type)) for item in source.imports]
        module.funcs += list(map(moved.func, source.funcs))
        for table in source.tables:
            init = None if table.init is None else moved.expr(table.init)
            type_ = replace(table.type, ref=moved.value(table.type.ref))
            module.tables.append(replace(table, type=type_, init=init))
        module.memories += source.memories
        module.tags += [TagType(tag.type_index + moved.types) for tag in source.tags]
        for item in source.globals:
            kind = replace(item.type, type=moved.value(item.type.type))
            module.globals.append(replace(item, type=kind, init=moved.expr(item.init)))
        module.elems += list(map(moved.elem, source.elems))
        for data in source.datas:
            memory = moved.index(ExternKind.MEMORY, data.memory) if data.offset else 0
            module.datas.append(replace(data, memory=memory, offset=moved.expr(data.offset)))
        name = prefix if source is second else ""
        module.exports += [Export(name + e.name, e.kind, moved.index(e.kind, e.index)) for e in source.exports]
    module.start = None if first.start is None else a.index(ExternKind.FUNC, first.start)
    module.has_data_count = first.has_data_count or second.has_data_count
    return module, a, b
