"""Wasmtime's settings, as an engine's id has them: which there are, what goes together, and their canonical form.

    opt=none|speed|speed_and_size       Cranelift's optimisation level
    regalloc=backtracking|single_pass   regalloc2's algorithm
    checker                             regalloc2's symbolic checker after every allocation
    winch, pulley                       the baseline compiler; the portable interpreter behind Cranelift
    target=aarch64|riscv64|s390x|...    on a machine of that kind, by an emulator where this is none
    collector=drc|null|copying          the garbage collector, of a build
    cpu=PRESET                          no instructions beyond those of a CPU of that time; any: drawn by a campaign
    nan=canonical                       NaNs made canonical after every operation that may give one
    fuel, epochs                        code that counts what it executes; code that looks whether its time is over
    signals=off                         traps by comparing and branching, in place of the kernel's signals
    reservation, guard, growth=SIZE     address space of a memory, behind it, and for its growth
    moves=off                           a memory that grows stays where it is
    cow                                 initial contents of memories are mapped, and copied when written to
    stack=SIZE                          what WebAssembly may have of the stack
    unwind=off, debug                   no tables for unwinders; native debug information
    flag.NAME=VALUE                     any Cranelift flag
    features=exact                      only those that the case names (otherwise all that the release takes)

A SIZE is a number of bytes, with K, M or G behind it for KiB, MiB or GiB.
"""

from __future__ import annotations

import re
from typing import Final

from oracles.builds.options import Build
from oracles.emulation import TARGET, TARGETS
from oracles.engine import BUILD, EngineId, UsageError
from wasm.errors import nearest

PRESETS: Final = ("sse2", "ssse3", "avx", "avx2", "avx512")
"""Older ones first."""
_SINCE: Final[dict[str, tuple[str, ...]]] = {
    "sse2": (),
    "ssse3": ("sse3", "ssse3"),
    "avx": ("sse41", "sse42", "popcnt", "avx"),
    "avx2": ("avx2", "fma", "bmi1", "bmi2", "lzcnt"),
    "avx512": ("avx512bitalg", "avx512dq", "avx512f", "avx512vbmi", "avx512vl"),
}
"""By preset, Cranelift's flags without ``has_`` of what came with it."""
ANY: Final = "any"
VALUES: Final = {
    "opt": ("none", "speed", "speed_and_size"),
    "regalloc": ("backtracking", "single_pass"),
    "checker": ("on",),
    "winch": ("on",),
    "pulley": ("on",),
    TARGET: tuple(TARGETS),
    "collector": ("drc", "null", "copying"),
    "cpu": (*PRESETS, "host", ANY),
    "nan": ("canonical",),
    "fuel": ("on",),
    "epochs": ("on",),
    "signals": ("off", "on"),
    "moves": ("off", "on"),
    "cow": ("on",),
    "unwind": ("off", "on"),
    "debug": ("on",),
    "features": ("max", "exact"),
}
SIZES: Final = ("reservation", "guard", "growth", "stack")
DEFAULTS: Final = {
    "opt": "speed", "regalloc": "backtracking", "cpu": "host", "signals": "on", "moves": "on", "unwind": "on",
    "features": "max",
}  # fmt: skip
ORDER: Final = (BUILD, TARGET, "opt", "regalloc", "checker", "winch", "pulley", "collector", "cpu", "nan", "fuel",
                "epochs", "signals", *SIZES, "moves", "cow", "unwind", "debug", "features")  # fmt: skip
OWN: Final = ("collector", "nan", "fuel", "epochs", "signals", *SIZES, "moves", "cow", "unwind", "debug")
"""Those that change the code's surroundings and can each be left out."""
_OF_CRANELIFT: Final = ("opt", "regalloc", "checker", "pulley", "nan")
_STACK: Final = (512 << 10, 4 << 20)
"""Below, cases do not fit that fit elsewhere; above, it is more than the process has."""
_UNITS: Final = (("G", 30), ("M", 20), ("K", 10), ("", 0))
_SIZE: Final = re.compile(r"(\d{1,12})([KMG]?)\Z")


