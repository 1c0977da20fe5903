"""Wasmtime: the installed release, ``@VERSION`` from the package index, or ``@/path/to/libwasmtime.so``.

With ``build=assertions|regalloc2-VERSION|with-FEATURE|no-FEATURE``, several with commas, ``@VERSION`` is built by cargo
from the Rust package registry; ``wasmtime-10741`` is 33.0.0 with regalloc2 0.12.1, in which a call cannot have 254
results. ``target=aarch64|riscv64|s390x`` runs it on a machine of that kind, by qemu. Other settings:
``opt=none|speed|speed_and_size``, ``regalloc=backtracking|single_pass``, ``checker`` (regalloc2's symbolic checker
after every allocation), ``winch``, ``pulley``, ``collector=drc|null|copying`` (of a build), ``cpu=sse2|ssse3|avx|avx2``
or ``avx512`` (``any``: drawn by a campaign), ``nan=canonical``, ``fuel``, ``epochs``, ``signals=off``, ``moves=off``,
``cow``, ``unwind=off``, ``debug``, sizes in bytes or as 64K: ``reservation``, ``guard``, ``growth``, ``stack``; and
``flag.NAME=VALUE`` for any Cranelift flag. The worker proves that the release takes each of them. Release wheels are
built without debug assertions.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.builds import wasmtime as builds_of
from oracles.builds.options import Build
from oracles.cpu import cpu_flags
from oracles.emulation import TARGET, TARGETS, notes
from oracles.engine import BUILD, Engine, EngineId, EngineUnavailable, Limits
from oracles.engines import _wasmtime_foreign as foreign
from oracles.engines._wasmtime_settings import (
    ANY,
    DEFAULTS,
    OWN,
    VALUES,
    canonical,
    runnable,
    worker_settings,
)
from oracles.remote.elf import NotElf, functions
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.sources import CALLBACK_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch
from wasm.feature_use import features_of_bytes

SERIALIZE: Final = str(Path(__file__).parents[1] / "workers" / "wasmtime_serialize.py")
_SERIALIZE_SECONDS: Final = 60.0
_SYMBOL: Final = re.compile(r"wasm\[0\]::function\[(\d+)\]|_wasm_function_(\d+)\Z")
WORKER: Final = str(Path(__file__).parents[1] / "workers" / "wasmtime_worker.py")
CONTRACT: Final = (
    "wasmtime", "wasmtime:opt=none+checker", "wasmtime:regalloc=single_pass", "wasmtime:winch", "wasmtime:pulley",
    "wasmtime:cpu=ssse3+fuel+epochs+reservation=0+guard=0+growth=0+stack=1M+cow+unwind=off",
    "wasmtime:nan=canonical+signals=off+debug",
    *(f"wasmtime:target={one}+reservation=1M+guard=64K+growth=64K"
      for one in ("aarch64", "aarch64+winch", "riscv64", "s390x")),
)  # fmt: skip
ALIASES: Final = {"wasmtime-10741": "wasmtime@33.0.0:build=regalloc2-0.12.1"}
"""Upstream's issue 10741, which no release ever had: https://github.com/bytecodealliance/wasmtime/issues/10741."""
RELEASES: Final = provision.Registry("wasmtime", provision.wasmtime, package="wasmtime")

_CPU: Final = (
    "avx512bitalg", "avx512dq", "avx512f", "avx512vbmi", "avx512vl", "fma", "avx2", "avx", "bmi2", "bmi1", "lzcnt",
    "popcnt", "sse42", "sse41", "ssse3", "sse3",
)  # fmt: skip
"""Cranelift's flags of an x86-64 CPU, without ``has_``, later ones first."""
_CPU_GROUPS: Final = (
    ("avx512bitalg", "avx512dq", "avx512f", "avx512vbmi", "avx512vl"), ("avx", "avx2", "fma"),
    ("sse3", "ssse3", "sse41", "sse42"), ("bmi1", "bmi2", "lzcnt", "popcnt"),
)  # fmt: skip
_OTHER_CPUS: Final[dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]] = {
    "aarch64": (("lse", "fp16", "pauth"), ()), "riscv64": (("v",), ()), "s390x": (("mie2", "vxrs_ext2"), ()),
}  # fmt: skip
_PASSES: Final = (
    ("enable_alias_analysis", "false"), ("enable_heap_access_spectre_mitigation", "false"),
    ("enable_table_access_spectre_mitigation", "false"), ("enable_jump_tables", "false"),
    ("enable_nan_canonicalization", "true"), ("enable_pcc", "true"),
)  # fmt: skip
"""Other flags of Cranelift that change the code, each with what is not its default."""

NOISE: Final = re.compile(
    r"failed to (?:parse|compile|validate)(?: WebAssembly module|: wasm\[\d+\]::function\[\d+\].*)?$|Caused by$|"
    r"error while executing at wasm backtrace$|^\d+:\s+0x[0-9a-f]+ - .*$|"
    r"^\d+: (?:WebAssembly translation error|Compilation error)$|"
    r"^\d+: (?:Invalid input WebAssembly code at offset \d+: )?"
)
"""What it says of whatever is wrong; the cause stands behind ``Caused by:``."""


