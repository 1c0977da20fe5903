"""The tables of one module that statements share: functions by family, references by type, 32-bit and 64-bit ones.

All functions of a family can be called by one type. A table holds one family, several (then only a cast or a trap
tells), or other references. ``full`` ones hold no null at any time, so what is in them may be called unguarded.

    (table $0 (export "table0") 7 9 funcref)
    (elem (table $0) (offset i32.const 0) func $r0_0 $r0_1 $r0_2)       ;; a family
    (elem $1 funcref (item ref.func $r0_1) (item ref.null func))        ;; a passive segment
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.draw.signatures import draw_types
from generators.draw.values import CONST
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.calls import Callee, Calls
from generators.program.push_values import push_values
from generators.state.held_refs import constant_reference, draw_held, fold_null, fold_reference, null
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.isa import OPS
from wasm.module import Elem, Expr, ExternKind, SegmentMode
from wasm.valtypes import (
    EXTERNREF,
    FUNCREF,
    I32,
    I64,
    FuncType,
    Limits,
    NumType,
    RefType,
    SubType,
    TableType,
    ref,
)

_FUNC: Final = ref("func", False)
_PARAMS: Final = weighted((0, 16), (1, 30), (2, 40), (4, 40), (7, 20), (12, 10), (30, 4))
_RESULTS: Final = weighted((1, 60), (2, 30), (3, 14), (9, 8), (17, 6), (0, 6), (40, 4))
_SIZES: Final = weighted(
    (1, 14), (2, 20), (4, 40), (7, 50), (8, 20), (16, 30), (17, 14), (33, 14), (64, 6), (128, 6), (255, 3), (256, 3),
    (257, 3), (1000, 3),
)  # fmt: skip
_MOST: Final = 10_000
"""Elements of the largest maximum: growth up to it is guaranteed by every engine (docs/judging.md)."""
_MOST_SEGMENTED: Final = 300
"""A larger table is filled by its initialiser: a segment has an expression for each element."""
_MOST_ELEMENTS: Final = 40
"""Elements of active segments in a table that need not be full."""
_MOST_FAMILIES: Final = 3
_GROWN: Final = (0, 1, 2, 8, 30, _MOST)
"""How far the maximum is above the size at the start."""

_KINDS: Final = shares(("functions", 3), ("typed", 2), ("several", 1), ("held", 2))
"""functions  of one family, as funcref
typed      of one family, by its type
several    of all families that have names
held       references that are no functions of a family
"""

CALL_ELEMENT: Final = template("local.get $at  call_indirect $table (type $type)")
_SIZE: Final = template("table.size $table")
_IS_NULL: Final = code("ref.is_null")
_ELEMENT: Final = template("local.get $at  table.get $table")
_STEP_DOWN: Final = {
    t: template(f"local.get $at  {t}.eqz  br_if 1  local.get $at  {t}.const 1  {t}.sub  local.set $at")
    for t in (I32, I64)
}
"""In a loop in a block: leave at 0, else one less."""
_AGAIN: Final = code("br 0")


@dataclass(frozen=True, slots=True)
class Family:
    """Functions with different answers; ``type_index`` is the type that all can be called by.

    ``named``: they are exported, so that whoever sees a table tells them apart.
    """

    type: FuncType
    type_index: int
    callees: tuple[Callee, ...]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``families`` is empty for references that are no functions of a family.

    ``seen``: it is exported, and what it holds can be told apart from outside.
    """

    index: int
    type: TableType
    families: tuple[Family, ...] = ()
    full: bool = False
    seen: bool = False

    @property
    def size(self) -> int:
        """Elements that it has at any time."""
        return self.type.limits.minimum

    @property
    def index_type(self) -> NumType:
        return self.type.index_type


@dataclass(frozen=True, slots=True)
class Segment:
    """A passive element segment of what fits into ``table`` and tables like it."""

    index: int
    length: int
    table: Table


