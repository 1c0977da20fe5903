"""A module's outside, read from its bytes without its code: what workers need to link it and to call it.

Reading only the sections that matter keeps the harness' cost per case far below that of decoding. Validity is not
judged here: anything odd raises ``Unreadable``, and the engines are then asked about the bare bytes only.

A type is one character, its *kind*, so that a function type with 1,000 results is a short string:
``i l f d v`` are i32, i64, f32, f64, v128; ``e c a g x`` are nullable references: the extern hierarchy, the func
hierarchy, ``any``/``eq``/``i31``, the rest of the any hierarchy (structs, arrays, ``none``), exceptions. The capital
letter is the non-nullable reference. ``e``, ``c`` and ``x`` include their bottom types.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from wasm.isa import OPS, Imm
from wasm.module import HEADER, ExternKind, Section
from wasm.valtypes import (
    ABSTRACT_HEAP_CODES,
    ARRAY_FORM,
    FUNC_FORM,
    HAS_MAXIMUM,
    I8,
    I16,
    INDEX64,
    NUM_TYPES,
    PAGE_SIZE,
    REC_FORM,
    REF_FORM,
    REF_NULL_FORM,
    STRUCT_FORM,
    SUB_FINAL_FORM,
    SUB_FORM,
    TABLE_WITH_INIT,
)

_FIXED: Final = {Imm.F32: 4, Imm.F64: 8, Imm.V128: 16}
TYPE_NAMES: Final = dict(zip("ilfdv", (type_.name for type_ in NUM_TYPES), strict=True))
"""Kind to the type word of ``wasm.embedding``; every other kind is ``ref``."""
NUMBERS: Final = dict(zip((type_.code for type_ in NUM_TYPES), TYPE_NAMES, strict=True))
_HEAP_KINDS: Final = {
    "func": "c", "nofunc": "c", "extern": "e", "noextern": "e", "any": "a", "eq": "a", "i31": "a", "struct": "g",
    "array": "g", "none": "g", "exn": "x", "noexn": "x",
}  # fmt: skip
_HEAP: Final = {code: _HEAP_KINDS[heap] for heap, code in ABSTRACT_HEAP_CODES.items()}
ONE_BYTE: Final = {**NUMBERS, **_HEAP}
_ONE_BYTE_CODES: Final = bytes(ONE_BYTE)
_TO_KIND: Final = bytes(ord(ONE_BYTE.get(code, "?")) for code in range(256))
SORTS: Final = tuple(kind.value for kind in ExternKind)
FUNC, TABLE, MEMORY, GLOBAL, TAG = SORTS
_CONST: Final = {
    (row.prefix, row.code): tuple(_FIXED.get(imm, 0) for imm in row.imms) for row in OPS.values() if row.const
}
"""Of each constant instruction (spec 3.4.13) the bytes of its immediates; 0 is a LEB128 number."""
_END: Final = OPS["end"].code
_PREFIXES: Final = frozenset(prefix for prefix, _ in _CONST if prefix)
_PACKED: Final = (bytes((I8.code,)), bytes((I16.code,)))
_REC: Final = bytes((REC_FORM,))
_PAGE_LOG2: Final = 16
_READ: Final = frozenset(Section) - {Section.START, Section.ELEMENT, Section.DATA_COUNT, Section.CODE, Section.DATA}


class Unreadable(Exception):
    """The bytes are not a module as far as its outside is concerned."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function type by kinds; ``plain`` says that it can be written in another module as it stands.

    It then names no type index, and is alone in its recursion group, final and without supertypes.
    """

    params: str
    results: str
    plain: bool
    raw: bytes
    """The encoded function type: ``FUNC_FORM``, parameters, results."""


@dataclass(frozen=True, slots=True)
class ImportItem:
    """``index`` is a function's or tag's type index; ``kind`` a global's or a table's; ``raw`` the encoded type."""

    module: str
    name: str
    sort: int
    raw: bytes
    index: int = 0
    kind: str = ""
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class ExportItem:
    name: str
    sort: int
    index: int


@dataclass(frozen=True, slots=True)
class Interface:
    """``types`` has None for structs and arrays. ``type_count`` and ``type_bytes`` are the type section's vector."""

    types: tuple[Signature | None, ...]
    type_count: int
    type_bytes: bytes
    imports: tuple[ImportItem, ...]
    exports: tuple[ExportItem, ...]
    funcs: tuple[int, ...]
    """The type index of each function, imported ones first."""
    globals: tuple[tuple[str, bool], ...]
    """Kind and mutability of each global."""
    tables: tuple[str, ...]
    """The element kind of each table."""
    tags: tuple[int, ...]
    memories: int
    encoded: tuple[tuple[bytes, ...], ...]
    """The encoded types of tables, of memories and of globals, imported ones first."""

    def signature(self, func: int) -> Signature:
        """The type of a function by index. Raises ``Unreadable``."""
        return self.type_at(self.funcs[func]) if func < len(self.funcs) else self.type_at(-1)

    def type_at(self, index: int) -> Signature:
        signature = self.types[index] if 0 <= index < len(self.types) else None
        if signature is None:
            raise Unreadable(f"type {index} is no function type")
        return signature

    def type_of(self, sort: int, index: int) -> bytes:
        """The encoded type of a table, memory or global."""
        return self.encoded[(TABLE, MEMORY, GLOBAL).index(sort)][index]

    def find(self, name: str, sort: int) -> int | None:
        """The index of an exported item."""
        return next((item.index for item in self.exports if item.name == name and item.sort == sort), None)


