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
from typing import Final

from oracles.remote.interface import TYPE_NAMES, Interface, Signature
from oracles.remote.wasmbytes import (
    I32_CONST,
    KIND_CODES,
    LOAD,
    STORE,
    Piece,
    code_entry,
    export_entry,
    fixed,
    func_type,
    heap_of,
    import_entry,
    memory_of_slots,
    nullable,
    piece,
    runs,
    section,
    split_types,
    table_of,
    type_section,
)
from wasm.embedding import SLOT
from wasm.encode import END, OPCODES, encode_instrs, val_type
from wasm.isa import OPS, Catch
from wasm.leb import unsigned
from wasm.module import HEADER, ExternKind, Section
from wasm.valtypes import ANYREF, EXTERNREF, FUNCREF

_HIERARCHIES: Final = {"e": EXTERNREF, "c": FUNCREF, "a": ANYREF}
"""The tables for references, by name."""
_TABLE_OF: Final = {"e": "e", "c": "c", "a": "a", "g": "a"}
"""Which of them holds references of a kind."""

_ARGUMENT: Final = {kind: piece(f"i32.const 0  {load}") for kind, load in LOAD.items()}
_I31_ARGUMENT: Final = piece("i32.const $bits  ref.i31")
_REF_ARGUMENT: Final = piece("i32.const $slot  table.get $table")
_NON_NULL: Final = fixed("ref.as_non_null")
_REF_NULL, _CAST, _CAST_NULL = (OPCODES[OPS[name]] for name in ("ref.null", "ref.cast", "ref.cast_null"))
"""Opcodes whose heap type comes as bytes, out of the module that is served."""
_EXCEPTION: Final = b"\0"
"""The one attribute a tag has (spec 5.3.16); its type index follows."""
_CALL: Final = fixed("call 0")
_BLOCK, _TRY_TABLE = OPS["block"], OPS["try_table"]
_RETURN: Final = fixed("return")
_UNREACHABLE: Final = fixed("unreachable")
_TO_LOCAL: Final = piece("local.set $local")
_KEPT: Final = piece("i32.const 0  local.get $local")
"""An address and a kept result, for one of these:"""
_STORE: Final = {kind: piece(store) for kind, store in STORE.items()}
_STORE_NON_NULL: Final = piece(f"ref.is_null  i32.eqz  {STORE['i']}")
_STORE_REF: Final = piece("i32.const $slot  local.get $local  table.set $table")
_READ: Final = {kind: piece(f"i32.const 0  global.get $index  {store}") for kind, store in STORE.items()}

EXACT_READ: Final = frozenset("fdv")
"""Kinds of globals whose bits only a reader module can give to a JavaScript host."""
UNREADABLE: Final = frozenset("xX")
"""Kinds of globals that a JavaScript host cannot read, not even whether they are null."""


def global_reader(interface: Interface, indices: tuple[int, ...]) -> bytes:
    """A module that reads globals of number types: imports ``g.g0 g.g1 ...``, exports ``read`` and ``memory``."""
    imports: list[bytes] = []
    body: list[bytes] = []
    for i, index in enumerate(indices):
        kind, mutable = interface.globals[index]
        imports.append(import_entry("g", f"g{i}", ExternKind.GLOBAL, KIND_CODES[kind] + bytes((mutable,))))
        body.append(_READ[kind](i, i * SLOT))
    return b"".join(
        (
            HEADER,
            section(Section.TYPE, [func_type()]),
            section(Section.IMPORT, imports),
            section(Section.FUNCTION, [unsigned(0)]),
            section(Section.MEMORY, [memory_of_slots(len(indices))]),
            section(Section.EXPORT, [_exported("read", ExternKind.FUNC), _exported("memory", ExternKind.MEMORY)]),
            section(Section.CODE, [code_entry((), b"".join(body))]),
        )
    )


