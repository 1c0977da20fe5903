"""Modules as text (spec 6): idiomatic WAT that the common parsers read back to an equal module."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from wasm.decode import FUNC
from wasm.isa import OPS
from wasm.module import (
    Custom,
    Data,
    Elem,
    Export,
    Expr,
    ExternKind,
    Func,
    Import,
    ImportedFunc,
    Module,
    SegmentMode,
    Table,
)
from wasm.text.body import BodyPrinter
from wasm.text.words import ROW, Scope, identifier, identifiers, rows, string
from wasm.valtypes import FUNCREF, FuncType, GlobalType, MemType, TableType, TagType, ValType

_PAD: Final = "    "
_DEEP: Final = "      "
_DATA_ROW: Final = 64
_REF_FUNC: Final = OPS["ref.func"]
_PLACES: Final = {
    1: "type", 2: "import", 3: "func", 4: "table", 5: "memory", 6: "global", 7: "export", 8: "start", 9: "elem",
    10: "code", 11: "data", 12: "elem", 13: "tag",
}  # fmt: skip
"""Section ids in the words of a custom annotation; the data count section has none, what precedes it serves."""


def print_wat(module: Module) -> str:
    """The text of a module, in ASCII.

    Items carry the names of the name section, and their indices in comments; the name section itself is not printed,
    other custom sections are annotations. The module must be well-formed, not necessarily valid; the text of an
    invalid one may be refused by parsers.
    """
    return _ModulePrinter(module).text()


def print_wat_with_places(module: Module) -> tuple[str, dict[tuple[int, int], int]]:
    """The text, and the number (from 0) of the line on which each instruction of a body begins.

    An instruction's key is its function's index and its position in the body; the ``end`` of a body has no line.
    """
    printer = _ModulePrinter(module)
    text = printer.text()
    starts = list(accumulate((entry.count("\n") + 1 for entry in printer.out), initial=0))
    places = {
        (index, position): starts[first + position]
        for index, first, length in printer.bodies
        for position in range(length)
    }
    return text, places


def print_function(module: Module, index: int) -> str:
    """The text of one function that the module defines, by its index in the function index space."""
    return _ModulePrinter(module).function(index)


class _ModulePrinter:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.scope = Scope(module)
        self.out: list[str] = []
        self.bodies: list[tuple[int, int, int]] = []
        """Of each function its index, the entry of ``out`` at which its body begins, and how many entries that has."""
        self._next = dict.fromkeys(ExternKind, 0)

    def text(self) -> str:
        module, name = self.module, self.scope.module_name
        self.out.append(f"(module {identifier(name)}" if name else "(module")
        self._types()
        for item in module.imports:
            self._import(item)
        for table in module.tables:
            self._table(table)
        for memory in module.memories:
            self._add(self._define(ExternKind.MEMORY, self.scope.mem_type(memory)))
        for tag in module.tags:
            self._add(self._define(ExternKind.TAG, self.scope.type_use(tag.type_index, _PAD)))
        for item_ in module.globals:
            init = self._expr(item_.init)
            self._add(self._define(ExternKind.GLOBAL, f"{self.scope.global_type(item_.type)} {init}"))
        for export in module.exports:
            self._export(export)
        if module.start is not None:
            self._add(f"(start {self.scope.funcs.get(module.start) or module.start})")
        for index, elem in enumerate(module.elems):
            self._elem(index, elem)
        for func in module.funcs:
            self._func(func)
        for index, data in enumerate(module.datas):
            self._data(index, data)
        for custom in module.customs:
            self._custom(custom)
        self.out.append(")\n")
        return "\n".join(self.out)

    def function(self, index: int) -> str:
        """One function alone."""
        self._next[ExternKind.FUNC] = index
        self._func(self.module.funcs[index - len(self.module.imported(ExternKind.FUNC))])
        return "\n".join(self.out) + "\n"

    def _add(self, text: str) -> None:
        self.out.append("  " + text)

    # --- items of the index spaces ---

    def _head(self, kind: ExternKind) -> str:
        """The item's word, identifier and index, for the next item of that kind."""
        index = self._next[kind]
        self._next[kind] += 1
        ids = _ids(self.scope, kind)
        word = kind.name.lower()
        return f"{word} {ids[index]} (;{index};)" if index in ids else f"{word} (;{index};)"

    def _define(self, kind: ExternKind, description: str) -> str:
        return f"({self._head(kind)} {description})"

    def _types(self) -> None:
        index = 0
        for group in self.module.types:
            alone = len(group) == 1
            if not alone:
                self._add("(rec")
            for sub in group:
                name = f"{self.scope.types[index]} " if index in self.scope.types else ""
                text = f"(type {name}(;{index};) {self.scope.sub(sub, index, _DEEP)})"
                self._add(text if alone else "  " + text)
                index += 1
            if not alone:
                self._add(")")

    def _import(self, item: Import) -> None:
        scope, type_ = self.scope, item.type
        match type_:
            case ImportedFunc(index):
                text = self._define(ExternKind.FUNC, scope.type_use(index, _PAD))
            case TableType():
                text = self._define(ExternKind.TABLE, scope.table_type(type_))
            case MemType():
                text = self._define(ExternKind.MEMORY, scope.mem_type(type_))
            case GlobalType():
                text = self._define(ExternKind.GLOBAL, scope.global_type(type_))
            case TagType(index):
                text = self._define(ExternKind.TAG, scope.type_use(index, _PAD))
        self._add(f"(import {string(item.module)} {string(item.name)} {text})")

    def _table(self, table: Table) -> None:
        text = self.scope.table_type(table.type)
        if table.init is not None:
            text += " " + self._expr(table.init)
        self._add(self._define(ExternKind.TABLE, text))

    def _export(self, export: Export) -> None:
        ids = _ids(self.scope, export.kind)
        item = ids.get(export.index) or export.index
        self._add(f"(export {string(export.name)} ({export.kind.name.lower()} {item}))")

    # --- expressions and segments ---

    def _flat(self, expr: Expr) -> str:
        return BodyPrinter(self.scope, {}, {}).flat(expr)

    def _expr(self, expr: Expr, word: str = "") -> str:
        """A constant expression: folded if it is one instruction, else in a row, in ``(word ...)`` if that is given."""
        flat = self._flat(expr)
        if len(expr) == 1:
            return f"({flat})"
        return f"({word} {flat})" if word else flat

    def _segment_head(self, word: str, index: int, ids: dict[int, str]) -> list[str]:
        return [word, *([ids[index]] if index in ids else []), f"(;{index};)"]

    def _elem(self, index: int, elem: Elem) -> None:
        scope = self.scope
        by_index = elem.type is FUNC and all(len(expr) == 1 and expr[0][0] is _REF_FUNC for expr in elem.init)
        words = self._segment_head("elem", index, scope.elems)
        if elem.mode is SegmentMode.DECLARATIVE:
            words.append("declare")
        elif elem.mode is SegmentMode.ACTIVE:
            # Table 0 is named as well where the short form would change the type of the segment.
            if elem.table or not (by_index or elem.type is FUNCREF):
                words.append(f"(table {scope.tables.get(elem.table) or elem.table})")
            words.append(self._expr(elem.offset, "offset"))
        if by_index:
            words.append("func")
            items = [scope.funcs.get(expr[0][1]) or str(expr[0][1]) for expr in elem.init]
        else:
            words.append(scope.val_type(elem.type))
            items = [self._expr(expr, "item") for expr in elem.init]
        self._add(rows(" ".join(words), items, _PAD))

    def _data(self, index: int, data: Data) -> None:
        words = self._segment_head("data", index, self.scope.datas)
        if data.mode is SegmentMode.ACTIVE:
            if data.memory:
                words.append(f"(memory {self.scope.memories.get(data.memory) or data.memory})")
            words.append(self._expr(data.offset, "offset"))
        self._add(f"({' '.join(words)} {_bytes(data.init)})")

    def _custom(self, custom: Custom) -> None:
        if custom.name != "name":
            place = f"(after {_PLACES[custom.after]})" if custom.after in _PLACES else "(before first)"
            self._add(f"(@custom {string(custom.name)} {place} {_bytes(custom.data)})")

    # --- functions ---

    def _func(self, func: Func) -> None:
        scope = self.scope
        index = self._next[ExternKind.FUNC]
        local_ids = identifiers(scope.local_names.get(index, {}))
        type_ = scope.func_type(func.type_index) or FuncType()
        parts = [f"({self._head(ExternKind.FUNC)} (type {scope.types.get(func.type_index) or func.type_index})"]
        parts += self._declare("param", type_.params, 0, local_ids)
        if type_.results:
            parts.append(rows("result", scope.words(type_.results), _DEEP))
        self._add(_wrapped(parts))
        declared = [local for count, local in func.locals for local in [local] * count]
        if declared:
            parts = self._declare("local", declared, len(type_.params), local_ids)
            self.out.append(_PAD + _wrapped(parts))
        body = BodyPrinter(scope, local_ids, dict(scope.label_names.get(index, {})))
        lines = body.lines(func.body, 2)
        self.bodies.append((index, len(self.out), len(lines)))
        self.out += lines
        self._add(")")

    def _declare(self, word: str, types: Sequence[ValType], first: int, ids: dict[int, str]) -> list[str]:
        """``(param ...)`` or ``(local ...)``: one clause for each with a name, one for each run without."""
        out: list[str] = []
        run: list[str] = []
        for place, type_ in enumerate(types, first):
            text = self.scope.val_type(type_)
            if place not in ids:
                run.append(text)
                continue
            if run:
                out.append(rows(word, run, _DEEP))
                run = []
            out.append(f"({word} {ids[place]} {text})")
        if run:
            out.append(rows(word, run, _DEEP))
        return out


def _ids(scope: Scope, kind: ExternKind) -> dict[int, str]:
    match kind:
        case ExternKind.FUNC:
            return scope.funcs
        case ExternKind.TABLE:
            return scope.tables
        case ExternKind.MEMORY:
            return scope.memories
        case ExternKind.GLOBAL:
            return scope.globals
        case ExternKind.TAG:
            return scope.tags


def _wrapped(parts: list[str]) -> str:
    """Clauses in one line, or one line each where they are many or have several lines themselves."""
    if len(parts) > ROW or any("\n" in part for part in parts):
        return ("\n" + _PAD).join(parts)
    return " ".join(parts)


def _bytes(data: bytes) -> str:
    if len(data) <= _DATA_ROW:
        return string(data)
    return "".join(f"\n{_PAD}{string(data[at : at + _DATA_ROW])}" for at in range(0, len(data), _DATA_ROW))
