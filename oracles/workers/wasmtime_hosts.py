"""Imports in the Wasmtime worker: host callbacks with the meaning of ``wasm/hostmix.py``, and the peers' exports."""

from __future__ import annotations

import ctypes
from ctypes import byref, create_string_buffer
from types import ModuleType

import wasmtime_api as api
from wasmtime_api import Refused
from wasmtime_store import FUNC, GLOBAL, HOST_TRAP, TABLE, TAG, VALKIND, Failed, Store
from wasmtime_values import SLOT, clean, mix_state, mix_word

LOG_LIMIT = 1000
COLLECTIONS = 1000
"""The most that a case may ask for; which of them happen, nothing shows."""
EXTERNREF = 128
"""``wasm_valkind_t``."""
NUMBER_BITS = {"i": 32, "f": 32, "l": 64, "d": 64, "v": 128}


def link(store: Store, module, imports: dict, blobs: list, places: dict) -> list:
    """The externs of all imports of a module, in order. Raises ``Failed`` where one cannot be made.

    ``places`` has the instances before it by name, each with its store, None for one that trapped.
    """
    sources = imports["sources"]
    if not sources:
        return []
    if any(source[2] == TAG for source in sources) and not api.has(store.lib, "wasmtime_tag_eq"):
        raise Failed(["unsupported", "imported tags: this release's C API knows of none"])
    types = _import_types(store, module)
    store.collecting = frozenset(imports.get("collect", ()))
    store_peer = funcs_peer = None
    if imports["store"] >= 0:
        store_peer = store.instantiate(store.compile(blobs[imports["store"]]), [])
    if imports["funcs"] >= 0:
        funcs_peer = _function_peer(store, imports, blobs, store_peer)
    externs: list = []
    for index, (module, name, _sort, how, same, behaviour, params, results, token) in enumerate(sources):
        if same != index:
            externs.append(externs[same])
        elif how == "host":
            about = (index, module, name, behaviour, params, results)
            externs.append(_callback(store, types[index], about))
        elif how == "linked":
            place = places[module]
            if place is None:
                raise Failed(["rejected", f"unknown import {module}.{name}: its instance was not made"])
            home, instance = place
            externs.append(home.export(instance, name))
        elif how == "extern":
            externs.append(_extern_global(store, types[index], token))
        else:
            externs.append(store.export(store_peer if how == "store" else funcs_peer, f"i{index}"))
    return externs


def _imports_of(lib: ModuleType, module):
    """The import types of a module as a vector that the caller frees."""
    vec = lib.wasm_importtype_vec_t()
    if api.has(lib, "wasmtime_module_imports"):
        lib.wasmtime_module_imports(module, byref(vec))
    else:
        whole = lib.wasmtime_module_type(module)
        lib.wasmtime_moduletype_imports(whole, byref(vec))
        lib.wasmtime_moduletype_delete(whole)
    return vec


def _import_types(store: Store, module) -> list:
    """The import types of a module, which live as long as the store's modules."""
    vec = _imports_of(store.lib, module)
    store.import_types.append(vec)
    return [store.lib.wasm_importtype_type(vec.data[i]) for i in range(vec.size)]


def _plain_type(lib: ModuleType):
    """The type of a function of no parameters and no results."""
    params, results = lib.wasm_valtype_vec_t(), lib.wasm_valtype_vec_t()
    lib.wasm_valtype_vec_new_empty(byref(params))
    lib.wasm_valtype_vec_new_empty(byref(results))
    return lib.wasm_functype_new(byref(params), byref(results))


def _function_peer(store: Store, imports: dict, blobs: list, store_peer):
    """The peer for functions that the host cannot carry."""
    module = store.compile(blobs[imports["funcs"]])
    externs = []
    for _place, name in imports["funcs_from"]:
        if name == "trap":
            externs.append(_plain(store, lambda *_: (None, HOST_TRAP)))
        elif name == "tokens":
            externs.append(_token_table(store))
        else:
            externs.append(store.export(store_peer, name))
    peer = store.instantiate(module, externs)
    store.peer = peer
    return peer


def ready(store: Store, header: dict, blobs: list) -> None:
    """Instantiate what does the host functions' acts, behind the module under test (``oracles/remote/ready.py``)."""
    if "ready" not in header:
        return
    try:
        module = store.compile(blobs[header["ready"]])
    except Failed as failed:
        raise Failed(["unsupported", f"what changes it: {failed.args[0][-1]}"]) from None
    externs = []
    for place, name in header["ready_from"]:
        if place == "h":
            externs.append(_plain(store, lambda caller, _raw: _collect(store, caller)))
        else:
            externs.append(store.export(store.instance if place == "subject" else store.peer, name))
    store.ready = store.instantiate(module, externs)


