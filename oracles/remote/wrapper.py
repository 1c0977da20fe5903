"""The wrapper module (``Entry.WRAPPER``): calls an export from WebAssembly and leaves the results in its own memory.

An engine links wasm to wasm without converting values, so every bit of every argument and result survives, in
JavaScript engines too. The module under test is not changed.

Imports ``m.f`` and, where the module exports tags, ``m.t0 m.t1 ...``. Exports the function ``call`` (() -> i32: 0 for a
return, k + 1 after catching tag k), ``memory`` (argument slots from 0, then result or payload slots), and tables
``e c a`` for references of the extern, func and any hierarchies, indexed by the same slot numbers. A reference's slot
is 1 if it is not null.
"""

from __future__ import annotations

from functools import lru_cache

from oracles.remote.interface import Interface, Signature
from oracles.remote.wasmbytes import (
    END,
    HEADER,
    LOAD,
    STORE,
    code,
    heap_of,
    i32_const,
    leb,
    name,
    nullable,
    runs,
    section,
    sleb,
    split_types,
    type_section,
)
from wasm.embedding import SLOT

CODES = {"i": b"\x7f", "l": b"\x7e", "f": b"\x7d", "d": b"\x7c", "v": b"\x7b"}
_TABLE_TYPES = {"e": b"\x6f", "c": b"\x70", "a": b"\x6e"}
_TABLE_OF = {"e": "e", "c": "c", "a": "a", "g": "a"}
_NON_NULL = b"\xd4"


EXACT_READ = frozenset("fdv")
"""Kinds of globals whose bits only a reader module can give to a JavaScript host."""
UNREADABLE = frozenset("xX")
"""Kinds of globals that a JavaScript host cannot read, not even whether they are null."""


