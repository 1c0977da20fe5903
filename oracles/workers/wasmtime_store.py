"""Stores, instances, calls and traps of the Wasmtime worker (``wasmtime_worker.py``)."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from ctypes import byref, c_void_p, create_string_buffer
from types import ModuleType

import wasmtime_api as api
from wasmtime_api import Refused, compile_module, take_error, text_of
from wasmtime_values import SLOT, Refs, clean

FUNC, TABLE, MEMORY, GLOBAL, TAG = range(5)
SHARED = 4
"""A shared memory's ``wasmtime_extern_kind_t``: what is taken out of an instance keeps it alive until it is deleted."""
COMPILE, INSTANTIATE, INVOKE = 1, 2, 3
VALKIND = {"i": 0, "l": 1, "f": 2, "d": 3, "v": 4}
HOST_TRAP = "host trap of an import"
TRAPS = (
    (HOST_TRAP, "HOST"),
    ("undefined element: out of bounds table access", "UNDEFINED_ELEMENT TABLE_OOB"),
    ("table access out of bounds", "UNDEFINED_ELEMENT TABLE_OOB"),
    ("out of bounds table access", "UNDEFINED_ELEMENT TABLE_OOB"),
    ("uninitialized element", "UNINITIALIZED_ELEMENT NULL_REFERENCE"),
    ("indirect call type mismatch", "INDIRECT_TYPE_MISMATCH"),
    ("out of bounds memory access", "MEMORY_OOB"),
    ("memory out of bounds", "MEMORY_OOB"),
    ("out of bounds array access", "ARRAY_OOB"),
    ("integer divide by zero", "DIV_BY_ZERO"),
    ("integer overflow", "INT_OVERFLOW"),
    ("invalid conversion to integer", "BAD_CONVERSION"),
    ("`unreachable` instruction executed", "UNREACHABLE"),
    ("wasm trap: unreachable", "UNREACHABLE"),
    ("null reference", "NULL_REFERENCE"),
    ("null i31", "NULL_REFERENCE"),
    ("cast failure", "CAST_FAILURE"),
    ("unaligned atomic", "UNALIGNED_ATOMIC"),
    ("misaligned memory access", "UNALIGNED_ATOMIC"),
    ("atomic wait on non-shared memory", "EXPECTED_SHARED_MEMORY"),
    ("expected shared memory", "EXPECTED_SHARED_MEMORY"),
    ("allocation size too large", "ALLOCATION_TOO_LARGE"),
)
OUT_OF_MEMORY = re.compile(r"GC heap out of memory|failed to allocate|out of memory|Cannot allocate memory", re.I)


class Failed(Exception):
    """A step ended otherwise than by returning; ``args[0]`` is the outcome in the protocol's short form."""