def check(id: EngineId) -> EngineId:
    """The canonical form: settings in a fixed order, without defaults; ``wasmtime`` alone is ``wasmtime:opt=speed``."""
    found = canonical(id)
    if id.get(TARGET):
        foreign.check(found)
    return found


def releases(id: EngineId) -> provision.Registry | None:
    """The releases that ``id`` can be run in; None where each would be a build."""
    return foreign.releases(id) if id.get(TARGET) else RELEASES


def draws(id: EngineId) -> tuple[EngineId, ...]:
    """For ``cpu=any`` each preset that this machine's CPU can run."""
    if id.get("cpu") != ANY:
        return (id,)
    settings = dict(id.settings)
    presets = runnable(frozenset(cpu_flags().split()))
    return tuple(check(id.with_settings({**settings, "cpu": preset})) for preset in presets)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """Other optimization levels, allocators and compilers, and every flag of the CPU and of passes one by one."""
    flags = tuple((key, "") for key, _ in id.settings if key.startswith("flag."))
    cranelift = (("opt", ""), ("regalloc", ""), ("checker", ""), *flags)
    exact = Switch("features=exact", "features=max", (("features", "exact"),))
    plain = [Switch(f"no {key}", f"{key}={value}", ((key, ""),), True) for key, value in id.settings if key in OWN]
    if id.get("winch"):
        levels = [Switch(f"opt={value}", "winch", (("winch", ""), ("opt", value))) for value in ("speed", "none")]
        return (*levels, *plain, exact)
    has = f"opt={id.get('opt', DEFAULTS['opt'])}"
    levels = [
        Switch(f"opt={value}", has, (("opt", value),), value == "none")
        for value in VALUES["opt"]
        if has != f"opt={value}"
    ]
    allocator = id.get("regalloc", DEFAULTS["regalloc"])
    other = next(value for value in VALUES["regalloc"] if value != allocator)
    found = [
        *levels,
        Switch(
            f"regalloc={other}", f"regalloc={allocator}", (("regalloc", other),), other == "single_pass", places=True
        ),
    ]
    found.append(Switch("winch", "Cranelift", (("winch", "on"), ("pulley", ""), *cranelift)))
    if id.get("pulley"):
        found.append(Switch("machine code", "pulley", (("pulley", ""),)))
    else:
        without_cpu = tuple((key, "") for key, _ in flags if key.startswith("flag.has_"))
        found.append(Switch("pulley", "machine code", (("pulley", "on"), *without_cpu)))
        own, groups = _OTHER_CPUS.get(id.get(TARGET), (_CPU, _CPU_GROUPS))
        found += [_flag(f"has_{name}", "false", True) for name in own if id.get(f"flag.has_{name}") != "false"]
        found += [_flags([f"has_{name}" for name in group]) for group in groups]
    found += [_flag(name, value) for name, value in _PASSES if id.get(f"flag.{name}") != value]
    return (*found, *plain, exact)


def _flag(name: str, value: str, plainer: bool = False) -> Switch:
    is_now = name if value == "false" else f"{name}=false"
    return Switch(f"{name}={value}", is_now, ((f"flag.{name}", value),), plainer)


def _flags(names: list[str]) -> Switch:
    changes = tuple((f"flag.{name}", "false") for name in names)
    return Switch(f"{'+'.join(names)} all false", f"one of {'+'.join(names)}", changes, True, True)


def risk(id: EngineId) -> str:
    """A build that is not here would be made: cargo runs what is in the crates, and that takes a while."""
    if id.get(TARGET):
        missing = foreign.is_built(id) and not builds_of.is_at_hand(_own(id), *foreign.build_of(id))
    else:
        missing = bool(asked := id.get(BUILD)) and not builds_of.is_at_hand(id.version, Build.parse(asked))
    if not missing:
        return ""
    return f"a build of Wasmtime by cargo, {builds_of.MINUTES}"


def prepare(id: EngineId, offline: bool) -> None:
    """Make a build that is missing. Raises ``EngineUnavailable``."""
    if id.get(TARGET):
        foreign.prepare(id, _own(id), offline)
    elif id.get(BUILD):
        _library(id, offline)