def global_reader(interface: Interface, indices: tuple[int, ...]) -> bytes:
    """A module that reads globals of number types: imports ``g.g0 g.g1 ...``, exports ``read`` and ``memory``."""
    imports: list[bytes] = []
    body: list[bytes] = []
    for i, index in enumerate(indices):
        kind, mutable = interface.globals[index]
        imports.append(b"\x01g" + name(f"g{i}") + b"\x03" + CODES[kind] + bytes((mutable,)))
        body.append(b"\x41\0\x23" + leb(i) + STORE[kind] + leb(i * SLOT))
    return b"".join(
        (
            HEADER,
            section(1, [b"\x60\0\0"]),
            section(2, imports),
            section(3, [b"\0"]),
            section(5, [b"\0" + leb(max(1, -(-len(indices) * SLOT // 65536)))]),
            section(7, [name("read") + b"\0\0", name("memory") + b"\x02\0"]),
            section(10, [code((), b"".join(body))]),
        )
    )


class NoWrapper(Exception):
    """An argument that no wrapper can make, in one line."""


def wrapper_for(interface: Interface, func: int, tags: tuple[int, ...], refs: tuple[str, ...]) -> bytes:
    """The wrapper of a function by index. ``tags`` are exported tags by index, ``refs`` the reference arguments.

    Raises ``NoWrapper``.
    """
    signature = interface.signature(func)
    payloads = tuple(interface.type_at(interface.tags[tag]) for tag in tags)
    if signature.plain and all(payload.plain for payload in payloads):
        return _plain(signature, payloads, refs)
    indices = (interface.funcs[func], *(interface.tags[tag] for tag in tags))
    types = (interface.type_count, interface.type_bytes, len(interface.types))
    return _Writer(signature, payloads, refs).write(types, indices)


@lru_cache(maxsize=256)
def _plain(signature: Signature, payloads: tuple[Signature, ...], refs: tuple[str, ...]) -> bytes:
    types = [signature.raw, *(payload.raw for payload in payloads)]
    return _Writer(signature, payloads, refs).write((len(types), b"".join(types), len(types)), tuple(range(len(types))))


@lru_cache(maxsize=256)
def _numbered(prefix: bytes, step: int, block: int) -> tuple[bytes, ...]:
    """An instruction with the immediates ``step`` times 256 * block up to 256 * block + 255, ready made."""
    return tuple(prefix + leb(step * i) for i in range(256 * block, 256 * block + 256))


class _Writer:
    def __init__(self, signature: Signature, payloads: tuple[Signature, ...], refs: tuple[str, ...]) -> None:
        self.signature, self.payloads, self.refs = signature, payloads, refs
        self.params = len(signature.params)
        self.param_types, self.result_types = split_types(signature.raw)
        kinds = signature.params + "".join(one.params for one in payloads) + signature.results
        used = {_TABLE_OF.get(kind.lower()) for kind in set(kinds)}
        self.tables = [key for key in "eca" if key in used]

    def write(self, types: tuple[int, bytes, int], indices: tuple[int, ...]) -> bytes:
        """``types`` are a type section's groups (how many, their bytes) and how many types they define."""
        count, copied, status = types
        added = [b"\x60\0\x01\x7f"]
        outputs = [self.result_types, *(split_types(payload.raw)[0] for payload in self.payloads)]
        if self.payloads:
            added += [b"\x60\0" + leb(len(output)) + b"".join(output) for output in outputs]
        imports = [b"\x01m\x01f\0" + leb(indices[0])]
        imports += [b"\x01m" + name(f"t{k}") + b"\x04\0" + leb(index) for k, index in enumerate(indices[1:])]
        slots = self.params + max(len(output) for output in outputs)
        exports = [name("call") + b"\0\x01", name("memory") + b"\x02\0"]
        exports += [name(key) + b"\x01" + leb(i) for i, key in enumerate(self.tables)]
        return b"".join(
            (
                HEADER,
                type_section(count, copied, added),
                section(2, imports),
                section(3, [leb(status)]),
                section(4, [_TABLE_TYPES[key] + b"\0" + leb(slots) for key in self.tables]),
                section(5, [b"\0" + leb(max(1, -(-slots * SLOT // 65536)))]),
                section(7, exports),
                section(10, [self._code(outputs, status + 1)]),
            )
        )

    def _code(self, outputs: list[list[bytes]], block_types: int) -> bytes:
        arguments = self._arguments()
        call = arguments + b"\x10\0"
        locals_: list[bytes] = []
        kept: list[bytes] = []
        kinds = [self.signature.results, *(payload.params for payload in self.payloads)]
        for status, output in enumerate(outputs):
            kept.append(self._keep(kinds[status], len(locals_)) + i32_const(status))
            locals_ += [nullable(type_) for type_ in output]
        if not self.payloads:
            return code(runs(locals_), call + kept[0])
        catches = b"".join(b"\0" + leb(k) + leb(k) for k in range(len(self.payloads)))
        opening = [b"\x02" + sleb(block_types + 1 + k) for k in reversed(range(len(self.payloads)))]
        body = b"".join(opening) + b"\x1f" + sleb(block_types) + leb(len(self.payloads)) + catches + call + END
        body += kept[0] + b"\x0f" + b"".join(END + one + b"\x0f" for one in kept[1:]) + b"\x00"
        return code(runs(locals_), body)

    def _arguments(self) -> bytes:
        refs = iter(self.refs)
        out: list[bytes] = []
        for i, kind in enumerate(self.signature.params):
            if load := LOAD.get(kind):
                out.append(_numbered(b"\x41\0" + load, SLOT, i >> 8)[i & 255])
            else:
                out.append(self._reference(i, kind, next(refs, "null")))
        return b"".join(out)

    def _reference(self, index: int, kind: str, ref: str) -> bytes:
        type_ = self.param_types[index]
        if ref == "null":
            if kind.isupper():
                raise NoWrapper(f"argument {index} is null and its type is not nullable")
            return b"\xd0" + heap_of(type_)
        if ref.startswith("i31:") and kind in "aA":
            return i32_const(int(ref[4:])) + b"\xfb\x1c"
        key = _TABLE_OF.get(kind.lower())
        if key not in ("e", "c"):
            raise NoWrapper(f"no host value for argument {index} ({ref})")
        get = i32_const(index) + b"\x25" + leb(self.tables.index(key))
        if heap_of(type_) == _TABLE_TYPES[key]:
            return get + _NON_NULL if kind.isupper() else get
        return get + (b"\xfb\x16" if kind.isupper() else b"\xfb\x17") + heap_of(type_)

    def _keep(self, kinds: str, first: int) -> bytes:
        """Results on the stack into locals from ``first`` on, then into their slots."""
        out = [_numbered(b"\x21", 1, i >> 8)[i & 255] for i in range(first + len(kinds) - 1, first - 1, -1)]
        for i, kind in enumerate(kinds, first):
            slot = self.params + i - first
            out.append(_numbered(b"\x41\0\x20", 1, i >> 8)[i & 255])
            if store := STORE.get(kind):
                out.append(_numbered(store, SLOT, slot >> 8)[slot & 255])
                continue
            out.append(b"\xd1\x45" + STORE["i"] + leb(slot * SLOT))
            if key := _TABLE_OF.get(kind.lower()):
                out.append(i32_const(slot) + b"\x20" + leb(i) + b"\x26" + leb(self.tables.index(key)))
        return b"".join(out)
