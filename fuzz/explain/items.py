"""The guilty thing of a finding that shows before any function runs: a segment, an initial value, the start function,
or what is declared; and the instruction in it that does it.

Each is *neutralized* in turn, as far as the finding still shows (ddmin): segments become passive and empty, initial
values zero or null, the start function is none, exports go, limits are 0, types and bodies are empty. First all that
instantiation executes; only if it shows without any of it, what is declared alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from fuzz.explain.asking import Answer, Asker
from fuzz.explain.followed import Hidden, module_of, shown
from fuzz.records.explanation import Item, Operation
from fuzz.trial.ddmin import fewest
from wasm.decode import decode
from wasm.encode import encode
from wasm.isa import OPS, Instr
from wasm.module import Data, Elem, Expr, ExternKind, Func, Global, Module, SegmentMode, Table
from wasm.rewrite.lift import ModuleGraphs
from wasm.text import print_function, print_wat
from wasm.text.body import BodyPrinter
from wasm.text.words import Scope
from wasm.valtypes import I32, FuncType, GlobalType, MemType, NumType, RefType, SubType, ValType, ref
from wasm.valtypes import Limits as Sizes

Key = tuple[str, int]
"""A kind of item, as the text format calls it, and its number in its index space, imports counted."""

_EMPTY_BODY: Final = (OPS["unreachable"].bare, OPS["end"].bare)


@dataclass(frozen=True, slots=True)
class GuiltyItem:
    """What was found: the item, and in it the instruction, where it is a single one."""

    item: Item
    operation: Operation | None


def guilty_item(asker: Asker) -> GuiltyItem:
    """The item that the finding needs. Raises ``Hidden`` where it is no single one, and ``OutOfTime``."""
    module = module_of(asker.subject.case)
    for keys, words in ((_executed(module), "instantiation executes"), (_declared(module), "are declared")):
        if not keys or _shows(asker, keys):
            continue  # none of these is needed
        left = fewest(keys, lambda kept, keys=keys: _shows(asker, [key for key in keys if key not in kept]))  # type: ignore[misc]
        if len(left) > 1:
            names = ", ".join(f"{kind} {index}" for kind, index in left[:6])
            raise Hidden(f"it takes {len(left)} parts of the module: {names}")
        how = f"it shows with this one alone of {len(keys)} that {words}, and not without it"
        if len(keys) == 1:
            how = "it does not show without it"
        kind, index = left[0]
        item = Item(kind, index, _text(module, kind, index), how)
        return GuiltyItem(item, _Expressions(asker, module, left[0]).operation())
    raise Hidden("it shows without any segment, initial value, start function, export, body, type or size")


def _shows(asker: Asker, neutral: Sequence[Key]) -> bool:
    """Whether it shows with these items neutralized."""
    changed = module_of(asker.subject.case)
    for kind, index in neutral:
        if kind != "export":
            _NEUTRAL[kind](changed, index)
    changed.exports = [one for number, one in enumerate(changed.exports) if ("export", number) not in neutral]
    return _asked(asker, changed)


def _asked(asker: Asker, changed: Module) -> bool:
    return asker.ask(asker.subject.case.with_content(encode(changed))) is Answer.WRONG


# What there is


def _executed(module: Module) -> list[Key]:
    """What instantiation executes: initial values, segments, the start function."""
    tables, globals_ = (len(module.imported(kind)) for kind in (ExternKind.TABLE, ExternKind.GLOBAL))
    found = [("global", globals_ + number) for number in range(len(module.globals))]
    found += [("table", tables + number) for number, table in enumerate(module.tables) if table.init is not None]
    found += [("elem", number) for number in range(len(module.elems))]
    found += [("data", number) for number in range(len(module.datas))]
    return found + ([("start", module.start)] if module.start is not None else [])


def _declared(module: Module) -> list[Key]:
    tables, memories, funcs = (
        len(module.imported(kind)) for kind in (ExternKind.TABLE, ExternKind.MEMORY, ExternKind.FUNC)
    )
    found = [("export", number) for number in range(len(module.exports))]
    found += [("memory", memories + number) for number in range(len(module.memories))]
    found += [("table", tables + number) for number, table in enumerate(module.tables) if table.init is None]
    found += [("func", funcs + number) for number in range(len(module.funcs))]
    return [*found, *(("type", number) for number, _ in _groups(module))]


def _groups(module: Module) -> list[tuple[int, int]]:
    """The first type index of each recursion group, and the group's number."""
    starts = accumulate((len(group) for group in module.types), initial=0)
    return [(start, number) for number, start in zip(range(len(module.types)), starts, strict=False)]


def _text(module: Module, kind: str, index: int) -> str:
    """An item's lines of the module's text."""
    if kind == "func":
        return print_function(module, index)
    pieces = re.split(r"\n(?=  \()", print_wat(module))
    heads = [one for one in pieces if re.match(rf"  \((rec\n +\()?{kind}\b", one)]
    if kind == "export":
        return heads[index].rstrip()
    return next((one for one in heads if kind == "start" or f"(;{index};)" in one), "").removesuffix("\n)\n").rstrip()


# Neutralizing: as little of an item as keeps the others' numbers


def _elem(module: Module, number: int) -> None:
    module.elems[number] = Elem(module.elems[number].type, (), SegmentMode.PASSIVE)


def _data(module: Module, number: int) -> None:
    module.datas[number] = Data(b"", SegmentMode.PASSIVE)
    module.has_data_count = True


def _global(module: Module, index: int) -> None:
    number = index - len(module.imported(ExternKind.GLOBAL))
    type_ = module.globals[number].type
    value, init = _default(type_.type)
    module.globals[number] = Global(GlobalType(value, type_.mutable), init)