class _Reader:
    def __init__(self, data: bytes, composites: list[str]) -> None:
        self.data, self.pos, self.composites = data, 0, composites

    def byte(self) -> int:
        try:
            value = self.data[self.pos]
        except IndexError:
            raise Unreadable("ends early") from None
        self.pos += 1
        return value

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.pos:
            raise Unreadable("ends early")
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def leb(self) -> int:
        try:
            value = self.data[self.pos]
        except IndexError:
            raise Unreadable("ends early") from None
        self.pos += 1
        return value if value < 0x80 else self._longer(value)

    def _longer(self, first: int) -> int:
        """A number of more than one byte, after its ``first``."""
        value, shift = first & 0x7F, 7
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 70:
                raise Unreadable("a number is too long")

    def count(self) -> int:
        """A vector's length; every element takes a byte at least."""
        value = self.leb()
        if value > len(self.data) - self.pos:
            raise Unreadable("a vector is longer than the module")
        return value

    def name(self) -> str:
        try:
            return self.take(self.leb()).decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("a name is not UTF-8") from None

    def heap(self) -> tuple[str, bool]:
        """The kind of a heap type (nullable letter), and whether it names a type index."""
        start = self.pos
        value = self.leb()
        if self.pos == start + 1 and value in _HEAP:
            return _HEAP[value], False
        try:
            return self.composites[value], True
        except IndexError:
            raise Unreadable("an unknown type") from None

    def value_type(self) -> tuple[str, bool]:
        code = self.byte()
        if code in ONE_BYTE:
            return ONE_BYTE[code], False
        if code not in (REF_FORM, REF_NULL_FORM):
            raise Unreadable("an unknown value type")
        kind, indexed = self.heap()
        return (kind if code == REF_NULL_FORM else kind.upper()), indexed

    def value_types(self) -> tuple[str, bool]:
        """A vector of value types as kinds. Types of one byte each, the common case, are translated in one go."""
        count = self.count()
        chunk = self.data[self.pos : self.pos + count]
        if not chunk.translate(None, _ONE_BYTE_CODES):
            self.pos += count
            return chunk.translate(_TO_KIND).decode("ascii"), True
        kinds, plain = [], True
        for _ in range(count):
            kind, indexed = self.value_type()
            kinds.append(kind)
            plain = plain and not indexed
        return "".join(kinds), plain

    def skip_limits(self) -> None:
        flags = self.byte()
        self.leb()
        if flags & HAS_MAXIMUM:
            self.leb()
        if flags & PAGE_SIZE:
            self.leb()

    def skip_const(self) -> None:
        """Past a constant expression and its ``end``."""
        while (op := self.byte()) != _END:
            immediates = _CONST.get((op, self.leb()) if op in _PREFIXES else (0, op))
            if immediates is None:
                raise Unreadable("not a constant expression")
            for size in immediates:
                if size:
                    self.take(size)
                else:
                    self.leb()