def _collect(store: Store, caller):
    """Collect garbage, references of the frames that wait for the host included."""
    store.collections += 1
    if store.collections <= COLLECTIONS and api.has(store.lib, "wasmtime_context_gc"):
        error = store.lib.wasmtime_context_gc(store.lib.wasmtime_caller_context(caller))
        if error:
            api.take_error(store.lib, error)
    return b"", None


def _token_table(store: Store):
    lib = store.lib
    limits = lib.wasm_limits_t(16, 0xFFFFFFFF)
    table_type = lib.wasm_tabletype_new(lib.wasm_valtype_new(EXTERNREF), byref(limits))
    table, null = lib.wasmtime_table_t(), store.value("null", "e")
    error = lib.wasmtime_table_new(store.context, table_type, byref(null), byref(table))
    lib.wasm_tabletype_delete(table_type)
    if error:
        raise Failed(["unsupported", api.take_error(lib, error)])
    for token in range(16):
        value = store.value(f"extern:{token}", "e")
        lib.wasmtime_table_set(store.context, byref(table), token, byref(value))
    return store.as_extern(table, TABLE)


def _extern_global(store: Store, type_, token: int):
    made = store.lib.wasmtime_global_t()
    value = store.value(f"extern:{token}", "e")
    global_type = store.lib.wasm_externtype_as_globaltype(type_)
    if error := store.lib.wasmtime_global_new(store.context, global_type, byref(value), byref(made)):
        raise Failed(["unsupported", api.take_error(store.lib, error)])
    return store.as_extern(made, GLOBAL)


COLLECT = (-1, "", "", "", "", "")
"""What ``_callback`` takes for a function that collects garbage without a log entry."""


def _plain(store: Store, work):
    """A function of no parameters and no results, without a log entry."""
    type_ = _plain_type(store.lib)
    made = _made(store, type_, work, None)
    store.lib.wasm_functype_delete(type_)
    return made


def _callback(store: Store, type_, about: tuple):
    """A host function of a module's own import type."""
    return _made(store, store.lib.wasm_externtype_as_functype(type_), _Host(store, about).call, about)


def _made(store: Store, func_type, work, about):
    func = store.lib.wasmtime_func_t()
    unchecked = api.has(store.lib, "wasmtime_func_new_unchecked")
    made = _raw_callback(store.lib, work, about) if unchecked else _checked_callback(store.lib, work, about)
    store.callbacks.append(made)
    new = store.lib.wasmtime_func_new_unchecked if unchecked else store.lib.wasmtime_func_new
    new(store.context, func_type, made, None, api.NO_FINALIZER, byref(func))
    return store.as_extern(func, FUNC)


def _raw_callback(lib: ModuleType, work, about):
    params = about[4] if about else ""

    def entered(_env, caller, slots, *_count) -> int:
        at = ctypes.addressof(slots.contents) if slots else 0
        try:
            data, failure = work(caller, ctypes.string_at(at, len(params) * SLOT) if params else b"")
        except Exception as error:  # nothing may pass through the foreign frames below
            data, failure = None, f"host function failed: {error!r}"
        if data is None:
            return _trap(lib, failure)
        if data:
            ctypes.memmove(at, data, len(data))
        return 0

    return lib.wasmtime_func_unchecked_callback_t(entered)


def _checked_callback(lib: ModuleType, work, about):
    params, results = (about[4], about[5]) if about else ("", "")
    val = lib.wasmtime_val_t

    def entered(_env, caller, args, _nargs, out, _nout) -> int:
        offset = val.of.offset
        slots = b"".join(
            clean(ctypes.string_at(ctypes.addressof(args[i]) + offset, SLOT), kind) for i, kind in enumerate(params)
        )
        try:
            data, failure = work(caller, slots)
        except Exception as error:  # nothing may pass through the foreign frames below
            data, failure = None, f"host function failed: {error!r}"
        if data is None:
            return _trap(lib, failure)
        for i, kind in enumerate(results):
            out[i].kind = VALKIND.get(kind, 6 if kind in "eE" else 5)
            ctypes.memmove(ctypes.addressof(out[i]) + offset, data[i * SLOT : i * SLOT + SLOT], SLOT)
        return 0

    return lib.wasmtime_func_callback_t(entered)


