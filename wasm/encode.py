"""Modules to bytes (spec 5): the shortest form of every number, the most compact form of every segment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final

from wasm.decode import FUNC
from wasm.isa import CATCH_CODES, OPS, Imm, Instr, MemArg, Op
from wasm.leb import signed, unsigned
from wasm.module import (
    HEADER,
    SECTION_ORDER,
    Custom,
    Data,
    Elem,
    Export,
    Expr,
    ExternType,
    Func,
    Global,
    Import,
    ImportedFunc,
    Module,
    Section,
    SegmentMode,
    Table,
)
from wasm.valtypes import (
    ABSTRACT_HEAP_CODES,
    ARRAY_FORM,
    FUNC_FORM,
    FUNCREF,
    HAS_MAXIMUM,
    INDEX64,
    NO_TYPE,
    PAGE_SIZE,
    REC_FORM,
    REF_FORM,
    REF_NULL_FORM,
    SHARED,
    STRUCT_FORM,
    SUB_FINAL_FORM,
    SUB_FORM,
    TABLE_WITH_INIT,
    ArrayType,
    CompositeType,
    FieldType,
    FuncType,
    GlobalType,
    HeapType,
    Limits,
    MemType,
    RecGroup,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    TagType,
    ValType,
)

_REF_FUNC: Final = OPS["ref.func"]


def encode(module: Module) -> bytes:
    """The binary form. ``decode`` gives an equal module back.

    The module must be well-formed, not necessarily valid: numbers within their ranges, bodies that end with ``end``.
    Raises ``ValueError`` for a number that has no encoding.
    """
    contents = {section: write(module) for section, write in _SECTIONS.items()}
    out = [HEADER]
    _customs(out, module.customs, 0)
    for section in SECTION_ORDER:
        content = contents[section]
        if content is None and any(custom.after == section for custom in module.customs):
            # A custom section is placed by what precedes it, so that must be there, if need be without entries.
            content = _EMPTY.get(section)
        if content is not None:
            out += (bytes([section]), unsigned(len(content)), content)
        _customs(out, module.customs, section)
    return b"".join(out)


_EMPTY: Final[dict[int, bytes]] = {
    section: b"\0" for section in SECTION_ORDER if section not in (Section.START, Section.DATA_COUNT)
}


def _customs(out: list[bytes], customs: list[Custom], after: int) -> None:
    for custom in customs:
        if custom.after == after:
            content = name_bytes(custom.name) + custom.data
            out += (b"\0", unsigned(len(content)), content)


# --- types ---


def name_bytes(text: str) -> bytes:
    """A name (spec 5.2.4)."""
    raw = text.encode("utf-8")
    return unsigned(len(raw)) + raw


def vector(items: Iterable[bytes]) -> bytes:
    """A vector of things that are encoded already (spec 5.1.3)."""
    parts = list(items)
    return unsigned(len(parts)) + b"".join(parts)


def _heap(heap: HeapType) -> bytes:
    return bytes([ABSTRACT_HEAP_CODES[heap]]) if isinstance(heap, str) else signed(_index(heap))


def _index(value: int) -> int:
    if value < 0:
        raise ValueError(f"{value} is no index")
    return value


def val_type(type_: StorageType) -> bytes:
    """The binary form of a value type or packed type."""
    if not isinstance(type_, RefType):
        return bytes([type_.code])
    if type_.nullable and isinstance(type_.heap, str):
        return _heap(type_.heap)
    return (_REF_NULL if type_.nullable else _REF) + _heap(type_.heap)


_REF, _REF_NULL = bytes([REF_FORM]), bytes([REF_NULL_FORM])
_FUNC, _STRUCT, _ARRAY = bytes([FUNC_FORM]), bytes([STRUCT_FORM]), bytes([ARRAY_FORM])
_REC, _SUB, _SUB_FINAL = bytes([REC_FORM]), bytes([SUB_FORM]), bytes([SUB_FINAL_FORM])
_NO_TYPE: Final = bytes([NO_TYPE])


def _field(field: FieldType) -> bytes:
    return val_type(field.storage) + bytes([field.mutable])


def composite_type(type_: CompositeType) -> bytes:
    """A composite type (spec 5.3.9)."""
    match type_:
        case FuncType(params, results):
            return _FUNC + vector(map(val_type, params)) + vector(map(val_type, results))
        case StructType(fields):
            return _STRUCT + vector(map(_field, fields))
        case ArrayType(field):
            return _ARRAY + _field(field)


def _sub(sub: SubType) -> bytes:
    if sub.final and not sub.supertypes:
        return composite_type(sub.composite)
    return (_SUB_FINAL if sub.final else _SUB) + vector(map(unsigned, sub.supertypes)) + composite_type(sub.composite)


def _group(group: RecGroup) -> bytes:
    return _sub(group[0]) if len(group) == 1 else _REC + vector(map(_sub, group))


def _limits(flags: int, limits: Limits) -> bytes:
    head = bytes([flags | (HAS_MAXIMUM if limits.maximum is not None else 0)]) + unsigned(limits.minimum)
    return head if limits.maximum is None else head + unsigned(limits.maximum)


def mem_type(type_: MemType) -> bytes:
    """A memory type: its limits and flags (spec 5.3.13)."""
    custom = type_.page_log2 != 16
    limits = _limits(SHARED * type_.shared | INDEX64 * type_.index64 | PAGE_SIZE * custom, type_.limits)
    return limits + unsigned(type_.page_log2) if custom else limits


def table_type(type_: TableType) -> bytes:
    """A table type (spec 5.3.14)."""
    return val_type(type_.ref) + _limits(INDEX64 * type_.index64, type_.limits)


def global_type(type_: GlobalType) -> bytes:
    """A global type (spec 5.3.15)."""
    return val_type(type_.type) + bytes([type_.mutable])


def tag_type(type_: TagType) -> bytes:
    """A tag type: exception, and its type index (spec 5.3.16)."""
    return b"\0" + unsigned(type_.type_index)


def extern_type(type_: ExternType) -> bytes:
    """The type of an import, with its kind before it (spec 5.3.17)."""
    match type_:
        case ImportedFunc(index):
            return b"\0" + unsigned(index)
        case TableType():
            return b"\1" + table_type(type_)
        case MemType():
            return b"\2" + mem_type(type_)
        case GlobalType():
            return b"\3" + global_type(type_)
        case TagType():
            return b"\4" + tag_type(type_)


# --- instructions ---


def _block_type(type_: ValType | int | None) -> bytes:
    if type_ is None:
        return _NO_TYPE
    return signed(_index(type_)) if isinstance(type_, int) else val_type(type_)


def _labels(imm: tuple[tuple[int, ...], int]) -> bytes:
    return vector(map(unsigned, imm[0])) + unsigned(imm[1])


def _catches(imm: tuple[tuple[str, int | None, int], ...]) -> bytes:
    return vector(
        bytes([CATCH_CODES.index(kind)]) + (b"" if tag is None else unsigned(tag)) + unsigned(label)
        for kind, tag, label in imm
    )


def _memarg(imm: MemArg) -> bytes:
    align, offset, memory = imm
    if not 0 <= align < 64:
        raise ValueError(f"alignment 2^{align} has no encoding")
    if memory:
        return unsigned(align | 0x40) + unsigned(memory) + unsigned(offset)
    return unsigned(align) + unsigned(offset)


def _cast(imm: tuple[int, RefType, RefType]) -> bytes:
    label, source, target = imm
    return bytes([source.nullable | target.nullable << 1]) + unsigned(label) + _heap(source.heap) + _heap(target.heap)


def _fixed(size: int) -> Callable[[int], bytes]:
    def write(bits: int) -> bytes:
        try:
            return bits.to_bytes(size, "little")
        except OverflowError:
            raise ValueError(f"{bits:#x} is no pattern of {8 * size} bits") from None

    return write


def _integer(bits: int) -> Callable[[int], bytes]:
    def write(pattern: int) -> bytes:
        if pattern < 0 or pattern >> bits:
            raise ValueError(f"{pattern:#x} is no pattern of {bits} bits")
        return signed(pattern - (pattern >> bits - 1 << bits))

    return write


_WRITE: Final[dict[Imm, Callable[[Any], bytes]]] = {
    **dict.fromkeys(Imm, unsigned),
    Imm.BLOCK_TYPE: _block_type,
    Imm.LABELS: _labels,
    Imm.CATCHES: _catches,
    Imm.MEMARG: _memarg,
    Imm.LANE: _fixed(1),
    Imm.LANES: bytes,
    Imm.I32: _integer(32),
    Imm.I64: _integer(64),
    Imm.F32: _fixed(4),
    Imm.F64: _fixed(8),
    Imm.V128: _fixed(16),
    Imm.HEAP: _heap,
    Imm.TYPES: lambda types: vector(map(val_type, types)),
    Imm.CAST: _cast,
}
"""The writer of each kind of immediate; a plain index unless said otherwise."""

OPCODES: Final[dict[Op, bytes]] = {
    row: bytes([row.prefix]) + unsigned(row.code) if row.prefix else bytes([row.code]) for row in OPS.values()
}
"""Each row's opcode as bytes; the immediates follow it."""
END: Final = OPCODES[OPS["end"]]
_CACHED_BYTES: Final = 10
"""Constants included: a reducer encodes the same ones thousands of times."""
_CACHE_ENTRIES: Final = 1 << 15


