"""What a module's imports are given, as data for the workers: the one meaning of ``wasm.hostmix``.

Functions are host functions where the worker's host can carry their types bit for bit, else functions of a generated
*peer* module that computes the same mix and logs into its own memory. Globals, memories, tables and tags come from a
second peer, except globals of externref types, which only a host can make. An imported memory or table has its minimum
size and holds zeros or nulls. Imports that agree in module, name and type are one and the same item.

The function peer exports ``i0 i1 ...`` (by import index), ``log`` (a memory of records: import index and slot count as
u32 at 0 and 4, the argument slots from 16 on), ``count`` (i32 global: calls so far), ``pos`` (i32 global: log's end)
and ``reenter`` (a funcref table by import index). It imports ``h.trap``, which makes a host trap, and with externref
results ``h.tokens``, a table of the host tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from oracles.remote.interface import (
    FUNC,
    GLOBAL,
    MEMORY,
    TABLE,
    TAG,
    TYPE_NAMES,
    ImportItem,
    Interface,
    Signature,
    Unreadable,
)
from oracles.remote.wasmbytes import (
    HEADER,
    STORE,
    code,
    heap_of,
    i32_const,
    i64_const,
    leb,
    name,
    section,
    split_types,
    type_section,
)
from wasm.embedding import SLOT
from wasm.hostmix import (
    BUMP,
    EXTERN_TOKENS,
    F1,
    F2,
    GOLDEN,
    LOG_LIMIT,
    ROTATE,
    STEP,
    THROWN_TAG,
    Behaviour,
    behaviour,
    mix,
    seed,
)

CALLBACK_KINDS: Final = frozenset("ilfdveEcCaAgGxX")
"""A host that takes raw slots takes every kind."""
SCRIPT_KINDS: Final = frozenset("ileEcaAg")
"""A JavaScript host loses NaN bits, cannot take v128 or exceptions, and has no non-null function or struct to give.

Nor has it a global whose type is not nullable: what its constructor makes of a host token is an externref.
"""


class NoImport(Exception):
    """An import that no host can provide, in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one import comes from: ``how`` is ``host``, ``funcs``, ``store`` (export ``i<index>``) or ``extern``.

    ``same`` is the earlier import that this one shares its item with, or its own index. ``token`` is the host token of
    an ``extern`` global. ``signature`` is set for functions.
    """

    item: ImportItem
    how: str
    same: int
    behaviour: Behaviour = Behaviour.MIX
    token: int = 0
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All imports in order, and the peer modules' bytes (empty where there is no need for one)."""

    sources: tuple[Source, ...]
    store: bytes = b""
    funcs: bytes = b""


@lru_cache(maxsize=64)
def plan_imports(interface: Interface, host_kinds: frozenset[str]) -> ImportPlan:
    """Decide on every import. Raises ``NoImport``, and ``Unreadable`` for type indices that do not fit."""
    seen: dict[tuple[str, str, int, bytes], int] = {}
    sources: list[Source] = []
    for index, item in enumerate(interface.imports):
        same = seen.setdefault((item.module, item.name, item.sort, item.raw), index)
        sources.append(_source(interface, item, same, host_kinds))
    plan = tuple(sources)
    return ImportPlan(plan, _store_peer(interface, plan), _function_peer(interface, plan))


def _source(interface: Interface, item: ImportItem, same: int, host_kinds: frozenset[str]) -> Source:
    if item.sort == FUNC:
        signature = interface.type_at(item.index)
        does = _does(interface, item, signature)
        hosted = does is not Behaviour.THROW and host_kinds.issuperset(signature.params + signature.results)
        return Source(item, "host" if hosted else "funcs", same, does, 0, signature)
    if item.sort == GLOBAL and (item.kind == "e" or (item.kind == "E" and host_kinds >= CALLBACK_KINDS)):
        bits = mix(item.module, item.name, 0, b"")
        return Source(item, "extern", same, token=bits % EXTERN_TOKENS)
    lettered = item.sort in (GLOBAL, TABLE) and item.kind in ("C", "E", "G", "X")
    if lettered or (item.sort == TABLE and item.kind.isupper()):
        raise NoImport(f"no host value for import {item.module}.{item.name}")
    return Source(item, "store", same)


def _does(interface: Interface, item: ImportItem, signature: Signature) -> Behaviour:
    """The behaviour, or ``TRAP`` where it has nothing to work on."""
    does = behaviour(item.module)
    if does is Behaviour.THROW and _thrown(interface) is None:
        return Behaviour.TRAP
    if does is Behaviour.REENTER:
        target = interface.find(item.name, FUNC)
        if target is None or target >= len(interface.funcs):
            return Behaviour.TRAP
        other = interface.signature(target)
        if interface.funcs[target] != item.index and (other != signature or not signature.plain):
            return Behaviour.TRAP
    if does is Behaviour.MIX and any(kind in "CGX" for kind in signature.results):
        return Behaviour.TRAP
    return does


