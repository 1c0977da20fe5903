"""Small modules with declarations of every kind, for what is about validity: each section, each form of each entry.

Types in recursion groups with supertypes, imports of every kind, tables with initialisers, memories of both widths,
constant expressions, segments of all eight forms, tags, exports of everything, and bodies of
``generators.validity.snippets``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, shares
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from generators.validity.snippets import fill
from wasm.context import ModuleContext
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import OPS
from wasm.module import (
    Data,
    Elem,
    Export,
    Expr,
    ExternKind,
    ExternType,
    Func,
    Global,
    Import,
    ImportedFunc,
    Module,
    SegmentMode,
    Table,
)
from wasm.valtypes import (
    F32,
    F64,
    FUNCREF,
    I8,
    I16,
    I32,
    I64,
    V128,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    NumType,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
    ValType,
    ref,
)

_COMPOSITES: Final = shares(("struct", 2), ("array", 2), ("func", 1))
_IMPORTS: Final = ("global", "table", "memory", "tag", "func")

_CONST: Final = {t: template(f"{t}.const $bits") for t in (I32, I64, F32, F64, V128)}
_SUMS: Final = {
    t: tuple(template(f"{t}.const $bits  {t}.const $bits  {t}.{word}") for word in ("add", "sub", "mul"))
    for t in (I32, I64)
}
_NULL: Final = template("ref.null $heap")
_FUNC: Final = template("ref.func $func")
_I31: Final = template("i32.const $value  ref.i31")
_HOST_NULL: Final = code("ref.null extern  any.convert_extern")
_STRUCT: Final = template("struct.new_default $type")
_ARRAY: Final = template("i32.const 2  array.new_default $type")


def declare(source: ChoiceSource, config: Config) -> Module:
    """A valid module that uses no feature outside ``config``."""
    draft = _ModuleDraft(source, config)
    draft.types()
    draft.imports()
    draft.definitions()
    draft.globals()
    draft.segments()
    draft.exports()
    module = draft.module
    context = ModuleContext.of(module)
    for i, func in enumerate(module.funcs):
        fill(func, source.fork(i), config, module, context)
    return module


@dataclass(slots=True)
class _ModuleDraft:
    """A module under construction. Each method adds what one kind of section holds, from what is there already."""

    source: ChoiceSource
    config: Config
    module: Module = field(default_factory=Module)
    count: int = 0
    """Types so far."""

    def types(self) -> None:
        """Function types first, then recursion groups in which types may name each other."""
        for results in ((), (I32,)):
            self._group((SubType(FuncType((), results)),))
        for _ in range(self.source.below(3)):
            self._group((SubType(self._func_type()),))
        if self.config.allows(Feature.GC, Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES):
            for _ in range(self.source.below(4)):
                size = self.source.pick((1, 1, 2, 3))
                bound = self.count + size
                self._group(tuple(self._sub_type(bound) for _ in range(size)))

    def _group(self, group: tuple[SubType, ...]) -> None:
        self.module.types.append(group)
        self.count += len(group)

    def _types(self, most: int, bound: int) -> tuple[ValType, ...]:
        return tuple(draw_value_type(self.source, self.config, bound) for _ in range(self.source.below(most + 1)))

    def _func_type(self) -> FuncType:
        many = 3 if self.config.allows(Feature.MULTI_VALUE) else 1
        return FuncType(self._types(3, self.count), self._types(many, self.count))

    def _sub_type(self, bound: int) -> SubType:
        """A type of the next group; as a subtype it repeats its supertype, with a field more if it is a struct."""
        source = self.source
        final = source.one_in(2)
        open_ = [i for i, sub in enumerate(self.module.flat_types()) if not sub.final]
        if open_ and source.one_in(2):
            parent = source.pick(open_)
            composite = self.module.flat_types()[parent].composite
            if isinstance(composite, StructType) and source.one_in(2):
                composite = StructType((*composite.fields, self._field(bound)))
            return SubType(composite, (parent,), final)
        match source.pick(_COMPOSITES):
            case "struct":
                return SubType(StructType(tuple(self._field(bound) for _ in range(source.below(4)))), (), final)
            case "array":
                return SubType(ArrayType(self._field(bound)), (), final)
        many = 2 if self.config.allows(Feature.MULTI_VALUE) else 1
        return SubType(FuncType(self._types(2, bound), self._types(many, bound)), (), final)

    def _field(self, bound: int) -> FieldType:
        packed = self.source.pick((I8, I16, None, None))
        storage: StorageType = packed or draw_value_type(self.source, self.config, bound)
        return FieldType(storage, self.source.one_in(2))

    def imports(self) -> None:
        """Up to three, of every kind."""
        for i in range(self.source.below(4)):
            self.module.imports.append(Import("m", f"i{i}", self._import_type()))

    def _import_type(self) -> ExternType:
        source = self.source
        kind = source.pick(_IMPORTS)
        if kind == "global":
            return GlobalType(draw_value_type(source, self.config, self.count), source.one_in(2))
        if kind == "table" and self._may_add(ExternKind.TABLE):
            return self._table_type()
        if kind == "memory" and self._may_add(ExternKind.MEMORY):
            return self._memory_type()
        if kind == "tag" and self.config.allows(Feature.EXCEPTIONS):
            return TagType(source.pick(self._tag_types()))
        return ImportedFunc(source.pick(self._func_types()))

    def _func_types(self) -> list[int]:
        return [i for i, sub in enumerate(self.module.flat_types()) if isinstance(sub.composite, FuncType)]

    def _tag_types(self) -> list[int]:
        types = self.module.flat_types()
        return [i for i in self._func_types() if not getattr(types[i].composite, "results", ())]

    def _may_add(self, kind: ExternKind) -> bool:
        if kind is ExternKind.TABLE:
            return not self.module.table_types() or self.config.allows(Feature.REFERENCE_TYPES)
        return not self.module.memory_types() or self.config.allows(Feature.MULTI_MEMORY)

    def _limits(self) -> Limits:
        low = self.source.below(4)
        return Limits(low, self.source.pick((None, low, low + 1, 9)))

    def _table_type(self) -> TableType:
        type_ = FUNCREF
        if self.config.allows(Feature.REFERENCE_TYPES) and self.source.one_in(2):
            type_ = ref(draw_heap_type(self.source, self.config, self.count))
        return TableType(type_, self._limits(), self.config.allows(Feature.MEMORY64) and self.source.one_in(4))

    def _memory_type(self) -> MemType:
        source, limits = self.source, self._limits()
        wide = self.config.allows(Feature.MEMORY64) and source.one_in(4)
        shared = self.config.allows(Feature.THREADS) and limits.maximum is not None and source.one_in(4)
        byte_pages = self.config.allows(Feature.CUSTOM_PAGE_SIZES) and source.one_in(6)
        return MemType(limits, wide, shared, 0 if byte_pages else 16)

    def definitions(self) -> None:
        """Functions without code, tables, memories and tags."""
        source, module = self.source, self.module
        for _ in range(source.between(1, 3)):
            module.funcs.append(Func(source.pick(self._func_types()), [], []))
        for _ in range(source.below(3)):
            if self._may_add(ExternKind.TABLE):
                module.tables.append(self._table())
        for _ in range(source.below(3)):
            if self._may_add(ExternKind.MEMORY):
                module.memories.append(self._memory_type())
        if self.config.allows(Feature.EXCEPTIONS):
            for _ in range(source.below(3)):
                module.tags.append(TagType(source.pick(self._tag_types())))

    def _table(self) -> Table:
        type_ = self._table_type()
        if not self.config.allows(Feature.FUNCTION_REFERENCES) or self.source.chance(2, 3):
            return Table(type_)
        init = self._constant(type_.ref, len(self.module.global_types()) - len(self.module.globals))
        heap = type_.ref.heap
        if heap == "func":
            return Table(TableType(ref("func", False), type_.limits, type_.index64), self._func_ref())
        return Table(type_, init)

    def _func_ref(self) -> Expr:
        return _FUNC(func=self.source.below(len(self.module.func_type_indices())))

    def _constant(self, type_: ValType, known: int) -> Expr:
        """A constant expression of a type, which sees the first ``known`` globals (spec 3.4.13)."""
        source, globals_ = self.source, self.module.global_types()
        seen = [i for i in range(known) if globals_[i] == GlobalType(type_, False)]
        imported = len(globals_) - len(self.module.globals)
        seen = [i for i in seen if i < imported or self.config.allows(Feature.GC)]
        if seen and source.one_in(2):
            return ((OPS["global.get"], source.pick(seen)),)
        if isinstance(type_, NumType):
            bits = source.below(1 << 16)
            if type_ in _SUMS and self.config.allows(Feature.EXTENDED_CONST) and source.one_in(3):
                return source.pick(_SUMS[type_])(bits=bits)
            return _CONST[type_](bits=bits)
        return self._constant_reference(type_)

    def _constant_reference(self, type_: RefType) -> Expr:
        source, heap = self.source, type_.heap
        if heap == "func" and (not type_.nullable or source.one_in(2)):
            return self._func_ref()
        if heap == "i31" and source.one_in(2):
            return _I31(value=source.below(9))
        if heap == "any" and self.config.allows(Feature.GC) and source.one_in(2):
            return _HOST_NULL
        if isinstance(heap, int) and source.one_in(2):
            made = self._made(heap)
            if made:
                return made
        return _NULL(heap=heap)

    def _made(self, index: int) -> Expr:
        """A new struct, array or function reference of a defined type, where that is easy."""
        composite: CompositeType = self.module.flat_types()[index].composite
        if isinstance(composite, FuncType):
            same = [i for i, type_index in enumerate(self.module.func_type_indices()) if type_index == index]
            return _FUNC(func=self.source.pick(same)) if same else ()
        fields = composite.fields if isinstance(composite, StructType) else (composite.field,)
        if any(isinstance(item.storage, RefType) and not item.storage.nullable for item in fields):
            return ()
        return _STRUCT(type=index) if isinstance(composite, StructType) else _ARRAY(type=index)

    def globals(self) -> None:
        """Up to three, whose initialisers may read those before them."""
        for _ in range(self.source.below(4)):
            type_ = draw_value_type(self.source, self.config, self.count)
            if isinstance(type_, RefType) and not type_.nullable:
                type_ = ref(type_.heap)
            init = self._constant(type_, len(self.module.global_types()))
            self.module.globals.append(Global(GlobalType(type_, self.source.one_in(2)), init))

    def segments(self) -> None:
        """Element and data segments of every form."""
        source, module = self.source, self.module
        for _ in range(source.below(4)):
            elem = self._elem()
            if elem is not None:
                module.elems.append(elem)
        memories = module.memory_types()
        for _ in range(source.below(3)):
            data = source.bytes(source.below(6))
            if memories and source.one_in(2):
                index = source.below(len(memories))
                offset = self._constant(memories[index].index_type, len(module.global_types()))
                module.datas.append(Data(data, SegmentMode.ACTIVE, index, offset))
            elif self.config.allows(Feature.BULK_MEMORY):
                module.datas.append(Data(data))

    def _elem(self) -> Elem | None:
        """A segment: functions by index, or expressions; for a table, dropped later, or only a declaration."""
        source, config, known = self.source, self.config, len(self.module.global_types())
        mode = source.pick((SegmentMode.ACTIVE, SegmentMode.PASSIVE, SegmentMode.DECLARATIVE))
        plain = not config.allows(Feature.REFERENCE_TYPES) or source.one_in(2)
        type_: RefType = ref("func", False)
        tables = self.module.table_types()
        if mode is SegmentMode.PASSIVE and not config.allows(Feature.BULK_MEMORY):
            return None
        if mode is SegmentMode.DECLARATIVE and not config.allows(Feature.REFERENCE_TYPES):
            return None
        if mode is not SegmentMode.ACTIVE:
            if not plain:
                type_ = ref(draw_heap_type(source, config, self.count))
            return Elem(type_, self._elements(type_, known), mode)
        wanted = [i for i, table in enumerate(tables) if not plain or table.ref.heap == "func"]
        if not wanted:
            return None
        index = source.pick(wanted)
        if not plain:
            type_ = tables[index].ref
        offset = self._constant(tables[index].index_type, known)
        return Elem(type_, self._elements(type_, known), mode, index, offset)

    def _elements(self, type_: RefType, known: int) -> tuple[Expr, ...]:
        if type_ is ref("func", False):
            return tuple(self._func_ref() for _ in range(self.source.below(4)))
        return tuple(self._constant(type_, known) for _ in range(self.source.below(4)))

    def exports(self) -> None:
        """Half of everything, and a start function now and then."""
        module, source = self.module, self.source
        sizes = (
            (ExternKind.FUNC, len(module.func_type_indices())),
            (ExternKind.TABLE, len(module.table_types())),
            (ExternKind.MEMORY, len(module.memory_types())),
            (ExternKind.GLOBAL, len(module.global_types())),
            (ExternKind.TAG, len(module.tag_types())),
        )
        for kind, size in sizes:
            module.exports += [Export(f"{kind.name.lower()}{i}", kind, i) for i in range(size) if source.one_in(2)]
        start = [i for i, type_index in enumerate(module.func_type_indices()) if not type_index]
        if start and source.one_in(4):
            module.start = source.pick(start)
