"""The store of compiled instances: what each kind of item is in memory (``compiler.layout``), and who owns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeAlias, final

from compiler.layout import (
    FUNCTION_BYTES,
    FUNCTION_CODE,
    FUNCTION_CONTEXT,
    FUNCTION_TYPE,
    MEMORY_BASE,
    MEMORY_BYTES,
    MEMORY_PAGES,
    MEMORY_SIZE,
    TABLE_BASE,
    TABLE_BYTES,
    TABLE_SIZE,
)
from compiler.pipeline import Settings
from oracles.compiled.aggregates import Aggregate
from oracles.compiled.machine import Loaded, Machine
from oracles.compiled.regions import NoMemory, Region, read, read_word, write, write_word
from oracles.linking import FuncItem, GlobalItem, MemoryItem, TableItem, TagItem
from oracles.stops import MemoryExhaustion
from wasm.canonical import Types
from wasm.module import ExternKind, Module
from wasm.traps import Trap, TrapKind
from wasm.valtypes import FuncType, MemType, TableType, ValType

ARENA_BYTES: Final = 1 << 30
"""Address space for a store's records, cells and exceptions."""
PAGES: Final = 1 << 18
"""Pages of 64 KiB that a memory may have: the rest of what memory64 allows is refused, as the interpreter does."""
ELEMENTS: Final = (1 << 32) - 1
PAYLOAD: Final = 16
_FILL_BYTES: Final = 1 << 20
_IDENTITIES: Final = count(1)


@final
class Func(FuncItem):
    """A function instance. ``address`` is its record's, which is what a reference to it is."""

    __slots__ = ("_type_id", "address", "type", "type_index", "types")

    def __init__(self, store: Store, types: Types, type_index: int) -> None:
        self.types, self.type_index = types, type_index
        type_ = types.func(type_index)
        assert type_ is not None
        self.type: FuncType = type_
        self.address = store.allocate(FUNCTION_BYTES)
        write_word(self.address + FUNCTION_TYPE, self.type_id)
        store.funcs[self.address] = self

    @property
    def type_id(self) -> int:
        """The canonical id of its type."""
        return self.types.canonical_id(self.type_index)

    def bind(self, code: int, context: int) -> None:
        """Say where its code is and in which context it runs."""
        write_word(self.address + FUNCTION_CODE, code)
        write_word(self.address + FUNCTION_CONTEXT, context)


@final
class Memory(MemoryItem):
    """A memory instance: reserved up to what it may grow to, so that its base never moves."""

    __slots__ = ("address", "base", "limit", "pages", "region", "size", "type")

    def __init__(self, store: Store, type_: MemType) -> None:
        """Raises ``MemoryExhaustion``."""
        self.type = type_
        most = 1 << (64 if type_.index64 else 32) - type_.page_log2
        declared = most if type_.limits.maximum is None else min(type_.limits.maximum, most)
        self.limit = min(declared, PAGES << 16 - type_.page_log2)
        if type_.limits.minimum > self.limit:
            raise MemoryExhaustion(f"a memory of {type_.limits.minimum} pages")
        self.region = store.region(self.limit << type_.page_log2)
        self.address = store.allocate(MEMORY_BYTES)
        self.base = self.region.address
        self.pages = self.size = 0
        write_word(self.address + MEMORY_BASE, self.base)
        if self.grow(type_.limits.minimum) < 0:
            raise MemoryExhaustion(f"a memory of {type_.limits.minimum} pages")

    def grow(self, delta: int) -> int:
        """Add pages; the old number of pages, or -1 if that is more than allowed or than there is."""
        old, new = self.pages, self.pages + delta
        if new > self.limit:
            return -1
        try:
            self.region.commit(new << self.type.page_log2)
        except NoMemory:
            return -1
        self.pages, self.size = new, new << self.type.page_log2
        write_word(self.address + MEMORY_SIZE, self.size)
        write_word(self.address + MEMORY_PAGES, self.pages)
        return old

    def check(self, at: int, length: int) -> None:
        """Raises ``Trap`` unless ``length`` bytes at ``at`` are inside."""
        if at + length > self.size:
            raise Trap(TrapKind.MEMORY_OOB)

    def init(self, at: int, data: bytes, start: int, length: int) -> None:
        """memory.init from the bytes of a segment."""
        self.check(at, length)
        if start + length > len(data):
            raise Trap(TrapKind.MEMORY_OOB)
        write(self.base + at, data[start : start + length])