def _thrown(interface: Interface) -> int | None:
    """The tag index of the imported tag that ``throw`` functions throw."""
    tags = [item for item in interface.imports if item.sort == TAG]
    return next((k for k, item in enumerate(tags) if (item.module, item.name) == THROWN_TAG), None)


def _store_peer(interface: Interface, sources: tuple[Source, ...]) -> bytes:
    stored = [s for i, s in enumerate(sources) if s.how == "store" and s.same == i]
    if not stored:
        return b""
    parts: dict[int, list[bytes]] = {TABLE: [], MEMORY: [], GLOBAL: [], TAG: []}
    exports: list[bytes] = []
    for source in stored:
        item = source.item
        exports.append(name(f"i{source.same}") + bytes((item.sort,)) + leb(len(parts[item.sort])))
        parts[item.sort].append(item.raw + _initial(item) if item.sort == GLOBAL else item.raw)
    return b"".join(
        (
            HEADER,
            type_section(interface.type_count, interface.type_bytes, ()) if interface.type_count else b"",
            section(4, parts[TABLE]),
            section(5, parts[MEMORY]),
            section(13, parts[TAG]),
            section(6, parts[GLOBAL]),
            section(7, exports),
        )
    )


def _initial(item: ImportItem) -> bytes:
    bits = mix(item.module, item.name, 0, b"")
    match item.kind:
        case "i":
            return i32_const(bits) + b"\x0b"
        case "l":
            return i64_const(bits) + b"\x0b"
        case "f":
            return b"\x43" + (bits & 0xFFFFFFFF).to_bytes(4, "little") + b"\x0b"
        case "d":
            return b"\x44" + (bits & (1 << 64) - 1).to_bytes(8, "little") + b"\x0b"
        case "v":
            return b"\xfd\x0c" + bits.to_bytes(16, "little") + b"\x0b"
        case "a" | "A":
            return i32_const(bits & 0x7FFFFFFF) + b"\xfb\x1c\x0b"
        case _:
            return b"\xd0" + heap_of(item.raw[:-1]) + b"\x0b"


_TRAP, _TOKENS_TABLE = 0, 1
_COUNT, _POS = 0, 1


