"""What the reference interpreter and compiled code share: linking, and what becomes of an exception (spec 4.7.2, 7.1).

An instance (``Linked``) has the module's index spaces as lists of *items*: function, table, memory, global and tag
instances. What an item is, is each side's own: a Python object that holds values here, a record in mapped memory there.
The base classes below say what linking asks of them.

``link`` takes an instance that is empty through everything before the start function. It is handed what differs:
``define`` allocates what the module defines, and ``evaluate`` gives the value of a constant expression.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from oracles.stops import BadArgument, Exhaustion, MemoryExhaustion, Unlinkable
from wasm.canonical import Types, matches_extern
from wasm.embedding import Exhausted, Outcome, OutOfMemory, Rejected, Returned, Trapped, Value
from wasm.hostmix import (
    GROWS_BELOW,
    GROWS_BELOW_ELEMENTS,
    THROWN_TAG,
    WRITES_BELOW,
    Act,
    acts,
    written_at,
    written_value,
)
from wasm.module import Expr, ExternKind, ExternType, Import, ImportedFunc, Module, SegmentMode
from wasm.traps import Trap
from wasm.valtypes import GlobalType, Limits, MemType, TableType, TagType, ValType

# Items


class FuncItem:
    """A function instance. ``types`` belongs to the module that defined it, or for which a host made it."""

    __slots__ = ()
    KIND: ClassVar = ExternKind.FUNC
    types: Types
    type_index: int


class TableItem:
    """A table instance: ``size`` in elements now; ``type`` as declared."""

    __slots__ = ()
    KIND: ClassVar = ExternKind.TABLE
    types: Types
    type: TableType
    size: int

    @abstractmethod
    def grow(self, delta: int, value: Any) -> int:
        """Add elements; the old size, or -1 if that is more than allowed."""

    def current_type(self) -> TableType:
        """The type with the present size as its minimum, as linking sees it (spec 4.5.3.2)."""
        return TableType(self.type.ref, Limits(self.size, self.type.limits.maximum), self.type.index64)


class MemoryItem:
    """A memory instance: ``pages`` of the type's page size now; ``type`` as declared."""

    __slots__ = ()
    KIND: ClassVar = ExternKind.MEMORY
    type: MemType
    pages: int

    @abstractmethod
    def grow(self, delta: int) -> int:
        """Add pages; the old number of pages, or -1 if that is more than allowed."""

    def current_type(self) -> MemType:
        """The type with the present size as its minimum, as linking sees it (spec 4.5.3.3)."""
        limits = Limits(self.pages, self.type.limits.maximum)
        return MemType(limits, self.type.index64, self.type.shared, self.type.page_log2)


class GlobalItem:
    """A global instance."""

    __slots__ = ()
    KIND: ClassVar = ExternKind.GLOBAL
    types: Types
    type: ValType
    mutable: bool


class TagItem:
    """A tag instance; compared by identity."""

    __slots__ = ()
    KIND: ClassVar = ExternKind.TAG
    types: Types
    type_index: int


Item: TypeAlias = FuncItem | TableItem | MemoryItem | GlobalItem | TagItem


class Linked(Protocol):
    """An instance (spec 4.2.5) as far as linking is concerned. ``imported`` has the imports in the module's order."""

    module: Module
    types: Types
    imported: list[Any]
    funcs: list[Any]
    tables: list[Any]
    memories: list[Any]
    globals: list[Any]
    tags: list[Any]
    elems: list[Any]
    datas: list[bytes]
    exports: dict[str, tuple[ExternKind, Any]]
    finished: bool
    """Whether the start function has returned: then hosts have the exports."""


LinkedT = TypeVar("LinkedT", bound=Linked)
ItemT = TypeVar("ItemT", bound=Item)

Imports: TypeAlias = Mapping[tuple[str, str], ItemT] | Callable[[Import, LinkedT], ItemT | None]
"""What can be imported: by module and name, or made for an import of the instance that is being made."""