def _trap(lib: ModuleType, failure) -> int:
    """A new trap with a message, or the address of one on its way through."""
    if isinstance(failure, int):
        return failure
    message = failure.encode("utf-8", "replace")
    trap = lib.wasmtime_trap_new(create_string_buffer(message), len(message))
    return ctypes.cast(trap, ctypes.c_void_p).value


class _Host:
    """One imported function."""

    def __init__(self, store: Store, about: tuple) -> None:
        self.store = store
        self.index, self.module, self.name, self.behaviour, self.params, self.results = about

    def call(self, caller, raw: bytes):
        """(result slots, None) or (None, trap message or trap address)."""
        store = self.store
        slots = clean(raw, self.params)
        refs = store.identities(raw, self.params)
        if len(store.log) < LOG_LIMIT:
            store.log.append((store.peer_calls(), self.index, slots, refs))
        failure = self._act(caller, slots, refs)
        if failure is not None or self.behaviour == "trap":
            return None, failure or HOST_TRAP
        if self.behaviour == "reenter":
            return self._call(caller, store.instance, self.name, raw)
        if self.behaviour == "callback":
            return self._call(caller, store.ready, f"b{self.index}", raw)
        return self._mix(slots, refs)

    def _act(self, caller, slots: bytes, refs: list[str]):
        """What it does besides (``wasm.hostmix.Act``); None, or the address of a trap."""
        store = self.store
        if self.index in store.collecting:
            _collect(store, caller)
        item = store.export(store.ready, f"i{self.index}") if store.ready is not None else None
        if item is None:
            return None
        state = self._state(slots, refs).to_bytes(SLOT, "little")
        return store.call_raw(store.lib.wasmtime_caller_context(caller), item.of.func, state, 1, 0)[1]

    def _state(self, slots: bytes, refs: list[str]) -> int:
        if refs:
            counted, left = bytearray(slots), iter(refs)
            for i, kind in enumerate(self.params):
                if kind not in VALKIND and next(left) != "null":
                    counted[i * SLOT] = 1
            slots = bytes(counted)
        return mix_state(self.module, self.name, slots)

    def _mix(self, slots: bytes, refs: list[str]):
        state = self._state(slots, refs)
        out = []
        for i, kind in enumerate(self.results):
            low = mix_word(state, i, 0)
            if kind in NUMBER_BITS:
                bits = low | (mix_word(state, i, 1) << 64 if kind == "v" else 0)
                bits &= (1 << NUMBER_BITS[kind]) - 1
            else:
                bits = self._reference(kind, low)
            out.append(bits.to_bytes(SLOT, "little"))
        return b"".join(out), None

    def _reference(self, kind: str, low: int) -> int:
        ref = {"e": f"extern:{low % 16}", "a": f"i31:{low & 0x7FFFFFFF}"}.get(kind.lower(), "null")
        try:
            return self.store.refs.to_raw(ref, kind)
        except Refused:
            return 0

    def _call(self, caller, instance, name: str, raw: bytes):
        """Call an export with the arguments, once there is an instance that has it."""
        store = self.store
        item = store.export(instance, name) if instance is not None else None
        if item is None:
            return None, HOST_TRAP
        return store.call_raw(
            store.lib.wasmtime_caller_context(caller), item.of.func, raw, len(self.params), len(self.results)
        )


def merged_log(store: Store, sources: list) -> list[tuple[int, bytes, list[str]]]:
    """The calls of host functions and of the function peer in the order in which they were made."""
    if store.peer is None:
        return [entry[1:] for entry in store.log]
    base = store.memory_base(store.peer, "log")
    merged, own, pos, seen = [], list(store.log), 0, 0
    count = min(store.peer_calls(), LOG_LIMIT)
    while seen < count or own:
        if own and own[0][0] <= seen:
            merged.append(own.pop(0)[1:])
            continue
        index, size = (int.from_bytes(ctypes.string_at(base + pos + k, 4), "little") for k in (0, 4))
        slots = ctypes.string_at(base + pos + SLOT, size * SLOT)
        _module, _name, _sort, _how, _same, _behaviour, params, _results, _token = sources[index]
        refs = ["nonnull" if slots[i * SLOT] else "null" for i, kind in enumerate(params) if kind not in VALKIND]
        merged.append((index, clean(slots, params), refs))
        pos += SLOT + size * SLOT
        seen += 1
    return merged[:LOG_LIMIT]