def _function_peer(interface: Interface, sources: tuple[Source, ...]) -> bytes:
    peers = [(i, s) for i, s in enumerate(sources) if s.how == "funcs" and s.same == i]
    if not peers:
        return b""
    thrown = _thrown(interface)
    throws = thrown is not None and any(s.behaviour is Behaviour.THROW for _, s in peers)
    base = len(interface.types)
    types = [b"\x60\0\0", b"\x60\x02\x7e\x7e\x01\x7e", b"\x60\x01\x7e\x01\x7e"]
    imports = [b"\x01h\x04trap\0" + leb(base), b"\x01h\x06tokens\x01\x6f\0" + leb(EXTERN_TOKENS)]
    if not any(kind in "eE" for _, s in peers for kind in _made(interface, s)):
        imports.pop()
    tokens = len(imports) - 1
    if throws:
        tag_source = next(i for i, s in enumerate(sources) if (s.item.module, s.item.name) == THROWN_TAG)
        imports.append(b"\x01s" + name(f"i{sources[tag_source].same}") + b"\x04" + sources[tag_source].item.raw)
    widest = max(len(s.signature.params) for _, s in peers if s.signature)
    pages = -(-LOG_LIMIT * (SLOT + SLOT * widest) // 65536)
    counter = b"\x7f\x01\x41\0\x0b"
    exports = [name(f"i{i}") + b"\0" + leb(3 + k) for k, (i, _) in enumerate(peers)]
    exports += [b"\x03log\x02\0", b"\x05count\x03\0", b"\x03pos\x03\x01", b"\x07reenter\x01" + leb(tokens)]
    bodies = [_step_code(), _finish_code(), *(_peer_code(interface, i, s, tokens) for i, s in peers)]
    return b"".join(
        (
            HEADER,
            type_section(interface.type_count, interface.type_bytes, types),
            section(2, imports),
            section(3, [leb(base + 1), leb(base + 2), *(leb(s.item.index) for _, s in peers)]),
            section(4, [b"\x70\0" + leb(len(sources))]),
            section(5, [b"\0" + leb(pages)]),
            section(6, [counter, counter]),
            section(7, exports),
            section(10, bodies),
        )
    )


def _made(interface: Interface, source: Source) -> str:
    """The kinds of the values that a peer function makes up."""
    if source.behaviour is Behaviour.THROW:
        thrown = _thrown(interface)
        return interface.type_at(interface.tags[thrown]).params if thrown is not None else ""
    return source.signature.results if source.signature and source.behaviour is Behaviour.MIX else ""


def _step_code() -> bytes:
    """(h, word) -> rotl(h ^ word, ROTATE) * STEP + BUMP"""
    return code(
        (), b"\x20\0\x20\1\x85" + i64_const(ROTATE) + b"\x89" + i64_const(STEP) + b"\x7e" + i64_const(BUMP) + b"\x7c"
    )


def _finish_code() -> bytes:
    """SplitMix64's finaliser."""

    def fold(shift: int) -> bytes:
        return b"\x20\0\x20\0" + i64_const(shift) + b"\x88\x85"

    return code((), fold(30) + i64_const(F1) + b"\x7e\x21\0" + fold(27) + i64_const(F2) + b"\x7e\x21\0" + fold(31))


def _peer_code(interface: Interface, index: int, source: Source, tokens: int) -> bytes:
    signature = source.signature
    if signature is None:
        raise Unreadable("an import without a type")
    state = len(signature.params)
    body = _log_code(index, signature, state + 1)
    does = source.behaviour
    if does is Behaviour.TRAP:
        body += b"\x10\0\x00"
    elif does is Behaviour.REENTER:
        body += i32_const(index) + b"\x25" + leb(tokens) + b"\xd1\x04\x40\x10\0\x00\x0b"
        body += b"".join(b"\x20" + leb(i) for i in range(state)) + i32_const(index)
        body += b"\x11" + leb(source.item.index) + leb(tokens)
    else:
        thrown = _thrown(interface) if does is Behaviour.THROW else None
        made = interface.type_at(interface.tags[thrown]) if thrown is not None else signature
        types = split_types(made.raw)[0 if thrown is not None else 1]
        body += _absorb_code(source.item, signature, state)
        kinds = _made(interface, source)
        body += b"".join(_result_code(kind, types[i], i, state) for i, kind in enumerate(kinds))
        body += b"\x08\0" if thrown is not None else b""
    return code([(1, b"\x7e"), (1, b"\x7f")], body)


def _log_code(index: int, signature: Signature, at: int) -> bytes:
    """While the log has room: header, number slots, a 1 for each non-null reference; then count the call."""
    address = b"\x20" + leb(at)
    out = [b"\x23\0" + i32_const(LOG_LIMIT) + b"\x49\x04\x40\x23\1\x21" + leb(at)]
    out.append(address + i32_const(index) + STORE["i"] + b"\0")
    out.append(address + i32_const(len(signature.params)) + STORE["i"] + b"\x04")
    for i, kind in enumerate(signature.params):
        value = b"\x20" + leb(i)
        offset = leb(SLOT + SLOT * i)
        out.append(address + value + (STORE[kind] if kind in STORE else b"\xd1\x45" + STORE["i"]) + offset)
    out.append(address + i32_const(SLOT + SLOT * len(signature.params)) + b"\x6a\x24\1\x0b")
    out.append(b"\x23\0\x41\1\x6a\x24\0")
    return b"".join(out)


def _absorb_code(item: ImportItem, signature: Signature, state: int) -> bytes:
    to_words = {
        "i": (b"\xad",),
        "l": (b"",),
        "f": (b"\xbc\xad",),
        "d": (b"\xbd",),
        "v": (b"\xfd\x1d\0", b"\xfd\x1d\1"),
    }
    step = b"\x10\x01"
    out = [i64_const(seed(item.module, item.name))]
    for i, kind in enumerate(signature.params):
        words = to_words.get(kind, (b"\xd1\x45\xad",))
        out.append(b"\x20" + leb(i) + words[0] + step)
        out.append((b"\x20" + leb(i) + words[1] if len(words) == 2 else b"\x42\0") + step)
    return b"".join(out) + b"\x21" + leb(state)


def _result_code(kind: str, type_: bytes, index: int, state: int) -> bytes:
    def word(k: int) -> bytes:
        return b"\x20" + leb(state) + i64_const((2 * index + k + 1) * GOLDEN) + b"\x7c\x10\x02"

    low = word(0)
    if kind in TYPE_NAMES:
        return low + {"i": b"\xa7", "l": b"", "f": b"\xa7\xbe", "d": b"\xbf"}.get(
            kind, b"\xfd\x12" + word(1) + b"\xfd\x1e\1"
        )
    if kind in "eE":
        return low + b"\xa7" + i32_const(EXTERN_TOKENS - 1) + b"\x71\x25\0" + (b"\xd4" if kind == "E" else b"")
    if kind in "aA":
        return low + b"\xa7\xfb\x1c"
    return b"\xd0" + heap_of(type_)
