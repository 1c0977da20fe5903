"""Pieces of code as text, compiled once: what a generator or a test writes, so that a reader sees WebAssembly.

    HALVE = code("i32.const 1  i32.shr_u")                      # instructions, ready to be added to a body
    LOOK = template("local.get $at  table.get $table  ref.is_null")
    LOOK(at=3, table=0)                                         # the instructions, with the holes filled

The words are the table's (``wasm.isa``: a row's ``name``) with immediates as in the text format (spec 6.5), unfolded.
What differs from the text format:

- ``$name`` is a hole, an argument of the template, not an identifier. Where immediates are numbers (an index, a label's
  depth, a lane, a constant, ``offset=``, ``align=``) a hole may stand; the argument is the immediate in the form that
  ``wasm.isa.Imm`` states: a constant's bit pattern, an alignment's exponent. Holes are parameters in the order of their
  first appearance and can be given by name.
- ``imm=$name`` stands for all immediates of an instruction at once: ``br_table imm=$targets``, ``i32.load imm=$arg``.
- Labels are depths. Blocks are written whole (``block (result i32) ... end``) or not at all; ``(type $t)`` takes any
  block type: None, a ``ValType``, or a type index.
- A literal float (``f64.const 1.5``) is decimal and exact, a literal vector is ``v128.const i32x4 1 2 3 4``.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from keyword import iskeyword
from typing import Any, Final, TypeAlias

from wasm.isa import OPS, Imm, Instr, MemArg, Op
from wasm.valtypes import ABSTRACT_HEAP_CODES, NUM_TYPES, SHORTHANDS, ValType, ref

Code: TypeAlias = tuple[Instr, ...]
Template: TypeAlias = Callable[..., Code]
"""A template's call: holes by position or by name; gives the instructions."""

_INDICES: Final = frozenset({
    Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.TABLE, Imm.MEMORY, Imm.GLOBAL, Imm.LOCAL, Imm.TAG, Imm.DATA, Imm.ELEM, Imm.FIELD,
    Imm.COUNT, Imm.LANE,
})  # fmt: skip
_WIDTHS: Final = {Imm.I32: 32, Imm.I64: 64, Imm.F32: 32, Imm.F64: 64}
_TYPES: Final[dict[str, ValType]] = {
    **{t.name: t for t in NUM_TYPES},
    **{SHORTHANDS.get(heap, f"{heap}ref"): ref(heap) for heap in ABSTRACT_HEAP_CODES},
}
_OPENS: Final = frozenset({"block", "loop", "if", "try_table", "try"})
_TOKEN: Final = re.compile(r"\((?:result|type) [^()]*\)|[^\s()]+")
_NUMBER: Final = re.compile(r"[+-]?(0x[0-9a-fA-F_]+|\d+)")
_HOLE: Final = re.compile(r"\$([a-z_][a-z_0-9]*)")


def code(text: str) -> Code:
    """The instructions of a text without holes. Raises ``ValueError`` for what is no such text."""
    parser = _Parser(text)
    made = parser.instrs()
    if parser.holes:
        raise ValueError(f"{text!r} has holes: it is a template")
    return eval(_tuple(made), parser.names)  # type: ignore[no-any-return]  # names of constants in a tuple, no more


def template(text: str) -> Template:
    """A function of the text's holes that gives its instructions. Raises ``ValueError`` for what is no such text."""
    parser = _Parser(text)
    made = parser.instrs()
    if not parser.holes:
        raise ValueError(f"{text!r} has no holes: it is code")
    # As quick as a tuple written by hand, since it becomes one: generators call templates for every few instructions.
    return eval(f"lambda {', '.join(parser.holes)}: {_tuple(made)}", parser.names)  # type: ignore[no-any-return]


