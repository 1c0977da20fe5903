"""One function under construction, whose code is only validated: values of any type, instructions with any immediates.

Operands are pushed before an instruction and its results dropped behind it, so that the stack is as it was:

    draft.instruction()                      # i32.const 1  local.get 2  i32.store16 offset=127
    with draft.block(ref("func")):           # block (result funcref)
        draft.push(ref("func"))              #   ref.null func
                                             # end
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import isqrt
from typing import Any, Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from generators.module.function import BARE
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.features import Feature
from wasm.fragment import template
from wasm.isa import OPS, ROWS, Imm, Instr, MemArg, Op
from wasm.module import Module
from wasm.signatures import signature
from wasm.valtypes import FuncType, NumType, ValType

DROP: Final = BARE["drop"]
END: Final = BARE["end"]
_I31: Final = template("i32.const $value  ref.i31")
_NO_NULL: Final = template("ref.null $heap  ref.as_non_null")
"""What traps when it runs, and has the right type."""
_WIDTHS: Final = {Imm.I32: 32, Imm.I64: 64, Imm.F32: 32, Imm.F64: 64, Imm.V128: 128}
MOST_OPERANDS: Final = 24
"""Types with more parameters and results are not used: modules stay small."""

_NOT_PLAIN: Final = frozenset((
    "ref.func", "call_ref", "return_call", "return_call_indirect", "return_call_ref", "unreachable",
))  # fmt: skip
"""Rows whose operands or results depend on more than their immediates; constructs have them."""

_TRIES: Final = 4
"""Immediates drawn for one instruction: most of the indices of a small module name something of the wrong kind."""


@lru_cache(maxsize=64)
def plain_rows(features: frozenset[Feature]) -> tuple[tuple[Op, ...], ...]:
    """The rows that a snippet may be about, those of one feature together, larger features more often."""
    by_feature: dict[Feature | None, list[Op]] = {}
    for row in ROWS:
        if (row.feature is None or row.feature in features) and row.name not in _NOT_PLAIN:
            by_feature.setdefault(row.feature, []).append(row)
    return tuple(tuple(rows) for rows in by_feature.values() for _ in range(isqrt(len(rows))))


@dataclass(slots=True)
class FuncDraft:
    """One function under construction, of a module that is complete but for code.

    ``locals`` are the parameters and locals that have a value; ``depth`` is how many blocks are open.
    """

    config: Config
    source: ChoiceSource
    module: Module
    context: ModuleContext
    type: FuncType
    locals: list[ValType] = field(default_factory=list)
    code: list[Instr] = field(default_factory=list)
    depth: int = 0

    def instruction(self) -> None:
        """Any instruction of the table with its operands, its results dropped."""
        row = self.source.pick(self.source.pick(plain_rows(self.config.features)))
        for _ in range(_TRIES if row.imms else 1):
            imm = self._immediates(row)
            try:
                types = signature(row, imm, self.context)
            except Invalid:
                continue  # what these immediates name does not fit, or is not there
            if types is not None and len(types[0]) <= MOST_OPERANDS:
                params, results = types
                self.push_all(params)
                self.code.append((row, imm))
                self.drop(results)
            return

    def block(self, type_: int | ValType | None = None, word: str = "block") -> _Open:
        """A block around what a ``with`` statement writes."""
        return self.open(OPS[word], type_)

    def open(self, row: Op, imm: Any) -> _Open:
        """A block of any row around what a ``with`` statement writes."""
        self.code.append((row, imm))
        self.depth += 1
        return _Open(self)

    def emit(self, word: str, imm: Any = None) -> None:
        """One instruction."""
        self.code.append((OPS[word], imm))

    def drop(self, types: tuple[ValType, ...]) -> None:
        """Take values of these types off the stack."""
        self.code += [DROP] * len(types)

    def push_all(self, types: tuple[ValType, ...]) -> None:
        """Values of these types, the last on top."""
        for type_ in types:
            self.push(type_)

    def push(self, type_: ValType) -> None:
        """A value of exactly this type, or of a subtype."""
        known = [i for i, local in enumerate(self.locals) if local is type_]
        if known and self.source.one_in(2):
            self.emit("local.get", self.source.pick(known))
        elif isinstance(type_, NumType):
            self.emit(f"{type_}.const", self._bits(type_.bits))
        elif type_.nullable:
            self.emit("ref.null", type_.heap)
        elif type_.heap == "i31":
            self.code += _I31(value=self.source.below(9))
        elif type_.heap == "func" and self.context.refs:
            self.emit("ref.func", self.source.pick(sorted(self.context.refs)))
        else:
            self.code += _NO_NULL(heap=type_.heap)

    def _bits(self, width: int) -> int:
        ends = (0, 1, (1 << width) - 1, 1 << width - 1, 64, 127)
        return self.source.pick(ends) & (1 << width) - 1

    def any_type(self) -> ValType:
        """Any value type that the features have."""
        return draw_value_type(self.source, self.config, len(self.context.types.flat))

    def _immediates(self, row: Op) -> Any:
        values = [self._immediate(row, kind) for kind in row.imms]
        return None if not values else values[0] if len(values) == 1 else tuple(values)

    def _immediate(self, row: Op, kind: Imm) -> Any:
        source, context = self.source, self.context
        counts = {
            Imm.FUNC: len(context.funcs), Imm.TYPE: len(context.types.flat), Imm.TABLE: len(context.tables),
            Imm.MEMORY: len(context.memories), Imm.GLOBAL: len(context.globals), Imm.TAG: len(context.tags),
            Imm.DATA: context.datas, Imm.ELEM: len(context.elems), Imm.FIELD: 3, Imm.COUNT: 4,
        }  # fmt: skip
        if kind in counts:
            return source.below(max(1, counts[kind]))
        if kind in _WIDTHS:
            return self._bits(_WIDTHS[kind])
        if kind is Imm.MEMARG:
            assert row.access is not None
            natural = row.access.bytes.bit_length() - 1
            align = natural if row.prefix == 0xFE else source.below(natural + 1)
            return MemArg(align, source.pick((0, 1, 127, 128, 0xFFFFFFFF)), source.below(max(1, len(context.memories))))
        if kind is Imm.LANE:
            lanes = 16 // row.access.bytes if row.access else int(row.name.partition("x")[2].partition(".")[0])
            return source.below(lanes)
        if kind is Imm.LANES:
            return tuple(byte & 31 for byte in source.bytes(16))
        if kind is Imm.HEAP:
            return draw_heap_type(source, self.config, len(context.types.flat))
        if kind is Imm.TYPES:
            return (self.any_type(),)
        return 0 if kind is Imm.ORDERING else None


@dataclass(slots=True)
class _Open:
    """A block that a ``with`` statement closes."""

    draft: FuncDraft

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.draft.code.append(END)
        self.draft.depth -= 1