def space(instance: Linked, kind: ExternKind) -> list[Any]:
    """The index space of a kind."""
    match kind:
        case ExternKind.FUNC:
            return instance.funcs
        case ExternKind.TABLE:
            return instance.tables
        case ExternKind.MEMORY:
            return instance.memories
        case ExternKind.GLOBAL:
            return instance.globals
        case ExternKind.TAG:
            return instance.tags


_NO_TYPES = Types([])


def extern_type(item: Item) -> tuple[Types, ExternType]:
    """The type of an external value now, and the types that its indices refer to (spec 7.1.12)."""
    match item:
        case FuncItem():
            return item.types, ImportedFunc(item.type_index)
        case TableItem():
            return item.types, item.current_type()
        case MemoryItem():
            return _NO_TYPES, item.current_type()
        case GlobalItem():
            return item.types, GlobalType(item.type, item.mutable)
        case TagItem():
            return item.types, TagType(item.type_index)


# Instantiation


def link(
    instance: LinkedT, imports: Imports[ItemT, LinkedT], define: Callable[[], None], evaluate: Callable[[Expr], Any]
) -> None:
    """Everything of instantiation (spec 4.7.2) but the start function.

    Raises ``Unlinkable`` for an import that is missing or does not fit, ``Trap`` where an active segment does not fit,
    and what ``define``, ``evaluate`` and the items raise.
    """
    for wanted in instance.module.imports:
        given = imports(wanted, instance) if callable(imports) else imports.get((wanted.module, wanted.name))
        _import(instance, wanted, given)
    define()
    for export in instance.module.exports:
        instance.exports[export.name] = (export.kind, space(instance, export.kind)[export.index])
    _initialise(instance, evaluate)


def _import(instance: Linked, wanted: Import, given: Item | None) -> None:
    if given is None:
        raise Unlinkable(f"unknown import {wanted.module}.{wanted.name}")
    types, type_ = extern_type(given)
    if not matches_extern(types, type_, instance.types, wanted.type):
        raise Unlinkable(f"incompatible import type for {wanted.module}.{wanted.name}")
    instance.imported.append(given)
    space(instance, given.KIND).append(given)


def _initialise(instance: Linked, evaluate: Callable[[Expr], Any]) -> None:
    """Run the active segments in order (spec 4.7.2, steps 13 to 16)."""
    module = instance.module
    for elem in module.elems:
        items = () if elem.mode is SegmentMode.DECLARATIVE else elem.init
        instance.elems.append([evaluate(expr) for expr in items])
    instance.datas += [data.init for data in module.datas]
    for i, elem in enumerate(module.elems):
        if elem.mode is SegmentMode.ACTIVE:
            refs = instance.elems[i]
            instance.tables[elem.table].init(evaluate(elem.offset), refs, 0, len(refs))
            instance.elems[i] = []
    for i, data in enumerate(module.datas):
        if data.mode is SegmentMode.ACTIVE:
            instance.memories[data.memory].init(evaluate(data.offset), data.init, 0, len(data.init))
            instance.datas[i] = b""


class Registered(Generic[ItemT, LinkedT]):
    """The instances of modules that come before a case's own (``wasm.case.Case.before``), by their names."""

    def __init__(self) -> None:
        self._exports: dict[str, tuple[frozenset[str], Mapping[str, tuple[ExternKind, ItemT]]]] = {}

    def add(self, name: str, module: Module, instance: LinkedT | None) -> None:
        """Register an instance, or None for one that trapped or threw: what imports its exports is not linkable."""
        exports = instance.exports if instance is not None else {}
        self._exports[name] = (frozenset(one.name for one in module.exports), exports)

    def or_else(self, host: Imports[ItemT, LinkedT]) -> Imports[ItemT, LinkedT]:
        """Imports out of the instances so far, and what none of them has from the host."""

        def find(wanted: Import, instance: LinkedT) -> ItemT | None:
            names, exports = self._exports.get(wanted.module, (frozenset(), {}))
            if wanted.name in names:
                return exports.get(wanted.name, (None, None))[1]
            return host(wanted, instance) if callable(host) else host.get((wanted.module, wanted.name))

        return find if self._exports else host