def _tuple(parts: list[str]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


class _Parser:
    """Reads a text into Python expressions, one per instruction, over ``names`` (constants) and ``holes``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.names: dict[str, Any] = {"__builtins__": {}, "MemArg": MemArg}
        self.holes: dict[str, None] = {}
        if "".join(self.tokens).replace(" ", "") != re.sub(r"\s+", "", text):
            raise self.error("parentheses are for (result TYPE ...) and (type TYPE)")

    def error(self, what: str) -> ValueError:
        return ValueError(f"{what}, in {self.text!r}")

    # Tokens

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, what: str) -> str:
        token = self.peek()
        if not token:
            raise self.error(f"{what} is missing at the end")
        self.at += 1
        return token

    def holds_number(self) -> bool:
        """Whether the next word is a number or a hole, and so an immediate: no instruction begins like that."""
        return bool(_NUMBER.fullmatch(self.peek()) or _HOLE.fullmatch(self.peek()))

    def number(self, what: str, token: str = "") -> str:
        """A number or a hole as an expression."""
        token = token or self.next(what)
        hole = _HOLE.fullmatch(token)
        if hole:
            if iskeyword(hole[1]):
                raise self.error(f"${hole[1]} is a word of Python's own: call the hole something else")
            self.holes[hole[1]] = None
            return hole[1]
        if not _NUMBER.fullmatch(token):
            raise self.error(f"{token!r} is no {what}")
        return str(int(token, 0))

    def constant(self, value: object) -> str:
        """A name for a value that is no number."""
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    # Instructions

    def instrs(self) -> list[str]:
        made, depth = [], 0
        while self.peek():
            name = self.next("an instruction")
            row = OPS.get(name)
            if row is None:
                raise self.error(f"{name!r} is no instruction of the table")
            depth += (name in _OPENS) - (name == "end")
            if depth < 0:
                raise self.error("an end without a block")
            made.append(self.instr(row))
        if depth:
            raise self.error("a block without its end")
        return made

    def instr(self, row: Op) -> str:
        if not row.imms:
            return self.constant(row.bare)
        before = len(self.holes)
        used = self.at
        imm = self.all_at_once() or self.immediates(row)
        op = self.constant(row)
        made = f"({op}, {imm})"
        if len(self.holes) == before and not any(_HOLE.search(token) for token in self.tokens[used : self.at]):
            # Nothing in it varies: one tuple for all calls.
            return self.constant(eval(made, self.names))
        return made

    def all_at_once(self) -> str:
        token = self.peek()
        if not token.startswith("imm=$"):
            return ""
        self.at += 1
        return self.number("immediate", token[4:])

    def immediates(self, row: Op) -> str:
        """Immediates in the text's order (spec 6.5), as an expression in the table's."""
        if Imm.MEMARG in row.imms:
            return self.access(row)
        match row.imms:
            case (Imm.TYPE, Imm.TABLE):
                table = self.number("table") if self.holds_number() else "0"
                return f"({self.block_type()}, {table})"
            case (Imm.DATA, Imm.MEMORY) | (Imm.ELEM, Imm.TABLE):
                first = self.number("segment or item")
                return f"({self.number('segment')}, {first})" if self.holds_number() else f"({first}, 0)"
            case (Imm.MEMORY,):
                return self.number("memory") if self.holds_number() else "0"
            case (Imm.MEMORY, Imm.MEMORY):
                return f"({self.number('memory')}, {self.number('memory')})" if self.holds_number() else "(0, 0)"
            case (one,):
                return self.immediate(one)
            case several:
                return f"({', '.join(self.immediate(kind) for kind in several)})"

    def immediate(self, kind: Imm) -> str:
        if kind in _INDICES:
            return self.number(kind.value)
        if kind in _WIDTHS:
            return self.bits(kind)
        match kind:
            case Imm.BLOCK_TYPE:
                return self.block_type()
            case Imm.V128:
                return self.vector()
            case Imm.HEAP:
                return self.heap()
            case Imm.LANES:
                return f"({', '.join(self.number('lane') for _ in range(16))})"
            case Imm.TYPES:
                return f"({''.join(f'{one}, ' for one in self.types())})"
            case Imm.ORDERING:
                return "0"
            case _:
                raise self.error(f"{kind.value} is written as imm=$name")

    def access(self, row: Op) -> str:
        """``[memory] [offset=N] [align=N] [lane]``; of two numbers without a word the first is the memory."""
        assert row.access is not None
        numbers: list[str] = []
        offset, align = "0", str(row.access.bytes.bit_length() - 1)
        while True:
            word, _, value = self.peek().partition("=")
            if word == "offset":
                self.at += 1
                offset = self.number("offset", value)
            elif word == "align":
                self.at += 1
                align = self.number("alignment", value)
                if align.isdecimal():
                    align = str(int(align).bit_length() - 1)
            elif self.holds_number():
                numbers.append(self.number("memory"))
            else:
                break
        others = len(row.imms) - 1 if Imm.LANE in row.imms else 0
        if len(numbers) not in (others, others + 1):
            raise self.error(f"{row.name} takes a memory at most, and its lane")
        memory = numbers[0] if len(numbers) > others else "0"
        arg = f"MemArg({align}, {offset}, {memory})"
        if len(row.imms) == 1:
            return arg
        return f"({arg}, {numbers[-1] if others else '0'})"

    def block_type(self) -> str:
        token = self.peek()
        if token.startswith("(type "):
            self.at += 1
            return self.number("type", token[6:-1].strip())
        if token.startswith("(result "):
            types = self.types()
            if len(types) != 1:
                raise self.error("a block of several results has a type index: (type $t)")
            return types[0]
        return "None"

    def types(self) -> list[str]:
        token = self.next("(result ...)")
        if not token.startswith("(result "):
            raise self.error(f"{token!r} stands where (result ...) is due")
        words = token[8:-1].split()
        for word in words:
            if word not in _TYPES and not _HOLE.fullmatch(word):
                raise self.error(f"{word!r} is no value type; others go in through a hole")
        return [self.number("type", word) if word[0] == "$" else self.constant(_TYPES[word]) for word in words]

    def bits(self, kind: Imm) -> str:
        token = self.next("constant")
        width = _WIDTHS[kind]
        if _HOLE.fullmatch(token):
            return self.number("constant", token)
        if kind in (Imm.F32, Imm.F64):
            return str(_float_bits(self, token, width))
        value = int(self.number("constant", token))
        if not -(1 << width - 1) <= value < 1 << width:
            raise self.error(f"{token} does not fit into {width} bits")
        return str(value & (1 << width) - 1)

    def vector(self) -> str:
        token = self.next("constant")
        if _HOLE.fullmatch(token):
            return self.number("constant", token)
        shape = re.fullmatch(r"i(8|16|32|64)x(\d+)", token)
        if not shape or int(shape[1]) * int(shape[2]) != 128:
            raise self.error(f"{token!r} is no shape of integer lanes")
        width = int(shape[1])
        lanes = [int(self.number("lane", self.next("lane"))) & (1 << width) - 1 for _ in range(int(shape[2]))]
        return str(sum(lane << width * i for i, lane in enumerate(lanes)))

    def heap(self) -> str:
        token = self.next("heap type")
        if token in ABSTRACT_HEAP_CODES:
            return self.constant(token)
        return self.number("heap type", token)


def _float_bits(parser: _Parser, token: str, width: int) -> int:
    """A decimal float that the type holds exactly, as its bits."""
    try:
        value = float(token)
        packed = struct.pack("<f" if width == 32 else "<d", value)
    except (ValueError, OverflowError):
        raise parser.error(f"{token!r} is no float of {width} bits") from None
    if math.isnan(value) or (width == 32 and struct.unpack("<f", packed)[0] != value):
        raise parser.error(f"{token} is not exact in {width} bits: give its bits through a hole")
    return int.from_bytes(packed, "little")
