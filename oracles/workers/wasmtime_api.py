"""Wasmtime's C API of any release from 0.30 on, through that release's own ctypes bindings: settings and compiling.

Part of the Wasmtime worker (``wasmtime_worker.py``); imports nothing but the standard library and those bindings. What
a release cannot do is found by asking its bindings. An engine that a setting would abort is created in a forked child
first.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from contextlib import contextmanager, nullcontext
from ctypes import byref, c_void_p, create_string_buffer
from types import ModuleType

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


SETTERS = {
    "nan": ("cranelift_nan_canonicalization", 1),
    "fuel": ("consume_fuel", 1),
    "epochs": ("epoch_interruption", 1),
    "signals": ("signals_based_traps", 0),
    "reservation": ("memory_reservation", None),
    "guard": ("memory_guard_size", None),
    "growth": ("memory_reservation_for_growth", None),
    "stack": ("max_wasm_stack", None),
    "moves": ("memory_may_move", 0),
    "unwind": ("native_unwind_info", 0),
    "debug": ("debug_info", 1),
}
"""By setting: the setter, and what it is set to; None for the number that the setting has."""


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


@contextmanager
def _loading(library: str):
    """While this lasts, ``ctypes.cdll.LoadLibrary`` loads that file whatever it is asked for.

    The bindings load their package's own library where they are imported, and take no other.
    """
    usual = ctypes.cdll.LoadLibrary
    ctypes.cdll.LoadLibrary = lambda _path: _Lenient(library)
    try:
        yield
    finally:
        ctypes.cdll.LoadLibrary = usual


def load(package: str, library: str) -> ModuleType:
    """The release's ctypes bindings; with ``library``, bound to that file in place of the release's own.

    What this gives is called ``lib`` wherever it is handed on.
    """
    sys.path.insert(0, package)
    with _loading(library) if library else nullcontext():
        import wasmtime._bindings as bindings

    return bindings


NO_FINALIZER = ctypes.CFUNCTYPE(None, c_void_p)(0)


def has(lib: ModuleType, name: str) -> bool:
    return hasattr(lib, name) and not isinstance(getattr(lib, "_" + name, None), _Missing)


def arity(lib: ModuleType, name: str) -> int:
    return len(getattr(lib, "_" + name).argtypes) if has(lib, name) else 0


def text_of(lib: ModuleType, fill, pointer) -> str:
    """A message that the library writes into a byte vector."""
    vec = lib.wasm_byte_vec_t()
    fill(pointer, byref(vec))
    data = ctypes.string_at(vec.data, vec.size) if vec.size else b""
    lib.wasm_byte_vec_delete(byref(vec))
    return data.rstrip(b"\0").decode("utf-8", "replace")


def take_error(lib: ModuleType, error) -> str:
    """The message of an error, which is freed."""
    message = text_of(lib, lib.wasmtime_error_message, error)
    lib.wasmtime_error_delete(error)
    return message


# The engine and its settings


def _set(lib: ModuleType, config, name: str, value: int, required: str = "") -> None:
    setter = f"wasmtime_config_{name}_set"
    if has(lib, setter):
        getattr(lib, setter)(config, value)
    elif required:
        raise Refused(f"this release cannot take {required}: its C API has no {setter}")


def _flag(lib: ModuleType, config, name: str, value: str, asked: str) -> None:
    if not has(lib, "wasmtime_config_cranelift_flag_set"):
        raise Refused(f"this release cannot take {asked}: its C API has no wasmtime_config_cranelift_flag_set")
    lib.wasmtime_config_cranelift_flag_set(
        config, create_string_buffer(name.encode()), create_string_buffer(value.encode())
    )


COLLECTORS = ("drc", "null", "copying")


def _collector(lib: ModuleType, config, name: str) -> None:
    """Choose the garbage collector, by what builds of ours add to the C API (``oracles/builds/manifest.py``)."""
    try:
        setter = lib.dll.fuzz_config_collector_set
    except AttributeError:
        setter = None
    if setter is None or isinstance(setter, _Missing):
        text = "the C API of this release has no setter for it, which a build adds"
        raise Refused(f"collector={name} is of a build: {text}")
    setter.argtypes, setter.restype = [c_void_p, ctypes.c_uint64], ctypes.c_bool
    if not setter(ctypes.cast(config, c_void_p), COLLECTORS.index(name)):
        raise Refused(f"this build has no collector {name}")


def make_engine(lib: ModuleType, settings: dict[str, str], features: frozenset[str]):
    """A new engine. Raises ``Refused``; an unknown flag or a wrong combination ABORTS, so try it in a child."""
    config = lib.wasm_config_new()
    if "winch" in settings:
        _set(lib, config, "strategy", 2, "winch")
    if "opt" in settings:
        _set(lib, config, "cranelift_opt_level", {"none": 0, "speed": 1, "speed_and_size": 2}[settings["opt"]], "opt")
    if "regalloc" in settings:
        algorithm = settings["regalloc"]
        if has(lib, "wasmtime_config_cranelift_regalloc_algorithm_set"):
            _set(lib, config, "cranelift_regalloc_algorithm", {"backtracking": 0, "single_pass": 1}[algorithm])
        elif algorithm != "backtracking":
            _flag(lib, config, "regalloc_algorithm", algorithm, f"regalloc={algorithm}")
    if "checker" in settings:
        _flag(lib, config, "regalloc_checker", "true", "checker")
    for key, value in settings.items():
        if key.startswith("flag."):
            _flag(lib, config, key[5:], "true" if value == "on" else value, f"{key}={value}")
    for key, (setter, value) in SETTERS.items():
        if key in settings:
            number = int(settings[key]) if value is None else value
            if key == "stack" and has(lib, "wasmtime_config_async_stack_size_set"):
                # No call here is asynchronous, but a stack that is larger than theirs (2 MiB) is refused.
                _set(lib, config, "async_stack_size", number + (1 << 20))
            _set(lib, config, setter, number, key if value else f"{key}={settings[key]}")
    if "collector" in settings:
        _collector(lib, config, settings["collector"])
    for flag in filter(None, settings.get("cpu", "").split(",")):
        _flag(lib, config, f"has_{flag}", "false", "cpu")
    if "pulley" in settings:
        if not has(lib, "wasmtime_config_target_set"):
            raise Refused("this release cannot take pulley: its C API has no wasmtime_config_target_set")
        if error := lib.wasmtime_config_target_set(config, create_string_buffer(b"pulley64")):
            raise Refused(f"this release cannot take pulley: {take_error(lib, error)}")
    _set(lib, config, "parallel_compilation", 0)
    # Untouched pages of a memory must be known to be zero when a large memory is read back (see ``blocks``).
    _set(lib, config, "memory_init_cow", "cow" in settings, "cow" if "cow" in settings else "")
    for feature in (*UNUSED, "stack_switching"):
        _set(lib, config, f"wasm_{feature}", 0)
    _set(lib, config, "shared_memory", "threads" in features)
    for feature in FEATURES:
        _set(lib, config, f"wasm_{feature}", feature in features)
    engine = lib.wasm_engine_new_with_config(config)
    if not engine:
        raise Refused("the library gave no engine for these settings")
    return engine


ENOUGH = 1 << 62
"""Fuel, and ticks until the deadline, that no case uses up."""


def new_store(lib: ModuleType, engine, settings: dict[str, str]):
    """A store and its context, with all the fuel and time that the settings ask to be counted."""
    store = lib.wasmtime_store_new(engine, None, NO_FINALIZER)
    context = lib.wasmtime_store_context(store)
    if "fuel" in settings:
        fill = "wasmtime_context_set_fuel" if has(lib, "wasmtime_context_set_fuel") else "wasmtime_context_add_fuel"
        if error := getattr(lib, fill)(context, ENOUGH):
            take_error(lib, error)
    if "epochs" in settings:
        lib.wasmtime_context_set_epoch_deadline(context, ENOUGH)
    return store, context


def compile_module(lib: ModuleType, engine, data: bytes):
    """(module, "") or (None, message)."""
    module = ctypes.POINTER(lib.wasmtime_module_t)()
    error = lib.wasmtime_module_new(
        engine, (ctypes.c_uint8 * len(data)).from_buffer_copy(data), len(data), byref(module)
    )
    return (None, take_error(lib, error)) if error else (module, "")


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


def fingerprint(
    lib: ModuleType, settings: dict[str, str], features: frozenset[str], probe: bytes
) -> tuple[bytes | None, str]:
    """The hash of what the settings compile the probe module to."""

    def work(write: int) -> None:
        module, message = compile_module(lib, make_engine(lib, settings, features), probe)
        if module is None:
            raise Refused(message)
        vec = lib.wasm_byte_vec_t()
        if error := lib.wasmtime_module_serialize(module, byref(vec)):
            raise Refused(take_error(lib, error))
        os.write(write, hashlib.sha256(ctypes.string_at(vec.data, vec.size)).digest())

    data, why = run_child(work)
    return (data, "") if why is None else (None, why)


def compiling(
    lib: ModuleType, settings: dict[str, str], features: frozenset[str], probes: list[tuple[str, bytes]]
) -> tuple[list[str], set[str]]:
    """The names of the probe modules that compile, and of those that end the process: a child tries them."""
    compiled: list[str] = []
    deadly: set[str] = set()
    left = list(probes)
    while left:

        def work(write: int, left: list[tuple[str, bytes]] = left) -> None:
            engine = make_engine(lib, settings, features)
            for _, data in left:
                module, _why = compile_module(lib, engine, data)
                os.write(write, b"n" if module is None else b"y")

        status, _ = run_child(work)
        answers = status.decode()
        compiled += [name for (name, _), answer in zip(left, answers, strict=False) if answer == "y"]
        deadly.update(name for name, _ in left[len(answers) : len(answers) + 1])
        left = left[len(answers) + 1 :]
    return compiled, deadly


def settable_features(lib: ModuleType) -> frozenset[str]:
    """The features that this release has a setter for."""
    return frozenset(f for f in FEATURES if has(lib, f"wasmtime_config_wasm_{f}_set"))


def accepted_features(lib: ModuleType, settings: dict[str, str], probe: bytes) -> tuple[frozenset[str], bytes]:
    """All features that can be on at once, and the fingerprint with them. Raises ``Refused``."""
    everything = settable_features(lib)
    print_, _ = fingerprint(lib, settings, everything, probe)
    if print_ is not None:
        return everything, print_
    accepted: frozenset[str] = frozenset()
    print_, why = fingerprint(lib, settings, accepted, probe)
    if print_ is None:
        told = why.startswith(("this release", "this build", "collector"))
        raise Refused(why if told else f"this release cannot take these settings: {why}")
    for feature in FEATURES:
        if feature in everything and accepted.issuperset(NEEDS.get(feature, ())):
            more, _ = fingerprint(lib, settings, accepted | {feature}, probe)
            if more is not None:
                accepted, print_ = accepted | {feature}, more
    return accepted, print_


def depth(lib: ModuleType, settings: dict[str, str], features: frozenset[str], deep: bytes) -> bytes:
    """How many calls of ``f`` in the module ``deep`` fit on the stack, by its global ``n``; empty if it cannot run."""

    def work(write: int) -> None:
        engine = make_engine(lib, settings, features)
        module, message = compile_module(lib, engine, deep)
        if module is None:
            raise Refused(message)
        _store, context = new_store(lib, engine, settings)
        instance, trap = lib.wasmtime_instance_t(), ctypes.POINTER(lib.wasm_trap_t)()
        lib.wasmtime_instance_new(context, module, None, 0, byref(instance), byref(trap))
        f, n = (_exported(lib, context, instance, name) for name in (b"f", b"n"))
        lib.wasmtime_func_call(context, byref(f.of.func), None, 0, None, 0, byref(trap))
        value = lib.wasmtime_val_t()
        lib.wasmtime_global_get(context, byref(n.of.global_), byref(value))
        os.write(write, str(value.of.i32).encode())

    return run_child(work)[0]


def _exported(lib: ModuleType, context, instance, name: bytes):
    item = lib.wasmtime_extern_t()
    lib.wasmtime_instance_export_get(context, byref(instance), create_string_buffer(name), len(name), byref(item))
    return item


def guard(
    lib: ModuleType, settings: dict[str, str], features: frozenset[str], print_: bytes, probe: bytes, deep: bytes
) -> None:
    """Refuse a setting that changes nothing: old releases take some requests and ignore them."""
    defaults = {("opt", "speed"), ("regalloc", "backtracking")}
    for key, value in settings.items():
        if (key, value) in defaults:
            continue
        without = {k: v for k, v in settings.items() if k != key}
        if key == "stack":  # which is not for compiled code to know
            if depth(lib, settings, features, deep) != depth(lib, without, features, deep):
                continue
            other = print_
        else:
            other, _ = fingerprint(lib, without, features, probe)
        if other == print_:
            asked = "this cpu" if key == "cpu" else key if value == "on" else f"{key}={value}"
            raise Refused(f"{asked} has no effect in this release: it compiles to the same code without it")
