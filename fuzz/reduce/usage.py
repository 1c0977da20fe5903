"""Which items a module uses: what each one names, and what can be reached from the exports and the start function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from wasm.context import declared_refs
from wasm.isa import OPS, Instr
from wasm.module import Data, Elem, ExternKind, Func, Global, ImportedFunc, Module, SegmentMode, Table
from wasm.rewrite.index_map import map_composite, map_func, map_instr
from wasm.rewrite.index_map import map_value_type as map_type
from wasm.rewrite.spaces import SPACE_OF, Space, defined, kind_of_import
from wasm.valtypes import FUNCREF, GlobalType, MemType, TableType, TagType, ValType

Item: TypeAlias = tuple[Space, int]

_FUNC_NAMES: dict[int, tuple[Func, frozenset[Item]]] = {}
_KEPT_FUNCS = 20_000


class Names:
    """Collects the items that parts of a module name."""

    def __init__(self) -> None:
        self.items: set[Item] = set()

    def __call__(self, space: Space, index: int) -> int:
        self.items.add((space, index))
        return index

    def exprs(self, *exprs: Iterable[Instr]) -> None:
        for expr in exprs:
            for instr in expr:
                map_instr(instr, self)

    def type(self, type_: ValType) -> None:
        map_type(type_, self)


def func_names(func: Func) -> frozenset[Item]:
    """What a function names, its type included; kept per function object, since candidates share most of theirs."""
    known = _FUNC_NAMES.get(id(func))
    if known is not None and known[0] is func:
        return known[1]
    names = Names()
    map_func(func, names)
    if len(_FUNC_NAMES) > _KEPT_FUNCS:
        _FUNC_NAMES.clear()
    _FUNC_NAMES[id(func)] = (func, frozenset(names.items))
    return _FUNC_NAMES[id(func)][1]


def names_of(item: Func | Table | MemType | Global | TagType | Elem | Data | ImportedFunc | TableType | GlobalType) -> (
    frozenset[Item]
):  # fmt: skip
    """The items that one item of a module names."""
    names = Names()
    match item:
        case Func():
            return func_names(item)
        case ImportedFunc(index) | TagType(index):
            names(Space.TYPE, index)
        case TableType():
            names.type(item.ref)
        case Table(type_, init):
            names.type(type_.ref)
            names.exprs(init or ())
        case GlobalType(type_):
            names.type(type_)
        case Global(type_, init):
            names.type(type_.type)
            names.exprs(init)
        case Elem():
            names.type(item.type)
            names.exprs(*item.init, item.offset)
            if item.mode is SegmentMode.ACTIVE:
                names(Space.TABLE, item.table)
        case Data():
            names.exprs(item.offset)
            if item.mode is SegmentMode.ACTIVE:
                names(Space.MEMORY, item.memory)
        case MemType():
            pass
    return frozenset(names.items)


def items_of(module: Module) -> dict[Item, frozenset[Item]]:
    """Every item but types, with what it names."""
    counts = dict.fromkeys(ExternKind, 0)
    named: dict[Item, frozenset[Item]] = {}
    for imported in module.imports:
        kind = kind_of_import(imported)
        named[SPACE_OF[kind], counts[kind]] = names_of(imported.type)
        counts[kind] += 1
    for kind in ExternKind:
        for index, item in enumerate(defined(module, kind), counts[kind]):
            named[SPACE_OF[kind], index] = names_of(item)
    for index, elem in enumerate(module.elems):
        named[Space.ELEM, index] = names_of(elem)
    for index, data in enumerate(module.datas):
        named[Space.DATA, index] = names_of(data)
    return named


def type_names(module: Module) -> dict[int, set[int]]:
    """For each type, the types that it names. The others of its recursion group are not among them: without them it is
    another type, which may do as well.
    """
    named: dict[int, set[int]] = {}
    for index, sub in enumerate(module.flat_types()):
        names = Names()
        map_composite(sub.composite, names)
        for parent in sub.supertypes:
            names(Space.TYPE, parent)
        named[index] = {i for _, i in names.items}
    return named


def used_types(module: Module) -> set[int]:
    """The types that something other than a type uses, directly or not."""
    return _type_closure(
        module, {index for names in items_of(module).values() for s, index in names if s is Space.TYPE}
    )


def _type_closure(module: Module, used: set[int]) -> set[int]:
    links, work = type_names(module), list(used)
    while work:
        for index in links[work.pop()]:
            if index not in used:
                used.add(index)
                work.append(index)
    return used


def reachable(module: Module) -> set[Item]:
    """What the exports and the start function can reach. Active segments live as long as their table or memory."""
    names = items_of(module)
    active: dict[Item, list[Item]] = {}
    for index, elem in enumerate(module.elems):
        if elem.mode is SegmentMode.ACTIVE:
            active.setdefault((Space.TABLE, elem.table), []).append((Space.ELEM, index))
    for index, data in enumerate(module.datas):
        if data.mode is SegmentMode.ACTIVE:
            active.setdefault((Space.MEMORY, data.memory), []).append((Space.DATA, index))
    work: list[Item] = [(SPACE_OF[item.kind], item.index) for item in module.exports]
    if module.start is not None:
        work.append((Space.FUNC, module.start))
    seen = set(work)
    while work:
        item = work.pop()
        for other in (*names.get(item, ()), *active.get(item, ())):
            if other not in seen:
                seen.add(other)
                work.append(other)
    types = _type_closure(module, {index for space, index in seen if space is Space.TYPE})
    return seen | {(Space.TYPE, index) for index in types}


def declare_refs(module: Module) -> Module:
    """Add a declarative segment for functions that a body's ``ref.func`` names and nothing else does (spec 3.5.14)."""
    ref_func = OPS["ref.func"]
    named = {imm for func in module.funcs if _has_ref(func) for op, imm in func.body if op is ref_func}
    missing = sorted(named - declared_refs(module)) if named else []
    if missing:
        init = tuple(((ref_func, index),) for index in missing)
        module.elems = [*module.elems, Elem(FUNCREF, init, SegmentMode.DECLARATIVE)]
    return module


def _has_ref(func: Func) -> bool:
    return any(space is Space.FUNC for space, _ in func_names(func))
