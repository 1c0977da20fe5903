"""Instructions from bytes (spec 5.4): one general reader that follows the table, and a fast loop in front of it.

Both give the same; the loop knows by the first byte which instructions have no immediates or small ones, and shares
their tuples. Nothing here recurses, so nesting is as deep as the bytes allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from wasm.decode_types import ABSTRACT_HEAPS, ONE_BYTE_TYPES, block_type, heap_type, val_types
from wasm.isa import BY_CODE, CATCH_CODES, OPS, ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.leb import Reader
from wasm.limits import CATCHES
from wasm.valtypes import NO_TYPE, ref

_NO_LIMIT: Final = 1 << 32
_OTHER_MEMORY: Final = 0x40
_MASK32, _MASK64 = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF


# --- one immediate of each kind ---


def _labels(reader: Reader) -> tuple[tuple[int, ...], int]:
    count = reader.count("labels", 1, _NO_LIMIT)
    chunk = reader.data[reader.pos : reader.pos + count]
    if chunk.isascii():
        reader.pos += count
        return tuple(chunk), reader.u32()
    targets = tuple([reader.u32() for _ in range(count)])
    return targets, reader.u32()


def _catch(reader: Reader) -> Catch:
    code = reader.byte()
    if code >= len(CATCH_CODES):
        raise reader.fail("malformed catch clause", reader.pos - 1)
    kind = CATCH_CODES[code]
    tag = None if kind.startswith("catch_all") else reader.u32()
    return Catch(kind, tag, reader.u32())


def _catches(reader: Reader) -> tuple[Catch, ...]:
    return tuple([_catch(reader) for _ in range(reader.count("catches", 2, CATCHES))])


def _data(reader: Reader) -> int:
    reader.uses_data = True
    return reader.u32()


def _memarg(reader: Reader) -> MemArg:
    start = reader.pos
    flags = reader.u32()
    if flags >= 2 * _OTHER_MEMORY:
        raise reader.fail("malformed memop flags", start)
    memory = reader.u32() if flags & _OTHER_MEMORY else 0
    return MemArg(flags & ~_OTHER_MEMORY, reader.u64(), memory)


def _types(reader: Reader) -> tuple[Any, ...]:
    return val_types(reader, "types", _NO_LIMIT)


def _cast(reader: Reader) -> tuple[Any, ...]:
    flags = reader.byte()
    if flags > 3:
        raise reader.fail("malformed cast flags", reader.pos - 1)
    label = reader.u32()
    source = ref(heap_type(reader), bool(flags & 1))
    return label, source, ref(heap_type(reader), bool(flags & 2))


def _ordering(reader: Reader) -> int:
    if reader.byte() != 0:
        raise reader.fail("zero byte expected", reader.pos - 1)
    return 0


def _pattern(bits: int) -> Callable[[Reader], int]:
    """The reader of a signed number as a bit pattern: ``Reader.signed`` in one piece, as constants are frequent."""
    mask = (1 << bits) - 1

    def read(reader: Reader) -> int:
        data, pos = reader.data, reader.pos
        value = shift = 0
        for byte in data[pos : pos + bits // 7]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                reader.pos = pos + shift // 7
                return (value - (1 << shift) if byte & 0x40 else value) & mask
        # Only the longest forms have unused bits to check, or an end to miss.
        return reader.signed(bits) & mask

    return read


def _bits(size: int) -> Callable[[Reader], int]:
    def read(reader: Reader) -> int:
        return int.from_bytes(reader.take(size), "little")

    return read


_READ: Final[dict[Imm, Callable[[Reader], Any]]] = {
    **dict.fromkeys(Imm, Reader.u32),
    Imm.BLOCK_TYPE: block_type,
    Imm.LABELS: _labels,
    Imm.CATCHES: _catches,
    Imm.DATA: _data,
    Imm.MEMARG: _memarg,
    Imm.LANE: Reader.byte,
    Imm.LANES: lambda reader: tuple(reader.take(16)),
    Imm.I32: _pattern(32),
    Imm.I64: _pattern(64),
    Imm.F32: _bits(4),
    Imm.F64: _bits(8),
    Imm.V128: _bits(16),
    Imm.HEAP: heap_type,
    Imm.TYPES: _types,
    Imm.CAST: _cast,
    Imm.ORDERING: _ordering,
}
"""The reader of each kind of immediate; a plain index unless said otherwise."""


# --- one instruction ---

_PREFIXES: Final = frozenset(row.prefix for row in ROWS if row.prefix)


def _prepared(row: Op) -> tuple[Op, Instr | None, tuple[Callable[[Reader], Any], ...]]:
    return row, None if row.imms else row.bare, tuple(_READ[imm] for imm in row.imms)


_PREPARED: Final = {key: _prepared(row) for key, row in BY_CODE.items()}


def read_instr(reader: Reader) -> Instr:
    """The instruction at the cursor. Raises Malformed."""
    start = reader.pos
    first = reader.byte()
    key = (first, reader.u32()) if first in _PREFIXES else (0, first)
    prepared = _PREPARED.get(key)
    if prepared is None:
        code = f"{first:02x} {key[1]:02x}" if key[0] else f"{first:02x}"
        raise reader.fail(f"illegal opcode {code}", start)
    row, bare, readers = prepared
    if bare is not None:
        return bare
    if len(readers) == 1:
        return row, readers[0](reader)
    return row, tuple([read(reader) for read in readers])


# --- nesting ---

_BLOCK, _LOOP, _IF, _ELSE, _TRY, _CATCH, _CATCH_ALL, _DELEGATE, _END, _TRY_TABLE = (
    OPS[name].code
    for name in ("block", "loop", "if", "else", "try", "catch", "catch_all", "delegate", "end", "try_table")
)


def _nest(open_blocks: list[int], code: int, reader: Reader, at: int) -> None:
    """Follow the grammar of structured instructions; an ``else`` or ``catch`` replaces what it ends on the stack."""
    if code in (_BLOCK, _LOOP, _IF, _TRY, _TRY_TABLE):
        open_blocks.append(code)
        return
    innermost = open_blocks[-1] if open_blocks else None
    if code == _ELSE:
        if innermost != _IF:
            raise reader.fail("misplaced else: END opcode expected", at)
    elif code == _DELEGATE:
        if innermost != _TRY:
            raise reader.fail("misplaced delegate: END opcode expected", at)
        open_blocks.pop()
        return
    elif innermost not in (_TRY, _CATCH):
        raise reader.fail("misplaced catch: END opcode expected", at)
    open_blocks[-1] = code


_NESTING: Final = frozenset((_BLOCK, _LOOP, _IF, _ELSE, _TRY, _CATCH, _CATCH_ALL, _DELEGATE, _TRY_TABLE))
"""First bytes of the instructions that ``_nest`` follows (none of them is a prefix)."""


# --- the fast loop's tables, by first byte ---

_Row = list[Instr | None]
_INDEX_KINDS: Final = frozenset((Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.TABLE, Imm.MEMORY, Imm.GLOBAL, Imm.LOCAL, Imm.TAG))
_ONE_BYTE_OPS: Final = {row.code: row for row in ROWS if not row.prefix}
_OPENS: Final = {_BLOCK, _LOOP, _IF}

_BARE: Final[list[Instr | None]] = [None] * 256
"""Instructions without immediates; not those that nest."""
_SMALL: Final[list[_Row | None]] = [None] * 256
"""For instructions with one immediate of one byte: the instruction by that byte, 0..127 (None: see the general way)."""
_INDEXED: Final[list[Op | None]] = [None] * 256
"""Rows of ``_SMALL`` whose immediate is an unsigned index, for indices of two bytes."""
_LONG: Final[list[tuple[Op, Callable[[Reader], Any]] | None]] = [None] * 256
"""For instructions with one immediate, of any length: the row and the reader of the immediate."""
_BLOCKS: Final[list[_Row | None]] = [None] * 256
"""``block``, ``loop`` and ``if`` by their block type's only byte."""
_MEMORY: Final[list[list[Instr] | None]] = [None] * 256
"""Loads and stores of memory 0 with ``align`` 0..7 and ``offset`` 0..127, by ``align * 128 + offset``."""
_VECTOR: Final[list[Instr | None]] = [None] * (1 << 14)
"""Prefix 0xFD: instructions without immediates by code."""


