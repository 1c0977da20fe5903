"""The few pieces of the binary format (spec 5) that the linking modules are put together from, as bytes.

Wrappers and import peers are made for every other case and copy encoded types from the module that they serve, so they
are put together as bytes instead of through the module model. What an instruction looks like still comes from the
table: ``piece`` compiles a text once, and each call fills its holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from oracles.remote.interface import TYPE_NAMES
from wasm.embedding import SLOT
from wasm.encode import END, encode_instrs, mem_type, name_bytes, table_type, val_type, vector
from wasm.fragment import code, template
from wasm.leb import unsigned
from wasm.module import ExternKind, Section
from wasm.valtypes import FUNC_FORM, NUM_TYPES, REF_FORM, REF_NULL_FORM, Limits, MemType, RefType, TableType

Piece: TypeAlias = Callable[..., bytes]
"""Encoded instructions as a function of their holes, which go in by position: the order of their first appearance."""


def piece(text: str) -> Piece:
    """Instructions with holes, as in ``wasm.fragment``, that come out encoded."""
    made = template(text)

    def filled(*holes: Any) -> bytes:
        return encode_instrs(made(*holes))

    return filled


def fixed(text: str) -> bytes:
    """Instructions without holes, encoded."""
    return encode_instrs(code(text))


KIND_CODES: Final = {kind: val_type(type_) for kind, type_ in zip(TYPE_NAMES, NUM_TYPES, strict=True)}
"""The number types by their kind (``oracles.remote.interface``), encoded."""
LOAD: Final = {kind: f"{word}.load offset=$offset" for kind, word in TYPE_NAMES.items()}
STORE: Final = {kind: f"{word}.store offset=$offset" for kind, word in TYPE_NAMES.items()}
"""The full-width access of each number kind, as text for ``piece``."""
I32_CONST: Final = piece("i32.const $bits")
I64_CONST: Final = piece("i64.const $bits")
_PAGE: Final = 1 << 16
_REFS: Final = {REF_FORM, REF_NULL_FORM}
"""What an encoded reference type of more than one byte begins with; its heap type follows."""


def section(number: Section, items: Iterable[bytes]) -> bytes:
    """A section that holds a vector; nothing where the vector is empty."""
    items = list(items)
    if not items:
        return b""
    body = vector(items)
    return bytes((number,)) + unsigned(len(body)) + body


def type_section(count: int, copied: bytes, added: Iterable[bytes]) -> bytes:
    """The type section of another module (its vector's ``count`` and bytes) with types added behind."""
    added = list(added)
    body = unsigned(count + len(added)) + copied + b"".join(added)
    return bytes((Section.TYPE,)) + unsigned(len(body)) + body


def func_type(params: Iterable[bytes] = (), results: Iterable[bytes] = ()) -> bytes:
    """A function type of encoded value types."""
    return bytes((FUNC_FORM,)) + vector(params) + vector(results)


def import_entry(module: str, name: str, kind: ExternKind, type_: bytes) -> bytes:
    """``type_`` is the encoded type, or for a function its type index."""
    return name_bytes(module) + name_bytes(name) + bytes((kind.value,)) + type_


def export_entry(name: str, sort: int, index: int) -> bytes:
    """``sort`` is an ``ExternKind`` by its value, as in ``oracles.remote.interface``."""
    return name_bytes(name) + bytes((sort,)) + unsigned(index)


def memory_of(size: int) -> bytes:
    """The type of a memory without a maximum that holds ``size`` bytes: whole pages, and one at least."""
    return mem_type(MemType(Limits(max(1, -(-size // _PAGE)))))


def memory_of_slots(slots: int) -> bytes:
    """The type of a memory for slots of values."""
    return memory_of(slots * SLOT)


def table_of(ref: RefType, size: int) -> bytes:
    """The type of a table without a maximum."""
    return table_type(TableType(ref, Limits(size)))


def code_entry(locals_: Iterable[tuple[int, bytes]], body: bytes) -> bytes:
    """A code entry; ``locals_`` are runs of encoded types, ``body`` comes without its ``end``."""
    inside = vector([unsigned(count) + type_ for count, type_ in locals_]) + body + END
    return unsigned(len(inside)) + inside


def runs(types: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """Encoded types as runs for ``code_entry``."""
    made: list[tuple[int, bytes]] = []
    for type_ in types:
        if made and made[-1][1] == type_:
            made[-1] = (made[-1][0] + 1, type_)
        else:
            made.append((1, type_))
    return made


def heap_of(type_: bytes) -> bytes:
    """The heap type inside an encoded reference type, as ``ref.null`` wants it."""
    return type_[1:] if type_[0] in _REFS else type_


def nullable(type_: bytes) -> bytes:
    """The type a local may have while it holds values of ``type_``: non-nullable references have no default."""
    return bytes((REF_NULL_FORM,)) + type_[1:] if type_[0] == REF_FORM else type_


def split_types(encoded: bytes) -> tuple[list[bytes], list[bytes]]:
    """Parameters and results of an encoded function type, each as its own bytes."""
    params, pos = _vector_of_types(encoded, 1)
    results, _ = _vector_of_types(encoded, pos)
    return params, results


def _vector_of_types(encoded: bytes, pos: int) -> tuple[list[bytes], int]:
    """The encoded value types of the vector at ``pos``, and the position behind it."""
    count = shift = 0
    while True:
        count |= (encoded[pos] & 0x7F) << shift
        shift += 7
        pos += 1
        if encoded[pos - 1] < 0x80:
            break
    types: list[bytes] = []
    for _ in range(count):
        start = pos
        if encoded[pos] in _REFS:
            pos += 1
            while encoded[pos] & 0x80:
                pos += 1
        pos += 1
        types.append(encoded[start:pos])
    return types, pos