def _skip_field(r: _Reader) -> None:
    if r.data[r.pos : r.pos + 1] in _PACKED:
        r.pos += 1
    else:
        r.value_type()
    r.byte()


def _composite(r: _Reader, alone: bool, index: int) -> Signature | None:
    """Type definition ``index``, which may name itself; ``alone``: its recursion group has no other member."""
    code = r.byte()
    while code in (SUB_FORM, SUB_FINAL_FORM):
        alone = False
        for _ in range(r.count()):
            r.leb()
        code = r.byte()
    start = r.pos - 1
    if code == FUNC_FORM:
        r.composites[index] = "c"
        params, plain_params = r.value_types()
        results, plain_results = r.value_types()
        return Signature(params, results, plain_params and plain_results and alone, r.data[start : r.pos])
    if code not in (STRUCT_FORM, ARRAY_FORM):
        raise Unreadable("an unknown composite type")
    for _ in range(r.count() if code == STRUCT_FORM else 1):
        _skip_field(r)
    return None


def _types(r: _Reader) -> list[Signature | None]:
    """Two passes: a type may name one that comes later in its group, so the sorts of all must be known first."""
    start, passes = r.pos, 2 if _REC in r.data else 1
    signatures: list[Signature | None] = []
    for last in range(passes):
        r.pos, signatures = start, []
        if passes == 2 and last == 0:
            r.composites = ["g"] * (len(r.data) + 1)
        for _ in range(r.count()):
            group = 1
            if r.data[r.pos : r.pos + 1] == _REC:
                r.pos += 1
                group = r.count()
            for _ in range(group):
                if passes == 1:
                    r.composites.append("g")
                signatures.append(_composite(r, group == 1, len(signatures)))
        if passes == 2 and last == 0:
            r.composites = ["g" if one is None else "c" for one in signatures]
    return signatures


def _import(r: _Reader) -> ImportItem:
    module, name, sort = r.name(), r.name(), r.byte()
    start, index, kind, mutable = r.pos, 0, "", False
    if sort == FUNC:
        index = r.leb()
    elif sort == TABLE:
        kind, _ = r.value_type()
        r.skip_limits()
    elif sort == MEMORY:
        r.skip_limits()
    elif sort == GLOBAL:
        kind, _ = r.value_type()
        mutable = r.byte() == 1
    elif sort == TAG:
        r.byte()
        index = r.leb()
    else:
        raise Unreadable("an unknown import")
    return ImportItem(module, name, sort, r.data[start : r.pos], index, kind, mutable)