def _block_row(row: Op) -> _Row:
    types: dict[int, Any] = {NO_TYPE: None, **ONE_BYTE_TYPES, **{n: n for n in range(64)}}
    return [(row, types[n]) if n in types else None for n in range(128)]


def _small_row(row: Op) -> _Row | None:
    kind = row.imms[0] if len(row.imms) == 1 else None
    if kind in _INDEX_KINDS:
        return [(row, n) for n in range(128)]
    if kind is Imm.I32 or kind is Imm.I64:
        mask = _MASK32 if kind is Imm.I32 else _MASK64
        return [(row, (n - 128 if n & 64 else n) & mask) for n in range(128)]
    if kind is Imm.HEAP:
        heaps: dict[int, Any] = {**ABSTRACT_HEAPS, **{n: n for n in range(64)}}
        return [(row, heaps[n]) if n in heaps else None for n in range(128)]
    return None


def _fill_tables() -> None:
    small_memargs = [MemArg(align, offset) for align in range(8) for offset in range(128)]
    for code, row in _ONE_BYTE_OPS.items():
        if code in _OPENS:
            _BLOCKS[code] = _block_row(row)
        elif code in _NESTING or code == _END:
            continue
        elif not row.imms:
            _BARE[code] = row.bare
        elif row.imms == (Imm.MEMARG,):
            _MEMORY[code] = [(row, memarg) for memarg in small_memargs]
        else:
            _SMALL[code] = _small_row(row)
            if len(row.imms) == 1:
                _LONG[code] = (row, _READ[row.imms[0]])
            if row.imms[0] in _INDEX_KINDS and _SMALL[code]:
                _INDEXED[code] = row
    for row in ROWS:
        if row.prefix == 0xFD and not row.imms:
            _VECTOR[row.code] = row.bare