def _writer(kinds: tuple[Imm, ...]) -> Callable[[Any], bytes] | None:
    """What writes the immediates of a row; None if it has none."""
    if len(kinds) < 2:
        return _WRITE[kinds[0]] if kinds else None
    return lambda imms: b"".join([_WRITE[kind](one) for kind, one in zip(kinds, imms, strict=True)])


_WRITERS: Final = {row: (opcode, _writer(row.imms)) for row, opcode in OPCODES.items()}


class _Encodings(dict[Instr, bytes]):
    """Encodings of short instructions, made on demand: ``map`` over a body then runs at the speed of a dict."""

    def __missing__(self, instr: Instr) -> bytes:
        row, imm = instr
        opcode, write = _WRITERS[row]
        encoded = opcode + write(imm) if write is not None else opcode
        if len(encoded) <= _CACHED_BYTES:
            if len(self) >= _CACHE_ENTRIES:
                self.clear()
            self[instr] = encoded
        return encoded


_ENCODINGS: Final = _Encodings()


def encode_instrs(instrs: Iterable[Instr]) -> bytes:
    """The binary form of a sequence of instructions, without anything around it."""
    return b"".join(map(_ENCODINGS.__getitem__, instrs))


def _expr(expr: Expr) -> bytes:
    return encode_instrs(expr) + END


