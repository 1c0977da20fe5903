"""Objects that stay alive: what instructions give is put into a table of the module besides, which nobody reads.

    struct.new $s      ->      struct.new $s  local.tee $t
                               global.get $next  local.get $t  table.set $kept
                               global.get $next  i32.const 1  i32.add  i32.const 1023  i32.and  global.set $next

That changes nothing but when an object is garbage, which nothing shows. In the ``control`` the table gets null instead,
and the operand stays where it is: what loses it from there loses it still. The ``question`` is a trap instead, where
what would be kept is an object: with null alone there is no garbage.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from wasm.canonical import Types
from wasm.fragment import code
from wasm.isa import OPS, Instr
from wasm.module import Func, Global, Module, SegmentMode, Table
from wasm.rewrite.lift import ModuleGraphs
from wasm.rewrite.operands import Node
from wasm.valtypes import I32, FuncType, GlobalType, Limits, RefType, TableType, ValType, ref

ROOM: Final = 1024
"""Objects of a hierarchy that are kept at a time, a power of two; the next one takes the place of the first."""
ITEMS: Final = "elem"
"""Stands for what is there before any instruction runs: items of segments and of tables, values of globals."""
_COLLECTED: Final = ("any", "extern", "exn")
"""The tops of hierarchies whose objects can be garbage. Functions live as long as their instance."""
_NOT_NEW: Final = frozenset({"local.get", "local.tee", "ref.null", "ref.i31", "ref.as_non_null"})
"""Rows that move a reference that is there, or give one that is no object."""


class Kept(Enum):
    """What the code does that is put into a case."""

    KEEPS = auto()
    CONTROL = auto()
    """The same, but for keeping anything."""
    QUESTION = auto()
    """It traps where there is an object to keep."""


@dataclass(slots=True)
class _Locals:
    """Locals of our own in a function; ``first`` is the index of the first one."""

    first: int
    made: dict[tuple[ValType, int], int] = field(default_factory=dict)

    def of(self, type_: ValType, at: int) -> int:
        """The index of the local for the result ``at`` if that has this type."""
        return self.made.setdefault((type_, at), self.first + len(self.made))

    def runs(self) -> list[tuple[int, ValType]]:
        return [(1, type_) for type_, _ in self.made]


@dataclass(slots=True)
class _Keeper:
    module: Module
    form: Kept
    types: Types
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By top: the table, and the global that counts."""

    def place(self, top: str) -> tuple[int, int]:
        if top not in self.places:
            self.places[top] = len(self.module.table_types()), len(self.module.global_types())
            self.module.tables.append(Table(TableType(ref(top), Limits(ROOM))))
            self.module.globals.append(Global(GlobalType(I32, True), ((OPS["i32.const"], 0),)))
        return self.places[top]

    def top(self, type_: ValType | None) -> str | None:
        """The hierarchy of a type whose values can be garbage."""
        top = self.types.top(type_.heap) if isinstance(type_, RefType) else None
        return top if top in _COLLECTED else None

    def keep(self, get: Instr, top: str) -> list[Instr]:
        table, count = self.place(top)
        if self.form is Kept.QUESTION:
            return [get, OPS["ref.is_null"].bare, *code("i32.eqz  if  unreachable  end")]
        value: Instr = (OPS["ref.null"], top) if self.form is Kept.CONTROL else get
        step = code(f"global.get {count}  i32.const 1  i32.add  i32.const {ROOM - 1}  i32.and  global.set {count}")
        return [(OPS["global.get"], count), value, (OPS["table.set"], table), *step]

    # --- what instructions give --------------------------------------------------------------------------------------

    def after(self, node: Node, locals_: _Locals) -> list[Instr]:
        """The code behind an instruction that keeps what it gives; the operand stack is as before."""
        outs = [slot.type for slot in node.outs]
        if node.control or None in outs or not any(self.top(type_) for type_ in outs):
            return []
        spilled: list[Instr] = []
        kept: list[Instr] = []
        restored: list[Instr] = []
        for at, type_ in enumerate(outs):
            local = locals_.of(type_, at)  # type: ignore[arg-type]  # none of them is open
            spilled.insert(0, (OPS["local.set"], local))
            restored.append((OPS["local.get"], local))
            top = self.top(type_)
            if top is not None:
                kept += self.keep(restored[-1], top)
        return kept if self.form is Kept.CONTROL else [*spilled, *kept, *restored]

    # --- what is there at the start ----------------------------------------------------------------------------------

    def at_start(self, locals_: _Locals) -> list[Instr]:
        """The code that keeps what segments, tables and globals begin with; the control reads segments only."""
        # As they are before places are added to them.
        globals_, tables = self.module.global_types(), self.module.table_types()
        made = self._segments(locals_)
        for index, type_ in enumerate(globals_):
            top = self.top(type_.type)
            if top is not None:
                made += self.keep((OPS["global.get"], index), top)
        for index, table in enumerate(tables):
            top = self.top(table.ref)
            if top is None:
                continue
            local = locals_.of(ref(top), 0)
            for item in range(min(table.limits.minimum, ROOM)):
                get: list[Instr] = [
                    (OPS[f"{table.index_type}.const"], item), (OPS["table.get"], index), (OPS["local.set"], local)
                ]  # fmt: skip
                made += [*(get if self.form is not Kept.CONTROL else ()), *self.keep((OPS["local.get"], local), top)]
        return made

    def _segments(self, locals_: _Locals) -> list[Instr]:
        """Passive segments one behind the other in their hierarchy's table, as far as there is room. The control reads
        them as well, since an engine may be wrong about just that, and puts nulls over it."""
        made: list[Instr] = []
        used: dict[str, int] = {}
        for index, elem in enumerate(self.module.elems):
            top = self.top(elem.type)
            if top is None or elem.mode is not SegmentMode.PASSIVE:
                continue
            table, _ = self.place(top)
            at = used.get(top, 0)
            items = min(len(elem.init), ROOM - at)
            used[top] = at + items
            made += [*code(f"i32.const {at}  i32.const 0  i32.const {items}"), (OPS["table.init"], (index, table))]
            if self.form is Kept.CONTROL:
                null: Instr = (OPS["ref.null"], top)
                made += [*code(f"i32.const {at}"), null, *code(f"i32.const {items}"), (OPS["table.fill"], table)]
            if self.form is Kept.QUESTION:
                for item in range(at, at + items):
                    local = locals_.of(ref(top), 0)
                    made += [*code(f"i32.const {item}"), (OPS["table.get"], table), (OPS["local.set"], local)]
                    made += self.keep((OPS["local.get"], local), top)
        for top, items in used.items():
            made += code(f"i32.const {items & ROOM - 1}  global.set {self.places[top][1]}")
        return made