def _exported(name: str, kind: ExternKind, index: int = 0) -> bytes:
    return export_entry(name, kind.value, index)


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
def _numbered(filled: Piece, step: int, block: int) -> tuple[bytes, ...]:
    """Instructions with the immediates ``step`` times 256 * block up to 256 * block + 255, ready made.

    A wrapper has a few of them per value, and case after case the same ones: this is what keeps it cheap.
    """
    return tuple([filled(step * i) for i in range(256 * block, 256 * block + 256)])


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
        added = [func_type((), [KIND_CODES["i"]])]
        outputs = [self.result_types, *(split_types(payload.raw)[0] for payload in self.payloads)]
        if self.payloads:
            added += [func_type((), output) for output in outputs]
        imports = [import_entry("m", "f", ExternKind.FUNC, unsigned(indices[0]))]
        imports += [
            import_entry("m", f"t{k}", ExternKind.TAG, _EXCEPTION + unsigned(index))
            for k, index in enumerate(indices[1:])
        ]
        slots = self.params + max(len(output) for output in outputs)
        exports = [_exported("call", ExternKind.FUNC, 1), _exported("memory", ExternKind.MEMORY)]
        exports += [_exported(key, ExternKind.TABLE, i) for i, key in enumerate(self.tables)]
        return b"".join(
            (
                HEADER,
                type_section(count, copied, added),
                section(Section.IMPORT, imports),
                section(Section.FUNCTION, [unsigned(status)]),
                section(Section.TABLE, [table_of(_HIERARCHIES[key], slots) for key in self.tables]),
                section(Section.MEMORY, [memory_of_slots(slots)]),
                section(Section.EXPORT, exports),
                section(Section.CODE, [self._code(outputs, status + 1)]),
            )
        )

    def _code(self, outputs: list[list[bytes]], block_types: int) -> bytes:
        """The call in a ``try_table`` inside one block per tag; ``block_types`` is the index of the call's own.

            (block $tag1 (block $tag0
                (try_table (catch 0 $tag0) (catch 1 $tag1) call keep (i32.const 0) return)) ...

        Behind the end of each block its tag's payload is kept, and k + 1 returned.
        """
        call = self._arguments() + _CALL
        locals_: list[bytes] = []
        kept: list[bytes] = []
        kinds = [self.signature.results, *(payload.params for payload in self.payloads)]
        for status, output in enumerate(outputs):
            kept.append(self._keep(kinds[status], len(locals_)) + I32_CONST(status))
            locals_ += [nullable(type_) for type_ in output]
        if not self.payloads:
            return code_entry(runs(locals_), call + kept[0])
        tags = range(len(self.payloads))
        opening = [(_BLOCK, block_types + 1 + k) for k in reversed(tags)]
        catching = (_TRY_TABLE, (block_types, tuple(Catch("catch", k, k) for k in tags)))
        body = encode_instrs([*opening, catching]) + call + END
        body += kept[0] + _RETURN + b"".join(END + one + _RETURN for one in kept[1:]) + _UNREACHABLE
        return code_entry(runs(locals_), body)

    def _arguments(self) -> bytes:
        refs = iter(self.refs)
        out: list[bytes] = []
        for i, kind in enumerate(self.signature.params):
            if kind in TYPE_NAMES:
                out.append(_numbered(_ARGUMENT[kind], SLOT, i >> 8)[i & 255])
            else:
                out.append(self._reference(i, kind, next(refs, "null")))
        return b"".join(out)

    def _reference(self, index: int, kind: str, ref: str) -> bytes:
        type_ = self.param_types[index]
        if ref == "null":
            if kind.isupper():
                raise NoWrapper(f"argument {index} is null and its type is not nullable")
            return _REF_NULL + heap_of(type_)
        if ref.startswith("i31:") and kind in "aA":
            return _I31_ARGUMENT(int(ref[4:]) & 0xFFFFFFFF)
        key = _TABLE_OF.get(kind.lower())
        if key not in ("e", "c"):
            raise NoWrapper(f"no host value for argument {index} ({ref})")
        get = _REF_ARGUMENT(index, self.tables.index(key))
        if heap_of(type_) == val_type(_HIERARCHIES[key]):
            return get + _NON_NULL if kind.isupper() else get
        return get + (_CAST if kind.isupper() else _CAST_NULL) + heap_of(type_)

    def _keep(self, kinds: str, first: int) -> bytes:
        """Results on the stack into locals from ``first`` on, then into their slots."""
        out = [_numbered(_TO_LOCAL, 1, i >> 8)[i & 255] for i in range(first + len(kinds) - 1, first - 1, -1)]
        for i, kind in enumerate(kinds, first):
            slot = self.params + i - first
            out.append(_numbered(_KEPT, 1, i >> 8)[i & 255])
            if store := _STORE.get(kind):
                out.append(_numbered(store, SLOT, slot >> 8)[slot & 255])
                continue
            out.append(_STORE_NON_NULL(slot * SLOT))
            if key := _TABLE_OF.get(kind.lower()):
                out.append(_STORE_REF(slot, i, self.tables.index(key)))
        return b"".join(out)
