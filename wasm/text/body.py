"""Instructions as text (spec 6.5), one per line, unfolded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from wasm.isa import OPS, Catch, Imm, Instr, MemArg, Op
from wasm.module import Expr
from wasm.text.words import ROW, Scope, float_text, identifier, numbered
from wasm.valtypes import HeapType, RefType, ValType, ref

_INDENT_LEVELS: Final = 30
"""Deeper blocks are indented no further: 50,000 nested ones would make the text quadratic in size."""

_OPENS: Final = frozenset(OPS[name] for name in ("block", "loop", "if", "try", "try_table"))
_MIDDLE: Final = frozenset(OPS[name] for name in ("else", "catch", "catch_all"))
_CLOSES: Final = frozenset(OPS[name] for name in ("end", "delegate"))


class BodyPrinter:
    """Prints one sequence of instructions; it keeps the open blocks, so that branches can name their targets."""

    def __init__(self, scope: Scope, local_ids: dict[int, str], label_names: dict[int, str]) -> None:
        self.scope, self.local_ids, self.label_names = scope, local_ids, label_names
        self._opened = 0
        self._labels: list[str | None] = []
        self._levels: dict[str, list[int]] = {}
        self._pad = ""

    def lines(self, instrs: list[Instr], level: int) -> list[str]:
        """The lines of a function body, without the ``end`` that closes it; ``level`` is its indentation."""
        out = []
        for instr in instrs:
            row = instr[0]
            if not row.imms and row not in _MIDDLE and row not in _CLOSES:
                out.append(self._indent(level) + row.mnemonic)
                continue
            if row in _CLOSES:
                if not self._labels:
                    break
                # The label of a delegate counts from outside its try, like the labels of try_table's clauses.
                self._close()
            indent = self._indent(level - (1 if row in _MIDDLE else 0))
            self._pad = indent + "    "
            out.append(indent + self.instr(instr))
        return out

    def _indent(self, level: int) -> str:
        return "  " * min(level + len(self._labels), _INDENT_LEVELS)

    def flat(self, expr: Expr) -> str:
        """An expression in one line."""
        return " ".join([self.instr(instr) for instr in expr])

    def instr(self, instr: Instr) -> str:
        row, imm = instr
        if row in _OPENS:
            return self._open(row, imm)
        special = _SPECIAL.get(row)
        if special is not None:
            return special(self, row, imm)
        match row.imms:
            case ():
                return row.mnemonic
            case (kind,):
                text = _PLAIN[kind](self, imm)
            case kinds:
                text = " ".join([_PLAIN[kind](self, one) for kind, one in zip(kinds, imm, strict=True)])
        return f"{row.mnemonic} {text}" if text else row.mnemonic

    # --- labels ---

    def _open(self, row: Op, imm: Any) -> str:
        name = self.label_names.get(self._opened)
        self._opened += 1
        label = identifier(name) if name else None
        type_, clauses = imm if row.name == "try_table" else (imm, ())
        # Clauses are printed first: their labels count from outside the block.
        parts = [self._block_type(type_), *(self._catch(clause) for clause in clauses)]
        self._labels.append(label)
        if label is not None:
            self._levels.setdefault(label, []).append(len(self._labels))
        head = f"{row.mnemonic} {label}" if label else f"{row.mnemonic} (;@{len(self._labels)};)"
        return " ".join([head, *(part for part in parts if part)])

    def _close(self) -> None:
        label = self._labels.pop()
        if label is not None:
            self._levels[label].pop()

    def label(self, depth: int) -> str:
        """A branch target: its name where that means the right block, else the depth with the block's level."""
        level = len(self._labels) - depth
        if level < 0:
            return str(depth)
        name = self._labels[level - 1] if level else None
        if name is not None and self._levels[name][-1] == level:
            return name
        return f"{depth} (;@{level};)"

    def _catch(self, clause: Catch) -> str:
        tag = "" if clause.tag is None else f" {self.scope.tags.get(clause.tag) or clause.tag}"
        return f"({clause.kind}{tag} {self.label(clause.label)})"

    def _block_type(self, type_: ValType | int | None) -> str:
        if type_ is None:
            return ""
        if isinstance(type_, int):
            return self.scope.type_use(type_, self._pad)
        return f"(result {self.scope.val_type(type_)})"

    # --- instructions whose immediates are not simply listed ---

    def call_indirect(self, row: Op, imm: tuple[int, int]) -> str:
        type_, table = imm
        use = self.scope.type_use(type_, self._pad)
        return f"{row.mnemonic} {self.scope.tables.get(table) or table} {use}" if table else f"{row.mnemonic} {use}"

    def segment_first(self, row: Op, imm: tuple[int, int]) -> str:
        """``memory.init`` and ``table.init``: the segment comes first in the binary, last in the text."""
        segment, target = imm
        if row.imms[0] is Imm.DATA:
            segments, targets = self.scope.datas, self.scope.memories
        else:
            segments, targets = self.scope.elems, self.scope.tables
        where = f" {targets.get(target) or target}" if target else ""
        return f"{row.mnemonic}{where} {segments.get(segment) or segment}"

    def memory(self, row: Op, imm: int) -> str:
        return f"{row.mnemonic} {self.scope.memories.get(imm) or imm}" if imm else row.mnemonic

    def copy_memory(self, row: Op, imm: tuple[int, int]) -> str:
        ids = self.scope.memories
        return " ".join([row.mnemonic, *(ids.get(one) or str(one) for one in imm if any(imm))])

    def access(self, row: Op, imm: Any) -> str:
        memarg: MemArg = imm if len(row.imms) == 1 else imm[0]
        assert row.access is not None
        words = [row.mnemonic]
        if memarg.memory:
            words.append(self.scope.memories.get(memarg.memory) or str(memarg.memory))
        if memarg.offset:
            words.append(f"offset={memarg.offset}")
        if 1 << memarg.align != row.access.bytes:
            words.append(f"align={1 << memarg.align}")
        if len(row.imms) > 1:
            words.append(str(imm[1]))
        return " ".join(words)

    def field(self, row: Op, imm: tuple[int, int]) -> str:
        type_, field = imm
        name = self.scope.fields.get(type_, {}).get(field)
        return f"{row.mnemonic} {self.scope.heap(type_)} {name or field}"

    def test_or_cast(self, row: Op, imm: HeapType) -> str:
        return f"{row.mnemonic} {self.scope.ref(ref(imm, row.name.endswith('_null')))}"

    def branch_on_cast(self, row: Op, imm: tuple[int, RefType, RefType]) -> str:
        label, source, target = imm
        return f"{row.mnemonic} {self.label(label)} {self.scope.ref(source)} {self.scope.ref(target)}"

    def branch_table(self, row: Op, imm: tuple[tuple[int, ...], int]) -> str:
        targets, default = imm
        if len(targets) <= ROW:
            return " ".join([row.mnemonic, *map(self.label, targets), self.label(default)])
        return f"{row.mnemonic}{numbered(list(map(str, targets)), self._pad)}\n{self._pad}{self.label(default)}"