def kept(module: Module, rows: Collection[str] | None, form: Kept = Kept.KEEPS) -> bool:
    """Change a valid module: what instructions of these rows give stays alive, and what is there at the start for
    ``ITEMS``; all of it for None. False if there is nothing of that kind."""
    graphs = ModuleGraphs(module)
    keeper = _Keeper(module, form, graphs.context.types)
    # Tables and globals are added while this goes on, so graphs come first: they know the module as it was.
    work = [(func, graphs.graph(number)) for number, func in enumerate(module.funcs)]
    locals_ = _Locals(0)
    first = keeper.at_start(locals_) if rows is None or ITEMS in rows else []
    for func, graph in work:
        mine = _Locals(len(graph.locals))
        func.body = [
            instr
            for node in graph.nodes
            for instr in ((node.op, node.imm), *(keeper.after(node, mine) if _is_wanted(node, rows) else ()))
        ]
        func.locals = [*func.locals, *mine.runs()]
    if first:
        again: list[Instr] = [(OPS["call"], module.start)] if module.start is not None else []
        module.start = len(module.func_type_indices())
        type_index = module.type_index(FuncType())
        module.funcs.append(Func(type_index, locals_.runs(), [*first, *again, OPS["end"].bare]))
    return bool(keeper.places)


def _is_wanted(node: Node, rows: Collection[str] | None) -> bool:
    return node.op.name not in _NOT_NEW and (rows is None or node.op.name in rows)


def giving(module: Module) -> list[str]:
    """The rows of a valid module that ``kept`` keeps something of, with ``ITEMS`` and what makes objects at first."""
    graphs = ModuleGraphs(module)
    keeper = _Keeper(module, Kept.KEEPS, graphs.context.types)
    found = {
        node.op.name
        for number in range(len(module.funcs))
        for node in graphs.graph(number).nodes
        if not node.control and node.op.name not in _NOT_NEW and any(keeper.top(slot.type) for slot in node.outs)
    }
    return [ITEMS, *sorted(found, key=lambda name: (".new" not in name, name))]