@lru_cache(maxsize=64)
def read_interface(module: bytes) -> Interface:
    """Read the outside of a binary module. Raises ``Unreadable``, nothing else, for any bytes."""
    if not module.startswith(HEADER):
        raise Unreadable("not a binary module")
    sections: dict[int, bytes] = {}
    outer = _Reader(module, [])
    outer.pos = len(HEADER)
    while outer.pos < len(module):
        number, size = outer.byte(), outer.leb()
        body = outer.take(size) if number in _READ else b""
        if not body:
            outer.pos += size
        elif number not in sections:
            sections[number] = body
    composites: list[str] = []

    def reader(number: int) -> _Reader | None:
        return _Reader(sections[number], composites) if number in sections else None

    types: list[Signature | None] = []
    count, type_bytes = 0, b""
    if r := reader(Section.TYPE):
        types = _types(r)
        composites = r.composites
        r.pos = 0
        count = r.leb()
        type_bytes = r.data[r.pos :]
    imports = [_import(r) for _ in range(r.count())] if (r := reader(Section.IMPORT)) else []
    funcs = [item.index for item in imports if item.sort == FUNC]
    if r := reader(Section.FUNCTION):
        funcs += [r.leb() for _ in range(r.count())]
    own_globals, raw_globals = _globals(reader(Section.GLOBAL))
    own_tables, raw_tables = _tables(reader(Section.TABLE))
    raw_memories = _memories(reader(Section.MEMORY))
    own = ((TABLE, raw_tables), (MEMORY, raw_memories), (GLOBAL, raw_globals))
    interface = Interface(
        tuple(types),
        count,
        type_bytes,
        tuple(imports),
        _exports(reader(Section.EXPORT)),
        tuple(funcs),
        tuple([(item.kind, item.mutable) for item in imports if item.sort == GLOBAL] + own_globals),
        tuple([item.kind for item in imports if item.sort == TABLE] + own_tables),
        tuple([item.index for item in imports if item.sort == TAG] + _tags(reader(Section.TAG))),
        sum(item.sort == MEMORY for item in imports) + len(raw_memories),
        tuple([tuple([item.raw for item in imports if item.sort == sort] + raw) for sort, raw in own]),
    )
    sizes = (
        len(interface.funcs),
        len(interface.tables),
        interface.memories,
        len(interface.globals),
        len(interface.tags),
    )
    if any(item.sort > TAG or item.index >= sizes[item.sort] for item in interface.exports):
        raise Unreadable("an export of nothing")
    return interface


def _exports(r: _Reader | None) -> tuple[ExportItem, ...]:
    return tuple(ExportItem(r.name(), r.byte(), r.leb()) for _ in range(r.count())) if r else ()


def _globals(r: _Reader | None) -> tuple[list[tuple[str, bool]], list[bytes]]:
    """Kinds and mutability, and the encoded types."""
    globals_: list[tuple[str, bool]] = []
    raw: list[bytes] = []
    for _ in range(r.count() if r else 0):
        assert r is not None
        start = r.pos
        kind, _ = r.value_type()
        globals_.append((kind, r.byte() == 1))
        raw.append(r.data[start : r.pos])
        r.skip_const()
    return globals_, raw


def _tables(r: _Reader | None) -> tuple[list[str], list[bytes]]:
    """Kinds of elements, and the encoded types."""
    kinds: list[str] = []
    raw: list[bytes] = []
    for _ in range(r.count() if r else 0):
        assert r is not None
        initialised = r.data[r.pos : r.pos + 2] == TABLE_WITH_INIT
        r.pos += 2 * initialised
        start = r.pos
        kinds.append(r.value_type()[0])
        r.skip_limits()
        raw.append(r.data[start : r.pos])
        if initialised:
            r.skip_const()
    return kinds, raw


def _memories(r: _Reader | None) -> list[bytes]:
    raw: list[bytes] = []
    for _ in range(r.count() if r else 0):
        assert r is not None
        start = r.pos
        r.skip_limits()
        raw.append(r.data[start : r.pos])
    return raw


class Limited(NamedTuple):
    """What an encoded table or memory type says besides what it holds: the index type's kind, and the page size."""

    index_kind: str
    page_log2: int


def limited(sort: int, raw: bytes) -> Limited:
    """Read the limits at the end of an encoded type. Raises ``Unreadable``."""
    r = _Reader(raw, [])
    if sort == TABLE:
        # A heap type that is an index is as good as any here.
        code = r.byte()
        if code in (REF_FORM, REF_NULL_FORM):
            r.leb()
    flags = r.byte()
    r.leb()
    if flags & HAS_MAXIMUM:
        r.leb()
    return Limited("l" if flags & INDEX64 else "i", r.leb() if flags & PAGE_SIZE else _PAGE_LOG2)


def _tags(r: _Reader | None) -> list[int]:
    return [(r.byte(), r.leb())[1] for _ in range(r.count())] if r else []
