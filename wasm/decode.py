"""Modules from bytes (spec 5.5): total, so that any bytes give a Module or Malformed.

The decoder knows no feature switches; what a feature forbids is the validator's to say. Time and memory are linear in
the input: every count is checked against the bytes left and the implementation limits before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wasm.decode_instr import read_instr, read_instrs
from wasm.decode_types import (
    global_type,
    mem_type,
    ref_type,
    table_type,
    type_section,
    val_type,
)
from wasm.errors import Malformed
from wasm.isa import OPS
from wasm.leb import Reader
from wasm.limits import (
    BODY_BYTES,
    DATA_SEGMENTS,
    ELEM_ITEMS,
    ELEM_SEGMENTS,
    EXPORTS,
    FUNCTIONS,
    GLOBALS,
    IMPORTS,
    LOCALS,
    MEMORIES,
    MODULE_BYTES,
    TABLES,
    TAGS,
)
from wasm.module import (
    FORMAT_VERSION,
    HEADER,
    MAGIC,
    SECTION_ORDER,
    Custom,
    Data,
    Elem,
    Export,
    Expr,
    ExternKind,
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
from wasm.valtypes import FUNCREF, TABLE_WITH_INIT, RefType, TableType, TagType, ValType, ref

_RANK: Final[dict[int, int]] = {section: rank for rank, section in enumerate(SECTION_ORDER)}
_REF_FUNC: Final = OPS["ref.func"]
FUNC: Final = ref("func", False)
"""The type of a segment that lists functions by index (forms 0 to 3, spec 5.5.12): its references are never null."""


class _State:
    """A module on its way, with what only the sum of the sections tells."""

    def __init__(self) -> None:
        self.module = Module()
        self.type_indices: list[int] = []
        self.data_count: int | None = None
        self.uses_data = False
        self.func_exprs: dict[int, Expr] = {}


def decode(data: bytes) -> Module:
    """The module that ``data`` encodes.

    Raises Malformed, and nothing else, with the offset at which the bytes stop being one.
    """
    if len(data) > MODULE_BYTES:
        raise Malformed(f"module of {len(data)} bytes, the limit is {MODULE_BYTES}", MODULE_BYTES, limit=True)
    if data[:4] != MAGIC:
        raise Malformed("magic header not detected", 0)
    if data[4 : len(HEADER)] != FORMAT_VERSION:
        raise Malformed("unknown binary version", 4)
    outer = Reader(data)
    outer.pos = len(HEADER)
    state = _State()
    last, rank = 0, -1
    while outer.left:
        start = outer.pos
        section = outer.byte()
        if section and section not in _RANK:
            raise Malformed("malformed section id", start)
        size = outer.u32()
        if size > outer.left:
            raise Malformed("length out of bounds", start + 1)
        body = Reader(outer.take(size), outer.pos - size)
        if not section:
            name = body.name()
            state.module.customs.append(Custom(name, body.take(body.left), last))
            continue
        if _RANK[section] <= rank:
            raise Malformed("unexpected content after last section", start)
        last, rank = section, _RANK[section]
        _SECTIONS[section](body, state)
        if body.left:
            raise body.fail("section size mismatch")
    _check_totals(state, len(data))
    return state.module


def _check_totals(state: _State, end: int) -> None:
    module = state.module
    if len(state.type_indices) != len(module.funcs):
        raise Malformed("function and code section have inconsistent lengths", end)
    if state.data_count is None:
        if state.uses_data:
            raise Malformed("data count section required", end)
    elif state.data_count != len(module.datas):
        raise Malformed("data count and data section have inconsistent lengths", end)


def instruction_offset(data: bytes, func: int, index: int) -> int:
    """The byte offset of instruction ``index`` in the body of the defined function ``func`` (imports not counted).

    ``index`` may equal the body's length; that gives the offset behind its ``end``. Raises Malformed as ``decode``
    does, and IndexError where the module has no such function or instruction.
    """
    decoded = decode(data).funcs[func]
    if decoded.offset is None or not 0 <= index <= len(decoded.body):
        raise IndexError(f"function {func} has {len(decoded.body)} instructions, not {index}")
    reader = Reader(data)
    reader.pos = decoded.offset
    for _ in range(index):
        read_instr(reader)
    return reader.pos


# --- sections ---


def _types(reader: Reader, state: _State) -> None:
    state.module.types = type_section(reader)


def _tag_type(reader: Reader) -> TagType:
    if reader.byte() != 0:
        raise reader.fail("malformed tag attribute", reader.pos - 1)
    return TagType(reader.u32())


_EXTERN_TYPES: Final[tuple[Callable[[Reader], ExternType], ...]] = (
    lambda reader: ImportedFunc(reader.u32()),
    table_type,
    mem_type,
    global_type,
    _tag_type,
)


def _imports(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("imports", 4, IMPORTS)):
        module, name = reader.name(), reader.name()
        kind = reader.byte()
        if kind >= len(_EXTERN_TYPES):
            raise reader.fail("malformed import kind", reader.pos - 1)
        state.module.imports.append(Import(module, name, _EXTERN_TYPES[kind](reader)))


def _functions(reader: Reader, state: _State) -> None:
    state.type_indices = [reader.u32() for _ in range(reader.count("functions", 1, FUNCTIONS))]


def _tables(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("tables", 3, TABLES)):
        if reader.peek() != TABLE_WITH_INIT[0]:
            state.module.tables.append(Table(table_type(reader)))
            continue
        reader.pos += 1
        if reader.byte() != 0:
            raise reader.fail("zero byte expected", reader.pos - 1)
        type_: TableType = table_type(reader)
        state.module.tables.append(Table(type_, _expr(reader, state.func_exprs)))


def _memories(reader: Reader, state: _State) -> None:
    state.module.memories = [mem_type(reader) for _ in range(reader.count("memories", 2, MEMORIES))]


def _tags(reader: Reader, state: _State) -> None:
    state.module.tags = [_tag_type(reader) for _ in range(reader.count("tags", 2, TAGS))]


def _globals(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("globals", 3, GLOBALS)):
        type_ = global_type(reader)
        state.module.globals.append(Global(type_, _expr(reader, state.func_exprs)))


def _exports(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("exports", 3, EXPORTS)):
        name = reader.name()
        kind = reader.byte()
        if kind >= len(_EXTERN_KINDS):
            raise reader.fail("malformed export kind", reader.pos - 1)
        state.module.exports.append(Export(name, _EXTERN_KINDS[kind], reader.u32()))


_EXTERN_KINDS: Final = tuple(ExternKind(n) for n in range(len(ExternKind)))


def _start(reader: Reader, state: _State) -> None:
    state.module.start = reader.u32()


def _data_count(reader: Reader, state: _State) -> None:
    start = reader.pos
    state.data_count = reader.u32()
    state.module.has_data_count = True
    if state.data_count > DATA_SEGMENTS:
        message = f"too many data segments: {state.data_count}, the limit is {DATA_SEGMENTS}"
        raise reader.fail(message, start, limit=True)


def _code(reader: Reader, state: _State) -> None:
    start = reader.pos
    count = reader.count("function bodies", 3, FUNCTIONS)
    if count != len(state.type_indices):
        raise reader.fail("function and code section have inconsistent lengths", start)
    for type_index in state.type_indices:
        start = reader.pos
        size = reader.u32()
        if size > BODY_BYTES:
            raise reader.fail(f"function body of {size} bytes, the limit is {BODY_BYTES}", start, limit=True)
        if size > reader.left:
            raise reader.fail("length out of bounds", start)
        offset = reader.base + reader.pos
        state.module.funcs.append(_func(Reader(reader.take(size), offset), type_index, state))


def _func(reader: Reader, type_index: int, state: _State) -> Func:
    runs: list[tuple[int, ValType]] = []
    total = 0
    for _ in range(reader.count("runs of locals", 2, 1 << 32)):
        start = reader.pos
        count = reader.u32()
        total += count
        if total > LOCALS:
            raise reader.fail(f"too many locals: {total}, the limit is {LOCALS}", start, limit=True)
        runs.append((count, val_type(reader)))
    offset = reader.base + reader.pos
    body = read_instrs(reader)
    if reader.left:
        raise reader.fail("section size mismatch: the function ends before its size says")
    state.uses_data |= reader.uses_data
    return Func(type_index, runs, body, offset)


def _datas(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("data segments", 2, DATA_SEGMENTS)):
        start = reader.pos
        form = reader.u32()
        if form > 2:
            raise reader.fail("malformed data segment flags", start)
        if form == 1:
            state.module.datas.append(Data(_bytes(reader)))
            continue
        memory = reader.u32() if form == 2 else 0
        offset = _expr(reader, state.func_exprs)
        state.module.datas.append(Data(_bytes(reader), SegmentMode.ACTIVE, memory, offset))


def _bytes(reader: Reader) -> bytes:
    start = reader.pos
    size = reader.u32()
    if size > reader.left:
        raise reader.fail("length out of bounds", start)
    return reader.take(size)


def _elems(reader: Reader, state: _State) -> None:
    for _ in range(reader.count("element segments", 2, ELEM_SEGMENTS)):
        state.module.elems.append(_elem(reader, state))


def _elem(reader: Reader, state: _State) -> Elem:
    """The eight forms: bit 0 is "not active"; bit 1 then "declarative", else "table index given"; bit 2 expressions."""
    start = reader.pos
    form = reader.u32()
    if form > 7:
        raise reader.fail("malformed element segment flags", start)
    mode, table = SegmentMode.ACTIVE, 0
    offset: Expr = ()
    if form & 1:
        mode = SegmentMode.DECLARATIVE if form & 2 else SegmentMode.PASSIVE
    else:
        table = reader.u32() if form & 2 else 0
        offset = _expr(reader, state.func_exprs)
    type_ = _elem_type(reader, form)
    if form & 4:
        count = reader.count("elements", 2, ELEM_ITEMS)
        init = tuple([_expr(reader, state.func_exprs) for _ in range(count)])
    else:
        count = reader.count("elements", 1, ELEM_ITEMS)
        init = tuple([_func_expr(reader.u32(), state.func_exprs) for _ in range(count)])
    return Elem(type_, init, mode, table, offset)


def _elem_type(reader: Reader, form: int) -> RefType:
    if form & 3 == 0:
        return FUNCREF if form & 4 else FUNC
    if form & 4:
        return ref_type(reader)
    if reader.byte() != 0:
        raise reader.fail("malformed element kind", reader.pos - 1)
    return FUNC


def _func_expr(index: int, known: dict[int, Expr]) -> Expr:
    """``ref.func index``, one object per index: a segment may list a function a million times."""
    expr = known.get(index)
    if expr is None:
        expr = known[index] = ((_REF_FUNC, index),)
    return expr


def _expr(reader: Reader, known: dict[int, Expr]) -> Expr:
    """A constant expression. That it names a data segment asks for no data count section: it is invalid anyway."""
    instrs = read_instrs(reader)
    instrs.pop()
    if len(instrs) == 1 and instrs[0][0] is _REF_FUNC:
        return _func_expr(instrs[0][1], known)
    return tuple(instrs)


_SECTIONS: Final[dict[int, Callable[[Reader, _State], None]]] = {
    Section.TYPE: _types,
    Section.IMPORT: _imports,
    Section.FUNCTION: _functions,
    Section.TABLE: _tables,
    Section.MEMORY: _memories,
    Section.GLOBAL: _globals,
    Section.EXPORT: _exports,
    Section.START: _start,
    Section.ELEMENT: _elems,
    Section.CODE: _code,
    Section.DATA: _datas,
    Section.DATA_COUNT: _data_count,
    Section.TAG: _tags,
}
