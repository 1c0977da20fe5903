"""Values in the Wasmtime worker: packed slots, the mix of host functions, references; read from raw bytes only."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_void_p
from functools import lru_cache
from typing import Any

from wasmtime_api import NO_FINALIZER, Refused, arity, has

SLOT = 16
MASK = (1 << 64) - 1
NUMBERS = {"i": 4, "l": 8, "f": 4, "d": 8, "v": 16}


@lru_cache(maxsize=256)
def slot_mask(kinds: str) -> int:
    """Which bytes of packed slots belong to the values, as a little-endian integer."""
    masks = {kind: b"\xff" * size + bytes(SLOT - size) for kind, size in NUMBERS.items()}
    return int.from_bytes(b"".join(masks.get(kind, bytes(SLOT)) for kind in kinds), "little")


def clean(raw: bytes, kinds: str) -> bytes:
    """Slots with everything above a value's width zeroed, and references zeroed."""
    size = len(kinds) * SLOT
    return (int.from_bytes(raw[:size], "little") & slot_mask(kinds)).to_bytes(size, "little")


@lru_cache(maxsize=1024)
def mix_seed(module: str, name: str) -> int:
    h = 0xCBF29CE484222325
    for byte in module.encode("utf-8", "surrogatepass") + b"\xff" + name.encode("utf-8", "surrogatepass"):
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def mix_state(module: str, name: str, slots: bytes) -> int:
    """``absorb`` of ``wasm/hostmix.py``."""
    h = mix_seed(module, name)
    for word in struct.unpack(f"<{len(slots) // 8}Q", slots):
        h ^= word
        h = ((h << 29 | h >> 35) & MASK) * 0x9FB21C651E98DF25 + 0xD6E8FEB86659FD93 & MASK
    return h


def mix_word(state: int, index: int, k: int) -> int:
    """Word ``k`` of result ``index`` of ``wasm/hostmix.py``."""
    z = state + (2 * index + k + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


class Refs:
    """References of one store between raw slots and identities."""

    def __init__(self, store: Any) -> None:
        self.store, self.lib = store, store.lib
        self.tokens: dict[int, object] = {}

    def token(self, number: int):
        """The externref of a host token: a pointer to what this release's functions take."""
        if number not in self.tokens:
            context = self.store.context
            if arity(self.lib, "wasmtime_externref_new") == 2:
                made = self.lib.wasmtime_externref_new(number + 1, NO_FINALIZER)
            elif arity(self.lib, "wasmtime_externref_new") == 3:
                made = self.lib.wasmtime_externref_new(context, number + 1, NO_FINALIZER)
            else:
                struct_ = self.lib.wasmtime_externref_t()
                if not self.lib.wasmtime_externref_new(context, number + 1, NO_FINALIZER, byref(struct_)):
                    raise MemoryError("no room for an externref")
                made = ctypes.pointer(struct_)
            self.tokens[number] = made
        return self.tokens[number]

    def to_raw(self, ref: str, kind: str) -> int:
        """The raw slot of an argument. Raises ``Refused``."""
        if ref == "null":
            return 0
        lower = kind.lower()
        if lower == "e" and ref.startswith("extern:") and has(self.lib, "wasmtime_externref_to_raw"):
            return self.lib.wasmtime_externref_to_raw(self.store.context, self.token(int(ref[7:]))) or 0
        if lower == "a" and ref.startswith("i31:") and has(self.lib, "wasmtime_anyref_from_i31"):
            any_ = self.lib.wasmtime_anyref_t()
            self.lib.wasmtime_anyref_from_i31(self.store.context, int(ref[4:]), byref(any_))
            return self.lib.wasmtime_anyref_to_raw(self.store.context, byref(any_))
        if lower == "c" and ref.startswith("func:"):
            for raw, name in self.store.function_names().items():
                if name == ref[5:]:
                    return raw
        raise Refused(f"no host value {ref}")

    def identity(self, raw: int, kind: str) -> str:
        """What a raw slot refers to, as in ``wasm.embedding.Value``."""
        lower = kind.lower()
        if raw == 0:
            return "null"
        if lower == "c":
            name = self.store.function_names().get(raw)
            return "func" if name is None else f"func:{name}"
        if lower == "e":
            return self._extern(raw)
        if lower in "ag" and arity(self.lib, "wasmtime_anyref_from_raw") == 3:
            any_ = self.lib.wasmtime_anyref_t()
            value = ctypes.c_uint32()
            self.lib.wasmtime_anyref_from_raw(self.store.context, raw & 0xFFFFFFFF, byref(any_))
            if self.lib.wasmtime_anyref_i31_get_u(self.store.context, byref(any_), byref(value)):
                return f"i31:{value.value & 0x7FFFFFFF}"
        return "exn" if lower == "x" else "nonnull"

    def _extern(self, raw: int) -> str:
        context = self.store.context
        if arity(self.lib, "wasmtime_externref_from_raw") == 3:
            struct_ = self.lib.wasmtime_externref_t()
            self.lib.wasmtime_externref_from_raw(context, raw & 0xFFFFFFFF, byref(struct_))
            ref = byref(struct_)
        else:
            ref = self.lib.wasmtime_externref_from_raw(context, raw)
        data = self.lib.wasmtime_externref_data(ref) if arity(self.lib, "wasmtime_externref_data") == 1 else None
        if arity(self.lib, "wasmtime_externref_data") == 2:
            data = self.lib.wasmtime_externref_data(context, ref)
        number = ctypes.cast(data, c_void_p).value if data else None
        return "nonnull" if number is None else f"extern:{number - 1}"