def _float(width: int) -> Callable[[BodyPrinter, int], str]:
    format_, integer = ("<f", "<I") if width == 32 else ("<d", "<Q")

    def text(_: BodyPrinter, bits: int) -> str:
        value = struct.unpack(format_, struct.pack(integer, bits))[0]
        exact = float_text(bits, width)
        return exact if "n" in exact else f"{exact} (;={value!r};)"

    return text


def _signed(width: int) -> Callable[[BodyPrinter, int], str]:
    return lambda _, bits: str(bits - (bits >> width - 1 << width))


def _vector(_: BodyPrinter, bits: int) -> str:
    return "i32x4 " + " ".join(f"{bits >> shift & 0xFFFFFFFF:#010x}" for shift in (0, 32, 64, 96))


def _item(space: str) -> Callable[[BodyPrinter, int], str]:
    return lambda printer, index: getattr(printer.scope, space).get(index) or str(index)


_PLAIN: Final[dict[Imm, Callable[[BodyPrinter, Any], str]]] = {
    Imm.LABEL: BodyPrinter.label,
    Imm.FUNC: _item("funcs"),
    Imm.TYPE: _item("types"),
    Imm.TABLE: _item("tables"),
    Imm.MEMORY: _item("memories"),
    Imm.GLOBAL: _item("globals"),
    Imm.LOCAL: lambda printer, index: printer.local_ids.get(index) or str(index),
    Imm.TAG: _item("tags"),
    Imm.DATA: _item("datas"),
    Imm.ELEM: _item("elems"),
    Imm.FIELD: lambda _, index: str(index),
    Imm.COUNT: lambda _, count: str(count),
    Imm.LANE: lambda _, lane: str(lane),
    Imm.LANES: lambda _, lanes: " ".join(map(str, lanes)),
    Imm.I32: _signed(32),
    Imm.I64: _signed(64),
    Imm.F32: _float(32),
    Imm.F64: _float(64),
    Imm.V128: _vector,
    Imm.HEAP: lambda printer, heap: printer.scope.heap(heap),
    Imm.TYPES: lambda printer, types: f"({' '.join(['result', *printer.scope.words(types)])})",
    Imm.ORDERING: lambda *_: "",
}
"""Immediates that are listed behind the mnemonic in binary order."""

_SPECIAL: Final[dict[Op, Callable[[BodyPrinter, Op, Any], str]]] = {
    **{row: BodyPrinter.access for row in OPS.values() if Imm.MEMARG in row.imms},
    **{row: BodyPrinter.field for row in OPS.values() if Imm.FIELD in row.imms},
    **{row: BodyPrinter.branch_on_cast for row in OPS.values() if row.imms == (Imm.CAST,)},
    **{row: BodyPrinter.branch_table for row in OPS.values() if row.imms == (Imm.LABELS,)},
    **{row: BodyPrinter.call_indirect for row in OPS.values() if row.imms == (Imm.TYPE, Imm.TABLE)},
    **{row: BodyPrinter.memory for row in OPS.values() if row.imms == (Imm.MEMORY,)},
    **{row: BodyPrinter.test_or_cast for row in OPS.values() if row.name.startswith(("ref.test", "ref.cast"))},
    OPS["memory.init"]: BodyPrinter.segment_first,
    OPS["table.init"]: BodyPrinter.segment_first,
    OPS["memory.copy"]: BodyPrinter.copy_memory,
}
