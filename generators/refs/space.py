"""What a module keeps for references: its types, functions of them, globals, tables, a pool of objects, segments.

One ``RefSpace`` per module (``Shell.kit``), made when first asked for; everything in it is made when first used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.signatures import draw_types
from generators.draw.values import CONST, draw_bits
from generators.module.shell import TYPED_ANSWERS, Shell
from generators.program.calls import Callee
from generators.refs.lattice import ABSTRACT, Defined, Lattice, value_type
from wasm.builder import FuncBuilder
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.module import Elem, Expr, SegmentMode
from wasm.signatures_gc import defaultable
from wasm.valtypes import ANYREF, I32, I64, FuncType, HeapType, RefType, StorageType, ValType, ref

SEGMENT: Final = 96
"""Bytes of a data segment for arrays."""

ELEMENTS: Final = 5
"""Entries of an element segment for arrays and tables."""

_BRANCHING: Final = 24
"""Constants of structs with more fields than this have no objects below their own."""

VARIANTS: Final = 2
"""Functions of each function type, so that a wrong one shows."""

_POOL: Final = (4, 6, 8, 12, 16)
_SIZES: Final = (3, 4, 6, 9, 16)
_SOFT: Final = weighted(("", 180), ("none", 6), ("nofunc", 4), ("noextern", 4))
_EMPTY: Final = ("none", "nofunc", "noextern", "exn", "noexn")
_MOST_CALLEES: Final = 3
_GROWTH: Final = 40
"""How many elements a table can grow by."""

_CONSTANTS: Final = shares(("null", 2), ("value", 5), ("global", 1))
_OBJECTS: Final = shares(("i31", 1), ("own", 2), ("host", 1))
"""What a constant of ``any`` or ``eq`` is: a small integer, an object of the module's own types, a host's value."""
_AGGREGATES: Final = shares(("each", 2), ("repeated", 1), ("default", 1))
"""How a constant object is made: of a constant for each place, an array of one value, or all zeros and nulls."""

_NULL: Final = template("ref.null $heap")
_I31: Final = template("i32.const $number  ref.i31")
_FUNC: Final = template("ref.func $func")
_GLOBAL: Final = template("global.get $index")
_TO_HOST: Final = code("extern.convert_any")
_FROM_HOST: Final = code("any.convert_extern")
_STRUCT: Final = template("struct.new $type")
_STRUCT_DEFAULT: Final = template("struct.new_default $type")
_ARRAY_FIXED: Final = template("array.new_fixed $type $count")
_ARRAY_REPEATED: Final = template("i32.const $count  array.new $type")
_ARRAY_DEFAULT: Final = template("i32.const $count  array.new_default $type")
_START: Final = code("i32.const 0")

Role: TypeAlias = Literal["function", "digest", "rest", "brief"]
"""What a function that is written later is for: to be a value of a function type, or one of the kinds of digests."""


@dataclass(frozen=True, slots=True)
class RefGlobal:
    """A global that holds references."""

    type: RefType
    index: int
    mutable: bool


@dataclass(frozen=True, slots=True)
class RefTable:
    """A table of references; ``size`` is its size at the start and so at any time the least."""

    type: RefType
    index: int
    size: int


class RefSpace:
    """The kit. ``constant`` is for initialisers; bodies of functions use ``generators.refs.expressions``.

    Digests and functions of the module's types are made on request and written later: ``unwritten`` has them with their
    roles and heap types. ``locals`` has the locals that hold references in each function, by its index; ``callees``
    functions of many parameters or results.
    """

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.builder = shell.builder
        self.config = shell.config
        self.source = shell.source.fork("references")
        self.gc = self.config.allows(Feature.GC)
        self.bulk = self.config.allows(Feature.BULK_MEMORY)
        self.typed = self.config.allows(Feature.FUNCTION_REFERENCES)
        self.lattice = Lattice.of(self.builder, self.config, self.source.fork("types"), self.gc)
        self.unwritten: list[tuple[Role, FuncBuilder, HeapType]] = []
        self.locals: dict[int, list[tuple[RefType, int]]] = {}
        self.globals: list[RefGlobal] = []
        self.callees: list[Callee] = []
        self.tables: list[RefTable] = []
        self._digests: dict[tuple[Role, HeapType], int] = {}
        self._functions: dict[int, list[int]] = {}
        self._elems: dict[RefType, int] = {}
        self._data = -1
        self._pool: RefTable | None = None
        self._forks = 0

    def fork(self) -> ChoiceSource:
        """A stream for one more function."""
        self._forks += 1
        return self.source.fork(f"function{self._forks}")

    # Types

    def inhabited(self, heap: HeapType) -> bool:
        """Whether a reference to this type can be other than null, and be made anywhere."""
        if heap in ("struct", "array"):
            return bool(self.lattice.all(str(heap)))
        return heap not in _EMPTY

    def draw(self, source: ChoiceSource) -> RefType:
        """A reference type, mostly one of the module's own, mostly with null."""
        heap: HeapType = source.weighted(_SOFT) if self.gc else ""
        if not heap:
            own = list(self.lattice.types)
            if own and not source.chance(3, 8):
                heap = source.pick(own)
            else:
                heap = source.pick(("extern", "func", *(ABSTRACT if self.gc else ())))
        return ref(heap, not self.typed or not self.inhabited(heap) or not source.one_in(3))

    def draw_types(self, source: ChoiceSource, count: int) -> tuple[ValType, ...]:
        """Types of ``count`` values, with references of one to four types among them."""
        types = list(draw_types(source, self.config, count))
        step, start = 1 + source.below(4), source.below(3)
        kinds = [self.draw(source) for _ in range(1 + source.below(4))]
        for n, i in enumerate(range(min(start, max(0, count - 1)), count, step)):
            types[i] = kinds[n % len(kinds)]
        return tuple(types)

    def draw_internal(self, source: ChoiceSource) -> HeapType:
        """A heap type below ``any``."""
        own = [t.index for t in self.concrete("any")]
        if own and not source.one_in(4):
            return source.pick(own)
        return source.pick(ABSTRACT)

    def draw_above(self, source: ChoiceSource) -> HeapType:
        """An abstract heap type, ``any`` most often: using what it holds takes casts."""
        return source.pick(("any", "any", *ABSTRACT))

    def matches(self, sub: RefType, above: RefType) -> bool:
        """Whether a value of the one type serves as one of the other. A plain function reference that no cast can look
        into leads to one of the five functions without parameters only."""
        if above.heap == "func" and not self.gc and not self.is_answer(sub.heap):
            return False
        return self.lattice.matches(sub, above)

    def concrete(self, heap: HeapType) -> list[Defined]:
        """The module's own types at or below a heap type."""
        if isinstance(heap, int):
            return self.lattice.subtypes(heap) if heap in self.lattice.types else []
        if heap in ("any", "eq"):
            return [t for t in self.lattice.types.values() if t.kind != "func"]
        return self.lattice.all(heap)

    def is_answer(self, heap: HeapType) -> bool:
        """Whether this is the type of the five functions that plain function references lead to."""
        return heap == "func" or heap == self.shell.answer_type

    # Functions

    def choose_callee(self, source: ChoiceSource) -> Callee | None:
        """One of ``callees``; None, so that another one is made, half of the time until there are enough."""
        if self.callees and (len(self.callees) >= _MOST_CALLEES or source.one_in(2)):
            return source.pick(self.callees)
        return None

    def function(self, index: int, variant: int) -> int:
        """One of the functions of a function type of the module's own."""
        made = self._functions.setdefault(index, [])
        while len(made) <= variant:
            type_ = self.lattice.types[index].composite
            assert isinstance(type_, FuncType)
            f = self.builder.func(type_.params, type_.results, type_index=index)
            made.append(f.index)
            self.unwritten.append(("function", f, index))
        return made[variant]

    def digest(self, heap: HeapType, role: Role = "digest") -> int:
        """The function (reference, depth) -> i64 that folds all that the reference leads to, ``depth`` steps deep.

        The role "rest" is for the part of it that is not for null or depth 0. It is apart since every engine takes the
        fuel of a function's straight way where the function begins, and most of many references are null or shallow.
        "brief" is for structs among many values: their first fields.
        """
        if isinstance(heap, str):
            heap = {"nofunc": "func", "noextern": "extern", "func": "func", "extern": "extern"}.get(heap, "any")
        func = self._digests.get((role, heap))
        if func is None:
            f = self.builder.func((ref(heap), I32), (I64,))
            func = self._digests[role, heap] = f.index
            self.unwritten.append((role, f, heap))
        return func

    # Initialisers

    def constant(self, source: ChoiceSource, type_: RefType, depth: int) -> Expr:
        """A constant expression of a type (spec 3.4.13). One of ``(ref extern)`` takes GC."""
        heap = type_.heap
        known = [held.index for held in self.globals if not held.mutable and self.matches(held.type, type_)]
        how = source.pick(_CONSTANTS)
        if known and self.gc and how == "global":
            return _GLOBAL(index=source.pick(known))
        bare = not self.inhabited(heap) or (heap == "extern" and not self.gc)
        if type_.nullable and (bare or how == "null" or depth < 0):
            return _NULL(heap=heap)
        return self._value(source, heap, depth)

    def _value(self, source: ChoiceSource, heap: HeapType, depth: int) -> Code:
        """A constant that is not null."""
        if self.is_answer(heap):
            return _FUNC(func=self.shell.answer(source.below(TYPED_ANSWERS)))
        if heap == "extern":
            return (*self._value(source, "any" if depth > 0 else "i31", depth), *_TO_HOST)
        kind = source.pick(_OBJECTS)
        if heap == "any" and kind == "host":
            return (*self._value(source, "extern", 0), *_FROM_HOST)
        own = self.concrete(heap)
        if heap == "i31" or not own or (heap in ("any", "eq") and (kind == "i31" or depth <= 0)):
            return _I31(number=draw_bits(source, I32))
        if depth <= 0:
            own = [min(own, key=lambda t: t.weight)]
        return self._defined(source, source.pick(own), depth)

    def _defined(self, source: ChoiceSource, type_: Defined, depth: int) -> Code:
        """A constant of exactly this type."""
        if type_.kind == "func":
            return _FUNC(func=self.function(type_.index, source.below(2 * VARIANTS) % VARIANTS))
        how = source.pick(_AGGREGATES)
        plain = all(map(defaultable, (f.storage for f in type_.fields)))
        if type_.kind == "struct":
            if how == "default" and plain:
                return _STRUCT_DEFAULT(type=type_.index)
            # A wide struct of references to wide structs would be as large as the product of their widths.
            below = depth - 1 if len(type_.fields) <= _BRANCHING else -1
            values = [instr for f in type_.fields for instr in self.item(source, f.storage, below)]
            return (*values, *_STRUCT(type=type_.index))
        (element,) = type_.fields
        count = source.below(7)
        if how == "default" and plain:
            return _ARRAY_DEFAULT(count=count, type=type_.index)
        if how == "repeated":
            return (*self.item(source, element.storage, depth - 1), *_ARRAY_REPEATED(count=count, type=type_.index))
        values = [instr for _ in range(count) for instr in self.item(source, element.storage, depth - 1)]
        return (*values, *_ARRAY_FIXED(type=type_.index, count=count))

    def item(self, source: ChoiceSource, storage: StorageType, depth: int) -> Expr:
        """A constant for a field."""
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            return self.constant(source, type_, depth)
        return ((CONST[type_], draw_bits(source, type_)),)

    def initial(self, type_: RefType) -> bool:
        """Whether the type has a constant."""
        return type_.nullable or (self.inhabited(type_.heap) and (self.gc or type_.heap != "extern"))

    # State

    def global_(self, source: ChoiceSource, type_: RefType) -> RefGlobal:
        """A new global of a type that has a constant."""
        mutable = not source.one_in(4)
        init = self.constant(source, type_, 2)
        visible = not self.shell.private and type_.heap in ("extern", "func")
        name = f"r{len(self.builder.module.globals)}" if visible else None
        made = RefGlobal(type_, self.builder.global_(type_, init, mutable, name), mutable)
        self.globals.append(made)
        return made

    @property
    def pooled(self) -> bool:
        """Whether there is a pool."""
        return self._pool is not None

    def pool(self) -> RefTable:
        """The table of objects of all types: what ``table.get`` gives from it has a type that no compiler knows."""
        if self._pool is None:
            source = self.source.fork("pool")
            size = source.pick(_POOL)
            index = self.builder.table(size, size, ANYREF)
            self._pool = RefTable(ANYREF, index, size)
            init = tuple(self.constant(source, ANYREF, 2) for _ in range(size))
            self.builder.module.elems.append(Elem(ANYREF, init, SegmentMode.ACTIVE, index, _START))
        return self._pool

    def table(self, source: ChoiceSource, type_: RefType) -> RefTable:
        """A new table of a type that has a constant, with its size at the start; it can grow."""
        size = source.pick(_SIZES)
        init = None
        if not type_.nullable or (self.typed and source.one_in(2)):
            init = self._table_constant(source, type_)
        visible = not self.shell.private and type_.heap in ("extern", "func")
        name = f"refs{len(self.tables)}" if visible else None
        made = RefTable(type_, self.builder.table(size, size + _GROWTH, type_, init=init, export=name), size)
        self.tables.append(made)
        return made

    def _table_constant(self, source: ChoiceSource, type_: RefType) -> Expr:
        """A constant for a table: tables come before globals, so it sees none of ``globals`` (spec 3.4.14)."""
        held, self.globals = self.globals, []
        init = self.constant(source, type_, 1)
        self.globals = held
        return init

    def data(self) -> int:
        """A passive data segment of ``SEGMENT`` bytes."""
        if self._data < 0:
            self._data = self.builder.data(self.source.fork("data").bytes(SEGMENT))
        return self._data

    def elem(self, type_: RefType) -> int:
        """A passive element segment of ``ELEMENTS`` entries of a type that has a constant."""
        index = self._elems.get(type_)
        if index is None:
            source = self.source.fork(f"elem{len(self._elems)}")
            init = tuple(self.constant(source, type_, 1) for _ in range(ELEMENTS))
            self.builder.module.elems.append(Elem(type_, init, SegmentMode.PASSIVE))
            index = self._elems[type_] = len(self.builder.module.elems) - 1
        return index