class Progress:
    """Says where the worker is, in a file that the harness reads when the worker has died."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def at(self, phase: int, invocation: int = -1) -> None:
        os.pwrite(self.fd, struct.pack("<Ii", phase, invocation), 0)


THROWN = "thrown Wasm exception"


def classify(message: str) -> list:
    """A trap's or an error's message as an outcome."""
    if "call stack exhausted" in message:
        return ["exhausted", "stack"]
    if message == THROWN:
        return ["threw", "?", "", [], b""]
    if message.rstrip().endswith(THROWN):  # up to 43.0.0, where it came through a host function that called back
        return ["unsupported", "an exception that came through a host: this release's C API has lost it"]
    if "all fuel consumed" in message:
        return ["exhausted", "fuel"]
    if OUT_OF_MEMORY.search(message):
        return ["out_of_memory", message[:500]]
    for text, kinds in TRAPS:
        if text in message:
            return ["trapped", kinds.split(), text]
    return ["rejected", message[:2000]]


class Store:
    """A store with the instances of one case or one script."""

    def __init__(self, lib: ModuleType, engine, progress: Progress, settings: dict[str, str]) -> None:
        self.lib, self.engine, self.progress = lib, engine, progress
        self.store, self.context = api.new_store(lib, engine, settings)
        self.refs = Refs(self)
        self.modules: list = []
        self.callbacks: list = []
        self.log: list[tuple[int, int, bytes, list[str]]] = []
        self.peer = None
        self.ready = None
        self.collecting: frozenset[int] = frozenset()
        self.collections = 0
        self.import_types: list = []
        self.owned: list = []
        self.apart: list[Store] = []
        """The stores that earlier modules have of their own."""
        self.externs: list = []
        self.instance = None
        self.tags: list[tuple[str, str, object]] = []
        self.unnamed = False
        self.watched_funcs: list[str] = []
        self.names: dict[int, str] | None = None

    def close(self) -> None:
        for store in self.apart:
            store.close()
        for item in self.owned:
            self.lib.wasmtime_sharedmemory_delete(item.of.sharedmemory)
        for types in self.import_types:
            self.lib.wasm_importtype_vec_delete(byref(types))
        self.lib.wasmtime_store_delete(self.store)
        for module in self.modules:
            self.lib.wasmtime_module_delete(module)

    def function_names(self) -> dict[int, str]:
        """The exported functions of the instance under test by raw function pointer."""
        if self.names is None:
            self.names = {}
            for name in self.watched_funcs if self.instance is not None else ():
                item = self.export(self.instance, name)
                raw = pointer_value(self.lib.wasmtime_func_to_raw(self.context, byref(item.of.func)))
                self.names.setdefault(raw, name)
        return self.names

    def watch(self, instance, funcs: list[str], tags: list) -> None:
        """Take the names of references and exceptions from this instance's exports.

        ``tags`` has (name, payload kinds, -1 or the import that the tag came in by).
        """
        if self.instance is instance:
            return
        self.instance, self.watched_funcs, self.names = instance, funcs, None
        self.unnamed = bool(tags) and not api.has(self.lib, "wasmtime_tag_eq")
        self.tags = [
            (name, kinds, self.export(instance, name) if at < 0 else self.externs[at])
            for name, kinds, at in tags
            if api.has(self.lib, "wasmtime_tag_eq")
        ]

    def compile(self, data: bytes):
        module, message = compile_module(self.lib, self.engine, data)
        if module is None:
            raise Failed(["rejected", message[:2000]])
        self.modules.append(module)
        return module

    def instantiate(self, module, externs: list):
        """A new instance. Raises ``Failed``."""
        array = (self.lib.wasmtime_extern_t * max(len(externs), 1))(*externs)
        instance, trap = self.lib.wasmtime_instance_t(), ctypes.POINTER(self.lib.wasm_trap_t)()
        error = self.lib.wasmtime_instance_new(self.context, module, array, len(externs), byref(instance), byref(trap))
        self.check(error, trap)
        return instance

    def check(self, error, trap) -> None:
        """Raise ``Failed`` for an error, a trap or an exception."""
        if error:
            message = text_of(self.lib, self.lib.wasmtime_error_message, error)
            self.lib.wasmtime_error_delete(error)
            raise Failed(self.thrown() or classify(message))
        if trap:
            message = text_of(self.lib, self.lib.wasm_trap_message, trap)
            self.lib.wasm_trap_delete(trap)
            raise Failed(self.thrown() or classify(message))

    def thrown(self) -> list | None:
        """The pending exception as an outcome, its payload slots last."""
        if not api.has(self.lib, "wasmtime_context_take_exception"):
            return None
        # The first releases with exceptions hand out the exception itself, later ones a reference to it.
        itself = api.has(self.lib, "wasmtime_exn_tag")
        held = ctypes.POINTER(self.lib.wasmtime_exn_t)() if itself else self.lib.wasmtime_exnref_t()
        if not self.lib.wasmtime_context_take_exception(self.context, byref(held)):
            return None
        exn = held if itself else byref(held)
        tag = self.lib.wasmtime_tag_t()
        tag_of = self.lib.wasmtime_exn_tag if itself else self.lib.wasmtime_exnref_tag
        if error := tag_of(self.context, exn, byref(tag)):
            take_error(self.lib, error)
        outcome = ["threw", "?", "", [], b""]
        for name, kinds, known in self.tags:
            if self.lib.wasmtime_tag_eq(self.context, byref(known.of.tag), byref(tag)):
                field_of = self.lib.wasmtime_exn_field if itself else self.lib.wasmtime_exnref_field
                outcome = ["threw", name, kinds, *self._payload(exn, field_of, kinds)]
                break
        if itself:
            self.lib.wasmtime_exn_delete(exn)
        return outcome

    def _payload(self, exn, field_of, kinds: str) -> tuple[list[str], bytes]:
        refs, slots = [], b""
        for i, kind in enumerate(kinds):
            value = self.lib.wasmtime_val_t()
            if error := field_of(self.context, exn, i, byref(value)):
                take_error(self.lib, error)
            data, ref = self.read_value(value, kind)
            slots += data
            if ref is not None:
                refs.append(ref)
        return refs, slots

    def read_value(self, value, kind: str) -> tuple[bytes, str | None]:
        """A ``wasmtime_val_t`` as its slot and, for a reference, its identity."""
        offset = self.lib.wasmtime_val_t.of.offset
        raw = ctypes.string_at(ctypes.addressof(value) + offset, SLOT)
        if kind in VALKIND:
            return clean(raw, kind), None
        return bytes(SLOT), self._identity_of(value, kind)

    def _identity_of(self, value, kind: str) -> str:
        lower, context, of = kind.lower(), self.context, value.of
        store_id = int.from_bytes(ctypes.string_at(ctypes.addressof(of), 8), "little")
        if store_id == 0:
            return "null"
        if lower == "c" and api.has(self.lib, "wasmtime_func_to_raw"):
            return self.refs.identity(pointer_value(self.lib.wasmtime_func_to_raw(context, byref(of.funcref))), kind)
        field = {"e": "externref", "a": "anyref", "g": "anyref"}.get(lower)
        if field and api.has(self.lib, f"wasmtime_{field}_to_raw"):
            held = getattr(of, field)
            raw = getattr(self.lib, f"wasmtime_{field}_to_raw")(
                context, held if lower == "e" and _points(held) else byref(held)
            )
            return self.refs.identity(pointer_value(raw), kind)
        return "exn" if lower == "x" else "nonnull"

    def export(self, instance, name: str):
        """An exported item, or None."""
        data = name.encode("utf-8")
        item = self.lib.wasmtime_extern_t()
        exists = self.lib.wasmtime_instance_export_get(
            self.context, byref(instance), create_string_buffer(data, len(data) or 1), len(data), byref(item)
        )
        if exists and item.kind == SHARED:
            self.owned.append(item)
        return item if exists else None

    def call(
        self, func, params: str, results: str, args: bytes, refs: list[str], context=None
    ) -> tuple[bytes, list[str]]:
        """Call a function with packed arguments: result slots and reference identities. Raises ``Failed``."""
        context = context or self.context
        if not api.has(self.lib, "wasmtime_func_call_unchecked"):
            return self._call_checked(func, params, results, args, refs)
        count = max(len(params), len(results), 1)
        raw = create_string_buffer(args, count * SLOT)
        if refs:
            self._place_refs(raw, params, refs)
        slots = ctypes.cast(raw, ctypes.POINTER(self.lib.wasmtime_val_raw_t))
        trap = ctypes.POINTER(self.lib.wasm_trap_t)()
        rest = {3: (), 4: (byref(trap),), 5: (count, byref(trap))}[api.arity(self.lib, "wasmtime_func_call_unchecked")]
        answer = self.lib.wasmtime_func_call_unchecked(context, byref(func), slots, *rest)
        self.check(*((None, answer) if not rest else (answer, trap)))
        data = raw.raw
        return clean(data, results), self.identities(data, results)

    def call_raw(self, context, func, raw: bytes, params: int, results: int):
        """A call from inside a host function: (raw results, None) or (None, address of the trap to pass on)."""
        count = max(params, results, 1)
        buffer = create_string_buffer(raw, count * SLOT)
        slots = ctypes.cast(buffer, ctypes.POINTER(self.lib.wasmtime_val_raw_t))
        trap = ctypes.POINTER(self.lib.wasm_trap_t)()
        rest = {3: (), 4: (byref(trap),), 5: (count, byref(trap))}[api.arity(self.lib, "wasmtime_func_call_unchecked")]
        answer = self.lib.wasmtime_func_call_unchecked(context, byref(func), slots, *rest)
        if not rest:
            trap, answer = answer, None
        if answer:
            return None, take_error(self.lib, answer)
        if trap:
            return None, ctypes.cast(trap, c_void_p).value
        return buffer.raw[: results * SLOT], None

    def peer_calls(self) -> int:
        """How many calls the function peer has counted."""
        if self.peer is None:
            return 0
        value = self.lib.wasmtime_val_t()
        self.lib.wasmtime_global_get(self.context, byref(self.export(self.peer, "count").of.global_), byref(value))
        return value.of.i32

    def memory_base(self, instance, name: str) -> int:
        """The address of an exported memory."""
        memory = self.export(instance, name).of.memory
        return ctypes.cast(self.lib.wasmtime_memory_data(self.context, byref(memory)), c_void_p).value

    def as_extern(self, item, sort: int):
        """A function, table, global or tag as an extern."""
        extern = self.lib.wasmtime_extern_t()
        extern.kind = {FUNC: 0, GLOBAL: 1, TABLE: 2, TAG: 5}[sort]
        field = {FUNC: "func", GLOBAL: "global_", TABLE: "table", TAG: "tag"}[sort]
        setattr(extern.of, field, item)
        return extern

    def value(self, ref: str, kind: str):
        """A reference as a ``wasmtime_val_t``: host tokens, null, exported functions. Raises ``Refused``."""
        made = self.lib.wasmtime_val_t()
        made.kind = {"e": 6, "c": 5, "a": 7}[kind.lower()]
        if ref == "null":
            if (
                kind.lower() == "c"
                and hasattr(self.lib, "wasmtime_val_delete")
                and not api.has(self.lib, "wasmtime_anyref_clone")
            ):
                ctypes.memmove(ctypes.addressof(made) + self.lib.wasmtime_val_t.of.offset, bytes(SLOT), SLOT)
            return made
        if ref.startswith("extern:") and kind.lower() == "e":
            held = self.refs.token(int(ref[7:]))
            made.of.externref = held if _points(made.of.externref) else held.contents
            return made
        if ref.startswith("func:") and kind.lower() == "c" and (item := self.export(self.instance, ref[5:])):
            made.of.funcref = item.of.func
            return made
        raise Refused(f"no host value {ref}")

    def fill_tables(self, instance, params: str, refs: list[str]) -> None:
        """The reference arguments into a wrapper's tables, at their positions."""
        places = [i for i, kind in enumerate(params) if kind not in VALKIND]
        for i, ref in zip(places, refs, strict=False):
            if ref == "null" or ref.startswith("i31:"):
                continue
            table = self.export(instance, params[i].lower()).of.table
            value = self.value(ref, params[i])
            if error := self.lib.wasmtime_table_set(self.context, byref(table), i, byref(value)):
                raise Refused(take_error(self.lib, error))

    def table_refs(self, instance, data: bytes, kinds: str, first: int) -> list[str]:
        """The reference results that a wrapper left in its tables, by identity."""
        identities = []
        for i, kind in enumerate(kinds):
            if kind in VALKIND:
                continue
            key = {"g": "a"}.get(kind.lower(), kind.lower())
            if not data[i * SLOT]:
                identities.append("null")
            elif key == "x":
                identities.append("exn")
            else:
                table, value = self.export(instance, key).of.table, self.lib.wasmtime_val_t()
                self.lib.wasmtime_table_get(self.context, byref(table), first + i, byref(value))
                identities.append(self._identity_of(value, kind))
        return identities

    def _place_refs(self, raw, params: str, refs: list[str]) -> None:
        places = [i for i, kind in enumerate(params) if kind not in VALKIND]
        for i, ref in zip(places, refs, strict=False):
            value = self.refs.to_raw(ref, params[i])
            ctypes.memmove(ctypes.addressof(raw) + i * SLOT, pointer_value(value).to_bytes(8, "little"), 8)

    def identities(self, data: bytes, kinds: str) -> list[str]:
        """The references among raw slots, by identity. What a narrow reference leaves of its slot is old data."""
        narrow = self.lib.wasmtime_val_raw_t.externref.size if hasattr(self.lib, "wasmtime_val_raw_t") else 8
        identities = []
        for i, kind in enumerate(kinds):
            if kind not in VALKIND:
                size = 8 if kind in "cC" else narrow
                identities.append(self.refs.identity(int.from_bytes(data[i * SLOT : i * SLOT + size], "little"), kind))
        return identities

    def _call_checked(self, func, params: str, results: str, args: bytes, refs: list[str]) -> tuple[bytes, list[str]]:
        """For 0.30, which has no unchecked call."""
        if any(ref != "null" for ref in refs):
            raise Failed(["unsupported", "reference arguments in this release"])
        val, offset = self.lib.wasmtime_val_t, self.lib.wasmtime_val_t.of.offset
        given, got = (val * max(len(params), 1))(), (val * max(len(results), 1))()
        for i, kind in enumerate(params):
            given[i].kind = VALKIND.get(kind, 6 if kind in "eE" else 5)
            ctypes.memmove(ctypes.addressof(given[i]) + offset, args[i * SLOT : i * SLOT + SLOT], SLOT)
        trap = ctypes.POINTER(self.lib.wasm_trap_t)()
        error = self.lib.wasmtime_func_call(
            self.context, byref(func), given, len(params), got, len(results), byref(trap)
        )
        self.check(error, trap)
        values = [self.read_value(got[i], kind) for i, kind in enumerate(results)]
        return b"".join(slot for slot, _ in values), [ref for _, ref in values if ref is not None]


def pointer_value(raw) -> int:
    """A raw reference as an integer: an index in recent releases, a pointer in old ones."""
    return raw if isinstance(raw, int) else ctypes.cast(raw, c_void_p).value or 0 if raw else 0


def _points(held) -> bool:
    return isinstance(held, ctypes._Pointer)
