"""The module that is instantiated behind the module under test: the acts of its host functions (``wasm.hostmix.Act``).

A host gets the exports of an instance when that is finished, and a module that imports them can do to them whatever a
host can, the same whoever the host is. It exports ``i<import>`` of type (i64 state) for the acts of an import, and
``b<import>`` of the import's own type for what ``CALLBACK`` calls; host functions call these. For functions of the
function peer it puts what they call into the peer's table ``reenter``.

    (module (import "subject" "mem" (memory 1)) (import "h" "collect" (func))
      (func (export "i0") (param i64) call 0  memory.size  i32.const 64  i32.lt_u  if  i32.const 1  memory.grow ...))

A host that has garbage collects it itself for functions of its own that do nothing else, so that it can while the start
function runs too; these have no ``i<import>``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from oracles.remote.imports import ImportPlan
from oracles.remote.interface import FUNC, GLOBAL, MEMORY, TABLE, Interface, limited
from oracles.remote.peers import slots_of
from oracles.remote.sources import Source, called_back
from oracles.remote.wasmbytes import (
    I32_CONST,
    KIND_CODES,
    code_entry,
    export_entry,
    fixed,
    func_type,
    heap_of,
    import_entry,
    piece,
    section,
    table_of,
    type_section,
)
from wasm.encode import END, OPCODES, encode_instrs
from wasm.hostmix import GROWS_BELOW, GROWS_BELOW_ELEMENTS, WRITES_BELOW, Act, Behaviour
from wasm.isa import OPS
from wasm.leb import unsigned
from wasm.module import HEADER, ExternKind, Section
from wasm.valtypes import FUNCREF

SUBJECT: Final = "subject"
_WORD: Final = {"i": "i32", "l": "i64"}
_GROW_MEMORY: Final = {
    kind: piece(f"""
        memory.size $memory  {word}.const $limit  {word}.lt_u
        if  {word}.const 1  memory.grow $memory  drop  end
    """)
    for kind, word in _WORD.items()
}
_STORE_AT: Final = {
    "i": piece("""
        memory.size $memory  i32.const $pages  i32.ge_u
        if
          local.get 0  i64.const 32  i64.shr_u  i32.wrap_i64  i32.const $mask  i32.and
          local.get 0  i64.store $memory align=1
        end
    """),
    "l": piece("""
        memory.size $memory  i64.const $pages  i64.ge_u
        if
          local.get 0  i64.const 32  i64.shr_u  i64.const $mask  i64.and
          local.get 0  i64.store $memory align=1
        end
    """),
}
_GROW_TABLE: Final = {
    kind: (
        piece(f"table.size $table  {word}.const $limit  {word}.lt_u"),
        piece(f"{word}.const 1  table.grow $table  drop"),
    )
    for kind, word in _WORD.items()
}
_IF: Final = encode_instrs([(OPS["if"], None)])
_REF_NULL: Final = OPCODES[OPS["ref.null"]]
_WRITTEN: Final = {
    "i": fixed("local.get 0  i32.wrap_i64"),
    "l": fixed("local.get 0"),
    "f": fixed("local.get 0  i32.wrap_i64  f32.reinterpret_i32"),
    "d": fixed("local.get 0  f64.reinterpret_i64"),
    "v": fixed("local.get 0  i64x2.splat"),
    "a": fixed("local.get 0  i32.wrap_i64  ref.i31"),
}
_SET: Final = piece("global.set $index")
_GET: Final = piece("local.get $local")
_COLLECT: Final = piece("call $collect")
_CALL_FIRST: Final = {
    "i": piece("i32.const 0  call_indirect $table (type $type_)"),
    "l": piece("i64.const 0  call_indirect $table (type $type_)"),
}


@dataclass(frozen=True, slots=True)
class Ready:
    """``content`` is the module; ``imports`` has where each of its imports is and what it is called there: ``subject``
    the instance under test, ``f`` the function peer, ``h`` the host."""

    content: bytes
    imports: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Making:
    """The module under construction; items of the instance under test are imported when first asked for."""

    interface: Interface
    imports: list[bytes] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    known: dict[tuple[str, str, int], int] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def item(self, place: str, name: str, sort: int, raw: bytes) -> int:
        """The index of an imported item in its space."""
        key = place, name, sort
        if key not in self.known:
            self.known[key] = self.counts.get(sort, 0)
            self.counts[sort] = self.known[key] + 1
            self.places.append((place, name))
            self.imports.append(import_entry(place, name, ExternKind(sort), raw))
        return self.known[key]

    def exported(self, name: str, sort: int) -> tuple[int, bytes] | None:
        """An exported table, memory or global: its index here and its encoded type."""
        index = self.interface.find(name, sort)
        if index is None:
            return None
        raw = self.interface.type_of(sort, index)
        return self.item(SUBJECT, name, sort, raw), raw

    def acts(self, source: Source, collect: int) -> bytes:
        """The body for the acts of an import, the state being parameter 0."""
        name, body = source.item.name, b""
        if Act.COLLECT in source.acts:
            body += _COLLECT(collect)
        memory = self.exported(name, MEMORY) if source.acts - {Act.COLLECT} else None
        if Act.GROW in source.acts:
            table = self.exported(name, TABLE)
            if memory is not None:
                index, page_log2 = limited(MEMORY, memory[1])
                body += _GROW_MEMORY[index](memory[0], GROWS_BELOW >> page_log2)
            elif table is not None:
                index, _ = limited(TABLE, table[1])
                size, grow = _GROW_TABLE[index]
                null = _REF_NULL + heap_of(table[1])[: _heap_size(table[1])]
                body += size(table[0], GROWS_BELOW_ELEMENTS) + _IF + null + grow(table[0]) + END
        if Act.WRITE in source.acts:
            held = self.exported(name, GLOBAL)
            if memory is not None:
                index, page_log2 = limited(MEMORY, memory[1])
                pages = max(1, WRITES_BELOW >> page_log2)
                body += _STORE_AT[index](memory[0], pages, WRITES_BELOW - 8)
            elif held is not None:
                kind = self.interface.globals[self.interface.find(name, GLOBAL) or 0][0]
                made = _WRITTEN.get(kind if kind != "A" else "a")
                body += (_REF_NULL + heap_of(held[1][:-1]) if made is None else made) + _SET(held[0])
        return body

    def called_back(self, source: Source) -> bytes:
        """The body of what ``CALLBACK`` calls."""
        table = called_back(self.interface, source.item)
        assert table is not None
        assert source.signature is not None
        raw = self.interface.type_of(TABLE, table)
        index = self.item(SUBJECT, source.item.name, TABLE, raw)
        gets = b"".join(map(_GET, range(len(source.signature.params))))
        return gets + _CALL_FIRST[limited(TABLE, raw).index_kind](index, source.item.index)


def _heap_size(raw: bytes) -> int:
    """How many bytes the heap type of a table's element type has, at the beginning of ``heap_of`` the table's type."""
    heap = heap_of(raw)
    return 1 if heap is raw else next(i for i, byte in enumerate(heap, 1) if byte < 0x80)


def ready_module(interface: Interface, plan: ImportPlan, by_name: bool) -> Ready | None:
    """The module for a plan; None where nothing needs it. ``by_name``: it is to put the exports that re-entering peers
    call into their table too, which other hosts do themselves."""
    made = _Making(interface)
    whole = [(i, s) for i, s in enumerate(plan.sources) if s.same == i]
    acting = [(i, s) for i, s in whole if s.acts - {Act.COLLECT} or (s.acts and s.how == "funcs")]
    back = [(i, s) for i, s in whole if s.behaviour is Behaviour.CALLBACK]
    again = [(i, s) for i, s in whole if by_name and (s.how, s.behaviour) == ("funcs", Behaviour.REENTER)]
    if not acting and not back and not again:
        return None
    base = len(interface.types)
    collects = any(Act.COLLECT in s.acts for _, s in acting)
    collect = made.item("h", "collect", FUNC, unsigned(base)) if collects else -1
    entries = any(s.how == "funcs" for _, s in (*acting, *back))
    slots: list[tuple[int, int]] = [
        (i, made.item(SUBJECT, s.item.name, FUNC, unsigned(s.item.index))) for i, s in again
    ]
    if entries or again:
        made.item("f", "reenter", TABLE, table_of(FUNCREF, slots_of(plan.sources)))  # table 0: the first
    types: list[bytes] = []
    bodies: list[bytes] = []
    exports: list[bytes] = []
    first = made.counts.get(FUNC, 0)
    for i, source in acting:
        slots += [(len(plan.sources) + i, first + len(bodies))] if source.how == "funcs" else []
        exports.append(export_entry(f"i{i}", FUNC, first + len(bodies)))
        types.append(unsigned(base + 1))
        bodies.append(code_entry((), made.acts(source, collect)))
    for i, source in back:
        slots += [(i, first + len(bodies))] if source.how == "funcs" else []
        exports.append(export_entry(f"b{i}", FUNC, first + len(bodies)))
        types.append(unsigned(source.item.index))
        bodies.append(code_entry((), made.called_back(source)))
    segments = [b"\0" + I32_CONST(slot) + END + unsigned(1) + unsigned(func) for slot, func in slots]
    content = b"".join(
        (
            HEADER,
            type_section(interface.type_count, interface.type_bytes, (func_type(), func_type([KIND_CODES["l"]]))),
            section(Section.IMPORT, made.imports),
            section(Section.FUNCTION, types),
            section(Section.EXPORT, exports),
            section(Section.ELEMENT, segments),
            section(Section.CODE, bodies),
        )
    )
    return Ready(content, tuple(made.places))