def builds() -> Iterator[str]:
    """The ids of the builds in the cache, and the folders of those that are not finished."""
    for release, build, target in builds_of.at_hand():
        settings = {BUILD: str(build), **({TARGET: target} if target else {})}
        yield str(check(EngineId("wasmtime", release).with_settings(settings)))
    for folder in builds_of.unfinished():
        yield f"not finished: {folder}"


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, installing the release if it is asked for and missing."""
    if id.get(TARGET):
        return foreign.open_foreign(id, _own(id), limits, offline, partial(_foreign_loaded, id))
    package, library = _package(id, offline), _library(id, offline)
    settings = worker_settings(id)
    config = f'{{"package": {json.dumps(package)}, "library": {json.dumps(library)}, "settings": {json.dumps(settings)}'
    argv = (sys.executable, "-I", "-S", WORKER, config + ', "fds": [{in}, {out}, {progress}], "nursery": {nursery}}')
    family = "winch" if "winch" in settings else "cranelift"

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return _loaded(id, package, library, hello)

    exact = id.get("features") == "exact"
    worker = Worker(
        Launch(argv, {"RUST_BACKTRACE": "0"}), Flavour(CALLBACK_KINDS, True, exact, links=True), family, loaded
    )
    return WorkerEngine(id, worker, limits)


def machine_code(id: EngineId, content: bytes, offline: bool) -> dict[int, bytes]:
    """The machine code of a module's functions, by their number among those that it defines. Raises
    ``EngineUnavailable`` where the release cannot give it."""
    if target := id.get(TARGET):
        raise EngineUnavailable(f"{id}: machine code of {target} is not looked at")
    config = {"package": _package(id, offline), "library": _library(id, offline), "settings": worker_settings(id),
              "features": sorted(features_of_bytes(content))}  # fmt: skip
    argv = (sys.executable, "-I", "-S", SERIALIZE, json.dumps(config))
    try:
        done = subprocess.run(argv, input=content, capture_output=True, check=False, timeout=_SERIALIZE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{id}: it compiles nothing to be looked at: {error}") from None
    if done.returncode:
        raise EngineUnavailable(f"{id}: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
    try:
        named = functions(done.stdout)
    except NotElf as error:
        raise EngineUnavailable(f"{id}: {error}") from None
    found = [(matched[1] or matched[2], code) for name, code in named.items() if (matched := _SYMBOL.match(name))]
    # Old releases count all functions and new ones those that are defined: the first of them is number 0.
    first = min((int(number) for number, _ in found), default=0)
    return {int(number) - first: code for number, code in found}


def installed_version() -> str:
    """The version of the installed ``wasmtime`` package. Raises ``EngineUnavailable``."""
    try:
        return importlib.metadata.version("wasmtime")
    except importlib.metadata.PackageNotFoundError:
        raise EngineUnavailable("wasmtime is not installed: pip install wasmtime, or use wasmtime@VERSION") from None


def _library(id: EngineId, offline: bool) -> str:
    """The library to load in place of the package's own, "" for none; a build that is missing is made."""
    if not (asked := id.get(BUILD)):
        return id.path
    return str(builds_of.library(id.version, Build.parse(asked), offline))


def _package(id: EngineId, offline: bool) -> str:
    """The folder that holds the ``wasmtime`` package whose bindings are to be used."""
    if id.path and not Path(id.path).is_file():
        raise EngineUnavailable(f"{id.path} is not a file")
    if id.version and id.version != _version_or_none():
        return str(_wheel(id, offline))
    installed_version()
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnavailable("wasmtime is installed but cannot be found: reinstall it")
    return str(Path(next(iter(spec.submodule_search_locations))).parent)


def _wheel(id: EngineId, offline: bool) -> Path:
    """The folder of the release's wheel; of a build, where there is no such wheel, of another with the same C API."""
    try:
        return provision.wasmtime(id.version, offline)
    except EngineUnavailable:
        if not id.get(BUILD):
            raise
        return provision.wasmtime(provision.newest(RELEASES, id.version.partition(".")[0], offline), offline)


def _own(id: EngineId) -> str:
    """The release that an id asks for, the installed one if it names none; "" for a library that is named."""
    return "" if id.path else id.version or installed_version()


def _foreign_loaded(id: EngineId, library: str, hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The version and notes of what a worker of another kind of machine has loaded."""
    if os.path.realpath(hello["library"]) != os.path.realpath(library):
        raise EngineUnavailable(f"{id}: {hello['library']} was loaded instead")
    machine = id.get(TARGET)
    if id.path:
        return f"development-{machine}", ()
    build, _ = foreign.build_of(id)
    version = builds_of.version_of(_own(id), build) if id.get(BUILD) else _own(id)
    return version, notes(TARGETS[machine])


def _version_or_none() -> str | None:
    try:
        return installed_version()
    except EngineUnavailable:
        return None


def _loaded(id: EngineId, package: str, own: str, hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The version and notes of what was loaded; refuses a library from elsewhere than ``own``, or else the package."""
    library = os.path.realpath(hello["library"])
    if own and library != os.path.realpath(own):
        raise EngineUnavailable(f"{id}: {library} was loaded instead")
    if id.path:
        return "development", ()
    if own:
        build = Build.parse(id.get(BUILD))
        words = f"{id.version} is built from its crates{build.words and ': '}{build.words}"
        return builds_of.version_of(id.version, build), (words,)
    if not library.startswith(os.path.realpath(package) + os.sep):
        raise EngineUnavailable(f"{id}: {library} was loaded instead of the one in {package}")
    folder = next(iter(sorted(Path(package).glob("wasmtime-*.dist-info"))), None)
    version = re.sub(r"^wasmtime-(.*)\.dist-info$", r"\1", folder.name) if folder else ""
    if id.version and version != id.version:
        raise EngineUnavailable(f"{id}: version {version or 'unknown'} was loaded instead")
    return version, ("release wheels are built without debug assertions",)
