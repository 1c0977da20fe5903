"""Wasmtime's C API of any release from 0.30 on, through that release's own ctypes bindings: settings and values.

Part of the Wasmtime worker (``wasmtime_worker.py``); imports nothing but the standard library and those bindings.
Values are only read from raw bytes. What a release cannot do is found by asking its bindings. An engine that a setting
would abort is created in a forked child first.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import sys
from ctypes import byref, c_void_p, create_string_buffer
from functools import lru_cache
from typing import Any

SLOT = 16
MASK = (1 << 64) - 1
NUMBERS = {"i": 4, "l": 8, "f": 4, "d": 8, "v": 16}
FEATURES = (
    "multi_value", "bulk_memory", "reference_types", "simd", "relaxed_simd", "tail_call", "multi_memory", "memory64",
    "threads", "wide_arithmetic", "custom_page_sizes", "function_references", "gc", "exceptions",
)  # fmt: skip
UNUSED = (
    "component_model_more_async_builtins", "component_model_async_stackful", "component_model_async",
    "component_model_map", "component_model_implements", "component_model_canonical_names",
    "component_model_accessors", "component_model",
)  # fmt: skip
NEEDS = {
    "relaxed_simd": ("simd",),
    "reference_types": ("bulk_memory",),
    "function_references": ("reference_types", "bulk_memory"),
    "gc": ("function_references", "reference_types", "bulk_memory"),
    "exceptions": ("gc", "function_references", "reference_types", "bulk_memory"),
}


class Refused(Exception):
    """This release cannot take a setting; one line."""


class _Missing:
    """Stands in for a function that a development library does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_args: object) -> object:
        raise Refused(f"this library has no {self.name}")


class _Lenient(ctypes.CDLL):
    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:
            missing = _Missing(name)
            setattr(self, name, missing)
            return missing


def load(package: str, library: str) -> None:
    """Load the release's ctypes bindings as ``B``; with ``library``, bound to that file in place of its own."""
    global B
    sys.path.insert(0, package)
    if library:
        ctypes.cdll.LoadLibrary = lambda _path: _Lenient(library)
    import wasmtime._bindings as bindings

    B = bindings


B = None
NO_FINALIZER = ctypes.CFUNCTYPE(None, c_void_p)(0)


def has(name: str) -> bool:
    return hasattr(B, name) and not isinstance(getattr(B, "_" + name, None), _Missing)


def arity(name: str) -> int:
    return len(getattr(B, "_" + name).argtypes) if has(name) else 0


def text_of(fill, pointer) -> str:
    """A message that the library writes into a byte vector."""
    vec = B.wasm_byte_vec_t()
    fill(pointer, byref(vec))
    data = ctypes.string_at(vec.data, vec.size) if vec.size else b""
    B.wasm_byte_vec_delete(byref(vec))
    return data.rstrip(b"\0").decode("utf-8", "replace")


def take_error(error) -> str:
    """The message of an error, which is freed."""
    message = text_of(B.wasmtime_error_message, error)
    B.wasmtime_error_delete(error)
    return message


# The engine and its settings


def _set(config, name: str, value: int, required: str = "") -> None:
    setter = f"wasmtime_config_{name}_set"
    if has(setter):
        getattr(B, setter)(config, value)
    elif required:
        raise Refused(f"this release cannot take {required}: its C API has no {setter}")


def _flag(config, name: str, value: str, asked: str) -> None:
    if not has("wasmtime_config_cranelift_flag_set"):
        raise Refused(f"this release cannot take {asked}: its C API has no wasmtime_config_cranelift_flag_set")
    B.wasmtime_config_cranelift_flag_set(
        config, create_string_buffer(name.encode()), create_string_buffer(value.encode())
    )


