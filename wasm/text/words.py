"""The small pieces of the text format (spec 6): identifiers, strings, floats, types and long lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from wasm.module import Module
from wasm.names import parse_names
from wasm.valtypes import (
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    HeapType,
    Limits,
    MemType,
    NumType,
    PackedType,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
)

ROW: Final = 10
"""How many entries of a long list stand in a line."""

_ID_CHARS: Final = frozenset("!#$%&'*+-./0123456789:<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\\^_`abcdefghijklmnopqrstuvwxyz|~")
_ESCAPES: Final = {0x22: '\\"', 0x5C: "\\\\", 0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}
_STRING: Final = [_ESCAPES.get(n) or (chr(n) if 0x20 <= n < 0x7F else f"\\{n:02x}") for n in range(256)]


def string(data: bytes | str) -> str:
    """A string literal, in ASCII."""
    raw = data.encode("utf-8") if isinstance(data, str) else data
    return '"' + "".join(map(_STRING.__getitem__, raw)) + '"'


def identifier(name: str) -> str:
    """``$name``, quoted where it holds characters that no plain identifier may have (spec 6.3.5)."""
    return f"${name}" if _ID_CHARS.issuperset(name) else f"${string(name)}"


def identifiers(names: Mapping[int, str]) -> dict[int, str]:
    """One identifier per index, all different; an empty name gives none."""
    identifiers: dict[int, str] = {}
    taken: set[str] = set()
    repeats: dict[str, int] = {}
    for index, name in names.items():
        if not name:
            continue
        unique = name
        while unique in taken:
            repeats[name] = repeats.get(name, 0) + 1
            unique = f"{name}.{repeats[name]}"
        taken.add(unique)
        identifiers[index] = identifier(unique)
    return identifiers


def float_text(bits: int, width: int) -> str:
    """A float literal that keeps every bit: hexadecimal, ``inf``, ``nan`` or ``nan:0x...`` (spec 6.3.2)."""
    fraction_bits = 23 if width == 32 else 52
    sign = "-" if bits >> width - 1 else ""
    exponent_mask = (1 << width - 1 - fraction_bits) - 1
    exponent = bits >> fraction_bits & exponent_mask
    fraction = bits & (1 << fraction_bits) - 1
    if exponent == exponent_mask:
        if not fraction:
            return sign + "inf"
        return sign + ("nan" if fraction == 1 << fraction_bits - 1 else f"nan:{fraction:#x}")
    bias = exponent_mask >> 1
    if not exponent and not fraction:
        return sign + "0x0p+0"
    digits = (fraction_bits + 3) // 4
    hexadecimal = f"{fraction << digits * 4 - fraction_bits:0{digits}x}".rstrip("0")
    whole, power = ("1", exponent - bias) if exponent else ("0", 1 - bias)
    return f"{sign}0x{whole}{'.' if hexadecimal else ''}{hexadecimal}p{power:+d}"


def rows(head: str, words: Sequence[str], pad: str) -> str:
    """``(head words...)``; a long list in rows of ten, each with the running count in a comment."""
    if len(words) <= ROW:
        return f"({' '.join([head, *words])})"
    return f"({head}" + numbered(words, pad) + ")"


def numbered(words: Sequence[str], pad: str) -> str:
    """Rows of ten on lines of their own, each with the running count in a comment."""
    lines = [
        f"\n{pad}{' '.join(words[start : start + ROW])} (;{min(start + ROW, len(words))};)"
        for start in range(0, len(words), ROW)
    ]
    return "".join(lines)


class Scope:
    """How a module's text refers to its items: by identifier where the name section has one, else by index."""

    def __init__(self, module: Module) -> None:
        names = parse_names(module)
        self.module_name = names.module
        self.types = identifiers(names.types)
        self.funcs = identifiers(names.funcs)
        self.tables = identifiers(names.tables)
        self.memories = identifiers(names.memories)
        self.globals = identifiers(names.globals)
        self.tags = identifiers(names.tags)
        self.elems = identifiers(names.elems)
        self.datas = identifiers(names.datas)
        self.fields = {index: identifiers(fields) for index, fields in names.fields.items()}
        self.local_names = names.locals
        self.label_names = names.labels
        self.flat = [sub.composite for sub in module.flat_types()]

    def func_type(self, index: int) -> FuncType | None:
        """The function type of that index; None where there is no such (the module is invalid)."""
        composite = self.flat[index] if index < len(self.flat) else None
        return composite if isinstance(composite, FuncType) else None

    # --- types ---

    def heap(self, heap: HeapType) -> str:
        return heap if isinstance(heap, str) else self.types.get(heap) or str(heap)

    def val_type(self, type_: StorageType) -> str:
        match type_:
            case NumType() | PackedType():
                return type_.name
            case RefType(heap=str(), nullable=True):
                return repr(type_)
            case RefType():
                return self.ref(type_)

    def ref(self, type_: RefType) -> str:
        """The long form, ``(ref null? heap)``, which casts need."""
        return f"(ref {'null ' if type_.nullable else ''}{self.heap(type_.heap)})"

    def words(self, types: Sequence[StorageType]) -> list[str]:
        return [self.val_type(type_) for type_ in types]

    def signature(self, type_: FuncType, pad: str) -> str:
        """``(param ...) (result ...)``, what there is of it."""
        parts = [
            rows(word, self.words(types), pad)
            for word, types in (("param", type_.params), ("result", type_.results))
            if types
        ]
        return " ".join(parts)

    def type_use(self, index: int, pad: str) -> str:
        """``(type n)``, and the signature where it is short enough to help a reader."""
        use = f"(type {self.types.get(index) or index})"
        type_ = self.func_type(index)
        if type_ is None or not (type_.params or type_.results):
            return use
        if len(type_.params) + len(type_.results) > ROW:
            return f"{use} (;params: {len(type_.params)}, results: {len(type_.results)};)"
        return f"{use} {self.signature(type_, pad)}"

    def _storage(self, field: FieldType) -> str:
        text = self.val_type(field.storage)
        return f"(mut {text})" if field.mutable else text

    def _struct(self, type_: StructType, index: int, pad: str) -> str:
        names = self.fields.get(index, {})
        words = [self._storage(field) for field in type_.fields]
        if len(words) > ROW and not names:
            return f"(struct {rows('field', words, pad)})"
        fields = [
            f"(field {names[place]} {word})" if place in names else f"(field {word})"
            for place, word in enumerate(words)
        ]
        if len(fields) > ROW:
            return "(struct" + "".join(f"\n{pad}{field}" for field in fields) + ")"
        return f"({' '.join(['struct', *fields])})"

    def composite(self, type_: CompositeType, index: int, pad: str) -> str:
        match type_:
            case FuncType(params, results):
                return f"(func {self.signature(type_, pad)})" if params or results else "(func)"
            case StructType():
                return self._struct(type_, index, pad)
            case ArrayType(field):
                return f"(array {self._storage(field)})"

    def sub(self, sub: SubType, index: int, pad: str) -> str:
        composite = self.composite(sub.composite, index, pad)
        if sub.final and not sub.supertypes:
            return composite
        words = ["sub", *(["final"] if sub.final else []), *(self.heap(index) for index in sub.supertypes)]
        return f"({' '.join(words)} {composite})"

    def table_type(self, type_: TableType) -> str:
        return f"{_limits(type_.limits, type_.index64)} {self.val_type(type_.ref)}"

    def mem_type(self, type_: MemType) -> str:
        shared = " shared" if type_.shared else ""
        page = f" (pagesize {1 << type_.page_log2:#x})" if type_.page_log2 != 16 else ""
        return _limits(type_.limits, type_.index64) + shared + page

    def global_type(self, type_: GlobalType) -> str:
        text = self.val_type(type_.type)
        return f"(mut {text})" if type_.mutable else text


def _limits(limits: Limits, index64: bool) -> str:
    text = f"i64 {limits.minimum}" if index64 else str(limits.minimum)
    return text if limits.maximum is None else f"{text} {limits.maximum}"