def _default(type_: ValType) -> tuple[ValType, Expr]:
    """A type that has a default value, the given one if it has, and the expression for that."""
    if isinstance(type_, NumType):
        return type_, ((OPS[f"{type_.name}.const"], 0),)
    assert isinstance(type_, RefType)
    return ref(type_.heap, True), ((OPS["ref.null"], type_.heap),)


def _table(module: Module, index: int) -> None:
    """Without its initial value; one that has none, without elements."""
    number = index - len(module.imported(ExternKind.TABLE))
    table = module.tables[number]
    sizes = table.type.limits if table.init is not None else Sizes(0, None)
    module.tables[number] = Table(replace(table.type, ref=ref(table.type.ref.heap, True), limits=sizes))


def _memory(module: Module, index: int) -> None:
    number = index - len(module.imported(ExternKind.MEMORY))
    module.memories[number] = MemType(Sizes(0, None))


def _start(module: Module, _index: int) -> None:
    module.start = None


def _func(module: Module, index: int) -> None:
    number = index - len(module.imported(ExternKind.FUNC))
    module.funcs[number] = Func(module.funcs[number].type_index, [], list(_EMPTY_BODY))


def _type(module: Module, index: int) -> None:
    number = dict(_groups(module))[index]
    module.types[number] = tuple(SubType(FuncType((), ())) for _ in module.types[number])


_NEUTRAL: Final[dict[str, Callable[[Module, int], None]]] = {
    "elem": _elem, "data": _data, "global": _global, "table": _table, "memory": _memory, "start": _start,
    "func": _func, "type": _type,
}  # fmt: skip


# Constant expressions


class _Expressions:
    """The constant expressions of an item. An instruction with what makes its operands is made the initial value of a
    new global, and the item is neutralized: the first one with which it shows is the operation."""

    def __init__(self, asker: Asker, module: Module, key: Key) -> None:
        self.asker, self.module, self.key = asker, module, key

    def operation(self) -> Operation | None:
        kind, index = self.key
        asked: set[Expr] = set()
        for words, type_, expr in self._all():
            for position, part, gives in self._parts(type_, expr):
                if part not in asked and len(asked) < _MOST:
                    asked.add(part)
                    if self._shows(part, gives):
                        how = f"{words}; the first with which it shows as the initial value of a global of its own"
                        return self._made(position, self._line(part[-1]), (), how)
        if kind not in ("elem", "data") or self.asker.subject.compiling:
            return None
        operands = self._operands()
        how = f"what instantiation executes for {kind} {index}: its constant expressions alone do not show it"
        return self._made(-1, f"{'memory' if kind == 'data' else 'table'}.init {index}", operands, how)

    def _made(self, position: int, text: str, operands: tuple[str, ...], how: str) -> Operation:
        subject = self.asker.subject
        sides = subject.sides("that it is compiled" if subject.compiling else "that it is instantiated")
        return Operation(-1, position, text, operands, *sides, 0 if subject.compiling else 1, how)

    def _line(self, instr: Instr) -> str:
        return " ".join(BodyPrinter(Scope(self.module), {}, {}).instr(instr).split())[:200]

    def _all(self) -> Iterator[tuple[str, ValType, Expr]]:
        """Which one, the type that it gives, and its instructions."""
        kind, index = self.key
        module = self.module
        if kind == "global":
            made = module.globals[index - len(module.imported(ExternKind.GLOBAL))]
            yield "in its initial value", made.type.type, made.init
        elif kind == "table":
            table = module.tables[index - len(module.imported(ExternKind.TABLE))]
            if table.init is not None:
                yield "in its initial value", table.type.ref, table.init
        elif kind == "elem":
            elem = module.elems[index]
            if elem.mode is SegmentMode.ACTIVE:
                yield "in its offset", module.table_types()[elem.table].index_type, elem.offset
            for number, expr in enumerate(elem.init):
                yield f"in its item {number}", elem.type, expr
        elif kind == "data":
            data = module.datas[index]
            if data.mode is SegmentMode.ACTIVE:
                yield "in its offset", module.memory_types()[data.memory].index_type, data.offset

    def _parts(self, type_: ValType, expr: Expr) -> Iterator[tuple[int, Expr, ValType]]:
        """Each instruction's position, with all that makes its operands, and the type that it gives."""
        module = decode(self.asker.subject.case.content)
        module.types.append((SubType(FuncType((), (type_,))),))
        module.funcs.append(Func(len(module.flat_types()) - 1, [], [*expr, OPS["end"].bare]))
        nodes = ModuleGraphs(module).graph(len(module.funcs) - 1).nodes
        first: list[int] = []
        for position, node in enumerate(nodes[: len(expr)]):
            first.append(min([position, *(first[slot.maker] for slot in node.ins)]))
            (slot,) = node.outs
            assert slot.type is not None
            yield position, expr[first[position] : position + 1], slot.type

    def _shows(self, expr: Expr, type_: ValType) -> bool:
        changed = decode(self.asker.subject.case.content)
        _NEUTRAL[self.key[0]](changed, self.key[1])
        changed.globals.append(Global(GlobalType(type_, False), expr))
        return _asked(self.asker, changed)

    def _operands(self) -> tuple[str, ...]:
        """Of an active segment: where to, from where, how many. An offset that is no constant is not said."""
        (_, type_, offset), *_ = self._all()
        op, imm = offset[0]
        if len(offset) != 1 or op.name not in ("i32.const", "i64.const"):
            return ()
        kind, index = self.key
        count = len(self.module.datas[index].init if kind == "data" else self.module.elems[index].init)
        return shown(type_, imm), shown(I32, 0), shown(I32, count)


_MOST: Final = 300
"""Constant expressions at most that are tried."""
