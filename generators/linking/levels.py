"""Which module has which item. An item's level is the position of its module; the last one is the case's own.

A module can only import what a module before it has, so whatever names an item is at the item's level or later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from generators.choices import ChoiceSource
from wasm.isa import OPS, Instr
from wasm.module import Elem, ExternKind, Func, Module, SegmentMode, Table
from wasm.rewrite.index_map import names_in
from wasm.rewrite.spaces import SPACE_OF, Space, defined, imported_counts, space_sizes
from wasm.valtypes import FUNCREF, Limits, MemType, TableType

Key: TypeAlias = tuple[Space, int]
"""An item by its space and its index in the whole program."""

KIND_OF: Final = {space: kind for kind, space in SPACE_OF.items()}
_CALLS: Final = {OPS["call"]: OPS["call_indirect"], OPS["return_call"]: OPS["return_call_indirect"]}
_I32: Final = OPS["i32.const"]
_REF_FUNC: Final = OPS["ref.func"]


@dataclass(slots=True)
class Levels:
    """The level of each item that the program defines; ``last`` is the case's own module. ``hosted`` are memories,
    tables and tags that their module imports from the host in place of defining them. ``links`` is the table through
    which earlier modules call later ones, None without one."""

    last: int
    of: dict[Key, int] = field(default_factory=dict)
    hosted: set[Key] = field(default_factory=set)
    links: int | None = None


def named(instrs: Iterable[Instr]) -> set[Key]:
    """The items of the index spaces that instructions name; types are everywhere."""
    keys: set[Key] = set()
    for instr in instrs:
        names_in(instr, lambda space, index: keys.add((space, index)) if space is not Space.TYPE else None)
    return keys


def draw_levels(source: ChoiceSource, module: Module, pinned: set[int], moved: list[int], linking: bool) -> Levels:
    """Levels for two to four modules. Functions that are ``pinned`` stay in the last one, ``moved`` ones are where what
    they touch is. Where ``linking`` is not allowed, no function calls a later one, else ``module`` is changed so that
    those that do go through a table, which is made for it."""
    levels = Levels(source.pick((1, 1, 2, 2, 2, 3)))
    last, first = levels.last, imported_counts(module)
    soft: set[tuple[int, int]] = set()
    uses: dict[Key, set[Key]] = {}
    for kind in ExternKind:
        space = SPACE_OF[kind]
        for index, item in enumerate(defined(module, kind), first[space]):
            key = (space, index)
            uses[key] = _uses(item)
            if space is Space.FUNC:
                levels.of[key] = 0 if index in moved else last if source.one_in(2) else source.below(last + 1)
                if linking:
                    calls = {imm for op, imm in item.body if op in _CALLS}
                    calls -= {imm for op, imm in item.body if op is _REF_FUNC}
                    soft |= {(index, callee) for callee in calls if callee >= first[space]}
            else:
                levels.of[key] = last if source.one_in(8) else min(source.below(last + 1), source.below(last + 1))
    levels.of |= dict.fromkeys([(Space.FUNC, index) for index in pinned], last)
    for caller, callee in soft:
        uses[Space.FUNC, caller].discard((Space.FUNC, callee))
    _raise(levels, uses)
    late = {callee for caller, callee in soft if levels.of[Space.FUNC, callee] > levels.of[Space.FUNC, caller]}
    if late:
        _link(module, levels, sorted(late), first[Space.FUNC])
    _host(source, module, levels)
    return levels


def set_apart(module: Module) -> Levels | None:
    """Levels by which a first module has the shared memories, which is all that it has; None where there is none."""
    first = imported_counts(module)
    levels = Levels(1)
    for kind in ExternKind:
        space = SPACE_OF[kind]
        for index, item in enumerate(defined(module, kind), first[space]):
            levels.of[space, index] = 0 if isinstance(item, MemType) and item.shared else 1
    return levels if 0 in levels.of.values() else None


def _uses(item: object) -> set[Key]:
    if isinstance(item, Func):
        return named(item.body)
    return named(getattr(item, "init", None) or ())


def _raise(levels: Levels, uses: dict[Key, set[Key]]) -> None:
    """Whatever names an item goes up to it. The host's items and segments are the last module's alone."""
    changed = True
    while changed:
        changed = False
        for key, found in uses.items():
            least = max((levels.of.get(used, levels.last) for used in found), default=0)
            if levels.of[key] < least:
                levels.of[key], changed = least, True


def _link(module: Module, levels: Levels, late: list[int], first: int) -> None:
    """A table with the functions that are called from earlier modules, which the last one fills."""
    levels.links = links = space_sizes(module)[Space.TABLE]
    module.tables.append(Table(TableType(FUNCREF, Limits(len(late), len(late)))))
    levels.of[Space.TABLE, links] = 0
    types = module.func_type_indices()
    slots = {func: slot for slot, func in enumerate(late)}
    for index, func in enumerate(module.funcs, first):
        mine = levels.of[Space.FUNC, index]
        body: list[Instr] = []
        for op, imm in func.body:
            if op in _CALLS and imm in slots and levels.of[Space.FUNC, imm] > mine:
                body += [(_I32, slots[imm]), (_CALLS[op], (types[imm], links))]
            else:
                body.append((op, imm))
        func.body[:] = body
    init = tuple(((_REF_FUNC, func),) for func in late)
    module.elems.append(Elem(FUNCREF, init, SegmentMode.ACTIVE, links, ((_I32, 0),)))


def _host(source: ChoiceSource, module: Module, levels: Levels) -> None:
    """What a host makes as the module would: memories, tables of nulls, tags."""
    first = imported_counts(module)
    for kind in (ExternKind.MEMORY, ExternKind.TABLE, ExternKind.TAG):
        space = SPACE_OF[kind]
        for index, item in enumerate(defined(module, kind), first[space]):
            able = not isinstance(item, Table) or (item.init is None and item.type.ref.nullable)
            if able and source.one_in(4):
                levels.hosted.add((space, index))