def canonical(id: EngineId) -> EngineId:
    """Settings in a fixed order, without defaults; ``wasmtime`` alone is ``wasmtime:opt=speed``.

    Raises ``UsageError``.
    """
    settings = {key: _value(key, value) for key, value in id.settings}
    if BUILD in settings and not id.version:
        text = "a path is a build already" if id.path else f"write wasmtime@33.0.0:{BUILD}={settings[BUILD]}"
        raise UsageError(f"{BUILD} is of a release: {text}")
    _together(settings)
    kept = {key: value for key, value in settings.items() if DEFAULTS.get(key) != value}
    if not kept:
        kept = {"opt": "speed"}
    order = sorted(kept.items(), key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0]))
    return EngineId(id.name, id.version, id.path, tuple(order))


def _value(key: str, value: str) -> str:
    """A setting's value in its canonical form."""
    if key == BUILD:
        return str(Build.parse(value))
    if key.startswith("flag."):
        return value
    if key in SIZES:
        size = bytes_of(key, value)
        if key == "stack" and not _STACK[0] <= size <= _STACK[1]:
            raise UsageError(f"stack={value} is not possible: stack is from 512K to 4M")
        return next(
            f"{size >> shift}{unit}" for unit, shift in _UNITS if size % (1 << shift) == 0 and (size or not unit)
        )
    if key not in VALUES:
        known = (BUILD, *VALUES, *SIZES)
        raise UsageError(
            f"{key} is no setting of wasmtime{nearest(key, known)}: it has {', '.join(known)} and flag.NAME"
        )
    if value not in VALUES[key]:
        hint = nearest(value, VALUES[key])
        raise UsageError(f"{key}={value} is not possible{hint}: {key} is {' or '.join(VALUES[key])}")
    return value


def bytes_of(key: str, value: str) -> int:
    """The bytes that a SIZE stands for. Raises ``UsageError``."""
    matched = _SIZE.match(value)
    if matched is None:
        raise UsageError(f"{key}={value} is no size: write {key}=65536, {key}=64K or {key}=0")
    return int(matched[1]) << dict(_UNITS)[matched[2]]


def _together(settings: dict[str, str]) -> None:
    """Raises ``UsageError`` where settings exclude each other."""
    if "winch" in settings:
        for key in settings:
            if key in _OF_CRANELIFT or key.startswith("flag."):
                raise UsageError(f"winch has no {key}: it is a compiler of its own")
    if TARGET in settings and "cpu" in settings:
        raise UsageError("presets are of x86-64 CPUs: with a target write flag.has_NAME=false")
    if "pulley" in settings and ("cpu" in settings or any(key.startswith("flag.has_") for key in settings)):
        raise UsageError("pulley has no CPU flags")


def worker_settings(id: EngineId) -> dict[str, str]:
    """What the worker is told to set. Sizes are in bytes; a preset is the flags to be off, with commas between them.

    Raises ``UsageError`` for ``cpu=any``, which only a campaign makes one of.
    """
    settings = {key: value for key, value in id.settings if key not in ("features", BUILD, TARGET, "cpu")}
    for key in SIZES:
        if key in settings:
            settings[key] = str(bytes_of(key, settings[key]))
    if preset := id.get("cpu"):
        settings["cpu"] = ",".join(_beyond(preset))
    return settings


def _beyond(preset: str) -> list[str]:
    """What a CPU has that came after a preset."""
    if preset == ANY:
        raise UsageError(f"cpu={ANY} is drawn by fuzz run: here name one of {', '.join(PRESETS)}")
    later = PRESETS[PRESETS.index(preset) + 1 :] if preset in PRESETS else ()
    return [flag for name in later for flag in _SINCE[name]]


def runnable(flags: frozenset[str]) -> tuple[str, ...]:
    """The presets that a CPU with these flags, in Linux' words, can run: those before the newest, and ``host``."""
    newest = 0
    for at, name in enumerate(PRESETS):
        if all(_LINUX.get(flag, flag) in flags for flag in _SINCE[name]):
            newest = at
        else:
            break
    return (*PRESETS[:newest], "host")


_LINUX: Final = {"sse3": "pni", "sse41": "sse4_1", "sse42": "sse4_2", "lzcnt": "abm",
                 "avx512bitalg": "avx512_bitalg"}  # fmt: skip
"""Flags that ``/proc/cpuinfo`` calls otherwise."""