@final
class Table(TableItem):
    """A table instance; ``types`` belongs to the module that defined it."""

    __slots__ = ("address", "base", "limit", "region", "size", "type", "types")

    def __init__(self, store: Store, type_: TableType, types: Types, init: int) -> None:
        """Raises ``MemoryExhaustion``."""
        self.type, self.types = type_, types
        maximum = type_.limits.maximum
        self.limit = ELEMENTS if maximum is None else min(maximum, ELEMENTS)
        self.region = store.region(8 * self.limit)
        self.address = store.allocate(TABLE_BYTES)
        self.base = self.region.address
        self.size = 0
        write_word(self.address + TABLE_BASE, self.base)
        if self.grow(type_.limits.minimum, init) < 0:
            raise MemoryExhaustion(f"a table of {type_.limits.minimum} elements")

    def grow(self, delta: int, value: int) -> int:
        """Add elements; the old size, or -1 if that is more than allowed or than there is."""
        old, new = self.size, self.size + delta
        if new > self.limit:
            return -1
        try:
            self.region.commit(8 * new)
        except NoMemory:
            return -1
        self.size = new
        write_word(self.address + TABLE_SIZE, new)
        if value:
            self.fill(old, value, delta)
        return old

    def get(self, index: int) -> int:
        self.check(index, 1)
        return read_word(self.base + 8 * index)

    def check(self, at: int, length: int) -> None:
        """Raises ``Trap`` unless ``length`` elements at ``at`` are inside."""
        if at + length > self.size:
            raise Trap(TrapKind.TABLE_OOB)

    def fill(self, at: int, value: int, length: int) -> None:
        """table.fill"""
        self.check(at, length)
        chunk = value.to_bytes(8, "little") * min(length, _FILL_BYTES // 8)
        for start in range(8 * at, 8 * (at + length), _FILL_BYTES):
            write(self.base + start, chunk[: 8 * (at + length) - start])

    def init(self, at: int, values: list[int], start: int, length: int) -> None:
        """table.init from the elements of a segment."""
        self.check(at, length)
        if start + length > len(values):
            raise Trap(TrapKind.TABLE_OOB)
        write(self.base + 8 * at, b"".join([value.to_bytes(8, "little") for value in values[start : start + length]]))


@final
class Global(GlobalItem):
    """A global instance: a cell of 16 bytes; ``types`` belongs to the module that defined it."""

    __slots__ = ("address", "mutable", "type", "types")

    def __init__(self, store: Store, type_: ValType, mutable: bool, types: Types, bits: int) -> None:
        self.type, self.mutable, self.types = type_, mutable, types
        self.address = store.allocate(16)
        write(self.address, bits.to_bytes(16, "little"))

    @property
    def bits(self) -> int:
        return int.from_bytes(read(self.address, 16), "little")


@final
class Tag(TagItem):
    """A tag instance; ``identity`` stands at the beginning of its exceptions."""

    __slots__ = ("identity", "params", "type_index", "types")

    def __init__(self, store: Store, types: Types, type_index: int) -> None:
        self.types, self.type_index, self.identity = types, type_index, next(_IDENTITIES)
        type_ = types.func(type_index)
        assert type_ is not None
        self.params = type_.params
        store.tags[self.identity] = self


Extern: TypeAlias = Func | Table | Memory | Global | Tag


@final
class Instance:
    """A module instance; ``context`` is the address of its block."""

    __slots__ = (
        "_names", "context", "datas", "elems", "exports", "finished", "funcs", "globals", "imported", "memories",
        "module", "store", "tables", "tags", "types",
    )  # fmt: skip

    def __init__(self, module: Module, types: Types, store: Store) -> None:
        self.module, self.types, self.store = module, types, store
        self.context = 0
        self.imported: list[Extern] = []
        self.funcs: list[Func] = []
        self.tables: list[Table] = []
        self.memories: list[Memory] = []
        self.globals: list[Global] = []
        self.tags: list[Tag] = []
        self.elems: list[list[int]] = []
        self.datas: list[bytes] = []
        self.exports: dict[str, tuple[ExternKind, Extern]] = {}
        self._names: dict[int, str] | None = None
        self.finished = False

    def name_of(self, address: int) -> str | None:
        """The first export of this instance that is the function with a record at an address."""
        if self._names is None:
            self._names = {}
            for name, (_, item) in self.exports.items():
                if isinstance(item, Func):
                    self._names.setdefault(item.address, name)
        return self._names.get(address)

    def exported_func(self, name: str) -> Func | None:
        _, item = self.exports.get(name, (None, None))
        return item if isinstance(item, Func) else None


@dataclass(slots=True)
class Store:
    """Everything that instances which see each other share. ``close`` frees it; nothing of it may run afterwards."""

    machine: Machine
    settings: Settings
    funcs: dict[int, Func] = field(default_factory=dict)
    tags: dict[int, Tag] = field(default_factory=dict)
    aggregates: dict[int, Aggregate] = field(default_factory=dict)
    _arena: Region = field(init=False)
    _used: int = 0
    _regions: list[Region] = field(default_factory=list)
    _images: list[Loaded] = field(default_factory=list)
    _contexts: list[int] = field(default_factory=list)
    plain_context: int = field(init=False)
    """A context for code that needs no instance."""

    def __post_init__(self) -> None:
        self._arena = Region(ARENA_BYTES, ARENA_BYTES)
        self.plain_context = self.new_context(8)

    def allocate(self, size: int) -> int:
        """The address of zeroed bytes, 16-aligned. Raises ``MemoryExhaustion``."""
        if self._used + size > ARENA_BYTES:
            raise MemoryExhaustion("the store is full")
        address = self._arena.address + self._used
        self._used += -(-size // 16) * 16
        return address

    def region(self, size: int) -> Region:
        """Reserved address space. Raises ``MemoryExhaustion``."""
        try:
            made = Region(size)
        except NoMemory as error:
            raise MemoryExhaustion(str(error)) from None
        self._regions.append(made)
        return made

    def new_context(self, size: int) -> int:
        """A context: a block that begins with the Runtime block's address."""
        context = self.allocate(size)
        write_word(context, self.machine.runtime)
        self._contexts.append(context)
        return context

    def keep(self, loaded: Loaded) -> Loaded:
        """Make an image live as long as the store."""
        self._images.append(loaded)
        return loaded

    def new_exception(self, tag: Tag, payload: bytes) -> int:
        """An exception block; ``payload`` has 16 bytes per value."""
        address = self.allocate(PAYLOAD + len(payload))
        write_word(address, tag.identity)
        write(address + PAYLOAD, payload)
        return address

    def new_aggregate(self, aggregate: Aggregate) -> int:
        """A reference to a struct or array: an address, which is even, as an i31 and a host token never are."""
        address = self.allocate(16)
        self.aggregates[address] = aggregate
        return address

    def close(self) -> None:
        for context in self._contexts:
            self.machine.owners.pop(context, None)
        for loaded in self._images:
            self.machine.unload(loaded)
        for region in (*self._regions, self._arena):
            region.release()
        self._images.clear()
        self._regions.clear()