_fill_tables()
_END_INSTR: Final = OPS["end"].bare


def read_instrs(reader: Reader) -> list[Instr]:
    """The instructions from the cursor to the ``end`` that closes them, that one included (spec 5.4.9).

    The cursor is left behind it. Raises Malformed.
    """
    try:
        return _read_instrs(reader)
    except IndexError:
        raise reader.fail("unexpected end of section or function", len(reader.data)) from None


def _read_instrs(reader: Reader) -> list[Instr]:
    """``read_instrs``, but for the IndexError of ``code[...]`` at the end; the tables have room for any byte."""
    code, pos = reader.data, reader.pos
    bare_row, small_rows, memory_rows, block_rows, vector = _BARE, _SMALL, _MEMORY, _BLOCKS, _VECTOR
    out: list[Instr] = []
    append = out.append
    open_blocks: list[int] = []
    while True:
        first = code[pos]
        small = small_rows[first]
        if small is not None:
            second = code[pos + 1]
            if second < 128:
                instr = small[second]
                if instr is not None:
                    append(instr)
                    pos += 2
                    continue
            else:
                row = _INDEXED[first]
                if row is not None and code[pos + 2] < 128:
                    append((row, second & 127 | code[pos + 2] << 7))
                    pos += 3
                    continue
        elif (instr := bare_row[first]) is not None:
            append(instr)
            pos += 1
            continue
        elif first == 0x0B:
            append(_END_INSTR)
            pos += 1
            if open_blocks:
                open_blocks.pop()
                continue
            reader.pos = pos
            return out
        elif (accesses := memory_rows[first]) is not None:
            if code[pos + 1] < 8 and code[pos + 2] < 128:
                append(accesses[code[pos + 1] << 7 | code[pos + 2]])
                pos += 3
                continue
        elif (blocks := block_rows[first]) is not None:
            if code[pos + 1] < 128 and (instr := blocks[code[pos + 1]]) is not None:
                append(instr)
                open_blocks.append(first)
                pos += 2
                continue
        elif first == 0xFD:
            second = code[pos + 1]
            size = 2
            if second > 127:
                second = second & 127 | (code[pos + 2] & 127) << 7 if code[pos + 2] < 128 else 0
                size = 3
            if (instr := vector[second]) is not None:
                append(instr)
                pos += size
                continue
        long = _LONG[first]
        if long is not None:
            reader.pos = pos + 1
            append((long[0], long[1](reader)))
            pos = reader.pos
            continue
        reader.pos = pos
        append(read_instr(reader))
        if first in _NESTING:
            _nest(open_blocks, first, reader, pos)
        pos = reader.pos