# --- sections ---


def _import(item: Import) -> bytes:
    return name_bytes(item.module) + name_bytes(item.name) + extern_type(item.type)


def _table(table: Table) -> bytes:
    if table.init is None:
        return table_type(table.type)
    return TABLE_WITH_INIT + table_type(table.type) + _expr(table.init)


def _global(item: Global) -> bytes:
    return global_type(item.type) + _expr(item.init)


def _export(export: Export) -> bytes:
    return name_bytes(export.name) + bytes([export.kind.value]) + unsigned(export.index)


def _elem(elem: Elem) -> bytes:
    by_index = elem.type is FUNC and all(len(expr) == 1 and expr[0][0] is _REF_FUNC for expr in elem.init)
    form = 0 if by_index else 4
    where = b""
    if elem.mode is SegmentMode.ACTIVE:
        if elem.table or not (by_index or elem.type is FUNCREF):
            form |= 2
            where = unsigned(elem.table)
        where += _expr(elem.offset)
    else:
        form |= 3 if elem.mode is SegmentMode.DECLARATIVE else 1
    kind = b""
    if form & 3:
        kind = b"\0" if by_index else val_type(elem.type)
    items = (unsigned(expr[0][1]) for expr in elem.init) if by_index else map(_expr, elem.init)
    return bytes([form]) + where + kind + vector(items)


def _func(func: Func) -> bytes:
    runs = vector(unsigned(count) + val_type(type_) for count, type_ in func.locals)
    body = encode_instrs(func.body)
    return unsigned(len(runs) + len(body)) + runs + body


def _data(data: Data) -> bytes:
    content = unsigned(len(data.init)) + data.init
    if data.mode is not SegmentMode.ACTIVE:
        return b"\1" + content
    if data.memory:
        return b"\2" + unsigned(data.memory) + _expr(data.offset) + content
    return b"\0" + _expr(data.offset) + content


def _list(items: list[Any], write: Callable[[Any], bytes]) -> bytes | None:
    return vector(map(write, items)) if items else None


_USES_DATA: Final = frozenset(row for row in OPS.values() if Imm.DATA in row.imms)


def _data_count(module: Module) -> bytes | None:
    needed = module.has_data_count or any(
        not _USES_DATA.isdisjoint(map(itemgetter(0), func.body)) for func in module.funcs
    )
    return unsigned(len(module.datas)) if needed else None


_SECTIONS: Final[dict[int, Callable[[Module], bytes | None]]] = {
    Section.TYPE: lambda module: _list(module.types, _group),
    Section.IMPORT: lambda module: _list(module.imports, _import),
    Section.FUNCTION: lambda module: _list(module.funcs, lambda func: unsigned(func.type_index)),
    Section.TABLE: lambda module: _list(module.tables, _table),
    Section.MEMORY: lambda module: _list(module.memories, mem_type),
    Section.GLOBAL: lambda module: _list(module.globals, _global),
    Section.EXPORT: lambda module: _list(module.exports, _export),
    Section.START: lambda module: None if module.start is None else unsigned(module.start),
    Section.ELEMENT: lambda module: _list(module.elems, _elem),
    Section.CODE: lambda module: _list(module.funcs, _func),
    Section.DATA: lambda module: _list(module.datas, _data),
    Section.DATA_COUNT: _data_count,
    Section.TAG: lambda module: _list(module.tags, tag_type),
}