def make_engine(settings: dict[str, str], features: frozenset[str]):
    """A new engine. Raises ``Refused``; an unknown flag or a wrong combination ABORTS, so try it in a child."""
    config = B.wasm_config_new()
    if "winch" in settings:
        _set(config, "strategy", 2, "winch")
    if "opt" in settings:
        _set(config, "cranelift_opt_level", {"none": 0, "speed": 1, "speed_and_size": 2}[settings["opt"]], "opt")
    if "regalloc" in settings:
        algorithm = settings["regalloc"]
        if has("wasmtime_config_cranelift_regalloc_algorithm_set"):
            _set(config, "cranelift_regalloc_algorithm", {"backtracking": 0, "single_pass": 1}[algorithm])
        elif algorithm != "backtracking":
            _flag(config, "regalloc_algorithm", algorithm, f"regalloc={algorithm}")
    if "checker" in settings:
        _flag(config, "regalloc_checker", "true", "checker")
    for key, value in settings.items():
        if key.startswith("flag."):
            _flag(config, key[5:], "true" if value == "on" else value, f"{key}={value}")
    if "pulley" in settings:
        if not has("wasmtime_config_target_set"):
            raise Refused("this release cannot take pulley: its C API has no wasmtime_config_target_set")
        if error := B.wasmtime_config_target_set(config, create_string_buffer(b"pulley64")):
            raise Refused(f"this release cannot take pulley: {take_error(error)}")
    _set(config, "parallel_compilation", 0)
    # Untouched pages of a memory must be known to be zero when a large memory is read back (see ``blocks``).
    _set(config, "memory_init_cow", 0)
    for feature in (*UNUSED, "stack_switching"):
        _set(config, f"wasm_{feature}", 0)
    _set(config, "shared_memory", "threads" in features)
    for feature in FEATURES:
        _set(config, f"wasm_{feature}", feature in features)
    engine = B.wasm_engine_new_with_config(config)
    if not engine:
        raise Refused("the library gave no engine for these settings")
    return engine


def compile_module(engine, data: bytes):
    """(module, "") or (None, message)."""
    module = ctypes.POINTER(B.wasmtime_module_t)()
    error = B.wasmtime_module_new(engine, (ctypes.c_uint8 * len(data)).from_buffer_copy(data), len(data), byref(module))
    return (None, take_error(error)) if error else (module, "")


def run_child(work) -> tuple[bytes, str | None]:
    """Run ``work(fd)`` in a forked child: (what it wrote to the descriptor, None or why it failed, in one line)."""
    read, write = os.pipe()
    noise = os.memfd_create("noise")
    pid = os.fork()
    if pid == 0:
        os.dup2(noise, 2)
        code = 1
        try:
            work(write)
            code = 0
        except BaseException as error:
            os.write(2, str(error).encode())
        finally:
            os._exit(code)
    os.close(write)
    data = b""
    while chunk := os.read(read, 65536):
        data += chunk
    os.close(read)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = os.pread(noise, 4000, 0).decode("utf-8", "replace").strip()
    os.close(noise)
    if status == 0:
        return data, None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("note:")]
    return data, " ".join(lines[-3:]) or f"the process died ({status})"


def fingerprint(settings: dict[str, str], features: frozenset[str], probe: bytes) -> tuple[bytes | None, str]:
    """The hash of what the settings compile the probe module to."""

    def work(write: int) -> None:
        module, message = compile_module(make_engine(settings, features), probe)
        if module is None:
            raise Refused(message)
        vec = B.wasm_byte_vec_t()
        if error := B.wasmtime_module_serialize(module, byref(vec)):
            raise Refused(take_error(error))
        os.write(write, hashlib.sha256(ctypes.string_at(vec.data, vec.size)).digest())

    data, why = run_child(work)
    return (data, "") if why is None else (None, why)


def compiling(
    settings: dict[str, str], features: frozenset[str], probes: list[tuple[str, bytes]]
) -> tuple[list[str], set[str]]:
    """The names of the probe modules that compile, and of those that end the process: a child tries them."""
    found: list[str] = []
    deadly: set[str] = set()
    left = list(probes)
    while left:

        def work(write: int, left: list[tuple[str, bytes]] = left) -> None:
            engine = make_engine(settings, features)
            for _, data in left:
                module, _why = compile_module(engine, data)
                os.write(write, b"n" if module is None else b"y")

        status, _ = run_child(work)
        answers = status.decode()
        found += [name for (name, _), answer in zip(left, answers, strict=False) if answer == "y"]
        deadly.update(name for name, _ in left[len(answers) : len(answers) + 1])
        left = left[len(answers) + 1 :]
    return found, deadly


def settable_features() -> frozenset[str]:
    """The features that this release has a setter for."""
    return frozenset(f for f in FEATURES if has(f"wasmtime_config_wasm_{f}_set"))