class Tables:
    """The kit of a module's tables. Imported ones are in it from the start."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.calls = Calls(shell)
        self.all: list[Table] = []
        self.families: list[Family] = []
        self.segments: list[Segment] = []
        for index, item in enumerate(shell.builder.module.imported(ExternKind.TABLE)):
            assert isinstance(item.type, TableType)
            if not shell.private:
                shell.builder.export(f"table{index}", ExternKind.TABLE, index)
            self.all.append(Table(index, item.type, seen=not shell.private))
        shell.closers.append(self.close)

    # Functions

    def family(self, source: ChoiceSource) -> Family:
        """Two to five functions of a new type; some of a declared subtype, where there are any."""
        config, builder = self.shell.config, self.shell.builder
        wide = config.allows(Feature.MULTI_VALUE)
        params = draw_types(source, config, min(source.weighted(_PARAMS), config.max_params))
        results = draw_types(source, config, min(source.weighted(_RESULTS), config.max_results if wide else 1))
        type_ = FuncType(params, results)
        count = source.between(2, 5)
        # Names are how tables are compared: a function without one is like any other.
        named = not source.one_in(4) and not self.shell.private
        types = [builder.type(type_)]
        if config.allows(Feature.GC) and source.one_in(2):
            types = [builder.rec_group((SubType(type_, (), False),))]
            types.append(builder.rec_group((SubType(type_, (types[0],), not source.one_in(2)),)))
        made = []
        for i in range(count):
            name = f"r{len(self.families)}_{i}" if named else None
            made.append(self.calls.leaf(source, type_, name, types[i % len(types)]))
        family = Family(type_, types[0], tuple(made), named)
        self.families.append(family)
        return family

    # Tables

    def add(self, source: ChoiceSource, held: bool = True) -> Table:
        """One more table with its first elements, exported unless the module keeps its state private.

        ``held``: it may be one of references that are no functions of a family.
        Without reference types there is but one, of functions, and it is full.
        """
        shell = self.shell
        allows = shell.config.allows
        plain = not allows(Feature.REFERENCE_TYPES)
        if plain and self.all:
            return self.all[0]
        kind = "functions" if plain else source.pick(_KINDS)
        families: tuple[Family, ...] = ()
        type_ = FUNCREF
        if held and kind == "held":
            type_ = draw_held(shell, source)
        else:
            if not self.families or (source.one_in(3) and len(self.families) < _MOST_FAMILIES):
                self.family(source)
            families = (source.pick(self.families),)
            named = tuple(family for family in self.families if family.named)
            if kind == "several" and len(named) > 1:
                families = named
            elif kind != "functions" and allows(Feature.FUNCTION_REFERENCES):
                type_ = ref(families[0].type_index, not source.one_in(2))
        index64 = allows(Feature.MEMORY64) and source.one_in(4)
        minimum = min(source.weighted(_SIZES), _MOST_SEGMENTED if plain else _MOST)
        maximum = min(_MOST, minimum + source.pick(_GROWN))
        table = TableType(type_, Limits(minimum, maximum), index64)
        full = plain or not type_.nullable or (len(families) == 1 and not source.one_in(4))
        return self._made(source, table, families, full)

    def _made(self, source: ChoiceSource, type_: TableType, families: tuple[Family, ...], full: bool) -> Table:
        """Define the table: its elements come from an initialiser, from active segments, or from both."""
        builder, private = self.shell.builder, self.shell.private
        index = len(builder.module.table_types())
        seen = not private and all(family.named for family in families)
        table = Table(index, type_, families, full, seen)
        # The format with an initialiser is of typed function references.
        initialised = self.shell.config.allows(Feature.FUNCTION_REFERENCES) and source.one_in(3)
        must = not type_.ref.nullable or type_.limits.minimum > _MOST_SEGMENTED
        init = None
        if must or initialised:
            init = self.element(source, table)
            if not self.shell.config.allows(Feature.FUNCTION_REFERENCES):
                init, table = None, Table(index, type_, families, False, seen)
        limits = type_.limits
        builder.table(
            limits.minimum, limits.maximum, type_.ref, index64=type_.index64, init=init,
            export=None if private else f"table{index}",
        )  # fmt: skip
        length = limits.minimum
        if init is not None or not table.full:
            length = source.below(min(length, _MOST_ELEMENTS) + 1)
        start = source.below(limits.minimum - length + 1)
        if length:
            self._active(source, table, start, length)
        self.all.append(table)
        return table

    def _active(self, source: ChoiceSource, table: Table, start: int, length: int) -> None:
        """One or two active segments over these elements; the later one wins where they overlap."""
        pattern = [self.element(source, table) for _ in range(source.between(1, 5))]
        runs = [(start, length)]
        if length > 2 and source.one_in(3):
            cut = source.between(1, length - 1)
            runs = [(start, cut), (start + cut - source.below(2), length - cut)]
            runs[1] = (runs[1][0], start + length - runs[1][0])
        for at, count in runs:
            init = tuple(pattern[i % len(pattern)] for i in range(count))
            offset = ((CONST[table.index_type], at),)
            self.shell.builder.module.elems.append(
                Elem(self._segment_type(table, init), init, SegmentMode.ACTIVE, table.index, offset)
            )

    def _segment_type(self, table: Table, init: tuple[Expr, ...]) -> RefType:
        """The short form, a list of functions, where it will do."""
        type_ = table.type.ref
        if type_ is FUNCREF and all(expr[0][0] is OPS["ref.func"] for expr in init):
            return _FUNC
        return type_

    def element(self, source: ChoiceSource, table: Table) -> Expr:
        """A constant expression for one element; null only where that may be."""
        type_ = table.type.ref
        if not table.full and source.one_in(4):
            return null(type_)
        if not table.families:
            return constant_reference(self.shell, source, type_)
        callee = source.pick(source.pick(table.families).callees)
        return const("ref.func", callee.func)

    def segment(self, source: ChoiceSource, table: Table) -> Segment:
        """A passive segment of what fits into a table; one in three times a new one."""
        fitting = [segment for segment in self.segments if fits(segment.table, table)]
        if fitting and not source.one_in(3):
            return source.pick(fitting)
        elems = self.shell.builder.module.elems
        pattern = [self.element(source, table) for _ in range(source.between(1, 4))]
        length = source.between(1, 12)
        init = tuple(pattern[i % len(pattern)] for i in range(length))
        made = Segment(len(elems), length, table)
        elems.append(Elem(self._segment_type(table, init), init))
        self.segments.append(made)
        return made

    def pick(self, source: ChoiceSource) -> Table:
        """A table; the first one is made when there is none."""
        return source.pick(self.all) if self.all else self.add(source)

    # The end

    def close(self) -> None:
        """For tables that nobody outside sees: a function that folds all their elements, and a call of it."""
        hidden = [table for table in self.all if not table.seen]
        if not hidden:
            return
        shell = self.shell
        source = shell.source.fork("slots")
        f = shell.builder.func((), (I64,), export="slots")
        fn = Function.of(shell, f, source)
        for table in hidden:
            fold_table(fn, source, table)
        fn.close_vectors()
        fn.get(fn.acc)
        shell.invocations.append(Invocation("slots"))


def fits(given: Table, taking: Table) -> bool:
    """Whether elements of one table may be put into another one without a cast."""
    if taking.full and not given.full:
        return False
    have, want = given.type.ref, taking.type.ref
    if have.nullable and not want.nullable:
        return False
    if have.heap != want.heap and (want is not FUNCREF or not given.families):
        return False
    return all(family in taking.families for family in given.families) and bool(given.families) == bool(taking.families)


def fold_table(fn: Function, source: ChoiceSource, table: Table) -> None:
    """Fold every element of a table into the hash: functions by what they answer, in a loop over all."""
    t = table.index_type
    plain = not fn.shell.config.allows(Feature.REFERENCE_TYPES)
    at = fn.local(t)
    # Without reference types there is no table.size, but nothing can make the table grow either.
    size: Code = ((CONST[t], table.size),) if plain else _SIZE(table.index)
    fn += (*size, *fn.fold(t), *size)
    fn.set(at)
    with fn.block(), fn.block("loop"):
        fn += _STEP_DOWN[t](at)
        if plain:
            call_element(fn, source, table, at)
        else:
            fn += _ELEMENT(at=at, table=table.index)
            _fold_element(fn, source, table, at)
        fn += _AGAIN


def _fold_element(fn: Function, source: ChoiceSource, table: Table, at: int) -> None:
    """Fold element ``at`` (a local), which is on the stack; of functions of several families whether it is null."""
    if len(table.families) == 1:
        fn += _IS_NULL
        with fn.block("if"):
            fold_null(fn)
            fn.else_()
            call_element(fn, source, table, at)
    elif table.families or table.type.ref is EXTERNREF:
        fn += _IS_NULL
        fn += fn.fold(I32)
    else:
        fold_reference(fn, table.type.ref)


def call_element(fn: Function, source: ChoiceSource, table: Table, at: int) -> None:
    """Call element ``at`` (a local) of a table of one family and fold the results."""
    (family,) = table.families
    push_values(fn, source, family.type.params)
    fn += CALL_ELEMENT(at=at, table=table.index, type=family.type_index)
    for type_ in reversed(family.type.results):
        fn.take(type_)