# What hosts make


class OneOfEach(ABC, Generic[ItemT, LinkedT]):
    """Makes a case's imports on demand (``Imports``); those that agree in names and type are one and the same item."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, ExternType], ItemT] = {}

    def __call__(self, wanted: Import, instance: LinkedT) -> ItemT | None:
        """The item for an import of the instance that is being made; None where no host has such a thing."""
        key = (wanted.module, wanted.name, wanted.type)
        item = self._made.get(key)
        if item is None:
            item = self.make(wanted, instance)
            if item is not None:
                self._made[key] = item
        return item

    @abstractmethod
    def make(self, wanted: Import, instance: LinkedT) -> ItemT | None:
        """A new item for an import."""


def thrown_tag(instance: Linked) -> Any:
    """The tag that ``wasm.hostmix.Behaviour.THROW`` throws; None where the module imports no such tag."""
    for item, tag in zip(instance.module.imported(ExternKind.TAG), instance.tags, strict=False):
        if (item.module, item.name) == THROWN_TAG:
            return tag
    return None


class Hands(Protocol):
    """How a host of one side reaches what it changes: null references, and writing."""

    null: Any

    def store(self, memory: Any, at: int, data: bytes) -> None:
        """Write bytes that are in bounds."""

    def assign(self, item: Any, value: Value) -> None:
        """Set a mutable global to a number, an i31 or null."""


def act(wanted: Import, instance: Linked, state: int, hands: Hands) -> None:
    """What a host function does between logging and ending (``wasm.hostmix.Act``). Collecting is nothing here."""
    asked = acts(wanted.module)
    _, item = instance.exports.get(wanted.name, (None, None)) if instance.finished else (None, None)
    if Act.GROW in asked:
        if isinstance(item, MemoryItem) and item.pages < GROWS_BELOW >> item.type.page_log2:
            item.grow(1)
        elif isinstance(item, TableItem) and item.type.ref.nullable and item.size < GROWS_BELOW_ELEMENTS:
            item.grow(1, hands.null)
    if Act.WRITE in asked:
        if isinstance(item, MemoryItem) and item.pages << item.type.page_log2 >= WRITES_BELOW:
            hands.store(item, written_at(state), state.to_bytes(8, "little"))
        elif isinstance(item, GlobalItem) and item.mutable:
            value = written_value(item.type, state)
            if value is not None:
                hands.assign(item, value)


def called_back(wanted: Import, instance: Linked) -> Any:
    """The table whose first element ``wasm.hostmix.Behaviour.CALLBACK`` calls; None where there is none."""
    _, item = instance.exports.get(wanted.name, (None, None)) if instance.finished else (None, None)
    return item if isinstance(item, TableItem) and item.types.top(item.type.ref.heap) == "func" else None


# Outcomes


def embedded(action: Callable[[], Returned]) -> Outcome:
    """Do something with an instance and say what happened as a value.

    What only one side knows, as exceptions of the program and faults of compiled code, passes through.
    """
    try:
        return action()
    except Trap as trap:
        return Trapped(trap.kinds)
    except Exhaustion as exhaustion:
        return Exhausted(exhaustion.what)
    except MemoryExhaustion as error:
        return OutOfMemory(str(error))
    except (Unlinkable, BadArgument) as error:
        return Rejected(str(error))


def tag_name(instance: Linked, tag: TagItem) -> str:
    """The name under which a module exports or imports a tag; ``?`` if it does neither."""
    for name, (_, item) in instance.exports.items():
        if item is tag:
            return name
    for wanted, imported in zip(instance.module.imported(ExternKind.TAG), instance.tags, strict=False):
        if imported is tag:
            return wanted.name
    return "?"
