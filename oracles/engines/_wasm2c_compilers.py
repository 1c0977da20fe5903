"""The C compilers behind wasm2c: which words compile and link, for this machine or another, and what runs the program.

``gcc`` and ``clang`` are what the PATH has, for another machine with its C library (``s390x-linux-gnu-gcc``); ``tcc``
makes code for this machine alone. ``zig`` is the clang in the Python package ziglang, which brings a C library for each
machine: ``zig-0.17.1`` names a release, ``zig`` is the newest in the cache, the one of this Python, or on the PATH.

The C library that zig links is made by it when the first program for a machine is; that takes a minute and is kept.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from oracles import provision
from oracles.emulation import Target, emulator
from oracles.engine import EngineUnavailable
from oracles.versions import is_release, version_key

NAMES: Final = ("gcc", "clang", "tcc", "zig")
"""The first is the default."""
FOREIGN: Final = ("gcc", "clang", "zig")
"""Those that make code for other machines."""
ZIG: Final = "ziglang"
_RELEASE: Final = re.compile(r"zig-(\d[\w.]*)\Z")
_SEARCHED: Final = re.compile(r"^#include <\.\.\.> search starts here:\n((?: .*\n)+)", re.M)
CONFORMING: Final = {
    "gcc": ("-fno-optimize-sibling-calls", "-frounding-math", "-fsignaling-nans"),
    "clang": ("-fno-optimize-sibling-calls", "-frounding-math"),
    "tcc": (),
}
"""What wasm2c's documentation asks for: without these a compiler may take liberties with floats and with calls."""
_VECTORS: Final = {"riscv64": "rv64gcv", "s390x": "z14"}
"""CPUs of machines that need not have vector registers: clang takes wasm2c's loads of vectors only where there are any,
which gcc does not ask for."""
_STACK: Final = 256 << 20
"""Bytes of stack that an emulator is to give a program."""
_COUNTED: Final = ("-DWASM_RT_STACK_DEPTH_COUNT=1", "-DWASM_RT_MAX_CALL_STACK_DEPTH=4000")
"""wasm2c tells a stack that is full from a memory that ends by the code that a signal comes with, and the emulator has
the same one for both. So calls are counted, as wasm2c does by itself where bytes are in the other order."""
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Compiler:
    """``compile`` and ``link`` are the words that stand before files, ``conforming`` options for the module's own code,
    ``run`` the words before a program. ``said`` is what it says that it is; ``makes_library``: it makes a C library
    when it first links."""

    compile: tuple[str, ...]
    link: tuple[str, ...]
    conforming: tuple[str, ...]
    run: tuple[str, ...]
    said: str
    env: Mapping[str, str] = field(default_factory=dict)
    makes_library: bool = False


def is_name(cc: str) -> bool:
    """Whether a compiler can be called so."""
    return cc in NAMES or _RELEASE.match(cc) is not None


def compiler(cc: str, target: Target | None, march: str, offline: bool, checked: bool = False) -> Compiler:
    """A compiler for a machine, None for this one; ``checked``: for memories without guard pages. Raises
    ``EngineUnavailable``."""
    run = emulator(target, static=True) if target else ()
    if target is not None and cc != "gcc":
        march = march or _VECTORS.get(target.name, "")
    extra = [f"-march={march}"] if march else []
    extra += ["-DWASM_RT_MEMCHECK_BOUNDS_CHECK=1"] if checked else []
    if target is not None:
        # wasm2c's own build finds this out; whoever compiles what it wrote has to say it.
        extra += ["-DWABT_BIG_ENDIAN=1"] if target.big_endian else []
        extra += ["-mzvector"] if march and target.name == "s390x" else []
    if run:
        extra += _COUNTED
        run = (*run, "-s", str(_STACK))
    if cc.partition("-")[0] == "zig":
        return _zig(_RELEASE.match(cc), target, tuple(extra), run, offline)
    named = f"{target.gnu}-gcc" if target and cc == "gcc" else cc
    found = shutil.which(named)
    if found is None:
        debian = f"gcc-{target.gnu.replace('_', '-')}" if target and cc == "gcc" else cc
        raise EngineUnavailable(f"wasm2c:cc={cc} takes {named}, which is not installed: apt-get install {debian}")
    words = (found, *((f"--target={target.gnu}",) if target and cc == "clang" else ()))
    # A program that has its C library in it needs none where the emulator runs it.
    link = (*words, "-static") if target else words
    return Compiler((*words, *extra), link, CONFORMING[cc], run, _said((found, "-v" if cc == "tcc" else "--version")))


# zig


def _zig(
    release: re.Match[str] | None, target: Target | None, extra: tuple[str, ...], run: tuple[str, ...], offline: bool
) -> Compiler:
    """Its driver ``zig cc`` has one optimisation level for all that clang has, and checks of its own at ``-O0``: so
    code is compiled by clang itself (``zig clang``), and only linked by the driver, which has the C library."""
    program = _program(release[1] if release else "", offline)
    triple = f"{target.name if target else platform.machine()}-linux-musl"
    env = {"ZIG_GLOBAL_CACHE_DIR": str(provision.cache_root() / ZIG / ".cache"), "ZIG_LOCAL_CACHE_DIR": ".zig"}
    words = [program, "cc", "-target", triple, "-E", "-v", "-x", "c", os.devnull]
    with tempfile.TemporaryDirectory(prefix="fuzz-zig-") as scratch:
        found = _SEARCHED.search(_output(words, {**env, "ZIG_LOCAL_CACHE_DIR": scratch}))
    if found is None:
        raise EngineUnavailable(f"{program} does not say where its C library's headers for {triple} are")
    folders = [part for line in found[1].splitlines() for part in ("-isystem", line.strip())]
    compile_ = (program, "clang", "-target", triple, "-nostdinc", *folders, *extra)
    link = (program, "cc", "-target", triple, "-O2")
    said = f"zig {_said((program, 'version'))}, {_said((program, 'clang', '--version'))}"
    return Compiler(compile_, link, CONFORMING["clang"], run, said, env, True)


def _at_hand() -> list[str]:
    """The releases of the Python package that are in the cache, and the one of this Python, older ones first."""
    return sorted({*provision.installed(ZIG), *filter(None, (provision.own(ZIG),))}, key=version_key)


def fetch(cc: str, offline: bool) -> None:
    """Bring zig here if it is asked for and missing, the newest that is offered unless a release is named. Raises
    ``EngineUnavailable``."""
    release = _RELEASE.match(cc)
    if cc == "zig" and not offline and not _at_hand() and not shutil.which(cc):
        offered = sorted(filter(is_release, provision.offered(ZIG)), key=version_key)
        provision.wheel(ZIG, offered[-1], offline)
    elif release is not None:
        _program(release[1], offline)


def _program(version: str, offline: bool) -> str:
    """The path of zig, which is fetched if a release is asked for and missing. Raises ``EngineUnavailable``."""
    at_hand = _at_hand()
    version = version or (at_hand[-1] if at_hand else "")
    if version:
        return str(provision.own_or_wheel(ZIG, ZIG, version, offline) / ZIG / "zig")
    if on_path := shutil.which("zig"):
        return on_path
    raise EngineUnavailable("no zig is at hand: fuzz engines install wasm2c@VERSION:cc=zig")


def _said(words: tuple[str, ...]) -> str:
    """The first line that a compiler says of itself."""
    return (_output(list(words), {}).strip() or words[0]).splitlines()[0]


def _output(words: list[str], env: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False, timeout=_SECONDS, env={**os.environ, **env},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{words[0]} does not run: {error}") from None
    return done.stdout