def accepted_features(settings: dict[str, str], probe: bytes) -> tuple[frozenset[str], bytes]:
    """All features that can be on at once, and the fingerprint with them. Raises ``Refused``."""
    everything = settable_features()
    print_, _ = fingerprint(settings, everything, probe)
    if print_ is not None:
        return everything, print_
    found: frozenset[str] = frozenset()
    print_, why = fingerprint(settings, found, probe)
    if print_ is None:
        raise Refused(why if why.startswith("this release") else f"this release cannot take these settings: {why}")
    for feature in FEATURES:
        if feature in everything and found.issuperset(NEEDS.get(feature, ())):
            more, _ = fingerprint(settings, found | {feature}, probe)
            if more is not None:
                found, print_ = found | {feature}, more
    return found, print_


def guard(settings: dict[str, str], features: frozenset[str], print_: bytes, probe: bytes) -> None:
    """Refuse a setting that changes nothing: old releases take some requests and ignore them."""
    defaults = {("opt", "speed"), ("regalloc", "backtracking")}
    for key, value in settings.items():
        if (key, value) in defaults:
            continue
        without = {k: v for k, v in settings.items() if k != key}
        other, _ = fingerprint(without, features, probe)
        if other == print_:
            asked = key if value == "on" else f"{key}={value}"
            raise Refused(f"{asked} has no effect in this release: it compiles to the same code without it")


# Values


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
        self.store = store
        self.tokens: dict[int, object] = {}

    def token(self, number: int):
        """The externref of a host token: a pointer to what this release's functions take."""
        if number not in self.tokens:
            context = self.store.context
            if arity("wasmtime_externref_new") == 2:
                made = B.wasmtime_externref_new(number + 1, NO_FINALIZER)
            elif arity("wasmtime_externref_new") == 3:
                made = B.wasmtime_externref_new(context, number + 1, NO_FINALIZER)
            else:
                struct_ = B.wasmtime_externref_t()
                if not B.wasmtime_externref_new(context, number + 1, NO_FINALIZER, byref(struct_)):
                    raise MemoryError("no room for an externref")
                made = ctypes.pointer(struct_)
            self.tokens[number] = made
        return self.tokens[number]

    def to_raw(self, ref: str, kind: str) -> int:
        """The raw slot of an argument. Raises ``Refused``."""
        if ref == "null":
            return 0
        lower = kind.lower()
        if lower == "e" and ref.startswith("extern:") and has("wasmtime_externref_to_raw"):
            return B.wasmtime_externref_to_raw(self.store.context, self.token(int(ref[7:]))) or 0
        if lower == "a" and ref.startswith("i31:") and has("wasmtime_anyref_from_i31"):
            any_ = B.wasmtime_anyref_t()
            B.wasmtime_anyref_from_i31(self.store.context, int(ref[4:]), byref(any_))
            return B.wasmtime_anyref_to_raw(self.store.context, byref(any_))
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
        if lower in "ag" and arity("wasmtime_anyref_from_raw") == 3:
            any_ = B.wasmtime_anyref_t()
            value = ctypes.c_uint32()
            B.wasmtime_anyref_from_raw(self.store.context, raw & 0xFFFFFFFF, byref(any_))
            if B.wasmtime_anyref_i31_get_u(self.store.context, byref(any_), byref(value)):
                return f"i31:{value.value & 0x7FFFFFFF}"
        return "exn" if lower == "x" else "nonnull"

    def _extern(self, raw: int) -> str:
        context = self.store.context
        if arity("wasmtime_externref_from_raw") == 3:
            struct_ = B.wasmtime_externref_t()
            B.wasmtime_externref_from_raw(context, raw & 0xFFFFFFFF, byref(struct_))
            ref = byref(struct_)
        else:
            ref = B.wasmtime_externref_from_raw(context, raw)
        data = B.wasmtime_externref_data(ref) if arity("wasmtime_externref_data") == 1 else None
        if arity("wasmtime_externref_data") == 2:
            data = B.wasmtime_externref_data(context, ref)
        number = ctypes.cast(data, c_void_p).value if data else None
        return "nonnull" if number is None else f"extern:{number - 1}"
