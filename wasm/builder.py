"""Building modules by hand and by machine: interned types, index spaces, labels by name instead of by depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from wasm.isa import OPS, Catch, Instr
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
    FUNCREF,
    CompositeType,
    FuncType,
    GlobalType,
    Limits,
    MemType,
    RefType,
    SubType,
    TableType,
    TagType,
    ValType,
    ref,
)

_FUNC: Final = ref("func", False)
_END: Final = OPS["end"].bare
_ELSE: Final = OPS["else"].bare


def const(op_name: str, imm: object = None) -> Expr:
    """A constant expression of one instruction: ``const("i32.const", 7)``, ``const("ref.func", 3)``."""
    return ((OPS[op_name], imm),)


@dataclass(slots=True)
class Label:
    """A block that is open in a ``FuncBuilder``; its branch depth depends on where the branch stands."""

    level: int


class Opened:
    """A block that a ``with`` statement closes; what it gives is the block's label."""

    __slots__ = ("builder", "label")

    def __init__(self, builder: FuncBuilder, label: Label) -> None:
        self.builder, self.label = builder, label

    def __enter__(self) -> Label:
        return self.label

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.builder.end()


@dataclass(slots=True)
class FuncBuilder:
    """The body of one function. ``index`` is its function index, known before the body is written.

    ``emit`` and ``body.append`` are equivalent for instructions that open or close no block.
    """

    module: ModuleBuilder
    index: int
    type: FuncType
    type_index: int
    locals: list[tuple[int, ValType]] = field(default_factory=list)
    body: list[Instr] = field(default_factory=list)
    _level: int = 0
    _local_count: int = 0

    def __post_init__(self) -> None:
        self._local_count = len(self.type.params)

    def local(self, type_: ValType, count: int = 1) -> int:
        """Declare ``count`` locals of one type and return the first one's index."""
        first = self._local_count
        self._local_count += count
        if self.locals and self.locals[-1][1] is type_:
            self.locals[-1] = (self.locals[-1][0] + count, type_)
        else:
            self.locals.append((count, type_))
        return first

    def emit(self, name: str, imm: Any = None) -> None:
        """Append an instruction by row name; ``imm`` as ``wasm.isa.Imm`` states."""
        self.body.append((OPS[name], imm) if imm is not None else OPS[name].bare)

    def i32(self, value: int) -> None:
        """``i32.const``, from a signed or unsigned number."""
        self.body.append((OPS["i32.const"], value & 0xFFFFFFFF))

    def i64(self, value: int) -> None:
        self.body.append((OPS["i64.const"], value & 0xFFFFFFFFFFFFFFFF))

    def block_type(self, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> ValType | int | None:
        """The shortest block type: none, one result, or an interned type index."""
        params, results = tuple(params), tuple(results)
        if params or len(results) > 1:
            return self.module.func_type(params, results)
        return results[0] if results else None

    def open(self, name: str = "block", params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Label:
        """Open a ``block``, ``loop`` or ``if``; close it with ``end``."""
        self.body.append((OPS[name], self.block_type(params, results)))
        self._level += 1
        return Label(self._level)

    def open_try(
        self, catches: Iterable[tuple[str, int | None, Label]], params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
    ) -> Label:  # fmt: skip
        """Open a ``try_table``; the labels of its clauses are counted from outside it (spec 3.4.3)."""
        clauses = tuple(Catch(kind, tag, self.depth(label)) for kind, tag, label in catches)
        self.body.append((OPS["try_table"], (self.block_type(params, results), clauses)))
        self._level += 1
        return Label(self._level)

    def block(self, name: str = "block", params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Opened:
        """``open`` for a ``with`` statement, whose end closes the block: ``with f.block("loop") as again: ...``."""
        return Opened(self, self.open(name, params, results))

    def try_table(
        self, catches: Iterable[tuple[str, int | None, Label]], params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
    ) -> Opened:  # fmt: skip
        """``open_try`` for a ``with`` statement."""
        return Opened(self, self.open_try(catches, params, results))

    def else_(self) -> None:
        self.body.append(_ELSE)

    def end(self) -> None:
        """Close the innermost open block."""
        if not self._level:
            raise ValueError("no block is open: ModuleBuilder.finish closes the function itself")
        self._level -= 1
        self.body.append(_END)

    def depth(self, label: Label | None) -> int:
        """The relative depth of a label from here; None is the function's own label."""
        return self._level if label is None else self._level - label.level

    def br(self, label: Label | None, name: str = "br") -> None:
        """``br``, ``br_if`` or another instruction with one label."""
        self.body.append((OPS[name], self.depth(label)))

    def br_table(self, labels: Iterable[Label | None], default: Label | None) -> None:
        self.body.append((OPS["br_table"], (tuple(map(self.depth, labels)), self.depth(default))))


class ModuleBuilder:
    """A module under construction. All imports of a kind must be added before its first definition."""

    def __init__(self) -> None:
        self.module = Module()
        self._interned: dict[CompositeType, int] = {}
        self._type_count = 0
        self._counts = dict.fromkeys(ExternKind, 0)
        self._defined = dict.fromkeys(ExternKind, False)
        self._builders: list[FuncBuilder] = []

    def func_type(self, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> int:
        """The index of a function type, the same for the same type."""
        return self.type(FuncType(tuple(params), tuple(results)))

    def type(self, composite: CompositeType) -> int:
        """The index of a final type without supertypes, the same for the same type."""
        index = self._interned.get(composite)
        if index is None:
            index = self._interned[composite] = self.rec_group((SubType(composite),))
        return index

    def rec_group(self, group: tuple[SubType, ...]) -> int:
        """Append a recursion group and return its first type index; its members may name each other by index."""
        first = self._type_count
        self.module.types.append(group)
        self._type_count += len(group)
        return first

    @property
    def type_count(self) -> int:
        """The next type index: a recursion group refers to its own members from here on."""
        return self._type_count

    def _next(self, kind: ExternKind, defines: bool) -> int:
        if not defines and self._defined[kind]:
            raise ValueError(f"import every {kind.name.lower()} before the first is defined: indices would shift")
        self._defined[kind] |= defines
        index = self._counts[kind]
        self._counts[kind] += 1
        return index

    def import_func(
        self, module: str, name: str, params: Iterable[ValType] = (), results: Iterable[ValType] = ()
    ) -> int:
        index = self._next(ExternKind.FUNC, False)
        self.module.imports.append(Import(module, name, ImportedFunc(self.func_type(params, results))))
        return index

    def import_other(self, module: str, name: str, type_: TableType | MemType | GlobalType | TagType) -> int:
        """Import a table, memory, global or tag and return its index."""
        kinds = {
            TableType: ExternKind.TABLE,
            MemType: ExternKind.MEMORY,
            GlobalType: ExternKind.GLOBAL,
            TagType: ExternKind.TAG,
        }
        index = self._next(kinds[type(type_)], False)
        self.module.imports.append(Import(module, name, type_))
        return index

    def func(
        self, params: Iterable[ValType] = (), results: Iterable[ValType] = (), export: str | None = None,
        type_index: int | None = None,
    ) -> FuncBuilder:  # fmt: skip
        """Add a function; write its body through the result, in any order with other functions."""
        params, results = tuple(params), tuple(results)
        index = self._next(ExternKind.FUNC, True)
        if type_index is None:
            type_index = self.func_type(params, results)
        builder = FuncBuilder(self, index, FuncType(params, results), type_index)
        self._builders.append(builder)
        if export is not None:
            self.export(export, ExternKind.FUNC, index)
        return builder

    def memory(
        self, minimum: int, maximum: int | None = None, *, index64: bool = False, shared: bool = False,
        page_log2: int = 16, export: str | None = None,
    ) -> int:  # fmt: skip
        index = self._next(ExternKind.MEMORY, True)
        self.module.memories.append(MemType(Limits(minimum, maximum), index64, shared, page_log2))
        if export is not None:
            self.export(export, ExternKind.MEMORY, index)
        return index

    def table(
        self, minimum: int, maximum: int | None = None, ref: RefType = FUNCREF, *, index64: bool = False,
        init: Expr | None = None, export: str | None = None,
    ) -> int:  # fmt: skip
        index = self._next(ExternKind.TABLE, True)
        self.module.tables.append(Table(TableType(ref, Limits(minimum, maximum), index64), init))
        if export is not None:
            self.export(export, ExternKind.TABLE, index)
        return index

    def global_(self, type_: ValType, init: Expr, mutable: bool = True, export: str | None = None) -> int:
        index = self._next(ExternKind.GLOBAL, True)
        self.module.globals.append(Global(GlobalType(type_, mutable), init))
        if export is not None:
            self.export(export, ExternKind.GLOBAL, index)
        return index

    def tag(self, params: Iterable[ValType] = (), export: str | None = None) -> int:
        index = self._next(ExternKind.TAG, True)
        self.module.tags.append(TagType(self.func_type(params)))
        if export is not None:
            self.export(export, ExternKind.TAG, index)
        return index

    def elem(self, funcs: Iterable[int], offset: int | None = None, table: int = 0, declarative: bool = False) -> int:
        """A segment of functions by index: active at ``offset``, else passive or declarative.

        Its type is ``(ref func)``, as the binary forms that list functions by index have it (spec 5.5.12).
        """
        init = tuple(const("ref.func", func) for func in funcs)
        if offset is not None:
            elem = Elem(_FUNC, init, SegmentMode.ACTIVE, table, const("i32.const", offset))
        else:
            elem = Elem(_FUNC, init, SegmentMode.DECLARATIVE if declarative else SegmentMode.PASSIVE)
        self.module.elems.append(elem)
        return len(self.module.elems) - 1

    def data(self, init: bytes, offset: int | None = None, memory: int = 0) -> int:
        """A data segment: active at ``offset`` of a 32-bit memory, else passive."""
        if offset is not None:
            data = Data(init, SegmentMode.ACTIVE, memory, const("i32.const", offset))
        else:
            data = Data(init)
        self.module.datas.append(data)
        return len(self.module.datas) - 1

    def export(self, name: str, kind: ExternKind, index: int) -> None:
        self.module.exports.append(Export(name, kind, index))

    def finish(self) -> Module:
        """The module; every function that was added gets its final ``end``. Raises ``ValueError`` for an open block."""
        for builder in self._builders:
            if builder._level:
                raise ValueError(f"function {builder.index} has {builder._level} open blocks")
            body = [*builder.body, _END]
            self.module.funcs.append(Func(builder.type_index, builder.locals, body))
        self._builders = []
        return self.module
