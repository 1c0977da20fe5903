"""The files of a build as text: a small package around Wasmtime's C API crate, which makes a shared library of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from oracles.builds.options import Build
from oracles.engine import EngineUnavailable, UsageError
from wasm.errors import nearest

C_API: Final = "wasmtime-c-api-impl"
PACKAGE: Final = "wasmtime-build"
LIBRARY: Final = "libwasmtime.so"
LIB: Final = "pub use wasmtime_c_api::*;\n"
"""What the crate exports to C is exported by whoever links it whole."""
_COLLECTORS: Final = {"gc-drc": "DeferredReferenceCounting", "gc-null": "Null", "gc-copying": "Copying"}
"""By feature, in the order of the settings' numbers (``oracles/workers/wasmtime_api.py``)."""
_SETTERS: Final = """
// What Wasmtime can be told and its C API does not pass on. The C API's configuration is Wasmtime's and nothing else.
const _: () = assert!(size_of::<wasm_config_t>() == size_of::<wasmtime::Config>());

/// Whether this build has that garbage collector.
#[no_mangle]
pub unsafe extern "C" fn fuzz_config_collector_set(config: *mut wasmtime::Config, number: u64) -> bool {
    match number {
COLLECTORS
        _ => return false,
    };
    true
}

/// Take every instruction for one that the machine has: an emulator does not say all that it can do.
#[no_mangle]
pub unsafe extern "C" fn fuzz_config_any_instruction_set(config: *mut wasmtime::Config) {
    (*config).detect_host_feature(|_| Some(true));
}
"""

FEATURES: Final = (
    "cranelift", "winch", "pulley", "gc", "gc-drc", "gc-null", "gc-copying", "threads", "parallel-compilation",
    "debug-builtins",
)  # fmt: skip
"""Those that the code of functions or its runtime depends on, as release wheels have them, of those that a release
has. ``parallel-compilation`` is one that the worker switches off; without it there is nothing to switch."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Features of the C API crate, and of Wasmtime's own that this does not pass on."""

    c_api: tuple[str, ...]
    wasmtime: tuple[str, ...]


def chosen_features(build: Build, c_api: Collection[str], wasmtime: Collection[str]) -> Chosen:
    """Which features to build with, of those that the two crates have. Raises ``UsageError`` for others."""
    known = sorted({*c_api, *wasmtime})
    for name in (*build.on, *build.off):
        if name not in known:
            raise UsageError(f"this release has no feature {name}{nearest(name, known)}: it has {', '.join(known)}")
    wanted = [name for name in (*FEATURES, *build.on) if name not in build.off]
    mine = dict.fromkeys(name for name in wanted if name in c_api)
    theirs = dict.fromkeys(name for name in wanted if name in wasmtime and name not in c_api)
    return Chosen(tuple(mine), tuple(theirs))


def source(features: Chosen) -> str:
    """The package's only source. Its garbage collectors can be chosen where Wasmtime says which one is meant, which it
    does from the release on that has a feature for each."""
    has = {*features.c_api, *features.wasmtime}
    arms = [f"        {number} => (*config).collector(wasmtime::Collector::{name}),"
            for number, (feature, name) in enumerate(_COLLECTORS.items()) if feature in has]  # fmt: skip
    return LIB + (_SETTERS.replace("COLLECTORS", "\n".join(arms)) if arms else "")


def seed_manifest(name: str, version: str) -> str:
    """A package of which nothing is built: by it cargo fetches a crate and says what is in it."""
    return "\n".join([*_package(), "", "[dependencies]", _dependency(name, version), "", "[workspace]", ""])


def manifest(
    release: str, build: Build, features: Chosen, pins: Iterable[tuple[str, str]] = (), patch: str = ""
) -> str:
    """``Cargo.toml``. ``pins`` are crates at a version; ``patch`` is the folder of the regalloc2 to be used.

    The profile is that of upstream's own releases: optimised, and a panic ends the process, as it does anyhow where
    Rust is called from C. Where it happened is in the message, so that nothing for debuggers is needed.
    """
    lines = [*_package(), "", "[lib]", 'name = "wasmtime"', 'crate-type = ["cdylib"]', "", "[dependencies]"]
    lines += [_dependency(C_API, release, features.c_api), _dependency("wasmtime", release, features.wasmtime)]
    lines += [_dependency(name, version) for name, version in pins]
    if patch:
        lines += ["", "[patch.crates-io]", f'regalloc2 = {{ path = "{patch}" }}']
    lines += ["", "[profile.release]", 'panic = "abort"', 'strip = "debuginfo"']
    if build.assertions:
        lines += ["debug-assertions = true", "overflow-checks = true"]
    return "\n".join([*lines, "", "[workspace]", ""])


def _package() -> list[str]:
    return ["[package]", f'name = "{PACKAGE}"', 'version = "0.0.0"', 'edition = "2021"', "publish = false"]


def _dependency(name: str, version: str, features: Iterable[str] = ()) -> str:
    words = ", ".join(f'"{feature}"' for feature in features)
    named = f", features = [{words}]" if words else ""
    return f'{name} = {{ version = "={version}", default-features = false{named} }}'


def reversioned(cargo_toml: str, version: str) -> str:
    """A registry crate's ``Cargo.toml`` with another version of its own: cargo takes no other than a dependent asks
    for, and who patches answers for it. Raises ``EngineUnavailable`` where no version is found."""
    head, sign, rest = cargo_toml.partition("[package]")
    text, count = re.subn(r'(?m)^version = "[^"\n]*"', f'version = "{version}"', rest, count=1)
    if not sign or not count:
        raise EngineUnavailable("the crate's Cargo.toml has no version in it that could be changed")
    return head + sign + text


def locked_version(lock: str, name: str) -> str:
    """The version of a crate in a ``Cargo.lock``; "" where it is not there, or there more than once."""
    found = [block for block in _blocks(lock) if f'\nname = "{name}"\n' in block]
    version = re.search(r'(?m)^version = "([^"]+)"', found[0]) if len(found) == 1 else None
    return version[1] if version else ""


def is_patched(lock: str, name: str) -> bool:
    """Whether a ``Cargo.lock`` has a crate from a folder and not from the registry."""
    found = [block for block in _blocks(lock) if f'\nname = "{name}"\n' in block]
    return bool(found) and not any("\nsource = " in block for block in found)


def _blocks(lock: str) -> list[str]:
    return lock.split("[[package]]")[1:]
