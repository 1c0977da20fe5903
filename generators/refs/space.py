"""What a module keeps for references: its types, functions of them, globals, a pool of objects, segments.

One kit per module (``Scaffold.kit``), made when first asked for; everything in it is made when first used.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import draw_bits
from generators.module.function import BARE
from generators.module.shell import Shell
from generators.program.calls import Callee
from generators.refs.lattice import ABSTRACT, Defined, Lattice, value_type
from wasm.builder import FuncBuilder
from wasm.features import Feature
from wasm.isa import OPS, Instr
from wasm.module import Elem, Expr, SegmentMode
from wasm.signatures_gc import defaultable
from wasm.valtypes import ANYREF, I32, I64, FuncType, HeapType, RefType, StorageType, ref

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


class References:
    """The kit. ``constant`` is for initialisers; bodies of functions use ``generators.refs.expressions``.

    ``digests`` and ``functions`` are made on request and written later: ``unwritten`` has (what, its function, type).
    ``locals`` has the locals that hold references in each function, by its index; ``rows`` functions of many
    parameters or results; ``tables`` the tables with their types and the sizes that they have at least.
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
        self.unwritten: list[tuple[str, FuncBuilder, HeapType]] = []
        self.locals: dict[int, list[tuple[RefType, int]]] = {}
        self.globals: list[tuple[RefType, int, bool]] = []
        self.rows: list[Callee] = []
        self.tables: list[tuple[RefType, int, int]] = []
        self._digests: dict[tuple[str, HeapType], int] = {}
        self._functions: dict[int, list[int]] = {}
        self._elems: dict[RefType, int] = {}
        self._data = -1
        self._pool: tuple[int, int] | None = None
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
            if own and source.below(8) < 5:
                heap = source.pick(own)
            else:
                heap = source.pick(("extern", "func", *(ABSTRACT if self.gc else ())))
        return ref(heap, not self.typed or not self.inhabited(heap) or source.below(3) < 2)

    def draw_internal(self, source: ChoiceSource) -> HeapType:
        """A heap type below ``any``."""
        own = [t.index for t in self.concrete("any")]
        if own and source.below(8) < 6:
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
            return self.lattice.below(heap) if heap in self.lattice.types else []
        if heap in ("any", "eq"):
            return [t for t in self.lattice.types.values() if t.kind != "func"]
        return self.lattice.all(heap)

    def is_answer(self, heap: HeapType) -> bool:
        """Whether this is the type of the five functions that plain function references lead to."""
        return heap == "func" or heap == self.shell.answer_type

    # Functions

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

    def digest(self, heap: HeapType, what: str = "digest") -> int:
        """The function (reference, depth) -> i64 that folds all that the reference leads to, ``depth`` steps deep.

        ``what`` is "rest" for the part of it that is not for null or depth 0. It is apart since every engine takes the
        fuel of a function's straight way where the function begins, and most references of a row are null or shallow.
        "brief" is for structs in wide rows: their first fields.
        """
        if isinstance(heap, str):
            heap = {"nofunc": "func", "noextern": "extern", "func": "func", "extern": "extern"}.get(heap, "any")
        found = self._digests.get((what, heap))
        if found is None:
            f = self.builder.func((ref(heap), I32), (I64,))
            found = self._digests[what, heap] = f.index
            self.unwritten.append((what, f, heap))
        return found

    # Initialisers

    def constant(self, source: ChoiceSource, type_: RefType, depth: int) -> Expr:
        """A constant expression of a type (spec 3.4.13). One of ``(ref extern)`` takes GC."""
        heap = type_.heap
        known = [index for held, index, mutable in self.globals if not mutable and self.matches(held, type_)]
        kind = source.below(8)
        if known and self.gc and kind == 7:
            return ((OPS["global.get"], source.pick(known)),)
        bare = not self.inhabited(heap) or (heap == "extern" and not self.gc)
        if type_.nullable and (bare or kind < 2 or depth < 0):
            return ((OPS["ref.null"], heap),)
        return tuple(self._object(source, heap, depth))

    def _object(self, source: ChoiceSource, heap: HeapType, depth: int) -> list[Instr]:
        """A constant that is not null."""
        if self.is_answer(heap):
            return [(OPS["ref.func"], self.shell.answer(source.below(5)))]
        if heap == "extern":
            return [*self._object(source, "any" if depth > 0 else "i31", depth), BARE["extern.convert_any"]]
        kind = source.below(4)
        if heap == "any" and kind == 3:
            return [*self._object(source, "extern", 0), BARE["any.convert_extern"]]
        found = self.concrete(heap)
        if heap == "i31" or not found or (heap in ("any", "eq") and (not kind or depth <= 0)):
            return [(OPS["i32.const"], draw_bits(source, I32)), BARE["ref.i31"]]
        if depth <= 0:
            found = [min(found, key=lambda t: t.weight)]
        return self._defined(source, source.pick(found), depth)

    def _defined(self, source: ChoiceSource, type_: Defined, depth: int) -> list[Instr]:
        kind = source.below(4)
        if type_.kind == "func":
            return [(OPS["ref.func"], self.function(type_.index, kind % VARIANTS))]
        plain = all(map(defaultable, (f.storage for f in type_.fields)))
        if type_.kind == "struct":
            if kind == 3 and plain:
                return [(OPS["struct.new_default"], type_.index)]
            # A wide struct of references to wide structs would be as large as the product of their widths.
            below = depth - 1 if len(type_.fields) <= _BRANCHING else -1
            values = [instr for f in type_.fields for instr in self.item(source, f.storage, below)]
            return [*values, (OPS["struct.new"], type_.index)]
        (element,) = type_.fields
        count = source.below(7)
        if kind == 3 and plain:
            return [(OPS["i32.const"], count), (OPS["array.new_default"], type_.index)]
        if kind == 2:
            value = self.item(source, element.storage, depth - 1)
            return [*value, (OPS["i32.const"], count), (OPS["array.new"], type_.index)]
        values = [instr for _ in range(count) for instr in self.item(source, element.storage, depth - 1)]
        return [*values, (OPS["array.new_fixed"], (type_.index, count))]

    def item(self, source: ChoiceSource, storage: StorageType, depth: int) -> Expr:
        """A constant for a field."""
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            return self.constant(source, type_, depth)
        return ((OPS[f"{type_}.const"], draw_bits(source, type_)),)

    def initial(self, type_: RefType) -> bool:
        """Whether the type has a constant."""
        return type_.nullable or (self.inhabited(type_.heap) and (self.gc or type_.heap != "extern"))

    # State

    def global_(self, source: ChoiceSource, type_: RefType) -> tuple[RefType, int, bool]:
        """A new global of a type that has a constant."""
        mutable = source.below(4) < 3
        init = self.constant(source, type_, 2)
        visible = not self.shell.private and type_.heap in ("extern", "func")
        name = f"r{len(self.builder.module.globals)}" if visible else None
        found = type_, self.builder.global_(type_, init, mutable, name), mutable
        self.globals.append(found)
        return found

    @property
    def pooled(self) -> bool:
        """Whether there is a pool."""
        return self._pool is not None

    def pool(self) -> tuple[int, int]:
        """The table of objects of all types from which ``table.get`` gives one that no compiler knows: index, size."""
        if self._pool is None:
            source = self.source.fork("pool")
            size = source.pick(_POOL)
            index = self.builder.table(size, size, ANYREF)
            self._pool = index, size
            init = tuple(self.constant(source, ANYREF, 2) for _ in range(size))
            offset = ((OPS["i32.const"], 0),)
            self.builder.module.elems.append(Elem(ANYREF, init, SegmentMode.ACTIVE, index, offset))
        return self._pool

    def table(self, source: ChoiceSource, type_: RefType) -> tuple[RefType, int, int]:
        """A new table of a type that has a constant, with its size at the start; it can grow."""
        size = source.pick(_SIZES)
        init = None
        if not type_.nullable or (self.typed and source.below(2)):
            init = self._table_constant(source, type_)
        visible = not self.shell.private and type_.heap in ("extern", "func")
        name = f"refs{len(self.tables)}" if visible else None
        found = type_, self.builder.table(size, size + 40, type_, init=init, export=name), size
        self.tables.append(found)
        return found

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
        found = self._elems.get(type_)
        if found is None:
            source = self.source.fork(f"elem{len(self._elems)}")
            init = tuple(self.constant(source, type_, 1) for _ in range(ELEMENTS))
            self.builder.module.elems.append(Elem(type_, init, SegmentMode.PASSIVE))
            found = self._elems[type_] = len(self.builder.module.elems) - 1
        return found
