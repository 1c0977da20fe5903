"""A module as data (spec 2.5): what the decoder gives, the builder makes and the reducer edits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final, TypeAlias

from wasm.isa.row import Instr
from wasm.valtypes import (
    FuncType,
    GlobalType,
    MemType,
    RecGroup,
    RefType,
    SubType,
    TableType,
    TagType,
    ValType,
)

Expr: TypeAlias = tuple[Instr, ...]
"""A constant expression (spec 3.4.13), without its final ``end``."""


MAGIC, FORMAT_VERSION = b"\0asm", b"\1\0\0\0"
HEADER: Final = MAGIC + FORMAT_VERSION
"""What a binary module begins with (spec 5.5.16)."""


class Section(IntEnum):
    """The sections by their binary ids (spec 5.5.2), in the order in which they must come.

    Id 0, a custom section, may stand anywhere.
    """

    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    TAG = 13
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    DATA_COUNT = 12
    CODE = 10
    DATA = 11


SECTION_ORDER: Final = tuple(Section)


class ExternKind(Enum):
    """What can be imported and exported, with the binary code (spec 5.5.5)."""

    FUNC = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


@dataclass(frozen=True, slots=True)
class ImportedFunc:
    """The type of an imported function: a type index."""

    type_index: int


ExternType: TypeAlias = ImportedFunc | TableType | MemType | GlobalType | TagType


@dataclass(frozen=True, slots=True)
class Import:
    module: str
    name: str
    type: ExternType


@dataclass(frozen=True, slots=True)
class Export:
    name: str
    kind: ExternKind
    index: int


@dataclass(slots=True)
class Func:
    """A defined function. ``locals`` are runs (count, type) as in the binary format, parameters not included.

    ``body`` is flat and ends with the function's own ``end``. ``offset`` is where the body's first instruction stands
    in the module that was decoded, for error messages.
    """

    type_index: int
    locals: list[tuple[int, ValType]]
    body: list[Instr]
    offset: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A defined table. ``init`` is None for a table without an initialiser expression (all null)."""

    type: TableType
    init: Expr | None = None


@dataclass(frozen=True, slots=True)
class Global:
    type: GlobalType
    init: Expr


class SegmentMode(Enum):
    ACTIVE = "active"
    PASSIVE = "passive"
    DECLARATIVE = "declarative"


@dataclass(frozen=True, slots=True)
class Elem:
    """An element segment; ``init`` has one constant expression per element. ``table`` and ``offset`` if active."""

    type: RefType
    init: tuple[Expr, ...]
    mode: SegmentMode = SegmentMode.PASSIVE
    table: int = 0
    offset: Expr = ()


@dataclass(frozen=True, slots=True)
class Data:
    """A data segment. ``memory`` and ``offset`` if active; never declarative."""

    init: bytes
    mode: SegmentMode = SegmentMode.PASSIVE
    memory: int = 0
    offset: Expr = ()


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom section; ``after`` is the id of the section that precedes it (0: it comes first)."""

    name: str
    data: bytes
    after: int = 0


@dataclass(slots=True)
class Module:
    """A module. In every index space the imported items come first.

    ``types`` holds recursion groups; a type index counts the members of all groups in order. ``has_data_count`` says
    whether the binary had a data count section; the encoder also writes one where an instruction needs it.
    """

    types: list[RecGroup] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    funcs: list[Func] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    memories: list[MemType] = field(default_factory=list)
    tags: list[TagType] = field(default_factory=list)
    globals: list[Global] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    start: int | None = None
    elems: list[Elem] = field(default_factory=list)
    datas: list[Data] = field(default_factory=list)
    customs: list[Custom] = field(default_factory=list)
    has_data_count: bool = field(default=False, compare=False)

    def flat_types(self) -> list[SubType]:
        """The types by index."""
        return [sub for group in self.types for sub in group]

    def type_index(self, type_: FuncType) -> int:
        """The index of a function type, which is added as a group of its own where it is not there yet."""
        types = self.flat_types()
        wanted = SubType(type_)
        if wanted in types:
            return types.index(wanted)
        self.types.append((wanted,))
        return len(types)

    def imported(self, kind: ExternKind) -> list[Import]:
        """The imports of one kind, in index order."""
        wanted = _IMPORT_CLASS[kind]
        return [item for item in self.imports if isinstance(item.type, wanted)]

    def func_type_indices(self) -> list[int]:
        """The type index of every function, imported ones first."""
        imported = [item.type.type_index for item in self.imports if isinstance(item.type, ImportedFunc)]
        return imported + [func.type_index for func in self.funcs]

    def func_types(self) -> list[FuncType]:
        """The type of every function, imported ones first. The type indices must name function types."""
        flat = self.flat_types()
        composites = [flat[index].composite for index in self.func_type_indices()]
        return [composite for composite in composites if isinstance(composite, FuncType)]

    def table_types(self) -> list[TableType]:
        imported = [item.type for item in self.imports if isinstance(item.type, TableType)]
        return imported + [table.type for table in self.tables]

    def memory_types(self) -> list[MemType]:
        return [item.type for item in self.imports if isinstance(item.type, MemType)] + self.memories

    def global_types(self) -> list[GlobalType]:
        imported = [item.type for item in self.imports if isinstance(item.type, GlobalType)]
        return imported + [item.type for item in self.globals]

    def tag_types(self) -> list[TagType]:
        return [item.type for item in self.imports if isinstance(item.type, TagType)] + self.tags


_IMPORT_CLASS = {
    ExternKind.FUNC: ImportedFunc,
    ExternKind.TABLE: TableType,
    ExternKind.MEMORY: MemType,
    ExternKind.GLOBAL: GlobalType,
    ExternKind.TAG: TagType,
}
